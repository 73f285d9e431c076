"""What the service does, without HTTP: puzzles in, pieces in, places out, all of it kept."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.service import locating, records, squaring
from heatmap_locator.service.engine import Device, Engine
from heatmap_locator.service.events import Events
from heatmap_locator.service.images import Decoders, Kind, sniff
from heatmap_locator.service.metrics import Metrics
from heatmap_locator.service.problems import Problem
from heatmap_locator.service.retention import Retention
from heatmap_locator.service.settings import Settings
from heatmap_locator.service.squaring import Corners
from heatmap_locator.service.storage import GoneError, Record, Storage

if TYPE_CHECKING:
    from heatmap_locator.locator import Locator, Search

BATCHES = 2
"""Batches of images held decoded at once, so that one is ready when another has been searched: with
8 a batch and 12 megapixels each about 600 MB."""

FEWEST_DECODED = 8
"""Images held decoded at once at least."""

WORKERS = 4
"""Threads for images, apart from those that read and write records: uploads that take long to
decode must not keep anything else waiting."""

DRAWN = 2
"""Overlays drawn at once."""

RETRY_AFTER = 5
"""Seconds after which a refused request may be tried again."""

_log = logging.getLogger("heatmap_locator.service")
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Service:
    """Everything behind the routes.  Its coroutines run on one event loop.

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
                settings.batch,
                settings.cache,
                self.metrics,
            )
        self.device: Device = device
        self._in_work = 0
        self.decoded = asyncio.Semaphore(max(FEWEST_DECODED, BATCHES * settings.batch))
        self.drawing = asyncio.Semaphore(DRAWN)
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="heatmap-images")
        self._background: set[asyncio.Task[None]] = set()

    # ----------------------------------------------------------------- lifetime

    async def start(self) -> None:
        """Cleans up after a kill and takes up what was in work."""
        self._spawn(asyncio.to_thread(self.decoders.start))
        swept = await asyncio.to_thread(self.storage.sweep)
        if swept:
            _log.info("removed %d files left half-written", swept)
        for record in await asyncio.to_thread(self.storage.puzzles):
            if record["state"] == "encoding":
                self._spawn(self._encode(record["id"]))

    async def stop(self) -> None:
        """Ends background work; what is not done is taken up at the next start."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._engine is not None:
            await asyncio.to_thread(self._engine.stop)
        self._workers.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self.decoders.close)
        await asyncio.to_thread(self.storage.close)

    async def work(self, call: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """What a call that works on images returns; it waits for one of a few threads."""
        ready = functools.partial(call, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._workers, ready)

    def encode_again(self, puzzle: str) -> None:
        """Makes a puzzle and its pieces fit its present picture, in the background."""
        self._spawn(self._encode(puzzle))

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # ----------------------------------------------------------------- admission

    def check_room(self, count: int) -> None:
        """Raises 503 if so many photos more would be too many."""
        if self._in_work + count > self.settings.queue:
            self.metrics.refused.inc()
            raise Problem(
                503,
                f"{self._in_work} photos are waiting; try again in {RETRY_AFTER} seconds",
                "queue-full",
                {"Retry-After": str(RETRY_AFTER)},
            )

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

    # ------------------------------------------------------------------- puzzles

    async def puzzle(self, puzzle: str) -> Record:
        """The record of a puzzle, noted as used; 404 without one."""
        record = await asyncio.to_thread(self.storage.puzzle, puzzle)
        if record is None:
            raise Problem(404, "no such puzzle; it may have been deleted", "not-found")
        await asyncio.to_thread(self.retention.use, puzzle)
        return record

    async def view(self, record: Record) -> dict[str, Any]:
        """A puzzle's record as the API shows it."""
        count = await asyncio.to_thread(self.storage.count, record["id"])
        return records.puzzle_view(record, count)

    async def views(self) -> list[dict[str, Any]]:
        """All puzzles as the API shows them, newest first."""
        return [await self.view(r) for r in await asyncio.to_thread(self.storage.puzzles)]

    async def add_puzzle(
        self,
        data: bytes,
        name: str,
        pieces: int | None,
        grid: str | None,
        corners: Corners | None,
        find_corners: bool,
    ) -> Record:
        """Checks and keeps a picture; its encoding goes on in the background."""
        if pieces is not None and grid is not None:
            raise Problem(422, "give pieces or grid, not both")
        if corners is not None and find_corners:
            raise Problem(422, "give corners or find_corners, not both")

        def prepare() -> tuple[Record, dict[str, bytes]]:
            kind = sniff(data, name)
            original = self.decoders.decode(data, "picture", name)
            found = corners
            if find_corners:
                found = squaring.find_corners(original)
            record: Record = {
                "id": records.new_id(),
                "name": name,
                "created": records.now(),
                "asked": {"pieces": pieces, "grid": grid},
                "original": {"width": original.shape[1], "height": original.shape[0]},
                "media_type": kind.media_type,
            }
            limit = self.settings.max_pieces
            changes, files = squaring.squared(record, original, found, 0, name, limit)
            record.update(changes)
            record["files"]["original"] = f"original.{kind.suffix}"
            return record, {f"original.{kind.suffix}": data, **files}

        with self.room(1):
            async with self.decoded:
                try:
                    record, files = await self.work(prepare)
                except InputError as error:
                    raise locating.refused(error) from None
            await self.make_room(files)
            await asyncio.to_thread(self.storage.add_puzzle, record, files)
        self._spawn(self._encode(record["id"]))
        return record

    async def make_room(self, files: dict[str, bytes], puzzle: str | None = None) -> None:
        size = sum(map(len, files.values()))
        for gone in await asyncio.to_thread(self.retention.make_room, size, puzzle):
            self.device.forget(gone)
            self.events.publish(gone, "removed", {"id": gone})

    async def set_corners(self, puzzle: str, corners: Corners | None) -> Record:
        """Squares a puzzle's picture up anew; its pieces are located again in the background."""
        record = await self.puzzle(puzzle)

        def prepare() -> tuple[Record, dict[str, bytes]]:
            original = self._original(record)
            version, limit = record["version"] + 1, self.settings.max_pieces
            return squaring.squared(record, original, corners, version, record["name"], limit)

        with self.room(1):
            async with self.decoded:
                try:
                    changes, files = await self.work(prepare)
                except InputError as error:
                    raise locating.refused(error) from None
            changes["files"] = {**record["files"], **changes["files"]}
            await self.make_room(files, puzzle)
            try:
                record = await asyncio.to_thread(self.storage.update_puzzle, puzzle, changes, files)
            except GoneError:
                raise Problem(404, "the puzzle has been deleted", "not-found") from None
        self.device.forget(puzzle)
        self._spawn(self._encode(puzzle))
        return record

    async def suggest_corners(self, puzzle: str) -> Corners | None:
        """Corners of the puzzle in its original picture."""
        record = await self.puzzle(puzzle)
        async with self.decoded:
            return await self.work(lambda: squaring.find_corners(self._original(record)))

    async def delete_puzzle(self, puzzle: str) -> None:
        """Removes a puzzle and all that belongs to it."""
        if not await asyncio.to_thread(self.storage.delete_puzzle, puzzle):
            raise Problem(404, "no such puzzle; it may have been deleted", "not-found")
        self.device.forget(puzzle)
        self.events.publish(puzzle, "removed", {"id": puzzle})

    def _original(self, record: Record) -> np.ndarray:
        try:
            return squaring.read_original(self.storage, self.decoders, record)
        except GoneError:
            raise Problem(404, "the puzzle has been deleted", "not-found") from None

    async def _encode(self, puzzle: str) -> None:
        """Encodes a puzzle and locates anew those of its pieces that an older picture placed."""
        record = await asyncio.to_thread(self.storage.puzzle, puzzle)
        if record is None:
            return
        version = record["version"]
        failure = None
        try:
            await asyncio.wrap_future(self.device.encode(puzzle, version))
        except GoneError:
            return
        except InputError as error:
            failure = str(error.renamed(record["name"]))
        except Exception:
            _log.exception("encoding of puzzle %s failed", puzzle)
            failure = "the picture could not be encoded; the server's log says why"
        if failure is None:
            for piece in await asyncio.to_thread(self.storage.pieces, puzzle):
                if piece["version"] != version:
                    await locating.relocate(self, piece, version)
        await self._changed(puzzle, version, "ready" if failure is None else "failed", failure)

    async def _changed(self, puzzle: str, version: int, state: str, error: str | None) -> None:
        current = await asyncio.to_thread(self.storage.puzzle, puzzle)
        if current is None or current["version"] != version:
            return  # deleted or squared up anew meanwhile
        with contextlib.suppress(GoneError):
            record = await asyncio.to_thread(
                self.storage.update_puzzle, puzzle, {"state": state, "error": error}
            )
            self.events.publish(puzzle, "puzzle", await self.view(record))

    async def picture(self, record: Record) -> np.ndarray:
        """(H, W, 3) uint8, squared up."""
        return await self.work(
            lambda: squaring.square_up(self._original(record), record["corners"])
        )

    # -------------------------------------------------------------------- pieces

    async def piece(self, puzzle: str, piece: str) -> Record:
        """The record of a piece; 404 without one."""
        await self.puzzle(puzzle)
        record = await asyncio.to_thread(self.storage.piece, puzzle, piece)
        if record is None:
            raise Problem(404, "no such piece; it may have been deleted", "not-found")
        return record

    async def pieces(self, puzzle: str) -> list[Record]:
        """The records of a puzzle's pieces, oldest first; 404 without the puzzle."""
        await self.puzzle(puzzle)
        return await asyncio.to_thread(self.storage.pieces, puzzle)

    async def delete_piece(self, puzzle: str, piece: str) -> None:
        """Removes a piece and its files; 404 without one."""
        if not await asyncio.to_thread(self.storage.delete_piece, puzzle, piece):
            raise Problem(404, "no such piece; it may have been deleted", "not-found")

    async def file(self, record: Record, role: str) -> tuple[str, bytes]:
        """Name and bytes of a record's file; 404 without one."""
        name: str | None = record["files"].get(role)
        puzzle: str = record["puzzle"] if "puzzle" in record else record["id"]
        if name is not None:
            data = await asyncio.to_thread(self.storage.file, puzzle, name)
            if data is not None:
                return name, data
        raise Problem(404, f"there is no {role} of it", "not-found")

    async def stored_search(self, piece: Record) -> "Search":
        """What a located piece's search found."""
        image, heatmap = await self.file(piece, "image"), await self.file(piece, "heatmap")
        return await self.work(records.stored_search, piece, image[1], heatmap[1])


def kind_of(data: bytes) -> Kind:
    """The kind of a stored upload."""
    return sniff(data, "file")
