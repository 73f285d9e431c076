"""A number of pieces far from the truth."""

import json

import numpy as np
import pytest
from reports_support import CELL, EXAMPLES, PICTURE, is_right, piece

from heatmap_locator.command.cli import main
from heatmap_locator.locator import Locator
from heatmap_locator.puzzle import Puzzle


@pytest.fixture(scope="module")
def locator() -> Locator:
    return Locator.from_pretrained(device="cpu")


def inside(puzzle: Puzzle, centre: tuple[float, float]) -> bool:
    return 0 <= centre[0] <= puzzle.width and 0 <= centre[1] <= puzzle.height


@pytest.mark.parametrize(
    "pieces", [2, 24, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 4, 48, 400, 1900))]
)
def test_the_place_is_that_of_the_size_that_fits(pieces: int, locator: Locator) -> None:
    puzzle = locator.encode(PICTURE, pieces=pieces)
    search = puzzle.search(piece(), top=10)
    assert all(inside(puzzle, place.center) for place in search.placements)
    place = search.placements[0].to_dict() | {"cell": None}
    assert is_right(place)
    if search.size_estimate is not None:
        assert search.size_estimate == pytest.approx(192, rel=0.1)
        assert puzzle.size_estimate == pytest.approx(192, rel=0.1)


def test_the_right_number_is_not_doubted(locator: Locator) -> None:
    puzzle = locator.encode(PICTURE, pieces=192)
    for number in (1, 2, 3):
        assert puzzle.search(EXAMPLES / f"piece{number}.jpg").size_estimate is None
    assert puzzle.size_estimate is None


@pytest.mark.slow
def test_a_piece_that_fits_nowhere_costs_few_looks(
    locator: Locator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is hard at the right size is hard at every size."""
    from heatmap_locator.search import other_sizes

    looks = []
    look = other_sizes.BySize.look
    monkeypatch.setattr(
        other_sizes.BySize, "look", lambda *args, **more: looks.append(1) or look(*args, **more)
    )
    puzzle = locator.encode(PICTURE, pieces=192)
    flat = np.dstack([np.full((100, 100, 3), 120, np.uint8), np.zeros((100, 100), np.uint8)])
    flat[20:80, 20:80, 3] = 255
    flat[40:60, 80:92, 3] = 255
    for _ in range(7):
        puzzle.search(flat)
    assert len(looks) == 3
    puzzle.search(piece())
    for _ in range(9):
        puzzle.search(flat)
    assert len(looks) == 3


def test_the_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(EXAMPLES / "piece1.jpg"), str(PICTURE), "--pieces", "24", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "looks like about 200 pieces, not 24; give --pieces 200" in err
    answer = json.loads(out)
    assert answer["puzzle"]["size_estimate"] == 200
    assert answer["results"][0]["size_estimate"] == 200
    assert main([str(EXAMPLES / "piece1.jpg"), str(PICTURE), "--pieces", "192", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "size_estimate" not in json.loads(out)["puzzle"]
    assert json.loads(out)["results"][0]["placements"][0]["cell"] == list(CELL)
