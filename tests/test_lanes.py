"""Searches side by side: as one after the other, and ended where one is."""

import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError

import numpy as np
import pytest
import torch

from heatmap_locator import InputError, Locator, Puzzle
from heatmap_locator.search.lanes import LANES, lanes_for, side_by_side
from heatmap_locator.steps import step, stepping
from heatmap_train.draw.procedural import draw_picture

CPU = torch.device("cpu")


def test_results_come_in_order_and_threads_are_as_before() -> None:
    before, seen = torch.get_num_threads(), set[str]()
    barrier = threading.Barrier(3, timeout=20)

    def double(number: int) -> int:
        seen.add(threading.current_thread().name)
        if number < 3:
            barrier.wait()  # they are done at the same time
        time.sleep(0.01 * (9 - number))
        assert torch.is_inference_mode_enabled()
        assert torch.get_num_threads() == max(1, before // 3)
        return 2 * number

    assert side_by_side(double, range(9), 3) == list(range(0, 18, 2))
    assert len(seen) == 3
    assert torch.get_num_threads() == before
    assert side_by_side(str, [1, 2], 1) == ["1", "2"]


def test_one_that_fails_ends_the_others() -> None:
    ended = list[int]()

    def work(number: int) -> None:
        if number == 0:
            raise InputError("no", name="it")
        try:
            while True:
                time.sleep(0.001)
                step()
        except CancelledError:
            ended.append(number)
            raise

    with pytest.raises(InputError):
        side_by_side(work, range(20), 2)
    assert len(ended) <= 2  # the rest never began


def test_how_many_go_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert lanes_for(100, CPU, 10, 1000) == LANES
    assert lanes_for(3, CPU, 10, 1000) == 3
    assert lanes_for(100, CPU, 10, 25) == 2
    assert lanes_for(100, CPU, 10, 0) == 1
    assert lanes_for(100, CPU, 10, None) == LANES
    assert lanes_for(100, torch.device("cuda"), 10, 1000) == 1
    assert lanes_for(0, CPU, 10, 1000) == 1
    with stepping(lambda: None):  # as the service does, which pauses and ends searches
        assert lanes_for(100, CPU, 10, 1000) == 1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert lanes_for(100, CPU, 10, 1000) == 1


@pytest.fixture(scope="module")
def puzzle() -> Puzzle:
    picture = draw_picture(240, 160, np.random.default_rng(3))
    return Locator.from_pretrained(None, "cpu").encode(picture, grid=(4, 6))


def test_searches_side_by_side_answer_as_each_alone(
    puzzle: Puzzle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(x: int, y: int) -> np.ndarray:
        rgb = puzzle.picture[40 * y : 40 * y + 40, 40 * x : 40 * x + 40]
        return np.dstack([rgb, np.full((40, 40), 255, np.uint8)])

    photos: list[np.ndarray] = [cut(x, y) for x, y in ((0, 0), (3, 1), (5, 3), (2, 2), (4, 0))]
    photos.insert(3, np.zeros((2, 2, 3), np.uint8))
    used = list[int]()

    def counted(do, jobs, count):  # type: ignore[no-untyped-def]
        used.append(count)
        return side_by_side(do, jobs, count)

    monkeypatch.setattr("heatmap_locator.search.photos.side_by_side", counted)
    monkeypatch.setattr("heatmap_locator.puzzle.lanes_for", lambda *asked: 3)
    found = puzzle.search_many(photos, top=2, cutout=True)
    assert used == [3]
    assert isinstance(found[3], InputError)
    for photo, answer in zip(photos, found, strict=True):
        if isinstance(answer, InputError):
            continue
        alone = puzzle.search(photo, top=2, cutout=True)
        for one, other in zip(answer.placements, alone.placements, strict=True):
            assert one.box == pytest.approx(other.box, abs=0.01)
            assert one.score == pytest.approx(other.score, abs=1e-4)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, "20000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, "None"),
    ],
)
def test_threads_do_not_wait_long_unless_somebody_has_said_how(
    given: dict[str, str], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    code = "import heatmap_locator, os; print(os.environ.get('GOMP_SPINCOUNT'))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == found
