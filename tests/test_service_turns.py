"""A search that takes long: others go on beside it, and it ends when nobody wants it any more."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest
import torch
from conftest import HANG
from service_support import COLS, ROWS, small_picture, small_piece, wait_until

from heatmap_locator import Locator
from heatmap_locator.grid import Grid
from heatmap_locator.locator import Puzzle
from heatmap_locator.service import engine as module
from heatmap_locator.service import searching
from heatmap_locator.service.engine import Engine
from heatmap_locator.service.metrics import Metrics
from heatmap_locator.service.slots import Slots
from heatmap_locator.service.squaring import Loaded
from heatmap_locator.service.storage import GoneError
from heatmap_locator.steps import step

LONG = 7
"""Places asked of pieces whose search does not end by itself."""


class Endless:
    """Stands for ``Puzzle.search_many``: pieces with ``LONG`` places take steps for ever."""

    def __init__(self) -> None:
        self.steps, self._search = 0, Puzzle.search_many
        self.threads = Counter[int]()
        """Steps of each thread."""

    def __call__(self, puzzle: Puzzle, pieces: list[Any], top: int, cutout: bool) -> list[Any]:
        while top == LONG:
            self.steps += int(torch.ones(()))
            self.threads[threading.get_ident()] += 1
            step()
        return self._search(puzzle, pieces, top, cutout)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Endless:
    made = Endless()
    monkeypatch.setattr(
        Puzzle, "search_many", lambda self, pieces, top, cutout: made(self, pieces, top, cutout)
    )
    return made


def load(puzzle: str, version: int) -> Loaded:
    return Loaded(small_picture(int(puzzle)), Grid(ROWS, COLS))


@pytest.fixture
def engine(plain_locator: Locator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(module, "TURN", 0.01)
    made = Engine(plain_locator, load, batch=1, cache=4, metrics=Metrics())
    yield made
    made.stop()


@pytest.fixture
def wide(plain_locator: Locator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Two searches side by side."""
    monkeypatch.setattr(module, "TURN", 0.01)
    made = Engine(plain_locator, load, batch=1, cache=4, metrics=Metrics(), abreast=2)
    yield made
    made.stop()


def test_pieces_of_one_puzzle_are_searched_side_by_side(wide: Engine, endless: Endless) -> None:
    wide.encode("5", 0).result(HANG)
    long = [wide.search("5", 0, small_piece(0, 0), LONG) for _ in range(3)]
    assert wait_until(lambda: len(endless.threads) == 2)
    before = dict(endless.threads)
    assert wait_until(lambda: all(endless.threads[t] > before[t] + 10 for t in before))
    # Others have their turns all the same, and it has no more than two.
    for seed in (6, 7, 8):
        found = wide.search(str(seed), 0, small_piece(1, 2, seed=seed), 1).result(HANG)
        assert found.placements[0].cell == (1, 2)
    assert len(endless.threads) == 2
    assert not any(job.done() for job in long)
    long[0].cancel()
    assert isinstance(long[0].exception(HANG), CancelledError)
    steps = endless.steps
    assert wait_until(lambda: endless.steps > steps)
    assert not any(job.done() for job in long[1:])


def test_a_puzzle_without_room_for_two_is_searched_for_one_at_a_time(
    wide: Engine, endless: Endless, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide.encode("5", 0).result(HANG)
    monkeypatch.setattr(searching, "free_bytes", lambda device: 0)
    long = [wide.search("5", 0, small_piece(0, 0), LONG) for _ in range(2)]
    assert wait_until(lambda: endless.steps > 1000)
    assert len(endless.threads) == 1
    for job in long:
        job.cancel()


def test_nobody_waits_for_anothers_search(engine: Engine, endless: Endless) -> None:
    long = engine.search("5", 0, small_piece(0, 0), LONG)
    assert wait_until(lambda: endless.steps > 0)
    for seed in (6, 7):
        found = engine.search(str(seed), 0, small_piece(1, 2, seed=seed), 1).result(HANG)
        assert found.placements[0].cell == (1, 2)
    before = endless.steps
    assert wait_until(lambda: endless.steps > before)  # it goes on after them
    assert not long.done()
    # As many as may be begun side by side, and one that needs no other's end.
    others = [engine.search(str(seed), 0, small_piece(0, 0), LONG) for seed in (8, 9)]
    found = engine.search("10", 0, small_piece(2, 1, seed=10), 1).result(HANG)
    assert found.placements[0].cell == (2, 1)
    assert not any(job.done() for job in (long, *others))


@pytest.mark.parametrize("how", ["deleted", "squared up anew", "cancelled", "stopped"])
@pytest.mark.parametrize("beside", [False, True])
def test_what_nobody_wants_ends_in_the_middle(
    engine: Engine, endless: Endless, how: str, beside: bool
) -> None:
    long = engine.search("5", 0, small_piece(0, 0), LONG)
    other = engine.search("6", 0, small_piece(0, 0), LONG) if beside else None
    assert wait_until(lambda: endless.steps > 0)
    end: dict[str, Callable[[], Any]] = {
        "deleted": lambda: engine.forget("5"),
        "squared up anew": lambda: engine.forget("5", 1),
        "cancelled": long.cancel,
        "stopped": engine.stop,
    }
    begun = time.monotonic()
    end[how]()
    error = long.exception(HANG)
    # A second on a machine of its own.
    assert time.monotonic() - begun < HANG / 10
    assert isinstance(error, CancelledError if how in ("cancelled", "stopped") else GoneError)
    if how == "stopped":
        assert not any(thread.is_alive() for thread in engine._threads)
        return
    assert other is None or not other.done()
    found = engine.search("5", 1, small_piece(1, 2), 1).result(HANG)
    assert found.placements[0].cell == (1, 2)


def test_a_pause_holds_no_lock_that_others_need(engine: Engine, monkeypatch: Any) -> None:
    """``cached_property`` has one lock for all objects in Python 3.11."""
    from functools import cached_property

    class Slow:
        @cached_property
        def value(self) -> int:
            for _ in range(20_000):
                step()
            return 20_000

    search = Puzzle.search_many

    def with_value(self: Puzzle, *asked: Any) -> Any:
        assert Slow().value == 20_000
        return search(self, *asked)

    monkeypatch.setattr(Puzzle, "search_many", with_value)
    jobs = [engine.search(str(n), 0, small_piece(0, 1, seed=n), 1) for n in (5, 6, 7)]
    for job in jobs:
        assert job.result(HANG).placements[0].cell == (0, 1)


def test_slots_are_shared_out_by_turns() -> None:
    """Who has taken many waits behind who has none, however many came first."""
    import asyncio

    async def run() -> list[str]:
        slots, order = Slots(count=3, each=2), list[str]()
        go = asyncio.Event()

        async def work(key: str) -> None:
            async with slots.of(key):
                order.append(key)
                await go.wait()

        tasks = [asyncio.create_task(work("a")) for _ in range(6)]
        await asyncio.sleep(0)
        assert order == ["a", "a"]  # the third slot is for others
        tasks += [asyncio.create_task(work(key)) for key in "bc"]
        await asyncio.sleep(0)
        assert order == ["a", "a", "b"]
        tasks[4].cancel()  # it waits
        go.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert slots.free == 3
        return order

    order = asyncio.run(run())
    assert len(order) == 7
    assert order.index("c") < 5
