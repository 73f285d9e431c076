"""How much memory a piece of work needs at its peak."""

import contextlib
import ctypes
import os
import threading
from pathlib import Path
from types import TracebackType

_STATM = Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_INTERVAL = 0.02
"""Seconds between samples."""


class PeakMemory:
    """Samples the process's resident memory every 20 ms while it is entered.

    Native code's memory counts too, which Python's own tracing does not see.

    Attributes:
        megabytes: highest above what was resident on entry, 10^6 bytes; ``None`` before the end
            and where the system has no /proc.
    """

    def __init__(self) -> None:
        self.megabytes: float | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._before = self._highest = 0

    def __enter__(self) -> "PeakMemory":
        if _STATM.exists():
            _give_back()
            self._before = self._highest = _resident()
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._highest = max(self._highest, _resident())
            self.megabytes = (self._highest - self._before) * _PAGE / 1e6

    def _sample(self) -> None:
        while not self._stop.wait(_INTERVAL):
            self._highest = max(self._highest, _resident())


def _resident() -> int:
    """Pages."""
    return int(_STATM.read_text().split()[1])


def _give_back() -> None:
    """Free memory that the allocator keeps goes back: used again, it would not be seen."""
    with contextlib.suppress(OSError, AttributeError):  # another C library keeps it unseen
        ctypes.CDLL("libc.so.6").malloc_trim(0)
