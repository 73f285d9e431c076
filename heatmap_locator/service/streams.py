"""Photos through the queue, as one answer or as server-sent events."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, NamedTuple, TypeVar

from fastapi import Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from heatmap_locator.service.fitting import store, view
from heatmap_locator.service.locating import Asked, Found, locate
from heatmap_locator.service.problems import Problem, all_failed, queue_full
from heatmap_locator.service.records import piece_view, puzzle_view
from heatmap_locator.service.service import Service
from heatmap_locator.service.storage import Record

MAX_LISTENERS = 256
"""Event streams open at once."""

PING = 15
"""Seconds between comments that keep an idle stream open."""

LOOK = 2.0
"""Seconds between looks at a storage that other processes write to as well."""

_T = TypeVar("_T")
_log = logging.getLogger("heatmap_locator.service")


class Photo(NamedTuple):
    """A file as it was sent."""

    name: str
    data: bytes


async def _located(
    service: Service, puzzle: Record, photos: list[Photo], asked: Asked
) -> AsyncGenerator[Found, None]:
    """Pieces of all photos as they are located, not yet stored, in no order."""
    found: asyncio.Queue[Found | Exception | None] = asyncio.Queue()

    async def work(photo: Photo) -> None:
        try:
            async with contextlib.aclosing(
                locate(service, puzzle, photo.name, photo.data, asked)
            ) as pieces:
                async for piece in pieces:
                    await found.put(piece)
        except Exception as error:
            await found.put(error)
        finally:
            await found.put(None)

    tasks = [asyncio.create_task(work(photo)) for photo in photos]
    try:
        left = len(tasks)
        while left:
            piece = await found.get()
            if piece is None:
                left -= 1
            elif isinstance(piece, Exception):
                raise piece
            else:
                yield piece
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def while_connected(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """What a coroutine returns; it is cancelled when the client hangs up.

    Raises:
        Problem: 499, which nobody gets to see.
    """
    task = asyncio.ensure_future(work)
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watching = asyncio.ensure_future(watch())
    try:
        return await task
    except asyncio.CancelledError:
        if gone:
            raise Problem(499, "the client has hung up") from None
        raise
    finally:
        task.cancel()
        watching.cancel()
        await asyncio.gather(task, watching, return_exceptions=True)


async def locate_photos(
    service: Service, puzzle: Record, photos: list[Photo], asked: Asked
) -> list[Record]:
    """Locates and keeps the pieces of all photos, in the photos' order.

    Raises:
        Problem: none could be located; nothing is kept then.
    """
    kept: dict[int, list[Record]] = {number: [] for number in range(len(photos))}
    failed: list[tuple[int, Found]] = []

    async def one(number: int, photo: Photo) -> None:
        async with contextlib.aclosing(_located(service, puzzle, [photo], asked)) as pieces:
            async for piece in pieces:
                if piece.problem is not None:
                    failed.append((number, piece))
                else:
                    kept[number].append(await store(service, piece))

    with service.room(len(photos)):
        tasks = [asyncio.create_task(one(n, photo)) for n, photo in enumerate(photos)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        failed.sort(key=lambda pair: pair[0])
        if not any(kept.values()):
            raise all_failed([p.problem for _, p in failed if p.problem is not None])
        for number, piece in failed:
            kept[number].append(await store(service, piece))
    return [piece for number in sorted(kept) for piece in kept[number]]


async def locate_events(
    service: Service, puzzle: Record, photos: list[Photo], asked: Asked
) -> AsyncGenerator[ServerSentEvent, None]:
    """``piece`` for each piece, kept already, then ``done``; ``problem`` where it had to end."""
    count = failed = 0
    try:
        with service.room(len(photos)):
            async with contextlib.aclosing(_located(service, puzzle, photos, asked)) as pieces:
                async for found in pieces:
                    piece = await store(service, found)
                    count += 1
                    failed += found.problem is not None
                    yield _event("piece", piece_view(piece))
        yield _event("done", {"puzzle": puzzle["id"], "pieces": count, "failed": failed})
    except Problem as problem:
        data = {"title": "Problem", "status": problem.status_code, "detail": problem.detail}
        yield _event("problem", data)
    except Exception:
        _log.exception("locating for puzzle %s failed", puzzle["id"])
        detail = "the server failed on this request; it has been logged"
        yield _event("problem", {"title": "Problem", "status": 500, "detail": detail})


async def puzzle_events(service: Service, puzzle: Record) -> EventSourceResponse:
    """The stream of what happens to a puzzle, which begins with the puzzle as it is."""
    if service.events.count >= MAX_LISTENERS:
        raise queue_full("too many event streams are open; close some")
    identifier = puzzle["id"]

    async def stream() -> AsyncGenerator[ServerSentEvent, None]:
        with service.events.listen(identifier) as queue:
            record = await asyncio.to_thread(service.storage.puzzle, identifier)
            if record is None:
                yield _event("removed", {"id": identifier})
                return
            last = await view(service, record)
            yield _event("puzzle", last)
            while True:
                wait = LOOK if service.storage.shared else None
                try:
                    event = await asyncio.wait_for(queue.get(), wait)
                except TimeoutError:
                    # Other processes change it too, and their events do not come here.
                    record = await asyncio.to_thread(service.storage.puzzle, identifier)
                    count = await asyncio.to_thread(service.storage.count, identifier)
                    now = None if record is None else puzzle_view(record, count)
                    if now is None:
                        yield _event("removed", {"id": identifier})
                        return
                    if now != last:
                        last = now
                        yield _event("puzzle", now)
                    continue
                yield _event(event.kind, event.data)
                if event.kind == "removed":
                    return

    return EventSourceResponse(stream(), ping=PING)


def _event(kind: str, data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(data, allow_nan=False), event=kind)
