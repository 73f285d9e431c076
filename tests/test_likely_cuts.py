"""What a number of pieces leaves open of a cut, and what is made of it."""

import math

import numpy as np
import pytest
import torch

from heatmap_locator.grid import Grid
from heatmap_locator.likely_cuts import LEAST, likely_cuts
from heatmap_locator.outline.proportions import (
    proportions_of_cells,
    upright_in_grid,
    upright_or_not,
)
from heatmap_locator.search.lattice import cell_evidence


def chances(pieces: int, width: float, height: float) -> dict[tuple[int, int], float]:
    return {(cut.rows, cut.cols): cut.chance for cut in likely_cuts(pieces, width, height)}


@pytest.mark.parametrize("pieces", [1, 2, 24, 54, 100, 150, 999, 1000, 2944, 5000, 50_000])
@pytest.mark.parametrize("aspect", [0.7, 1.0, 4 / 3, 1.5, 16 / 9, 3.0])
def test_chances_are_those_of_cuts_of_about_so_many_squares(pieces: int, aspect: float) -> None:
    found = chances(pieces, 1000 * aspect, 1000)
    assert sum(found.values()) <= 0.9 + 1e-9
    assert list(found.values()) == sorted(found.values(), reverse=True)
    for (rows, cols), chance in found.items():
        assert chance >= LEAST
        assert abs(math.log(rows * cols / pieces)) <= 0.06
        assert abs(math.log(aspect * rows / cols)) < 0.3


@pytest.mark.parametrize(
    ("pieces", "width", "height", "only"),
    [(24, 600, 400, (4, 6)), (54, 4, 3, (6, 9)), (154, 4, 3, (11, 14)), (1026, 1.4, 1, (27, 38))],
)
def test_a_number_that_is_not_round_counts_the_pieces(
    pieces: int, width: float, height: float, only: tuple[int, int]
) -> None:
    assert chances(pieces, width, height) == {only: pytest.approx(0.9)}
    assert Grid.from_pieces(pieces, width, height).certain
    assert not Grid(*only, exact=False).certain


def test_a_round_number_may_be_one_of_several() -> None:
    found = chances(1000, 1400, 1000)
    assert not Grid.from_pieces(1000, 1400, 1000).certain
    assert found.keys() == {(25, 40), (27, 37)}
    assert max(found.values()) < 0.5
    assert likely_cuts(5000, 1500, 1000) == ()  # too many are about as likely
    # The exact product counts for most where its cells are as square as others.
    assert chances(1000, 1600, 1000)[25, 40] > found[25, 40]
    turned = chances(1000, 1000, 1400)
    assert turned == {(c, r): pytest.approx(chance) for (r, c), chance in found.items()}


def test_no_cells_are_likely_where_none_are_square() -> None:
    assert likely_cuts(7, 100, 100) == ()
    assert Grid.from_pieces(7, 100, 100).likely == ()


def test_places_in_a_likely_cell_gain_what_its_cut_is_worth() -> None:
    (width, height), middle = (1000, 1400), torch.tensor([[500.0, 700.0]])
    guess = Grid.from_pieces(54, 900, 600)
    at = (450.0, 350.0), (500.0, 300.0)
    in_cell, across = (cell_evidence(torch.tensor([place]), guess, 900, 600) for place in at)
    known = cell_evidence(torch.tensor([[450.0, 350.0]]), Grid(6, 9), 900, 600)
    assert float(known) - 0.2 < float(in_cell) < float(known)
    assert float(across) == pytest.approx(math.log(0.9 * 0.2 + 0.1), abs=0.05)
    nominal = Grid.from_pieces(1000, width, height)
    assert not nominal.exact
    by_hand = 1 - sum(cut.chance for cut in nominal.likely)
    for cut in nominal.likely:
        own = cell_evidence(middle, Grid(cut.rows, cut.cols), width, height)
        by_hand += cut.chance * math.exp(float(own))
    found = cell_evidence(middle, nominal, width, height)
    assert float(found) == pytest.approx(math.log(by_hand), abs=1e-5)


def test_a_guess_favours_no_puzzle() -> None:
    """Over all places the likelihood ratio is 1 in the mean, and a wrong guess costs little."""
    guess = Grid.from_pieces(1000, 1400, 1000)
    along = (np.arange(700) + 0.5) / 700
    xs, ys = np.meshgrid(along * 1400, along * 1000)
    middles = torch.from_numpy(np.column_stack([xs.ravel(), ys.ravel()]))
    found = cell_evidence(middles, guess, 1400, 1000)
    assert float(found.exp().mean()) == pytest.approx(1, abs=0.02)
    assert float(found.min()) > -1.0


def test_a_guess_that_no_number_goes_with_says_nothing() -> None:
    middles = torch.tensor([[50.0, 50.0], [100.0, 100.0]], dtype=torch.float64)
    assert not cell_evidence(middles, Grid(4, 6, exact=False), 600, 400).any()
    assert upright_in_grid(0.1, Grid(4, 6, exact=False), 660, 400) == (0.0, 0.0)


def test_proportions_of_a_guess_are_those_of_its_cuts() -> None:
    size = 660, 400
    exact = upright_in_grid(0.09, Grid(4, 6), *size)
    assert exact == upright_or_not(0.09, proportions_of_cells(Grid(4, 6), *size))
    up, aside = upright_in_grid(0.09, Grid.from_pieces(24, *size), *size)
    assert (math.exp(up) + math.exp(aside)) / 2 == pytest.approx(1.0)
    assert 0.8 * exact[0] < up < exact[0]
    assert exact[1] < aside < 0
