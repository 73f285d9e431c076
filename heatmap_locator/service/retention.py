"""The size limit of the storage: the oldest puzzles go, those in use never do."""

import logging
import threading
import time

from heatmap_locator.service.metrics import Metrics
from heatmap_locator.service.problems import Problem
from heatmap_locator.service.storage import Storage

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
        self._lock = threading.Lock()

    def use(self, puzzle: str) -> None:
        """Notes that a puzzle is used."""
        at = time.monotonic()
        with self._lock:
            if at - self._noted.get(puzzle, -_NOTE_EVERY) < min(_NOTE_EVERY, self._keep / 2):
                return
            self._noted[puzzle] = at
            if len(self._noted) > 10_000:
                self._noted.clear()
        self._storage.touch(puzzle)

    def make_room(self, size: int, puzzle: str | None = None) -> list[str]:
        """Removes puzzles until ``size`` bytes fit, the oldest first.

        Args:
            puzzle: the one that they are for, which stays.

        Returns:
            Those that were removed.

        Raises:
            Problem: 507, all that is left is in use.
        """
        with self._lock:
            usage = self._storage.usage()
            total = sum(entry.size for entry in usage)
            excess = total + size - self._limit
            going = []
            for entry in usage:
                if excess <= 0:
                    break
                if entry.id != puzzle and entry.used < time.time() - self._keep:
                    going.append(entry)
                    excess -= entry.size
            if excess > 0:
                raise Problem(
                    507,
                    "the storage is full of puzzles in use; delete one or try again later",
                    "storage-full",
                )
            for entry in going:
                _log.warning("removing puzzle %s (%d bytes) to make room", entry.id, entry.size)
                self._storage.delete_puzzle(entry.id)
                self._metrics.removed.inc()
            self._metrics.stored.set(total + size - sum(entry.size for entry in going))
            return [entry.id for entry in going]
