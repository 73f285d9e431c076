"""The size limit of the storage: the oldest puzzles go, those in use never do."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator

from heatmap_locator.service.metrics import Metrics
from heatmap_locator.service.problems import Problem
from heatmap_locator.service.storage import Storage, Usage

_NOTE_EVERY = 60.0
"""Seconds between notes of a puzzle's use: each costs a write."""

_log = logging.getLogger("heatmap_locator.service")


class Retention:
    """Keeps the storage under a limit.

    Args:
        limit: bytes.
        keep: seconds after its last use for which a puzzle is never removed.
    """

    def __init__(self, storage: Storage, limit: int, keep: float, metrics: Metrics) -> None:
        self._storage, self._limit, self._keep = storage, limit, keep
        self._metrics = metrics
        self._noted: dict[str, float] = {}
        self._noting, self._counting = threading.Lock(), threading.Lock()
        self._reserved = 0

    def use(self, puzzle: str) -> None:
        """Notes that a puzzle is used."""
        at = time.monotonic()
        with self._noting:
            if at - self._noted.get(puzzle, -_NOTE_EVERY) < min(_NOTE_EVERY, self._keep / 2):
                return
            self._noted[puzzle] = at
            if len(self._noted) > 10_000:
                self._noted.clear()
        self._storage.touch(puzzle)

    @contextlib.contextmanager
    def room(self, size: int, puzzle: str | None = None) -> Iterator[list[str]]:
        """So many bytes of the limit are held while the context lasts, and are written in it.

        Puzzles are removed until they fit beside all that is kept and held, the oldest first.
        Other processes on the same storage hold their own.

        Args:
            puzzle: the one that they are for, which stays.

        Yields:
            Those that were removed.

        Raises:
            Problem: 507, all that is left is in use.
        """
        removed = self._reserve(size, puzzle)
        try:
            yield removed
        finally:
            with self._counting:
                self._reserved -= size

    def _reserve(self, size: int, puzzle: str | None) -> list[str]:
        with self._counting:
            total = self._storage.size()
            removed: list[str] = []
            if total + self._reserved + size > self._limit:
                usage = self._storage.usage()
                total = sum(entry.size for entry in usage)
                for entry in self._going(usage, total + self._reserved + size, puzzle):
                    _log.warning("removing puzzle %s (%d bytes) to make room", entry.id, entry.size)
                    self._storage.delete_puzzle(entry.id)
                    self._metrics.removed.inc()
                    total -= entry.size
                    removed.append(entry.id)
            self._reserved += size
            self._metrics.stored.set(total + self._reserved)
            return removed

    def _going(self, usage: list[Usage], total: int, puzzle: str | None) -> list[Usage]:
        """Those to remove for a total of so many bytes to come under the limit."""
        going = []
        for entry in usage:
            if total <= self._limit:
                break
            if entry.id != puzzle and entry.used < time.time() - self._keep:
                going.append(entry)
                total -= entry.size
        if total > self._limit:
            raise Problem(
                507,
                "the storage is full of puzzles in use; delete one or try again later",
                "storage-full",
            )
        return going
