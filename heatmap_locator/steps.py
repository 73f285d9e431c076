"""Where long work may be paused or given up by whoever has it done.

What takes long calls :func:`step` between its parts, none of which takes more than a part of a
second with a puzzle of a few thousand pieces.  Nothing happens there unless somebody asked.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Asked(threading.local):
    call: Callable[[], None] | None = None


_asked = _Asked()


def step() -> None:
    """Between two parts of long work.

    Raises:
        whatever ends it.
    """
    if _asked.call is not None:
        _asked.call()


def asked_by_others() -> bool:
    """Whether something is called at the steps of this thread."""
    return _asked.call is not None


@contextmanager
def stepping(call: Callable[[], None]) -> Iterator[None]:
    """Context in which something is called at every step of this thread.

    Args:
        call: may raise, or wait.
    """
    before, _asked.call = _asked.call, call
    try:
        yield
    finally:
        _asked.call = before
