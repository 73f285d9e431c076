"""The model's threads: puzzles take turns, also in the middle of a search."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from functools import partial
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.service.jobs import Answer, Batch, GivenUpError, Interruptible, Job, may_pause
from heatmap_locator.service.metrics import Metrics
from heatmap_locator.service.squaring import Loaded
from heatmap_locator.service.storage import GoneError

if TYPE_CHECKING:
    from heatmap_locator.locator import Locator, Puzzle, Search

Load = Callable[[str, int], Loaded]
"""(puzzle, version) to its picture with what is known of it."""

TURN = 1.0
"""Seconds after which a puzzle gives way to others that wait."""

LANES = 4
"""Puzzles whose searches may be begun and not ended; each holds its memory meanwhile."""

LAST = 1.0
"""Seconds that a stop waits for what is in work."""


class Engine:
    """One model on one device.

    One thread computes at a time.  After its turn a search pauses where it is, and goes on when the
    others that wait have had theirs; what nobody wants any more ends at its next step.

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
        self._lines: dict[str, deque[Job]] = {}
        self._begun: dict[str, Batch] = {}
        self._order: OrderedDict[str, None] = OrderedDict()  # of both; the first one's turn is next
        self._turn: str | None = None
        self._turn_ends = 0.0
        self._idle = 0
        self._wake = Condition()
        self._stopping = False
        self._threads = [
            Thread(target=self._run, name=f"heatmap-engine-{n}", daemon=True) for n in range(LANES)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def ready(self) -> bool:
        """Whether jobs are being done."""
        return not self._stopping and all(thread.is_alive() for thread in self._threads)

    def encode(self, puzzle: str, version: int) -> "Future[None]":
        return self._submit(Job(puzzle, version, Answer(self._drop_unwanted)))

    def search(
        self, puzzle: str, version: int, image: np.ndarray, top: int, cutout: bool = False
    ) -> "Future[Search]":
        answer = Answer(self._drop_unwanted)
        return self._submit(Job(puzzle, version, answer, image, top, cutout))

    def forget(self, puzzle: str, before: int | None = None) -> None:
        def old(version: int) -> bool:
            return before is None or version < before

        with self._wake:
            for key in [key for key in self._puzzles if key[0] == puzzle and old(key[1])]:
                del self._puzzles[key]
            line = self._lines.pop(puzzle, deque())
            if kept := deque(job for job in line if not old(job.version)):
                self._lines[puzzle] = kept
            batch = self._begun.get(puzzle)
            if batch is not None and old(batch.version):
                batch.over = GoneError(puzzle)
            self._tidy(puzzle)
            self._give()
            self._wake.notify_all()
        for job in line:
            if old(job.version) and job.answer.set_running_or_notify_cancel():
                job.answer.set_exception(GoneError(puzzle))

    def stop(self) -> bool:
        """Gives up all that waits or is in work.

        Returns:
            Whether the threads have ended; nobody waits for a step that takes long.
        """
        with self._wake:
            self._stopping = True
            waiting = [job for line in self._lines.values() for job in line]
            self._lines.clear()
            for batch in self._begun.values():
                batch.over = CancelledError()
            self._count()
            self._wake.notify_all()
        for job in waiting:
            job.answer.cancel()
        end = time.monotonic() + LAST
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    # ------------------------------------------------------------------- turns
    # All of these are called with _wake held.

    def _tidy(self, puzzle: str) -> None:
        """Keeps a puzzle in the order while it has work."""
        if puzzle in self._lines or puzzle in self._begun:
            self._order.setdefault(puzzle)
        else:
            self._order.pop(puzzle, None)
            if self._turn == puzzle:
                self._turn = None
        self._count()

    def _count(self) -> None:
        self._metrics.queue.set(sum(map(len, self._lines.values())))

    def _give(self) -> None:
        """Gives the turn, where nobody has it, to the puzzle that is next."""
        if self._turn is not None:
            return
        for puzzle in self._order:
            if puzzle in self._begun or self._idle:
                self._turn, self._turn_ends = puzzle, time.monotonic() + TURN
                self._wake.notify_all()
                return

    def _take(self, puzzle: str) -> Batch:
        """A puzzle's oldest job, with those that go together with it."""
        line = self._lines.pop(puzzle)
        batch, rest = Batch([line.popleft()]), deque[Job]()
        for job in line:
            if len(batch.jobs) < self._batch and job.goes_with(batch.jobs[0]):
                batch.jobs.append(job)
            else:
                rest.append(job)
        if rest:
            self._lines[puzzle] = rest
        self._begun[puzzle] = batch
        self._count()
        return batch

    # ------------------------------------------------------------------ threads

    def _submit(self, job: Job) -> "Future[Any]":
        with self._wake:
            if not self.ready:
                job.answer.set_exception(RuntimeError("the engine has stopped"))
            else:
                self._lines.setdefault(job.puzzle, deque()).append(job)
                self._tidy(job.puzzle)
                self._give()
        return job.answer

    def _drop_unwanted(self) -> None:
        with self._wake:
            for batch in self._begun.values():
                if not any(job.answer.wanted for job in batch.jobs):
                    batch.over = CancelledError()
            self._wake.notify_all()

    def _begin(self) -> Batch | None:
        """The next batch, once there is one and it is its puzzle's turn; none at the end."""
        with self._wake:
            self._idle += 1
            self._give()
            self._wake.wait_for(
                lambda: self._stopping or (self._turn in self._lines.keys() - self._begun.keys())
            )
            self._idle -= 1
            if self._stopping or self._turn is None:
                return None
            return self._take(self._turn)

    def _step(self, batch: Batch) -> None:
        """Before each step of a search: gives way when its turn is over, ends what is given up."""
        if batch.over is None and time.monotonic() < self._turn_ends:
            return
        with self._wake:
            if batch.over is None and len(self._order) > 1 and may_pause():
                self._turn = None
                self._order.move_to_end(batch.puzzle)
                self._give()
                self._wake.wait_for(lambda: self._turn == batch.puzzle or batch.over is not None)
            if batch.over is not None:
                raise GivenUpError
            if len(self._order) == 1:
                self._turn_ends = time.monotonic() + TURN

    def _end(self, batch: Batch) -> None:
        with self._wake:
            del self._begun[batch.puzzle]
            if self._turn == batch.puzzle and time.monotonic() >= self._turn_ends:
                self._turn = None
            if self._turn != batch.puzzle:
                self._order.move_to_end(batch.puzzle)
            self._tidy(batch.puzzle)
            self._give()

    def _run(self) -> None:
        while batch := self._begin():
            # A caller that has gone has cancelled its future.
            batch.jobs = [
                job for job in batch.jobs if job.answer.set_running_or_notify_cancel()
            ] or batch.jobs
            try:
                if not batch.jobs[0].answer.cancelled():
                    with Interruptible(partial(self._step, batch)):
                        self._do(batch)
            except GivenUpError:
                batch.fail(batch.over or CancelledError())
            except BaseException as error:  # whatever it is belongs to the callers
                batch.fail(error)
            finally:
                self._end(batch)
            del batch

    def _do(self, batch: Batch) -> None:
        puzzle = self._puzzle(batch.puzzle, batch.version)
        if batch.jobs[0].image is None:
            batch.jobs[0].answer.set_result(None)
        else:
            self._search(puzzle, batch.jobs)

    def _puzzle(self, puzzle: str, version: int) -> "Puzzle":
        key = (puzzle, version)
        with self._wake:
            if key in self._puzzles:
                self._puzzles.move_to_end(key)
                return self._puzzles[key]
        loaded = self._load(puzzle, version)
        encoded = self._locator.encode(loaded.picture, grid=loaded.grid)
        if loaded.done is not None:
            encoded = encoded.with_done(loaded.done)
        self._metrics.encoded.inc()
        with self._wake:
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
