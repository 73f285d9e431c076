"""How much memory is left, so that what does not fit is refused instead of killed."""

import re
from pathlib import Path

import torch

_MEMINFO, _GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def free_bytes(device: torch.device) -> int | None:
    """Memory that is left on a device; ``None`` where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    left = [bytes_ for bytes_ in (_of_machine(), _of_group()) if bytes_ is not None]
    return min(left, default=None)


def _of_machine() -> int | None:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _read(_MEMINFO), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _of_group() -> int | None:
    """What a container may still take; cached files make room."""
    limit, used = (_read(_GROUP / f"memory.{name}").strip() for name in ("max", "current"))
    if not (limit.isdigit() and used.isdigit()):
        return None
    cached = re.search(r"^inactive_file (\d+)$", _read(_GROUP / "memory.stat"), re.MULTILINE)
    return max(0, int(limit) - int(used) + (int(cached[1]) if cached else 0))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
