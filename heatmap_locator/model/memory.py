"""How much memory is left, so that what does not fit is refused instead of killed; and keeping
what is freed."""

import ctypes
import os
import re
import sys
from functools import cache
from pathlib import Path

import torch

_MEMINFO, _GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")

KEPT_BYTES, KEPT_BLOCK = 2**28, 2**26
"""Freed memory that a process keeps, and its largest block, where it asks to."""

# M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of mallopt(3), and the variables that set them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_VARIABLES = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


@cache
def keep_freed_memory() -> None:
    """Have this process keep what it frees for what it allocates next.

    glibc gives large blocks back to the system at once and gets them anew page by page.  A search
    frees and allocates the same megabytes over and over: of 0.3 s of processor time in a puzzle of
    150 pieces 0.03 were the system's, and none when they are kept (``os.times``).
    Whoever has set this by environment variables knows better; elsewhere nothing is done.
    """
    if sys.platform != "linux" or {"GLIBC_TUNABLES", *_VARIABLES} & os.environ.keys():
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, KEPT_BLOCK)


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
