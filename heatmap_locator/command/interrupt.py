"""Ctrl-C ends the command at once, also in the middle of a long native call.

Python looks at signals between its own instructions only.  Here a thread of its own waits for the
interrupt, removes what is half-written, and ends the process.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from heatmap_locator.outcome import INTERRUPTED

_unfinished: set[Path] = set()


def end_at_once() -> None:
    """Have an interrupt end this process with ``INTERRUPTED``; call it before threads are made."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows has Python's way alone
        return
    # Threads made later inherit it, so that the waiting one alone gets the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    threading.Thread(target=_wait, name="interrupt", daemon=True).start()


def _wait() -> None:
    signal.sigwait({signal.SIGINT})
    for path in list(_unfinished):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    os._exit(INTERRUPTED)


@contextlib.contextmanager
def unfinished(path: Path) -> Iterator[None]:
    """Context in which a file is written that an interrupt removes."""
    _unfinished.add(path)
    try:
        yield
    finally:
        _unfinished.discard(path)
