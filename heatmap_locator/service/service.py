"""What all of the service shares: its storage, its device, its threads, and how much it admits."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from heatmap_locator.search.lanes import abreast
from heatmap_locator.service import records, squaring
from heatmap_locator.service.device import Device, together
from heatmap_locator.service.engine import Engine
from heatmap_locator.service.events import Events
from heatmap_locator.service.images import Decoders
from heatmap_locator.service.metrics import Metrics
from heatmap_locator.service.problems import RETRY_AFTER, Problem, queue_full
from heatmap_locator.service.retention import Retention
from heatmap_locator.service.settings import Settings
from heatmap_locator.service.slots import Slots
from heatmap_locator.service.storage import GoneError, Record, Storage

if TYPE_CHECKING:
    from heatmap_locator.locator import Locator, Search

BATCHES = 2
"""Batches of a puzzle's images held decoded at once, so that one is ready when another has been
searched: with 8 a batch and 12 megapixels each about 600 MB."""

FEWEST_DECODED = 16
"""Images of all puzzles held decoded at once at least."""

WORKERS = 4
"""Threads for images, apart from those that read and write records: uploads that take long to
decode must not keep anything else waiting."""

DRAWN = 2
"""Overlays drawn at once."""

_log = logging.getLogger("heatmap_locator.service")
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Service:
    """Everything behind the routes.  Its coroutines run on one event loop.

    What is done with it lies beside it: ``puzzles``, ``locating``, ``fitting``, ``solve`` and
    ``pictures``.

    Args:
        device: what searches; ``None`` makes an engine of ``locator``.
    """

    def __init__(
        self,
        settings: Settings,
        storage: Storage,
        locator: "Locator | None" = None,
        device: Device | None = None,
    ) -> None:
        self.settings, self.storage = settings, storage
        self.metrics, self.events = Metrics(), Events()
        self.decoders = Decoders(seconds=settings.decode_seconds)
        self.retention = Retention(
            storage, settings.max_storage, settings.keep_minutes * 60, self.metrics
        )
        self._engine: Engine | None = None
        if device is None:
            if locator is None:
                raise ValueError("give a locator or a device")
            device = self._engine = Engine(
                locator,
                functools.partial(squaring.load_picture, storage, self.decoders),
                together(locator, settings.batch),
                settings.cache,
                self.metrics,
                abreast(locator.device),
            )
        self.device: Device = device
        self.idle = True
        """Whether nothing was left in work by ``stop``."""
        self._in_work = 0
        each = settings.batch
        if locator is not None:
            each = together(locator, each) * abreast(locator.device)
        each *= BATCHES
        self.decoded = Slots(max(FEWEST_DECODED, 2 * each), each)
        self.drawing = asyncio.Semaphore(DRAWN)
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="heatmap-images")
        self._in_hand: set[Future[Any]] = set()
        self._background: set[asyncio.Task[None]] = set()
        self.photos: dict[str, asyncio.Task[None]] = {}
        """Photos that are kept and in work here, by the id of their piece."""

    # ----------------------------------------------------------------- lifetime

    async def start(self) -> None:
        """Cleans up after a kill."""
        self.spawn(asyncio.to_thread(self.decoders.start))
        swept = await asyncio.to_thread(self.storage.sweep)
        if swept:
            _log.info("removed %d files left half-written", swept)

    async def stop(self) -> None:
        """Ends background work; what is not done is taken up at the next start."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._engine is not None:
            self.idle = await asyncio.to_thread(self._engine.stop)
        self._workers.shutdown(wait=False, cancel_futures=True)
        self.idle = self.idle and not self._in_hand
        await asyncio.to_thread(self.decoders.close)
        await asyncio.to_thread(self.storage.close)

    async def work(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What a call that works on images returns; it waits for one of a few threads."""
        future = self._workers.submit(functools.partial(call, *args, **kwargs))
        self._in_hand.add(future)
        future.add_done_callback(self._in_hand.discard)
        return await asyncio.wrap_future(future)

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Does something in the background; it is cancelled when the service stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    # ----------------------------------------------------------------- admission

    def check_room(self, count: int) -> None:
        """Raises 503 if so many photos more would be too many."""
        if self._in_work + count > self.settings.queue:
            raise self.too_many(self._in_work)

    def too_many(self, waiting: int) -> Problem:
        """The answer where so many photos wait that no more are taken; it is counted."""
        self.metrics.refused.inc()
        return queue_full(f"{waiting} photos are waiting; try again in {RETRY_AFTER} seconds")

    @contextlib.contextmanager
    def room(self, count: int) -> Iterator[None]:
        """So many places in the queue while the context lasts; 503 if there are none."""
        self.check_room(count)
        self._in_work += count
        self.metrics.in_work.set(self._in_work)
        try:
            yield
        finally:
            self._in_work -= count
            self.metrics.in_work.set(self._in_work)

    async def keep(
        self, write: Callable[[], _T], files: Mapping[str, bytes], puzzle: str | None = None
    ) -> _T:
        """What a call that writes files returns; it is made once there is room for them.

        Args:
            puzzle: the one that they are for, which is not removed to make room.

        Raises:
            Problem: 507, there is none.
        """
        loop, size = asyncio.get_running_loop(), sum(map(len, files.values()))

        def work() -> _T:
            with self.retention.room(size, puzzle) as removed:
                for gone in removed:
                    loop.call_soon_threadsafe(self.forget, gone)
                return write()

        # In one thread from first to last: a caller that goes away leaves nothing held.
        return await asyncio.to_thread(work)

    def forget(self, puzzle: str) -> None:
        """Lets go of a puzzle that has been deleted, and tells its listeners."""
        self.device.forget(puzzle)
        self.events.publish(puzzle, "removed", {"id": puzzle})

    # ------------------------------------------------------------------- records

    async def puzzle(self, puzzle: str) -> Record:
        """The record of a puzzle, noted as used; 404 without one."""
        record = await asyncio.to_thread(self.storage.puzzle, puzzle)
        if record is None:
            raise Problem(404, "no such puzzle; it may have been deleted", "not-found")
        await asyncio.to_thread(self.retention.use, puzzle)
        return record

    async def piece(self, puzzle: str, piece: str) -> Record:
        """The record of a piece; 404 without one."""
        await self.puzzle(puzzle)
        record = await asyncio.to_thread(self.storage.piece, puzzle, piece)
        if record is None:
            raise Problem(404, "no such piece; it may have been deleted", "not-found")
        return record

    async def change_piece(self, puzzle: str, piece: str, changes: Record) -> Record:
        """The record of a piece with changes; 404 without one."""
        try:
            return await asyncio.to_thread(self.storage.update_piece, puzzle, piece, changes)
        except GoneError:
            raise Problem(404, "no such piece; it may have been deleted", "not-found") from None

    async def pieces(self, puzzle: str) -> list[Record]:
        """The records of a puzzle's pieces, oldest first; 404 without the puzzle."""
        await self.puzzle(puzzle)
        return await asyncio.to_thread(self.storage.pieces, puzzle)

    async def delete_piece(self, puzzle: str, piece: str) -> None:
        """Removes a piece and its files; 404 without one."""
        if not await asyncio.to_thread(self.storage.delete_piece, puzzle, piece):
            raise Problem(404, "no such piece; it may have been deleted", "not-found")
        if (task := self.photos.pop(piece, None)) is not None:
            task.cancel()

    async def file(self, record: Record, role: str) -> bytes:
        """A record's file; 404 without one."""
        name: str | None = record["files"].get(role)
        puzzle: str = record["puzzle"] if "puzzle" in record else record["id"]
        if name is not None:
            data = await asyncio.to_thread(self.storage.file, puzzle, name)
            if data is not None:
                return data
        raise Problem(404, f"there is no {role} of it", "not-found")

    async def stored_search(self, piece: Record) -> "Search":
        """What a located piece's search found."""
        image, heatmap = await self.file(piece, "image"), await self.file(piece, "heatmap")
        return await self.work(records.stored_search, piece, image, heatmap)
