"""What the engine has to do: jobs in lines, batches of them in work, and how those are given up."""

import sys
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from torch.overrides import TorchFunctionMode


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


@dataclass
class Batch:
    """Jobs in work together.

    Attributes:
        over: why it is to be given up.
    """

    jobs: list[Job] = field(default_factory=list)
    over: BaseException | None = None

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
    """Whether this thread holds nothing that the threads of other puzzles may need.

    Python 3.11's ``cached_property`` holds one lock for all objects while it computes.  The locks
    of the library are a picture's own.
    """
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _CACHED:
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return True


_CACHED = cached_property.__get__.__code__


class Interruptible(TorchFunctionMode):
    """Context in which something is called before every step that torch takes in this thread.

    A search takes thousands, none of them long, so whatever it is doing it can be given up or give
    way there, without a word of it in the library.

    Args:
        step: may raise, or wait.
    """

    def __init__(self, step: Callable[[], None]) -> None:
        super().__init__()
        self._step = step

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._step()
        return func(*args, **(kwargs or {}))
