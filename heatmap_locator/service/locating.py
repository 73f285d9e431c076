"""From a photo to pieces with their places; ``fitting`` stores them."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from heatmap_locator.assign import ASSIGN_TOP
from heatmap_locator.errors import InputError, NoPieceError
from heatmap_locator.service import records
from heatmap_locator.service.images import sniff
from heatmap_locator.service.problems import Problem, refused
from heatmap_locator.service.service import Service
from heatmap_locator.service.storage import GoneError, Record

if TYPE_CHECKING:
    from heatmap_locator.locator import Search
    from heatmap_locator.outline.many import FoundPiece

MAX_FOUND = 200
"""Pieces taken from one photo."""

_SUFFIX = {"image": "png", "heatmap": "npz"}


class Asked(NamedTuple):
    """What is asked of a photo.

    Attributes:
        top: places wanted of each piece.
        many: it shows many loose pieces.
        cutout: it is a piece cut out, or several, whatever the shape.
    """

    top: int
    many: bool = False
    cutout: bool = False


class Found(NamedTuple):
    """A piece out of a photo, not stored yet.

    Attributes:
        record: what will be stored.
        data: its files by name.
        problem: why it has no place, or ``None`` where it has.
        known: it is stored already, and ``record`` is what changes, with its ``id`` and ``puzzle``.
    """

    record: Record
    data: dict[str, bytes]
    problem: Problem | None = None
    known: bool = False


def of_photo(puzzle: Record, name: str, asked: Asked) -> Record:
    """Members that the records of all pieces in a photo share."""
    return {
        "puzzle": puzzle["id"],
        "photo": name,
        "created": records.now(),
        "version": puzzle["version"],
        **asked._asdict(),
    }


def failed(error: InputError, name: str) -> tuple[Record, Problem]:
    """Members of the record of a piece that could not be located, and the answer to its sender."""
    named = error.renamed(name)
    return records.failed(str(named)), refused(named)


def name_files(files: dict[str, bytes]) -> tuple[dict[str, str], dict[str, bytes]]:
    """File names by role, each used once, and data by name."""
    names = {role: f"{role}-{records.new_id()}.{_SUFFIX[role]}" for role in files}
    return names, {names[role]: data for role, data in files.items()}


async def place(
    service: Service, puzzle: Record, image: np.ndarray, top: int, cutout: bool
) -> tuple[Record, dict[str, bytes]]:
    """Record members and files by role of a photo of one piece; errors as of ``search``."""
    found = await search(service, puzzle, image, top, cutout)
    return await service.work(records.located, found)


async def search(
    service: Service, puzzle: Record, image: np.ndarray, top: int, cutout: bool
) -> "Search":
    """The device's answer; 409 where the puzzle is another now, or gone."""
    # More than are shown: a piece may have to give way to another when all are solved.
    top = max(top, ASSIGN_TOP)
    try:
        return await asyncio.wrap_future(
            service.device.search(puzzle["id"], puzzle["version"], image, top, cutout)
        )
    except GoneError:
        raise Problem(
            409, "the puzzle was deleted or its corners changed; send the photo again", "changed"
        ) from None


async def locate(
    service: Service, puzzle: Record, name: str, data: bytes, asked: Asked
) -> AsyncGenerator[Found, None]:
    """The pieces in one photo, each as soon as it is located; storing them is up to the caller.

    A photo that cannot be used gives one that failed.
    """
    started = time.perf_counter()
    told: list[str] = []  # of a file that is cut short
    base = of_photo(puzzle, name, asked)

    def found(
        members: Record, problem: Problem | None, files: dict[str, bytes], photo: str | None
    ) -> Found:
        names, named = name_files(files)
        if photo is not None:
            names["photo"], named[photo] = photo, data
        seconds = time.perf_counter() - started
        record = {**base, "id": records.new_id(), "seconds": seconds, **members, "files": names}
        return Found(doubted(record, told), named, problem)

    async with service.decoded.of(puzzle["id"]):
        try:
            kind = sniff(data, name)
            image = await service.work(service.decoders.decode, data, "piece", name, told)
        except InputError as error:
            yield found(records.failed(str(error)), refused(error), {}, None)
            return
        photo = f"photo-{records.new_id()}{kind.suffixes[0]}"
        if asked.many:
            async for members, problem, files in _locate_many(service, puzzle, name, image, asked):
                yield found(members, problem, files, photo)
            return
        problem, files = None, {}
        try:
            members, files = await place(service, puzzle, image, asked.top, asked.cutout)
        except InputError as error:
            members, problem = failed(error, name)
        yield found(members, problem, files, photo)


async def _locate_many(
    service: Service, puzzle: Record, name: str, image: np.ndarray, asked: Asked
) -> AsyncGenerator[tuple[Record, Problem | None, dict[str, bytes]], None]:
    """Record members, problem and files by role of every piece in a photo."""
    try:
        cut = await cut_photo(service, image, asked.cutout)
    except InputError as error:
        yield *failed(error, name), {}
        return
    async for found in locate_cut(service, puzzle, name, cut, asked):
        yield found


async def cut_photo(service: Service, image: np.ndarray, cutout: bool) -> "list[FoundPiece]":
    """The pieces in a photo of many, ``MAX_FOUND`` at most; InputError without any."""
    from heatmap_locator.outline.many import cut_pieces

    cut = await service.work(cut_pieces, image, cutout=cutout)
    if not cut:
        raise NoPieceError("no piece found; lay pieces apart on a plain background", name="photo")
    return cut[:MAX_FOUND]


async def locate_cut(
    service: Service, puzzle: Record, name: str, cut: "list[FoundPiece]", asked: Asked
) -> AsyncGenerator[tuple[Record, Problem | None, dict[str, bytes]], None]:
    """Record members, problem and files by role of pieces cut from a photo, in their order."""
    # As many at once as a batch holds, so that one photo does not fill the queue.
    step = service.settings.batch
    for first in range(0, len(cut), step):
        pieces = cut[first : first + step]
        searches = await asyncio.gather(
            *(search(service, puzzle, piece.image, asked.top, True) for piece in pieces),
            return_exceptions=True,
        )
        for piece, result in zip(pieces, searches, strict=True):
            problem = None
            if isinstance(result, InputError):
                members, problem = failed(result, name)
                files = {"image": records.to_png(piece.image)}
            elif isinstance(result, BaseException):
                raise result
            else:
                members, files = await service.work(records.located, result)
            members["outline"] = np.round(piece.outline, 1).tolist()
            members["box_in_photo"] = [round(float(v), 1) for v in piece.box]
            members["touching"] = bool(piece.touching)
            yield members, problem, files


async def locate_again(service: Service, piece: Record, version: int) -> Found | None:
    """A stored piece in another version of its puzzle's picture; it too is not stored yet.

    ``None`` where nothing changes, or not even that version is the present one any more.
    """
    role = "image" if piece["many"] else "photo"
    file = piece["files"].get(role)
    data = None
    if file is not None:
        data = await asyncio.to_thread(service.storage.file, piece["puzzle"], file)
    if data is None:  # it was no image; another picture changes nothing
        return None
    name, files, told = piece["photo"], dict[str, bytes](), list[str]()
    try:
        async with service.decoded.of(piece["puzzle"]):
            image = await service.work(service.decoders.decode, data, "piece", name, told)
            puzzle = {"id": piece["puzzle"], "version": version}
            cutout = piece["many"] or piece.get("cutout", False)  # not in older records
            members, files = await place(service, puzzle, image, piece["top"], cutout)
    except InputError as error:
        members, _ = failed(error, name)
        if piece["many"]:
            files = {"image": data}
    except Problem:
        return None
    if piece["many"]:
        kept: tuple[str, ...] = ("outline", "box_in_photo", "touching")
        members.update({key: piece[key] for key in kept})
    return known(piece, {**doubted(members, told), "version": version}, files)


def known(piece: Record, members: Record, files: dict[str, bytes]) -> Found:
    """What changes of a stored piece; it keeps its photo."""
    names, data = name_files(files)
    if "photo" in piece["files"]:
        names["photo"] = piece["files"]["photo"]
    whose = {"id": piece["id"], "puzzle": piece["puzzle"]}
    return Found({**whose, **members, "files": names}, data, known=True)


def doubted(members: Record, told: list[str]) -> Record:
    """Members of a record with what there was to say of the photo's file."""
    return {**members, "doubts": [*told, *members.get("doubts", [])]}
