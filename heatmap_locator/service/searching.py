"""What the engine's threads do: puzzles' features are made and kept, pieces searched in them."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from heatmap_locator.errors import InputError
from heatmap_locator.model.memory import free_bytes
from heatmap_locator.service.jobs import Batch, Job
from heatmap_locator.service.metrics import Metrics
from heatmap_locator.service.squaring import Loaded

if TYPE_CHECKING:
    from heatmap_locator.locator import Locator, Puzzle

Load = Callable[[str, int], Loaded]
"""(puzzle, version) to its picture with what is known of it."""


class Searching:
    """One model on one device.  Threads share it.

    Args:
        locator: the model.
        load: reads a puzzle's picture when its features are not in memory.
        cache: most puzzles whose features are kept in memory; the least recently used go.
    """

    def __init__(self, locator: "Locator", load: Load, cache: int, metrics: Metrics) -> None:
        self._locator, self._load, self._cache, self._metrics = locator, load, cache, metrics
        self._puzzles: OrderedDict[tuple[str, int], Puzzle] = OrderedDict()
        self._lock = Lock()

    def do(self, batch: Batch) -> None:
        """Answers the jobs of a batch, or raises what is the answer to all of them."""
        puzzle = self._puzzle(batch.puzzle, batch.version)
        if batch.jobs[0].image is None:
            batch.jobs[0].answer.set_result(None)
        else:
            self._search(puzzle, batch.jobs)

    def forget(self, old: Callable[[str, int], bool]) -> None:
        """Drop the features of those (puzzle, version) that are old."""
        with self._lock:
            for key in [key for key in self._puzzles if old(*key)]:
                del self._puzzles[key]

    def has_room(self, puzzle: str, version: int) -> bool:
        """Whether memory is left for one more search in a puzzle that is in work."""
        with self._lock:
            known = self._puzzles.get((puzzle, version))
        if known is None:  # its features are being made, and are not made twice
            return False
        left = free_bytes(self._locator.device)
        return left is None or left > known.search_bytes

    def _puzzle(self, puzzle: str, version: int) -> "Puzzle":
        key = (puzzle, version)
        with self._lock:
            if key in self._puzzles:
                self._puzzles.move_to_end(key)
                return self._puzzles[key]
        loaded = self._load(puzzle, version)
        encoded = self._locator.encode(loaded.picture, grid=loaded.grid)
        if loaded.done is not None:
            encoded = encoded.with_done(loaded.done)
        self._metrics.encoded.inc()
        with self._lock:
            self._puzzles[key] = encoded
            while len(self._puzzles) > self._cache:
                self._puzzles.popitem(last=False)
        return encoded

    def _search(self, puzzle: "Puzzle", jobs: list[Job]) -> None:
        started = time.perf_counter()
        images = [job.image for job in jobs if job.image is not None]
        try:
            found = puzzle.search_many(images, jobs[0].top, jobs[0].cutout)
        except Exception:
            if len(jobs) == 1:
                raise
            # One of them, or their number, was too much for the device: each on its own then.
            for job in jobs:
                try:
                    self._search(puzzle, [job])
                except Exception as error:
                    job.answer.set_exception(error)
            return
        self._metrics.batch.observe(len(jobs))
        self._metrics.search_seconds.observe(time.perf_counter() - started)
        for job, answer in zip(jobs, found, strict=True):
            if isinstance(answer, InputError):  # it must not take the others with it
                job.answer.set_exception(answer)
            else:
                job.answer.set_result(answer)
