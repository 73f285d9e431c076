"""Warnings while images are read: Pillow's are kept quiet, those of damage are told.

Python's filters of warnings belong to the process, and threads that change them at the same time
leave them changed.  So one thread at a time reads, or warns.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from heatmap_locator.errors import DamagedImageWarning

_LOCK = threading.RLock()


@contextmanager
def quiet() -> Iterator[None]:
    """Context in which nothing is warned of: what Pillow says of metadata is no news."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def warn_of_damage(message: str) -> None:
    """Warn with a ``DamagedImageWarning``."""
    with _LOCK:
        warnings.warn(message, DamagedImageWarning, stacklevel=3)
