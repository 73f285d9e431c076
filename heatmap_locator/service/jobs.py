"""What the engine has to do: jobs in lines, batches of them in work, and how those are given up."""

import sys
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from heatmap_locator.model.overlap_save import PictureTiles
from heatmap_locator.search.by_size import BySize


class GivenUpError(BaseException):
    """Ends work that nobody wants any more; no handler of errors on its way is meant."""


class Answer(Future[Any]):
    """A future that can be cancelled while its job is in work: the job is then given up.

    Args:
        unwanted: called where that happens.
    """

    def __init__(self, unwanted: Callable[[], None]) -> None:
        super().__init__()
        self.wanted, self._unwanted = True, unwanted

    def cancel(self) -> bool:
        if super().cancel():
            return True
        if not self.done():
            self.wanted = False
            self._unwanted()
        return False


@dataclass
class Job:
    """A piece to be searched, or a puzzle to be encoded where there is no image."""

    puzzle: str
    version: int
    answer: Answer
    image: np.ndarray | None = None
    top: int = 1
    cutout: bool = False

    @property
    def kind(self) -> tuple[str, int, int, bool]:
        """Jobs of one kind are searched together."""
        return self.puzzle, self.version, self.top, self.cutout

    def goes_with(self, other: "Job") -> bool:
        return self.image is not None and other.image is not None and self.kind == other.kind


@dataclass(eq=False)
class Batch:
    """Jobs in work together.

    Attributes:
        over: why it is to be given up.
        turn_ends: when its turn does, by ``time.monotonic``; ``None`` while it has none.
        threads: that torch takes for it.
    """

    jobs: list[Job] = field(default_factory=list)
    over: BaseException | None = None
    turn_ends: float | None = None
    threads: int = 1

    @property
    def puzzle(self) -> str:
        return self.jobs[0].puzzle

    @property
    def version(self) -> int:
        return self.jobs[0].version

    def fail(self, error: BaseException) -> None:
        """Answers all that have no answer yet."""
        for job in self.jobs:
            if not job.answer.done():
                job.answer.set_exception(error)


def may_pause() -> bool:
    """Whether this thread holds nothing that other threads may need.

    Python 3.11's ``cached_property`` holds one lock for all objects while it computes; those of the
    library are a picture's own, which several searches may ask.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code in _HOLDING:
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return True


_HOLDING = {held.__code__ for held in (cached_property.__get__, PictureTiles._get, BySize.level)}
