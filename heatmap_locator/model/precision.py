"""Which number format a device computes fastest in without losing what matters."""

import contextlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import Lock

import torch


@cache
def supports_bfloat16(device: str) -> bool:
    """Whether ``"cpu"`` or ``"cuda"`` multiplies bfloat16 in hardware."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return False  # an older processor, or one that is held to older instructions
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def autocast(device: torch.device) -> torch.autocast:
    """Context in which convolutions run in bfloat16 where the device is fast at it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=supports_bfloat16(device.type))


_lock = Lock()
_within = 0
_outside: torch.dtype | None = None


@contextlib.contextmanager
def single_precision() -> Iterator[None]:
    """Context, or decorator, in which new tensors are of single precision.

    A program may have set another default.  It is a setting of the whole process: the last of
    several threads to leave puts it back.
    """
    global _within, _outside
    with _lock:
        if _within == 0:
            _outside = torch.get_default_dtype()
            if _outside != torch.float32:
                torch.set_default_dtype(torch.float32)
        _within += 1
    try:
        yield
    finally:
        with _lock:
            _within -= 1
            if _within == 0 and _outside is not None and _outside != torch.float32:
                torch.set_default_dtype(_outside)
