"""The thread that owns the model: puzzles take turns, jobs of one puzzle are searched together."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.grid import Grid
from heatmap_locator.service.metrics import Metrics
from heatmap_locator.service.settings import Settings
from heatmap_locator.service.storage import GoneError

if TYPE_CHECKING:
    from heatmap_locator.locator import Locator, Puzzle, Search

Load = Callable[[str, int], tuple[np.ndarray, Grid | None]]
"""(puzzle, version) to its squared-up picture, (H, W, 3) uint8, and its grid."""

TURN = 1.0
"""Seconds after which a puzzle gives way to others that wait, when what it has in work is done."""

LAST = 1.0
"""Seconds that a stop waits for what is in work."""


class Device(Protocol):
    """What searches: the engine of this process, or one elsewhere in a cluster."""

    @property
    def ready(self) -> bool: ...

    def encode(self, puzzle: str, version: int) -> "Future[None]":
        """Make a puzzle's features ready."""
        ...

    def search(
        self, puzzle: str, version: int, image: np.ndarray, top: int, cutout: bool = False
    ) -> "Future[Search]":
        """Search one piece, (H, W, 3) or (H, W, 4) uint8; arguments as ``Puzzle.search``'s."""
        ...

    def forget(self, puzzle: str, before: int | None = None) -> None:
        """Drop a puzzle's features, and its jobs with GoneError.

        Args:
            before: only those of older versions than this.
        """
        ...


def load_locator(settings: Settings) -> "Locator":
    """The model, with its outline network, that settings ask for.

    Raises:
        WeightsError: a file is missing, damaged or of another version.
        InputError: there is no such device.
    """
    from heatmap_locator.locator import Locator

    return Locator.from_pretrained(settings.weights, settings.device, settings.outline_weights)


def together(locator: "Locator", batch: int) -> int:
    """Most pieces to search together: ``batch``, and one on a CPU.

    A CPU gains nothing by more, and after each piece it can turn to another puzzle.
    """
    return 1 if locator.device.type == "cpu" else batch


@dataclass
class _Job:
    puzzle: str
    version: int
    future: "Future[Any]"
    image: np.ndarray | None = None
    top: int = 1
    cutout: bool = False

    @property
    def kind(self) -> tuple[str, int, int, bool]:
        """Jobs of one kind are searched together."""
        return self.puzzle, self.version, self.top, self.cutout

    def goes_with(self, other: "_Job") -> bool:
        return self.image is not None and other.image is not None and self.kind == other.kind


class Engine:
    """One model on one device.

    What is in work cannot be interrupted: who comes waits for a batch, or one encoding, of each
    other puzzle at most.

    Args:
        locator: the model.
        load: reads a puzzle's picture when its features are not in memory.
        batch: most pieces searched together.
        cache: most puzzles whose features are kept in memory; the least recently used go.
    """

    def __init__(
        self, locator: "Locator", load: Load, batch: int, cache: int, metrics: Metrics
    ) -> None:
        self._locator, self._load = locator, load
        self._batch, self._cache, self._metrics = batch, cache, metrics
        self._puzzles: OrderedDict[tuple[str, int], Puzzle] = OrderedDict()
        self._lines: OrderedDict[str, deque[_Job]] = OrderedDict()  # the first one's turn is next
        self._turn_ends = 0.0
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="heatmap-engine", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether jobs are being done."""
        return self._thread.is_alive() and not self._stopping

    def encode(self, puzzle: str, version: int) -> "Future[None]":
        return self._submit(_Job(puzzle, version, Future()))

    def search(
        self, puzzle: str, version: int, image: np.ndarray, top: int, cutout: bool = False
    ) -> "Future[Search]":
        return self._submit(_Job(puzzle, version, Future(), image, top, cutout))

    def forget(self, puzzle: str, before: int | None = None) -> None:
        def old(version: int) -> bool:
            return before is None or version < before

        with self._wake:
            for key in [key for key in self._puzzles if key[0] == puzzle and old(key[1])]:
                del self._puzzles[key]
            line = self._lines.pop(puzzle, deque())
            kept = deque(job for job in line if not old(job.version))
            if kept:
                self._lines[puzzle] = kept
            self._count()
        for job in line:
            if old(job.version) and job.future.set_running_or_notify_cancel():
                job.future.set_exception(GoneError(puzzle))

    def stop(self) -> bool:
        """Ends the thread after the batch in work; what waits is cancelled.

        Returns:
            Whether the thread has ended; what is in work may take long, and nobody waits for it.
        """
        with self._wake:
            self._stopping = True
            waiting = [job for line in self._lines.values() for job in line]
            self._lines.clear()
            self._count()
            self._wake.notify()
        for job in waiting:
            job.future.cancel()
        self._thread.join(timeout=LAST)
        return not self._thread.is_alive()

    def _submit(self, job: _Job) -> "Future[Any]":
        with self._wake:
            if not self.ready:
                job.future.set_exception(RuntimeError("the engine has stopped"))
            else:
                self._lines.setdefault(job.puzzle, deque()).append(job)
                self._count()
                self._wake.notify()
        return job.future

    def _count(self) -> None:
        self._metrics.queue.set(sum(map(len, self._lines.values())))

    def _next(self, served: str) -> list[_Job]:
        """The oldest job of the puzzle whose turn it is, with those that go together with it.

        Args:
            served: the puzzle that had the last batch, and goes on while its turn lasts.
        """
        with self._wake:
            while not self._lines and not self._stopping:
                self._wake.wait()
            if self._stopping:
                return []
            now = time.monotonic()
            if served not in self._lines or now >= self._turn_ends:
                served, self._turn_ends = next(iter(self._lines)), now + TURN
            line = self._lines.pop(served)
            jobs, rest = [line.popleft()], deque[_Job]()
            for job in line:
                if len(jobs) < self._batch and job.goes_with(jobs[0]):
                    jobs.append(job)
                else:
                    rest.append(job)
            if rest:
                self._lines[served] = rest  # behind all others
            self._count()
            return jobs

    def _run(self) -> None:
        served = ""
        while jobs := self._next(served):
            served = jobs[0].puzzle
            # A caller that has gone has cancelled its future.
            jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
            if not jobs:
                continue
            try:
                puzzle = self._puzzle(jobs[0].puzzle, jobs[0].version)
                if jobs[0].image is None:
                    jobs[0].future.set_result(None)
                    continue
                self._search(puzzle, jobs)
            except BaseException as error:  # whatever it is belongs to the callers
                for job in jobs:
                    if not job.future.done():
                        job.future.set_exception(error)
            jobs = []

    def _puzzle(self, puzzle: str, version: int) -> "Puzzle":
        key = (puzzle, version)
        with self._wake:
            if key in self._puzzles:
                self._puzzles.move_to_end(key)
                return self._puzzles[key]
        picture, grid = self._load(puzzle, version)
        encoded = self._locator.encode(picture, grid=grid)
        self._metrics.encoded.inc()
        with self._wake:
            self._puzzles[key] = encoded
            while len(self._puzzles) > self._cache:
                self._puzzles.popitem(last=False)
        return encoded

    def _search(self, puzzle: "Puzzle", jobs: list[_Job]) -> None:
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
                    job.future.set_exception(error)
            return
        self._metrics.batch.observe(len(jobs))
        self._metrics.search_seconds.observe(time.perf_counter() - started)
        for job, answer in zip(jobs, found, strict=True):
            if isinstance(answer, InputError):  # it must not take the others with it
                job.future.set_exception(answer)
            else:
                job.future.set_result(answer)
