"""What is searched together, in which turn, and what is not searched any more."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import pytest
from conftest import HANG
from fastapi.testclient import TestClient
from service_support import (
    COLS,
    ROWS,
    add_small,
    assert_problem,
    encoded,
    send_photos,
    small_picture,
    small_piece,
)

from heatmap_locator import Locator
from heatmap_locator.grid import Grid
from heatmap_locator.locator import Puzzle
from heatmap_locator.service.engine import Engine
from heatmap_locator.service.metrics import Metrics
from heatmap_locator.service.squaring import Loaded
from heatmap_locator.service.storage import GoneError


class Held:
    """A loader that waits until it is let go, so that jobs pile up."""

    def __init__(self) -> None:
        self.go, self.loads = threading.Event(), 0

    def __call__(self, puzzle: str, version: int) -> Loaded:
        self.go.wait(HANG)
        self.loads += 1
        if puzzle == "gone":
            raise GoneError(puzzle)
        return Loaded(small_picture(int(puzzle)), Grid(ROWS, COLS))


def run_jobs(locator: Locator, batch: int) -> tuple[list[Any], Metrics]:
    held, metrics = Held(), Metrics()
    engine = Engine(locator, held, batch=batch, cache=4, metrics=metrics)
    engine.encode("4", 0)  # holds the thread until all are in line
    photos = [small_piece(r, c, 30 * r) for r in range(ROWS) for c in range(COLS)]
    jobs = [engine.search("5", 0, photo, 3) for photo in photos]
    jobs.insert(5, engine.search("5", 0, np.full((50, 50, 3), 200, np.uint8), 3))
    held.go.set()
    found = []
    for job in jobs:
        error = job.exception(timeout=HANG)
        found.append(type(error).__name__ if error is not None else job.result())
    engine.stop()
    return found, metrics


@pytest.mark.slow
def test_batching_changes_no_answer(plain_locator: Locator) -> None:
    alone, single = run_jobs(plain_locator, 1)
    together, many = run_jobs(plain_locator, 8)
    assert single.registry.get_sample_value("heatmap_batch_size_count") == 13
    assert many.registry.get_sample_value("heatmap_batch_size_count") == 2
    for one, other in zip(alone, together, strict=True):
        if isinstance(one, str):
            assert one == other == "NoPieceError"
            continue
        assert [p.to_dict() for p in one.placements] == [p.to_dict() for p in other.placements]
        np.testing.assert_allclose(one.heatmap, other.heatmap, atol=1e-5)


def test_a_crash_of_a_batch_is_laid_to_the_one_that_caused_it(
    plain_locator: Locator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from heatmap_locator.locator import Puzzle

    search_many = Puzzle.search_many
    wicked = small_piece(2, 2)

    def crash(self: Puzzle, pieces: list[np.ndarray], *asked: Any) -> list[Any]:
        if any(np.array_equal(piece, wicked) for piece in pieces):
            raise RuntimeError("out of memory")
        return search_many(self, pieces, *asked)

    monkeypatch.setattr(Puzzle, "search_many", crash)
    held = Held()
    engine = Engine(plain_locator, held, batch=8, cache=4, metrics=Metrics())
    engine.encode("4", 0)
    photos = [small_piece(0, 1), wicked, small_piece(1, 3)]
    jobs = [engine.search("5", 0, photo, 1) for photo in photos]
    held.go.set()
    assert isinstance(jobs[1].exception(HANG), RuntimeError)
    assert [jobs[n].result(HANG).placements[0].cell for n in (0, 2)] == [(0, 1), (1, 3)]
    assert engine.ready
    engine.stop()


def test_jobs_of_other_puzzles_are_not_mixed_in(plain_locator: Locator) -> None:
    held = Held()
    engine = Engine(plain_locator, held, batch=8, cache=1, metrics=Metrics())
    engine.encode("4", 0)
    order = ["5", "6", "5", "7", "5"]
    jobs = [engine.search(name, 0, small_piece(1, 1, seed=int(name)), 1) for name in order]
    gone = engine.search("gone", 0, small_piece(0, 0), 1)
    held.go.set()
    for job in jobs:
        assert job.result(HANG).placements[0].cell == (1, 1)
    assert isinstance(gone.exception(HANG), GoneError)
    assert held.loads == 5  # each once, though only one is kept at a time
    engine.encode("5", 0).result(HANG)
    assert held.loads == 6
    engine.encode("5", 0).result(HANG)
    assert held.loads == 6
    engine.forget("5")
    engine.encode("5", 0).result(HANG)
    assert held.loads == 7
    engine.stop()
    assert isinstance(engine.encode("5", 0).exception(1), RuntimeError)


def test_what_nobody_waits_for_is_not_searched(plain_locator: Locator) -> None:
    held, metrics = Held(), Metrics()
    engine = Engine(plain_locator, held, batch=1, cache=1, metrics=metrics)
    first = engine.encode("5", 0)
    dropped = [engine.search("5", 0, small_piece(0, 0), 1) for _ in range(3)]
    last = engine.search("5", 0, small_piece(0, 1), 1)
    assert all(job.cancel() for job in dropped)
    held.go.set()
    first.result(HANG)
    assert last.result(HANG).placements[0].cell == (0, 1)
    assert metrics.registry.get_sample_value("heatmap_batch_size_count") == 1
    engine.stop()


def test_a_crash_of_one_search_leaves_the_engine_alive(
    plain_locator: Locator, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    puzzle, photo = add_small(client)["id"], encoded(small_piece(0, 2))

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: device-side assert")

    from heatmap_locator.locator import Puzzle

    with monkeypatch.context() as patch:
        patch.setattr(Puzzle, "search_many", crash)
        assert_problem(send_photos(client, puzzle, photo), 500)
    assert send_photos(client, puzzle, photo).status_code == 200
    assert client.get("/readyz").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(("turn", "order"), [(0.0, ["567", "567", "5"]), (600.0, ["5556677"])])
def test_puzzles_take_turns(
    plain_locator: Locator, monkeypatch: pytest.MonkeyPatch, turn: float, order: list[str]
) -> None:
    """Between two pieces of one puzzle others have theirs, unless it has just begun."""
    monkeypatch.setattr("heatmap_locator.service.engine.TURN", turn)
    held = Held()
    engine = Engine(plain_locator, held, batch=1, cache=4, metrics=Metrics())
    engine.encode("4", 0)
    done: list[str] = []
    jobs = [(name, engine.search(name, 0, small_piece(0, 1), 1)) for name in "5556677"]
    for name, job in jobs:
        job.add_done_callback(lambda _, name=name: done.append(name))  # type: ignore[misc]
    held.go.set()
    for _, job in jobs:
        job.exception(HANG)
    engine.stop()
    for together in order:  # which of those begun side by side ends first is open
        assert sorted(done[: len(together)]) == sorted(together)
        del done[: len(together)]


def test_what_was_deleted_is_given_up_at_once(plain_locator: Locator) -> None:
    """Not only when its turn comes, and without what belongs to others or a newer picture."""
    held, metrics = Held(), Metrics()
    engine = Engine(plain_locator, held, batch=1, cache=4, metrics=metrics)
    engine.encode("4", 0)
    old = [engine.search("5", version, small_piece(0, 0), 1) for version in (0, 1)]
    new = engine.search("5", 2, small_piece(0, 1), 1)
    other = engine.search("6", 0, small_piece(1, 2, seed=6), 1)
    engine.forget("5", 2)
    for job in old:
        assert isinstance(job.exception(1), GoneError)
    engine.forget("6")
    assert isinstance(other.exception(1), GoneError)
    assert metrics.registry.get_sample_value("heatmap_queue_length") == 1
    held.go.set()
    assert new.result(HANG).placements[0].cell == (0, 1)
    engine.stop()


def test_a_stop_waits_for_nothing_long(plain_locator: Locator) -> None:
    held = Held()
    engine = Engine(plain_locator, held, batch=1, cache=4, metrics=Metrics())
    first, waiting = engine.encode("4", 0), engine.search("5", 0, small_piece(0, 0), 1)
    begun = time.monotonic()
    assert not engine.stop()
    assert time.monotonic() - begun < HANG / 2
    assert waiting.cancelled()
    held.go.set()
    assert isinstance(first.exception(HANG), CancelledError)
    assert engine.stop()


def test_a_client_that_hangs_up_is_not_searched_for(
    make_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    # One search at a time, however many threads torch has.
    monkeypatch.setattr("heatmap_locator.service.service.abreast", lambda locator: 1)
    client = make_client()
    puzzle, search_many = add_small(client)["id"], Puzzle.search_many
    begun, go, searched = threading.Event(), threading.Event(), list[int]()

    def slow(self: Puzzle, pieces: list[np.ndarray], *asked: Any) -> Any:
        searched.append(len(pieces))
        begun.set()
        go.wait(HANG)
        return search_many(self, pieces, *asked)

    monkeypatch.setattr(Puzzle, "search_many", slow)
    files = [("photos", (f"{n}.png", encoded(small_piece(n, 0)))) for n in range(3)]
    request = client.build_request("POST", f"/v1/puzzles/{puzzle}/locate", files=files)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": request.url.path,
        "raw_path": request.url.raw_path,
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": ("testserver", 80),
        "client": ("testclient", 1),
    }
    body, sent = request.read(), list[dict[str, Any]]()

    async def ask() -> None:
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            while not begun.is_set():
                await asyncio.sleep(0.01)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await asyncio.wait_for(client.app(scope, receive, send), HANG)  # type: ignore[arg-type]

    assert client.portal is not None
    try:
        client.portal.call(ask)
        assert sent[0]["status"] == 499
    finally:
        go.set()
    monkeypatch.setattr(Puzzle, "search_many", search_many)
    (piece,) = send_photos(client, puzzle, encoded(small_piece(1, 1))).json()["pieces"]
    assert searched == [1]
    assert client.get(f"/v1/puzzles/{puzzle}/pieces").json()["pieces"] == [piece]
