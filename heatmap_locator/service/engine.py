"""The model's threads: puzzles take turns, also in the middle of a search."""

import time
from collections import OrderedDict, deque
from concurrent.futures import CancelledError, Future
from functools import partial
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from heatmap_locator.search.lanes import LANES
from heatmap_locator.service.jobs import Answer, Batch, GivenUpError, Job, may_pause
from heatmap_locator.service.metrics import Metrics
from heatmap_locator.service.searching import Load, Searching
from heatmap_locator.service.storage import GoneError
from heatmap_locator.steps import stepping

if TYPE_CHECKING:
    from heatmap_locator.locator import Locator, Search

TURN = 1.0
"""Seconds after which a puzzle gives way to others that wait."""

LAST = 1.0
"""Seconds that a stop waits for what is in work."""


class Engine:
    """One model on one device.

    So many searches compute at a time as the device takes side by side; the others that have begun
    pause where they are.  After its turn a search pauses, and goes on when the others that wait
    have had theirs; what nobody wants any more ends at its next step.

    Args:
        locator: the model.
        load: reads a puzzle's picture when its features are not in memory.
        batch: most pieces searched together.
        cache: most puzzles whose features are kept in memory; the least recently used go.
        abreast: most searches side by side, ``LANES`` at most; they share torch's threads.
    """

    def __init__(
        self,
        locator: "Locator",
        load: Load,
        batch: int,
        cache: int,
        metrics: Metrics,
        abreast: int = 1,
    ) -> None:
        self._searching = Searching(locator, load, cache, metrics)
        self._batch, self._metrics = batch, metrics
        self._abreast, self._torch_threads = abreast, torch.get_num_threads()
        self._lines: dict[str, deque[Job]] = {}
        self._begun: list[Batch] = []  # oldest first
        self._order: OrderedDict[str, None] = OrderedDict()  # of both; the first one's turn is next
        self._ready = deque[Batch]()  # of those begun, the ones that no thread has taken yet
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
        def old(other: str, version: int) -> bool:
            return other == puzzle and (before is None or version < before)

        with self._wake:
            self._searching.forget(old)
            line = self._lines.pop(puzzle, deque())
            if kept := deque(job for job in line if not old(puzzle, job.version)):
                self._lines[puzzle] = kept
            for batch in self._begun:
                if old(batch.puzzle, batch.version):
                    batch.over = GoneError(puzzle)
            self._tidy(puzzle)
            self._give()
            self._wake.notify_all()
        for job in line:
            if old(puzzle, job.version) and job.answer.set_running_or_notify_cancel():
                job.answer.set_exception(GoneError(puzzle))

    def stop(self) -> bool:
        """Gives up all that waits or is in work.

        Returns:
            Whether the threads have ended; nobody waits for a step that takes long.
        """
        with self._wake:
            self._stopping = True
            waiting = [job for line in self._lines.values() for job in line]
            waiting += [job for batch in self._ready for job in batch.jobs]
            self._lines.clear()
            for batch in self._begun:
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
        if puzzle in self._lines or any(batch.puzzle == puzzle for batch in self._begun):
            self._order.setdefault(puzzle)
        else:
            self._order.pop(puzzle, None)
        self._count()

    def _count(self) -> None:
        self._metrics.queue.set(sum(map(len, self._lines.values())))

    def _turns(self, puzzle: str | None = None) -> int:
        """Searches that compute, of one puzzle or of all."""
        own = (b for b in self._begun if puzzle is None or b.puzzle == puzzle)
        return sum(batch.turn_ends is not None for batch in own)

    def _paused(self, puzzle: str) -> Batch | None:
        """The oldest search of a puzzle that waits for its turn."""
        own = (b for b in self._begun if b.puzzle == puzzle)
        return next((b for b in own if b.turn_ends is None and b.over is None), None)

    def _can_use_a_turn(self, puzzle: str) -> bool:
        if self._paused(puzzle) is not None:
            return True
        if self._stopping or puzzle not in self._lines or len(self._begun) >= LANES:
            return False
        own = sum(batch.puzzle == puzzle for batch in self._begun)
        version = self._lines[puzzle][0].version
        return own == 0 or (own < self._abreast and self._searching.has_room(puzzle, version))

    def _give(self) -> None:
        """Gives the turns that nobody has, each to the puzzle that is next of those with least."""
        while self._turns() < self._abreast:
            able = [puzzle for puzzle in self._order if self._can_use_a_turn(puzzle)]
            if not able:
                return
            self._grant(min(able, key=self._turns), time.monotonic() + TURN)

    def _grant(self, puzzle: str, ends: float) -> None:
        """Gives a turn to a puzzle's search that waits for one, or to its next."""
        batch = self._paused(puzzle) or self._take(puzzle)
        batch.turn_ends = ends
        self._wake.notify_all()

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
        wanted = 1 + self._turns() + sum(map(len, self._lines.values()))
        batch.threads = max(1, self._torch_threads // min(wanted, self._abreast))
        self._begun.append(batch)
        self._ready.append(batch)
        self._count()
        return batch

    def _others_wait(self, puzzle: str) -> bool:
        """Whether a puzzle with fewer turns has a use for one."""
        own = self._turns(puzzle)
        return any(
            self._turns(other) < own and self._can_use_a_turn(other)
            for other in self._order
            if other != puzzle
        )

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
            for batch in self._begun:
                if not any(job.answer.wanted for job in batch.jobs):
                    batch.over = CancelledError()
            self._wake.notify_all()

    def _begin(self) -> Batch | None:
        """The next batch, once there is one and it is its puzzle's turn; none at the end."""
        with self._wake:
            self._wake.wait_for(lambda: self._stopping or self._ready)
            return None if self._stopping else self._ready.popleft()

    def _step(self, batch: Batch) -> None:
        """Before each step of a search: gives way when its turn is over, ends what is given up."""
        if batch.over is None and time.monotonic() < (batch.turn_ends or 0.0):
            return
        with self._wake:
            others = self._others_wait(batch.puzzle)
            if batch.over is None and others and may_pause():
                batch.turn_ends = None
                self._order.move_to_end(batch.puzzle)
                self._give()
                self._wake.wait_for(lambda: batch.turn_ends is not None or batch.over is not None)
            if batch.over is not None:
                raise GivenUpError
            if not others:
                batch.turn_ends = time.monotonic() + TURN

    def _end(self, batch: Batch) -> None:
        with self._wake:
            self._begun.remove(batch)
            puzzle, now, ends = batch.puzzle, time.monotonic(), batch.turn_ends
            self._tidy(puzzle)
            if ends is not None and now < ends and self._can_use_a_turn(puzzle):
                self._grant(puzzle, ends)  # what is left of its turn
            elif puzzle in self._order:
                self._order.move_to_end(puzzle)
            self._give()

    def _run(self) -> None:
        while batch := self._begin():
            # A caller that has gone has cancelled its future.
            batch.jobs = [
                job for job in batch.jobs if job.answer.set_running_or_notify_cancel()
            ] or batch.jobs
            try:
                if not batch.jobs[0].answer.cancelled():
                    torch.set_num_threads(batch.threads)  # of this thread's own
                    with stepping(partial(self._step, batch)):
                        self._searching.do(batch)
            except GivenUpError:
                batch.fail(batch.over or CancelledError())
            except BaseException as error:  # whatever it is belongs to the callers
                batch.fail(error)
            finally:
                self._end(batch)
            del batch
