"""Rows, columns and edges by pieces that were surely placed."""

from types import SimpleNamespace

import numpy as np
import pytest

from heatmap_locator.fitted_grid import (
    FEWEST,
    FEWEST_OPEN,
    REMEMBERED,
    FittedGrid,
    OpenGrid,
    Told,
    fit_grid,
    told_by,
)
from heatmap_locator.geometry import similarity
from heatmap_locator.grid import WHOLE, Edges, Grid
from heatmap_locator.placement import Placement

CROPPED: Edges = (-0.02, 0.015, 0.98, 1.03)


def pieces(
    grid: Grid, count: int, seed: int = 1, stray: float = 0.0, score: float = 1.0
) -> list[Told]:
    """Pieces of a cut, their middles off by what bodies are off by; some lie anywhere."""
    rng = np.random.default_rng(seed)
    found = []
    for index in rng.permutation(grid.pieces)[:count]:
        row, col = divmod(int(index), grid.cols)
        x, y = grid.middle_of((row, col), 1.0, 1.0)
        wide, high = grid.cell_size(1.0, 1.0)
        dx, dy = rng.normal(0, 0.03, 2)
        middle = (x + dx * wide, y + dy * high)
        if rng.random() < stray:
            middle = (float(rng.random()), float(rng.random()))
        straight = row == 0, col == grid.cols - 1, row == grid.rows - 1, col == 0
        found.append(Told(middle, score, straight))
    return found


@pytest.mark.parametrize(("rows", "cols"), [(4, 6), (10, 15), (25, 40), (46, 64), (100, 150)])
@pytest.mark.parametrize("count", [4, 30])
def test_a_grid_that_fits_stays(rows: int, cols: int, count: int) -> None:
    given = Grid(rows, cols)
    assert fit_grid(given, pieces(given, min(count, given.pieces - 1), stray=0.05)) is given


@pytest.mark.parametrize(("rows", "cols"), [(10, 15), (25, 40), (46, 64)])
def test_a_cropped_picture(rows: int, cols: int) -> None:
    truth = Grid(rows, cols, edges=CROPPED)
    found = fit_grid(Grid(rows, cols), pieces(truth, min(rows * cols, 80), stray=0.03))
    assert (found.rows, found.cols, found.exact, found.ends_known) == (rows, cols, True, True)
    off = (np.array(found.edges) - CROPPED) * [cols, rows, cols, rows]
    assert np.abs(off).max() < 0.1


def test_where_lines_lie_is_known_before_the_ends_are() -> None:
    truth = Grid(46, 64, edges=(-0.03, 0.03, 1.03, 0.97))
    inside = [one for one in pieces(truth, 40) if one.straight and not any(one.straight)]
    found = fit_grid(Grid(46, 64), inside[:12])
    assert not found.ends_known
    at = found.in_cells(np.array([one.middle for one in inside]), 1.0, 1.0)
    assert np.abs(at - np.floor(at) - 0.5).max() < 0.2


@pytest.mark.parametrize(("rows", "cols", "guess"), [(27, 38, (25, 40)), (10, 15, (10, 15))])
def test_a_number_of_pieces_becomes_rows_and_columns(
    rows: int, cols: int, guess: tuple[int, int]
) -> None:
    given = Grid(*guess, exact=False)
    assert fit_grid(given, pieces(Grid(rows, cols), 3)) is given
    found = fit_grid(given, pieces(Grid(rows, cols), 40))
    assert (found.rows, found.cols, found.exact) == (rows, cols, True)
    assert np.abs(np.array(found.edges) - WHOLE).max() < 0.1 / rows


def test_pieces_that_lie_anyhow_tell_nothing() -> None:
    rng = np.random.default_rng(3)
    told = [Told((float(x), float(y)), 0.95) for x, y in rng.random((60, 2))]
    for given in (Grid(25, 40), Grid(25, 40, exact=False)):
        assert fit_grid(given, told) is given


def test_unsure_pieces_tell_less() -> None:
    given = Grid(25, 40)
    told = {score: pieces(Grid(25, 40, edges=CROPPED), 8, score=score) for score in (0.5, 1.0)}
    assert fit_grid(given, told[0.5]) is given
    assert fit_grid(given, told[1.0]) is not given


def test_a_session_does_not_depend_on_the_order() -> None:
    truth = Grid(10, 15, edges=CROPPED)
    told = pieces(truth, 30)
    first, second = FittedGrid(Grid(10, 15)), FittedGrid(Grid(10, 15))
    for one in told[: FEWEST - 1]:
        first.tell(one)
    assert first.grid is not None
    assert first.grid.edges == WHOLE
    for one in told[FEWEST - 1 :]:
        first.tell(one)
    for one in reversed(told):
        second.tell(one)
    assert first.grid.edges == pytest.approx(second.grid.edges)
    assert first.grid.edges == pytest.approx(CROPPED, abs=0.01)


def test_a_photo_taken_twice_counts_once_and_little_is_remembered() -> None:
    fitted, truth = FittedGrid(Grid(25, 40)), Grid(25, 40, edges=CROPPED)
    one = pieces(truth, 1)[0]
    for _ in range(50):
        fitted.tell(one)
    assert fitted.grid.edges == WHOLE
    for told in pieces(truth, 400):
        fitted.tell(told)
    assert len(fitted._told) == REMEMBERED


def test_what_a_piece_tells() -> None:
    # Turned clockwise by 90 degrees in its photo: what faces right there faces up in the picture.
    matrix = similarity((50.0, 50.0), (200.0, 100.0), -90.0, 1.0)
    place = Placement((0, 0, 1, 1), (0.5, 0.5), 90.0, 1.0, None, tuple(matrix.ravel().tolist()))
    sides = SimpleNamespace(
        outward=np.array([0.0, 90.0, 180.0, 270.0]),
        kinds=("knob", "straight", "blank", "knob"),
        tell=True,
    )
    told = told_by(place, (50.0, 50.0), (400, 400), sides)
    assert told.middle == pytest.approx((0.5, 0.25))
    assert told.straight == (True, False, False, False)
    assert told_by(place, (50.0, 50.0), (400, 400), None).straight is None
    sides.tell = False
    assert told_by(place, (50.0, 50.0), (400, 400), sides).straight is None


def test_a_grid_with_edges() -> None:
    grid = Grid(10, 20, edges=(0.1, -0.1, 0.9, 1.1))
    assert grid.cell_size(200, 100) == pytest.approx((8.0, 12.0))
    assert grid.origin(200, 100) == pytest.approx((20.0, -10.0))
    assert grid.outer(200, 100) == pytest.approx((20.0, -10.0, 180.0, 110.0))
    assert grid.middle_of((3, 5), 200, 100) == pytest.approx((64.0, 32.0))
    assert grid.cell_at(64.0, 32.0, 200, 100) == (3, 5)
    assert grid.cell_at(0.0, 500.0, 200, 100) == (9, 0)
    assert grid != Grid(10, 20)


@pytest.mark.parametrize(("rows", "cols"), [(9, 13), (14, 20), (27, 41)])
def test_where_nothing_was_given_rows_and_columns_follow_from_size_and_places(
    rows: int, cols: int
) -> None:
    size, truth = (cols * 30, rows * 30), Grid(rows, cols)
    told = pieces(truth, 40, stray=0.05)
    side = 30 * 1.04  # as far off as sizes are known
    found = OpenGrid(size)
    asked = [found.tell(one, 30.0, side if n >= 2 else None) for n, one in enumerate(told)]
    assert asked[:2] == [None] * 2
    assert any(fitted is not None and fitted.grid.exact for fitted in asked[:FEWEST_OPEN])
    first = next(fitted for fitted in asked if fitted is not None)
    assert (first.grid.rows, first.grid.cols) == (rows, cols)
    for one in told:  # those after it correct it, those before are known to it
        first.tell(one)
    assert (first.grid.rows, first.grid.cols, first.grid.exact) == (rows, cols, True)


def test_where_nothing_was_given_pieces_without_an_agreed_size_or_lines_tell_nothing() -> None:
    told = pieces(Grid(14, 20), 40)
    unsettled = OpenGrid((600, 420))
    assert [unsettled.tell(one, 30.0, None) for one in told] == [None] * 40
    others = OpenGrid((600, 420))
    assert [others.tell(one, 60.0, 30.0) for one in told] == [None] * 40
    rng = np.random.default_rng(3)
    anyhow = OpenGrid((600, 420))
    places = [Told((float(x), float(y)), 0.95) for x, y in rng.random((60, 2))]
    assert [anyhow.tell(one, 30.0, 30.0) for one in places] == [None] * 60
