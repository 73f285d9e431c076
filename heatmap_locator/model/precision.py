"""Which number format a device computes fastest in without losing what matters."""

from functools import cache
from pathlib import Path

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
