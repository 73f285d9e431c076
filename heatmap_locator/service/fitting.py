"""A puzzle and its stored pieces are made to fit its present picture, and stay so.

A piece may be located while the corners of its puzzle change.  Whoever comes last sees it: a piece
that is stored looks whether the picture is another by now, and a picture that has been encoded
locates what was placed in an older one.
"""

import asyncio
import contextlib
import logging
from typing import Any

from heatmap_locator.errors import InputError
from heatmap_locator.service import records
from heatmap_locator.service.locating import Found, locate_again
from heatmap_locator.service.problems import Problem
from heatmap_locator.service.service import Service
from heatmap_locator.service.storage import GoneError, Record

_log = logging.getLogger("heatmap_locator.service")


def encode_soon(service: Service, puzzle: str) -> None:
    """Makes a puzzle and its pieces fit its present picture, in the background."""
    service.spawn(_encode(service, puzzle))


async def resume(service: Service) -> None:
    """Takes up the puzzles that were in work when the last process ended."""
    for record in await asyncio.to_thread(service.storage.puzzles):
        if record["state"] == "encoding":
            encode_soon(service, record["id"])


async def store(service: Service, found: Found) -> Record:
    """Keeps a piece, tells the listeners, and returns its record; 409 if it or its puzzle went."""
    record, data = found.record, found.data
    puzzle, storage = record["puzzle"], service.storage

    def write() -> Record:
        if found.known:  # and may have been marked by people since
            return storage.update_piece(puzzle, record["id"], record, data)
        if storage.puzzle(puzzle) is None:
            raise GoneError(puzzle)
        numbered = {"number": storage.next_number(puzzle), **record}
        storage.put_piece(numbered, data)
        return numbered

    try:
        record = await service.keep(write, data, puzzle)
    except GoneError:
        raise Problem(409, "the puzzle has been deleted", "changed") from None
    service.events.publish(puzzle, "piece", records.piece_view(record))
    current = await asyncio.to_thread(service.storage.puzzle, puzzle)
    if current is not None and current["version"] > record["version"]:
        encode_soon(service, puzzle)  # the corners changed just now
    return record


async def view(service: Service, record: Record) -> dict[str, Any]:
    """A puzzle's record as the API shows it."""
    count = await asyncio.to_thread(service.storage.count, record["id"])
    return records.puzzle_view(record, count)


async def _encode(service: Service, puzzle: str) -> None:
    """Encodes a puzzle and locates anew those of its pieces that an older picture placed."""
    record = await asyncio.to_thread(service.storage.puzzle, puzzle)
    if record is None:
        return
    version = record["version"]
    failure = None
    try:
        await asyncio.wrap_future(service.device.encode(puzzle, version))
    except GoneError:
        return
    except InputError as error:
        failure = str(error.renamed(record["name"]))
    except Exception:
        _log.exception("encoding of puzzle %s failed", puzzle)
        failure = "the picture could not be encoded; the server's log says why"
    if failure is None:
        for piece in await asyncio.to_thread(service.storage.pieces, puzzle):
            if piece["version"] != version and piece["state"] != "waiting":
                found: Found | None
                if piece.get("placed") and piece["version"] >= record.get("pictured", version):
                    same = {"id": piece["id"], "puzzle": puzzle, "version": version}
                    found = Found(same, {}, known=True)  # it lies where it was put
                else:
                    found = await locate_again(service, piece, version)
                if found is not None:
                    with contextlib.suppress(Problem):
                        await store(service, found)
    await _changed(service, puzzle, version, "ready" if failure is None else "failed", failure)


async def _changed(
    service: Service, puzzle: str, version: int, state: str, error: str | None
) -> None:
    current = await asyncio.to_thread(service.storage.puzzle, puzzle)
    if current is None or current["version"] != version:
        return  # deleted or squared up anew meanwhile
    with contextlib.suppress(GoneError):
        record = await asyncio.to_thread(
            service.storage.update_puzzle, puzzle, {"state": state, "error": error}
        )
        service.events.publish(puzzle, "puzzle", await view(service, record))
