"""Pieces of cells that are not square: their proportions tell by which quarters they are turned."""

import math

import numpy as np
import pytest
from assign_support import drawn_puzzle, sides_in_photo

from heatmap_locator.assign.evidence import proportions_evidence
from heatmap_locator.assign.shapes import shapes_of
from heatmap_locator.geometry import angle_difference, clockwise
from heatmap_locator.grid import Grid
from heatmap_locator.outline.proportions import (
    nearest_quarter,
    proportions_of,
    proportions_of_cells,
    upright_or_not,
)
from heatmap_train.draw.cutter import cut_grid


def test_corners_tell_how_much_longer_the_first_side_is() -> None:
    corners = np.array([[0, 0], [120, 0], [120, 100], [0, 100]], float)
    assert proportions_of(corners) == pytest.approx(math.log(1.2))
    assert proportions_of(corners @ clockwise(33).T + 50) == pytest.approx(math.log(1.2))
    assert proportions_of(np.roll(corners, 1, axis=0)) == pytest.approx(-math.log(1.2))


def test_cells_are_believed_where_rows_and_columns_are_the_puzzle_s_own() -> None:
    assert proportions_of_cells(Grid(10, 12), 600, 400) == pytest.approx(math.log(50 / 40))
    assert proportions_of_cells(Grid(10, 12, exact=False), 600, 400) == 0
    assert proportions_of_cells(None, 600, 400) == 0


@pytest.mark.parametrize("piece", [-0.3, -0.07, 0.0, 0.02, 0.07, 1.0])
@pytest.mark.parametrize("cells", [-0.07, 0.0, 0.07, 0.4])
def test_either_way_together_they_are_as_likely_as_before(piece: float, cells: float) -> None:
    up, aside = upright_or_not(piece, cells)
    assert (math.exp(up) + math.exp(aside)) / 2 == pytest.approx(1.0)
    assert (up > aside) == (piece * cells > 0)


def test_what_is_off_by_more_is_told_apart_less_surely() -> None:
    up, aside = upright_or_not(0.07, 0.07)
    assert up - aside > 2.5
    far, other = upright_or_not(0.5, 0.07)
    assert 0 < far - other < up - aside
    assert upright_or_not(0.05, 0.0) == pytest.approx((0.0, 0.0))


@pytest.mark.parametrize("first", [0.0, 3.0, 88.0, 271.5, 359.5])
def test_sides_allow_four_angles(first: float) -> None:
    off = np.array([0.5, -0.5, 1.0, -1.0])
    outward = (first + 90.0 * np.arange(4) + off) % 360
    for quarter in range(4):
        for drift in (-40.0, 0.0, 40.0):
            found = nearest_quarter(outward, first + 90.0 * quarter + drift)
            assert 0 <= found < 360
            assert abs(angle_difference(found, first + 90.0 * quarter)) < 1e-6


def test_pieces_of_long_cells_lie_along_them() -> None:
    rng = np.random.default_rng(1)
    cut = cut_grid(6, 8, 8 * 43.0, 6 * 37.0, rng)
    cells = [divmod(i, 8) for i in range(48)]
    turned = rng.uniform(0, 360, len(cells))
    sides = [
        sides_in_photo(cut, cell, turn, rng, 0.005)
        for cell, turn in zip(cells, turned.tolist(), strict=True)
    ]
    shapes = shapes_of(sides)
    found = proportions_evidence(shapes, Grid(6, 8), (344, 222))
    assert found.shape == (48, 4)
    assert (found[:, 0] == found[:, 2]).all()
    off = [
        [abs(angle_difference(float(out), turn)) for out in own]
        for own, turn in zip(shapes.outward, turned.tolist(), strict=True)
    ]
    up = np.argmin(off, axis=1)
    own, other = found[np.arange(48), up], found[np.arange(48), (up + 1) % 4]
    assert (own > other).mean() > 0.95
    assert np.median(own - other) > 2
    nominal = proportions_evidence(shapes, Grid(6, 8, exact=False), (344, 222))
    assert not nominal.any()


def test_outlines_that_are_not_believed_say_nothing_of_proportions() -> None:
    drawn = drawn_puzzle(3, 4, seed=2)
    shapes = shapes_of([None, drawn.pieces[0].sides])
    found = proportions_evidence(shapes, Grid(3, 4), (300, 160))
    assert not found[0].any()
    assert found[1].any()
