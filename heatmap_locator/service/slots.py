"""A number of slots for photos in work, shared out by turns between puzzles."""

import asyncio
import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator


class Slots:
    """A semaphore whose waiters stand in a line of each puzzle.  For one event loop.

    Args:
        count: slots there are.
        each: most that one puzzle has at a time.
    """

    def __init__(self, count: int, each: int) -> None:
        self.free, self._each = count, each
        self._held = Counter[str]()
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @contextlib.asynccontextmanager
    async def of(self, puzzle: str) -> AsyncIterator[None]:
        """A slot of a puzzle while the context lasts."""
        granted = asyncio.get_running_loop().create_future()
        self._lines.setdefault(puzzle, deque()).append(granted)
        self._grant()
        try:
            await granted
            yield
        finally:
            if granted.done() and not granted.cancelled():
                self._held[puzzle] -= 1
                if not self._held[puzzle]:
                    del self._held[puzzle]
                self.free += 1
            elif granted in (line := self._lines.get(puzzle, deque())):
                line.remove(granted)
                if not line:
                    del self._lines[puzzle]
            self._grant()

    def _grant(self) -> None:
        while self.free:
            puzzle = next((key for key in self._lines if self._held[key] < self._each), None)
            if puzzle is None:
                return
            line = self._lines.pop(puzzle)
            granted = line.popleft()
            if line:
                self._lines[puzzle] = line  # behind all others
            if not granted.cancelled():
                self._held[puzzle] += 1
                self.free -= 1
                granted.set_result(None)
