"""Photos that are kept as soon as they have come, and searched when their turn comes.

The record of such a photo is that of its piece, which waits.  Whatever ends this process, the next
one takes up what waits.  In a photo of many pieces the record becomes the first piece's when all
others have been stored, each under an id that follows from it and its number, so that one which is
searched again is not stored twice.
"""

import asyncio
import base64
import hashlib
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from heatmap_locator.errors import InputError
from heatmap_locator.service import marks, records
from heatmap_locator.service.fitting import store
from heatmap_locator.service.images import sniff
from heatmap_locator.service.locating import (
    Asked,
    Found,
    cut_photo,
    doubted,
    failed,
    known,
    locate_cut,
    name_files,
    of_photo,
    place,
)
from heatmap_locator.service.problems import Problem, all_failed, refused
from heatmap_locator.service.service import Service
from heatmap_locator.service.storage import Record

if TYPE_CHECKING:
    from heatmap_locator.service.streams import Photo

MAX_WAITING = 2000
"""Photos that may wait at once; they are on disk."""

TRIES = 5
"""Times that a photo is begun: one on which every server ends must not end the next one."""

ABANDONED = 120.0
"""Seconds after which a photo that waits in a shared storage is taken for that of a server which is
no more."""

_log = logging.getLogger("heatmap_locator.service")


async def accept(
    service: Service, puzzle: Record, sent: "list[Photo]", asked: Asked
) -> list[Record]:
    """Keeps photos; their pieces are looked for in the background.

    Returns:
        A record each: it waits, or is of a file that is no image.

    Raises:
        Problem: 503, too many wait; 507, there is no room; 415 or 422, none is an image.
    """
    if len(service.photos) + len(sent) > MAX_WAITING:
        raise service.too_many(len(service.photos))
    founds = [_kept(puzzle, photo, asked) for photo in sent]
    wrong = [found.problem for found in founds if found.problem is not None]
    if len(wrong) == len(founds):
        raise all_failed(wrong)
    kept = [await store(service, found) for found in founds]
    for record in kept:
        if record["state"] == "waiting":
            begin(service, record)
    return kept


def _kept(puzzle: Record, photo: "Photo", asked: Asked) -> Found:
    record = {
        **of_photo(puzzle, photo.name, asked),
        "id": records.new_id(),
        "seconds": 0.0,
        "files": {},
    }
    try:
        kind = sniff(photo.data, photo.name)
    except InputError as error:
        return Found({**record, **records.failed(str(error))}, {}, refused(error))
    name = f"photo-{records.new_id()}{kind.suffixes[0]}"
    return Found({**record, **records.waiting(), "files": {"photo": name}}, {name: photo.data})


def begin(service: Service, piece: Record) -> None:
    """Looks for the pieces in a kept photo, in the background."""
    key = piece["id"]
    if key in service.photos:
        return
    task = service.photos[key] = service.spawn(_work(service, piece["puzzle"], key))

    def over(_: Any) -> None:
        if service.photos.get(key) is task:
            del service.photos[key]

    task.add_done_callback(over)


async def find_all(service: Service, piece: Record) -> Record:
    """Searches a piece's photo again, for all pieces in it; 409 where it is gone or in work."""
    if "photo" not in piece["files"] or piece["state"] == "waiting" or piece["many"]:
        raise Problem(409, "its photo is not there, or is searched for all pieces", "no-photo")
    # What it was before stays, for the case that no piece is told from another.
    changes = {"state": "waiting", "progress": None, "tries": 0, "many": True}
    changes["before"] = piece["state"]
    record = await _change(service, piece, changes)
    begin(service, record)
    return record


async def resume(service: Service) -> None:
    """Takes up the photos that waited when the last process ended."""
    if not service.storage.shared:
        for piece in await asyncio.to_thread(service.storage.waiting):
            begin(service, piece)


def adopt(service: Service, pieces: Iterable[Record]) -> None:
    """Takes up those of pieces that another server, which is no more, has left waiting."""
    if not service.storage.shared:
        return
    for piece in pieces:
        age = datetime.now(UTC) - datetime.fromisoformat(piece["created"])
        if piece["state"] == "waiting" and age.total_seconds() > ABANDONED:
            begin(service, piece)


async def _work(service: Service, puzzle: str, key: str) -> None:
    """Searches a kept photo, in the puzzle's present picture however often that changes."""
    storage = service.storage
    while True:
        picture = await asyncio.to_thread(storage.puzzle, puzzle)
        piece = await asyncio.to_thread(storage.piece, puzzle, key)
        if picture is None or piece is None or piece["state"] != "waiting":
            return
        try:
            await _search(service, picture, piece)
            return
        except Problem as problem:
            if problem.kind == "changed":
                continue
            error = str(problem.detail)
        except Exception:
            if not service.device.ready:
                return  # it is taken up at the next start
            _log.exception("a photo of puzzle %s failed", puzzle)
            error = "the server failed on this photo; its log says why"
        await _fail(service, piece, error)
        return


async def _fail(service: Service, piece: Record, error: str) -> None:
    await store(service, known(piece, records.failed(error), {}))


async def _search(service: Service, picture: Record, piece: Record) -> None:
    started, name = time.perf_counter(), piece["photo"]
    tries = piece.get("tries", 0)
    if picture["state"] == "failed":
        return await _fail(service, piece, f"the puzzle could not be encoded: {picture['error']}")
    if tries >= TRIES:
        return await _fail(service, piece, f"the server ended {tries} times on this photo")
    await service.change_piece(piece["puzzle"], piece["id"], {"tries": tries + 1})
    data = await service.file(piece, "photo")
    asked = Asked(piece["top"], piece["many"], piece["cutout"])
    told: list[str] = []
    async with service.decoded.of(picture["id"]):
        try:
            image = await service.work(service.decoders.decode, data, "piece", name, told)
            if asked.many:
                cut = await cut_photo(service, image, asked.cutout)
            else:
                members, files = await place(service, picture, image, asked.top, asked.cutout)
        except InputError as error:
            if piece.get("before") == "located":
                await _restore(service, piece)
                return None
            members, files = failed(error, name)[0], {}
        else:
            if asked.many:
                return await _search_many(service, picture, piece, asked, cut, told)
    members |= {"version": picture["version"], "seconds": time.perf_counter() - started}
    await store(service, known(piece, doubted(members, told), files))


async def _restore(service: Service, piece: Record) -> None:
    """A photo searched for all its pieces shows no more than the one that was known."""
    await _change(service, piece, {"state": "located", "many": False, "before": None})


async def _change(service: Service, piece: Record, changes: Record) -> Record:
    """The record of a piece with changes, of which the listeners hear; 404 without one."""
    record = await service.change_piece(piece["puzzle"], piece["id"], changes)
    service.events.publish(piece["puzzle"], "piece", records.piece_view(record))
    return record


async def _search_many(
    service: Service,
    picture: Record,
    piece: Record,
    asked: Asked,
    cut: list[Any],
    told: list[str],
) -> None:
    """Stores all pieces of a photo but the first, then that in place of the photo."""
    order = [*range(1, len(cut)), 0]
    begun = (piece.get("progress") or {"done": 0})["done"]
    started, number = time.perf_counter(), begun
    parts = [cut[index] for index in order[begun:]]
    async for members, _, files in locate_cut(service, picture, piece["photo"], parts, asked):
        index, number = order[number], number + 1
        members |= {"version": picture["version"], "seconds": time.perf_counter() - started}
        members = {**doubted(members, told), **marks.NONE}
        if index == 0:
            await store(service, known(piece, members, files))
            return
        names, data = name_files(files)
        new = {
            **piece,
            **members,
            "id": _follower(piece["id"], index),
            "files": {**names, "photo": piece["files"]["photo"]},
        }
        del new["number"]  # one of its own
        await store(service, Found(new, data))
        await _change(service, piece, {"progress": {"done": number, "of": len(cut)}})


def _follower(key: str, index: int) -> str:
    """The id of another piece in the photo of a piece."""
    digest = hashlib.sha256(f"{key}/{index}".encode()).digest()[:16]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
