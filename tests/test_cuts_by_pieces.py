"""Cuts that are likely by a few pieces, where nothing was given."""

import math

import numpy as np
import pytest

from heatmap_locator.cuts_by_pieces import FITTING, cuts_by_pieces
from heatmap_locator.fitted_grid import GuessedGrid, OpenGrid, Told
from heatmap_locator.likely_cuts import LEAST

SIDE = 30.0


def placed(
    rows: int, cols: int, count: int, seed: int = 0, edges: tuple[float, float] = (0.0, 1.0)
) -> np.ndarray:
    """(N, 2) middles, in shares of the picture, off by what bodies are off by."""
    rng = np.random.default_rng(seed)
    cells = np.stack([rng.integers(0, cols, count), rng.integers(0, rows, count)], axis=1)
    shares = (cells + 0.5 + rng.normal(0, 0.03, (count, 2))) / [cols, rows]
    found: np.ndarray = edges[0] + shares * (edges[1] - edges[0])
    return found


@pytest.mark.parametrize(("rows", "cols"), [(4, 6), (12, 16), (20, 25), (25, 40)])
@pytest.mark.parametrize("off", [0.95, 1.06])
def test_four_pieces_leave_one_cut(rows: int, cols: int, off: float) -> None:
    size = round(cols * SIDE), round(rows * SIDE)
    right = 0
    for seed in range(10):
        cuts = cuts_by_pieces(placed(rows, cols, 4, seed), np.full(4, 0.95), SIDE * off, size)
        right += bool(cuts) and (cuts[0].rows, cuts[0].cols) == (rows, cols)
        assert FITTING - LEAST < sum(cut.chance for cut in cuts) < 1 or not cuts
    assert right >= 9


def test_one_piece_pieces_anywhere_and_unsure_ones_leave_all_open() -> None:
    size = 40 * 30, 25 * 30
    for seed in range(10):
        assert cuts_by_pieces(placed(25, 40, 1, seed), np.array([0.95]), SIDE, size) == ()
        anywhere = np.random.default_rng(seed).random((6, 2))
        assert cuts_by_pieces(anywhere, np.full(6, 0.95), SIDE, size) == ()
        assert cuts_by_pieces(placed(25, 40, 2, seed), np.full(2, 0.3), SIDE, size) == ()


def test_a_usual_number_counts_for_more() -> None:
    """10 x 15 of cells that are not square or 10 x 16: boxes have 150 rather than 160."""
    size = round(15.5 * SIDE), 10 * 30
    nothing, none = np.zeros((0, 2)), np.zeros(0)
    cuts = cuts_by_pieces(nothing, none, SIDE, size, fitting=0.0)
    assert all(cut.chance >= LEAST for cut in cuts)
    middles = np.array([[0.5, 0.45], [0.5, 0.55]])  # as likely in columns of 15 as not in 16
    cuts = cuts_by_pieces(middles, np.array([0.9, 0.9]), SIDE, size, fitting=0.0)
    assert cuts
    assert (cuts[0].rows, cuts[0].cols) == (10, 15)


def test_a_guess_is_doubted_by_pieces_that_lie_otherwise() -> None:
    size = 40 * 30, 25 * 30
    cuts = cuts_by_pieces(placed(25, 40, 3), np.full(3, 0.95), SIDE, size)
    assert cuts
    guess = GuessedGrid(cuts, SIDE, size)
    assert guess.grid.likely == cuts
    off = placed(25, 40, 20, seed=5) + np.array([0.5 / 40, 0.5 / 25])  # at corners of cells
    for x, y in off[:3]:
        guess.tell(Told((float(x), float(y)), 0.95))
    assert sum(cut.chance for cut in guess.grid.likely) < 0.1
    assert not guess.grid.exact


def test_the_same_piece_again_and_again_is_one() -> None:
    grid = OpenGrid((16 * 30, 12 * 30))
    ((x, y),) = placed(12, 16, 1)
    for n in range(8):
        assert grid.tell(Told((float(x) + n * 1e-4, float(y)), 0.95), SIDE, SIDE) is None


def test_three_pieces_that_agree_give_a_guess_and_more_make_it_sure() -> None:
    size = 16 * 30, 12 * 30
    middles = placed(12, 16, 12, seed=3)
    told = [Told((float(x), float(y)), 0.95) for x, y in middles]
    grid = OpenGrid(size)
    assert grid.tell(told[0], SIDE, None) is None
    assert grid.tell(told[1], SIDE, None) is None
    fitted = grid.tell(told[2], SIDE * 1.03, SIDE)
    assert fitted is not None
    assert (fitted.grid.rows, fitted.grid.cols) == (12, 16)
    assert not fitted.grid.exact
    assert math.isclose(sum(c.chance for c in fitted.grid.likely), 0.9, abs_tol=0.1)
    for one in told[3:]:
        fitted.tell(one)
    assert fitted.grid.exact
