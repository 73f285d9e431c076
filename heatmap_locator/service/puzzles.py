"""Puzzles: given, squared up by other corners, shown and deleted."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.grid import Grid
from heatmap_locator.service import half_done, marks, records, squaring
from heatmap_locator.service.fitting import encode_soon, view
from heatmap_locator.service.images import sniff
from heatmap_locator.service.problems import Problem, refused
from heatmap_locator.service.records import clean_name
from heatmap_locator.service.service import Service
from heatmap_locator.service.squaring import Corners
from heatmap_locator.service.storage import GoneError, Record

if TYPE_CHECKING:
    from heatmap_locator.picture.done import Done


@dataclass(frozen=True)
class Given:
    """A picture as it was sent, and what was said of it.

    Attributes:
        data: the file.
        name: what to call it.
        pieces: how many it has, or ``grid``, or neither.
        grid: ``ROWSxCOLS``.
        corners: of the puzzle in a photo of it, or ``find_corners``, or neither.
        find_corners: whether to look for them.
    """

    data: bytes
    name: str
    pieces: int | None = None
    grid: str | None = None
    corners: Corners | None = None
    find_corners: bool = False


async def views(service: Service) -> list[dict[str, Any]]:
    """All puzzles as the API shows them, newest first."""
    return [await view(service, r) for r in await asyncio.to_thread(service.storage.puzzles)]


async def add_puzzle(service: Service, given: Given) -> Record:
    """Checks and keeps a picture; its encoding goes on in the background."""
    if given.pieces is not None and given.grid is not None:
        raise Problem(422, "give pieces or grid, not both")
    if given.corners is not None and given.find_corners:
        raise Problem(422, "give corners or find_corners, not both")
    puzzle = records.new_id()
    with service.room(1):
        async with service.decoded.of(puzzle):
            try:
                record, files = await service.work(_prepare, service, puzzle, given)
            except InputError as error:
                raise refused(error) from None
        await service.keep(lambda: service.storage.add_puzzle(record, files), files)
    encode_soon(service, puzzle)
    return record


def _prepare(service: Service, puzzle: str, given: Given) -> tuple[Record, dict[str, bytes]]:
    """A new puzzle's record and files."""
    name, kind = given.name, sniff(given.data, given.name)
    original = service.decoders.decode(given.data, "picture", name)
    corners = squaring.find_corners(original) if given.find_corners else given.corners
    record: Record = {
        "id": puzzle,
        "name": name,
        "created": records.now(),
        "asked": {"pieces": given.pieces, "grid": given.grid},
        "original": {"width": original.shape[1], "height": original.shape[0]},
        "media_type": kind.media_type,
    }
    limit = service.settings.max_pieces
    changes, files = squaring.squared(record, original, corners, 0, name, limit)
    record.update(changes, pictured=0, done=None)
    record["files"]["original"] = f"original{kind.suffixes[0]}"
    return record, {f"original{kind.suffixes[0]}": given.data, **files}


async def set_corners(service: Service, puzzle: str, corners: Corners | None) -> Record:
    """Squares a puzzle's picture up anew; its pieces are located again in the background."""
    before = await service.puzzle(puzzle)
    after = await _anew(service, {**before, "corners": corners})
    across, down = (after[side] / before[side] for side in ("width", "height"))
    for piece in await service.pieces(puzzle):
        if changes := marks.moved(piece, across, down):
            await service.change_piece(puzzle, piece["id"], changes)
    return after


async def change(service: Service, puzzle: str, given: Record) -> Record:
    """Another name, or another number of pieces, with which they are located again.

    Args:
        given: ``name``, ``pieces`` or ``grid``; what is not given stays.
    """
    before = await service.puzzle(puzzle)
    changes: Record = {}
    if "name" in given:
        changes["name"] = clean_name(given["name"], before["name"])
        before = await asyncio.to_thread(service.storage.update_puzzle, puzzle, changes)
    asked = {"pieces": given.get("pieces"), "grid": given.get("grid")}
    if given.keys() & asked.keys() and asked != before["asked"]:
        return await _anew(service, {**before, "asked": asked})
    service.events.publish(puzzle, "puzzle", await view(service, before))
    return before


async def _anew(service: Service, wanted: Record) -> Record:
    """Makes a puzzle's picture anew, by its record as it is wanted, and encodes it."""

    def prepare() -> tuple[Record, dict[str, bytes]]:
        original = _original(service, wanted)
        version, limit = wanted["version"] + 1, service.settings.max_pieces
        corners, name = wanted["corners"], wanted["name"]
        changes, files = squaring.squared(wanted, original, corners, version, name, limit)
        changes |= {"asked": wanted["asked"], "pictured": version}
        changes["files"] = {**wanted["files"], **changes["files"]}
        photo = _done_photo(service, wanted)
        if photo is not None:  # it may show nothing of the picture as it is now
            done = half_done.read_again(photo, *_seen(original, wanted | changes))
            changes["done"] = done
            if done is None:
                del changes["files"][half_done.ROLE]
        return changes, files

    return await _renewed(service, wanted["id"], prepare)


async def set_done(service: Service, puzzle: str, data: bytes, name: str) -> Record:
    """Keeps a photo of the half-done puzzle; pieces are located again, in what it shows open."""
    before = await service.puzzle(puzzle)
    if before["grid"] is None:
        raise Problem(409, "the grid is not known; give pieces or grid with the puzzle", "no-grid")

    def prepare() -> tuple[Record, dict[str, bytes]]:
        kind = sniff(data, name)
        photo = service.decoders.decode(data, "photo", name)
        done = half_done.read(photo, *_seen(_original(service, before), before), name)
        file = f"{half_done.ROLE}-{records.new_id()}{kind.suffixes[0]}"
        return _with_done(before, done, {**before["files"], half_done.ROLE: file}), {file: data}

    return await _renewed(service, puzzle, prepare)


async def forget_done(service: Service, puzzle: str) -> Record:
    """Lets go of the photo of the half-done puzzle; pieces are located again, anywhere."""
    before = await service.puzzle(puzzle)
    if half_done.ROLE not in before["files"]:
        return before
    rest = {role: file for role, file in before["files"].items() if role != half_done.ROLE}
    return await _renewed(service, puzzle, lambda: (_with_done(before, None, rest), {}))


def _with_done(before: Record, done: Record | None, files: Record) -> Record:
    """What changes with a photo of the half-done puzzle; the picture stays."""
    pictured = before.get("pictured", before["version"])
    version, state = before["version"] + 1, {"state": "encoding", "error": None}
    return {"version": version, "pictured": pictured, "done": done, "files": files, **state}


def _done_photo(service: Service, record: Record) -> np.ndarray | None:
    """(H, W, 3) uint8 of the half-done puzzle, where there is one."""
    file = record["files"].get(half_done.ROLE)
    data = None if file is None else service.storage.file(record["id"], file)
    return None if data is None else service.decoders.decode(data, "photo", record["name"])


def seen_done(service: Service, record: Record) -> "Done | None":
    """What a puzzle's photo shows done, with its edge; ``None`` where there is no photo."""
    done, photo = half_done.of_record(record), _done_photo(service, record)
    if done is None or photo is None:
        return done
    picture, grid = _seen(_original(service, record), record)
    assert grid is not None  # or nothing could have been read off the photo
    from heatmap_locator.picture.done import edge_again

    return edge_again(photo, picture, grid, done)


def _seen(original: np.ndarray, record: Record) -> tuple[np.ndarray, Grid | None]:
    """A puzzle's picture, squared up, and its grid."""
    return squaring.square_up(original, record["corners"]), squaring.grid_of(record)


async def _renewed(
    service: Service, puzzle: str, prepare: Callable[[], tuple[Record, dict[str, bytes]]]
) -> Record:
    """A puzzle with what ``prepare`` makes, changes and files by name, which is then encoded."""
    with service.room(1):
        async with service.decoded.of(puzzle):
            try:
                changes, files = await service.work(prepare)
            except InputError as error:
                raise refused(error) from None
        try:
            record = await service.keep(
                lambda: service.storage.update_puzzle(puzzle, changes, files), files, puzzle
            )
        except GoneError:
            raise Problem(404, "the puzzle has been deleted", "not-found") from None
    service.device.forget(puzzle, record["version"])
    service.events.publish(puzzle, "puzzle", await view(service, record))
    encode_soon(service, puzzle)
    return record


async def suggest_corners(service: Service, puzzle: str) -> Corners | None:
    """Corners of the puzzle in its original picture."""
    record = await service.puzzle(puzzle)
    async with service.decoded.of(puzzle):
        return await service.work(lambda: squaring.find_corners(_original(service, record)))


async def delete_puzzle(service: Service, puzzle: str) -> None:
    """Removes a puzzle and all that belongs to it."""
    if not await asyncio.to_thread(service.storage.delete_puzzle, puzzle):
        raise Problem(404, "no such puzzle; it may have been deleted", "not-found")
    service.forget(puzzle)


async def picture(service: Service, record: Record) -> np.ndarray:
    """(H, W, 3) uint8, squared up."""
    return await service.work(
        lambda: squaring.square_up(_original(service, record), record["corners"])
    )


def _original(service: Service, record: Record) -> np.ndarray:
    try:
        return squaring.read_original(service.storage, service.decoders, record)
    except GoneError:
        raise Problem(404, "the puzzle has been deleted", "not-found") from None
