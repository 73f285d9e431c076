"""What happens to a puzzle, told to whoever listens in this process."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

BACKLOG = 256
"""Events a listener may lag behind before its oldest are dropped."""


class Event(NamedTuple):
    """A kind (``puzzle``, ``piece``, ``solve``, ``removed``) and its JSON-ready data."""

    kind: str
    data: dict[str, Any]


class Events:
    """Publish and subscribe by puzzle.  Used from the event loop's thread alone."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[asyncio.Queue[Event]]] = defaultdict(set)

    @property
    def count(self) -> int:
        """Listeners there are."""
        return sum(len(queues) for queues in self._listeners.values())

    def publish(self, puzzle: str, kind: str, data: dict[str, Any]) -> None:
        """Tell all listeners of a puzzle; one that reads too slowly loses its oldest events."""
        for queue in self._listeners.get(puzzle, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(Event(kind, data))

    @contextlib.contextmanager
    def listen(self, puzzle: str) -> Iterator[asyncio.Queue[Event]]:
        """A queue of the events of a puzzle while the context lasts."""
        queue: asyncio.Queue[Event] = asyncio.Queue(BACKLOG)
        self._listeners[puzzle].add(queue)
        try:
            yield queue
        finally:
            self._listeners[puzzle].discard(queue)
            if not self._listeners[puzzle]:
                del self._listeners[puzzle]
