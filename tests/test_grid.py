"""Grids from counts and from text."""

from typing import Any

import pytest

from heatmap_locator.errors import InputError
from heatmap_locator.grid import Grid


@pytest.mark.parametrize(
    ("pieces", "width", "height", "expected"),
    [
        (24, 600, 400, (4, 6)),
        (49, 500, 500, (7, 7)),
        (1000, 1600, 1000, (25, 40)),  # an exact product with square cells
        (1000, 1400, 1000, (27, 38)),  # 25 x 40 would leave cells 1.14 long: nominal
        (2944, 1600, 1118, (46, 64)),
        (500, 490, 360, (20, 25)),
        (54, 700, 500, (6, 9)),
        (1, 300, 200, (1, 1)),
    ],
)
def test_from_pieces(pieces: int, width: int, height: int, expected: tuple[int, int]) -> None:
    grid = Grid.from_pieces(pieces, width, height)
    assert (grid.rows, grid.cols) == expected
    turned = Grid.from_pieces(pieces, height, width)
    assert (turned.rows, turned.cols) == expected[::-1]


@pytest.mark.parametrize("pieces", [100, 260, 500, 750, 1000, 1500, 2000, 3000, 5000, 50_000])
@pytest.mark.parametrize("aspect", [1.0, 1.25, 1.4, 1.5, 16 / 9, 3.0])
def test_count_and_cells_are_near(pieces: int, aspect: float) -> None:
    grid = Grid.from_pieces(pieces, 1000.0 * aspect, 1000.0)
    width, height = grid.cell_size(1000.0 * aspect, 1000.0)
    assert abs(grid.pieces / pieces - 1.0) <= 0.042
    assert max(width / height, height / width) <= 1.15


@pytest.mark.parametrize("pieces", [0, -5, 50_001, 10**9, 2.5, True, "24"])
def test_absurd_counts(pieces: object) -> None:
    with pytest.raises(InputError, match="pieces"):
        Grid.from_pieces(pieces, 100, 100)  # type: ignore[arg-type]


def test_parse() -> None:
    assert Grid.parse("25x38") == Grid(25, 38)
    assert Grid.parse(" 4 X 6 ") == Grid(4, 6)
    assert str(Grid.parse("25x38")) == "25x38"
    assert Grid.parse("25x38").pieces == 950


@pytest.mark.parametrize("text", ["", "25", "25x", "x38", "a x b", "25*38", "-2x5", "2x3x4", "²x3"])
def test_parse_says_the_form(text: str) -> None:
    with pytest.raises(InputError, match="ROWSxCOLS, such as 25x38"):
        Grid.parse(text)


@pytest.mark.parametrize("text", ["0x5", "5x0", "999x999", "99999x99999"])
def test_parse_out_of_range(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Grid.parse(text)
    assert "\n" not in str(caught.value)


def test_cells() -> None:
    grid = Grid(4, 6)
    assert grid.cell_size(600, 400) == (100.0, 100.0)
    assert grid.cell_at(0, 0, 600, 400) == (0, 0)
    assert grid.cell_at(599.9, 399.9, 600, 400) == (3, 5)
    assert grid.cell_at(250, 130, 600, 400) == (1, 2)
    assert grid.cell_at(600, 400, 600, 400) == (3, 5)
    assert grid.cell_at(-20, 1000, 600, 400) == (3, 0)


def test_check() -> None:
    assert Grid(25, 25).check(100, 100, "p.jpg") == Grid(25, 25)
    with pytest.raises(InputError, match=r"p\.jpg.*larger picture"):
        Grid(25, 26).check(100, 100, "p.jpg")


def test_a_grid_that_only_fits_a_number_says_so() -> None:
    fitting = Grid.from_pieces(1000, 1400, 1000)
    assert not fitting.exact
    own = Grid.parse(str(fitting))
    assert own.exact
    assert own == fitting


def test_all_that_an_owner_may_know_makes_a_grid() -> None:
    size, name = (380, 250), "box.jpg"
    assert Grid.make(size=size, name=name) is None
    same = [Grid.make(size=size, name=name, grid=g) for g in ("25x38", (25, 38), Grid(25, 38))]
    assert same == 3 * [Grid(25, 38)]
    counted = Grid.make(size=size, name=name, pieces=950)
    assert counted == Grid(25, 38)
    assert counted is not None
    assert not counted.exact
    assert all(grid is not None and grid.exact for grid in same)


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"pieces": 950, "grid": "25x38"}, "box.jpg: give pieces or grid, not both"),
        ({"pieces": 9500}, "box.jpg: a .* use a larger picture or fewer pieces"),
        ({"grid": "100x100"}, "box.jpg: a 100x100 grid leaves 2.5 pixels"),
        ({"grid": (100, 100)}, "box.jpg: a 100x100 grid leaves 2.5 pixels"),
        ({"grid": Grid(100, 100)}, "box.jpg: a 100x100 grid leaves 2.5 pixels"),
        ({"grid": (3, 4, 5)}, "rows, cols"),
        ({"grid": 12}, "rows, cols"),
    ],
)
def test_what_makes_no_grid_is_named(known: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Grid.make(size=(380, 250), name="box.jpg", **known)
