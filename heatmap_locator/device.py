"""Which device, as far as it can be told before torch is loaded."""

import ctypes
import importlib.metadata
import sys

from heatmap_locator.errors import InputError

DEVICES = ("auto", "cpu", "cuda")

_DRIVERS = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}
"""The library of NVIDIA's driver, which torch loads too, by system."""


def check_device(device: str, name: str = "--device") -> None:
    """Refuse CUDA where it is plain that there is none; loading torch takes seconds.

    Args:
        device: one of ``DEVICES``.
        name: of the option.

    Raises:
        InputError: torch's build has no CUDA, or the driver is not installed.
    """
    if device == "cuda" and _without_cuda():
        raise InputError("no CUDA device here; use --device cpu", name=f"{name} {device}")


def _without_cuda() -> bool:
    """Whether torch cannot find a device; False where only torch can tell."""
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return False
    if "+cpu" in version:
        return True
    if "+rocm" in version:  # AMD's devices go by the same name
        return False
    driver = _DRIVERS.get(sys.platform)
    if driver is None:
        return sys.platform == "darwin"
    try:
        ctypes.CDLL(driver)
    except OSError:
        return True
    return False
