"""Straight sides as evidence: where a piece with some may lie, and how it is turned there."""

import itertools
import math

import numpy as np
import pytest
import torch

from heatmap_locator.geometry import clockwise
from heatmap_locator.grid import Grid
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.search.border import border_places
from heatmap_locator.search.conclude import several
from heatmap_locator.search.evidence import (
    CROPPED,
    MISTAKEN,
    SEEN,
    SeenSides,
    evidence_of_places,
    seen_sides,
    side_evidence,
)
from heatmap_locator.search.piece import prepare_piece
from heatmap_train.draw.cutter import cut_grid, rasterize

YES, NO = math.log(SEEN / MISTAKEN), math.log((1 - SEEN) / (1 - MISTAKEN))
ROWS, COLS = 5, 8
CELLS = torch.tensor([float(COLS), float(ROWS)])


def sides(*straight: int, outward: float = 0.0) -> SeenSides:
    odds = [YES if side in straight else NO for side in range(4)]
    return SeenSides(torch.tensor([outward]), torch.tensor([odds]))


def everywhere() -> tuple[torch.Tensor, torch.Tensor, list[tuple[int, int, int]]]:
    """Middles of all cells in all quarter turns, the turns, and (row, col, turn) of each."""
    places = list(itertools.product(range(ROWS), range(COLS), range(4)))
    middles = torch.tensor([[(c + 0.5, r + 0.5) for r, c, _ in places]])
    return middles, torch.tensor([[90.0 * q for *_, q in places]]), places


def probabilities(seen: SeenSides) -> dict[tuple[int, int, int], float]:
    """What sides make of all cells and quarter turns, equally likely before."""
    middles, turns, places = everywhere()
    found = side_evidence(middles, turns, seen, CELLS, True)[0].exp() / len(places)
    return dict(zip(places, found.tolist(), strict=True))


def test_likelihoods_of_all_places_are_those_of_any_place_in_the_mean() -> None:
    for seen in (sides(), sides(1), sides(0, 1), sides(3, 0)):
        assert sum(probabilities(seen).values()) == pytest.approx(1.0, abs=0.02)


def test_a_straight_side_lies_on_the_edge_it_faces() -> None:
    # The side at the photo's right is straight; a photo turned by 90 is set back: it faces up.
    found = probabilities(sides(1))
    best = sorted(found, key=lambda place: -found[place])[: 2 * (ROWS + COLS - 4)]
    for row, col, turn in best:
        on = {0: col == COLS - 1, 1: row == 0, 2: col == 0, 3: row == ROWS - 1}
        assert on[turn]
        assert sum([row == 0, row == ROWS - 1, col == 0, col == COLS - 1]) == 1
    inside = sum(p for (r, c, _), p in found.items() if 0 < r < ROWS - 1 and 0 < c < COLS - 1)
    assert inside < 0.05


def test_two_straight_sides_lie_in_a_corner() -> None:
    found = probabilities(sides(0, 1))
    best = sorted(found, key=lambda place: -found[place])[:4]
    assert sorted(best) == [
        (0, 0, 1),
        (0, COLS - 1, 0),
        (ROWS - 1, 0, 2),
        (ROWS - 1, COLS - 1, 3),
    ]


def test_none_has_no_place_on_the_border_but_for_a_picture_that_is_cropped() -> None:
    found = probabilities(sides())
    outer = [p for (r, c, _), p in found.items() if r in (0, ROWS - 1) or c in (0, COLS - 1)]
    assert sum(outer) < 0.05
    assert min(outer) >= CROPPED / len(found)


def test_what_is_not_known_says_nothing() -> None:
    silent = SeenSides(torch.tensor([0.0]), torch.zeros(1, 4))
    middles, turns, _ = everywhere()
    assert not side_evidence(middles, turns, silent, CELLS, True).any()


def test_edges_are_wider_where_the_cells_are_a_guess() -> None:
    middles = torch.tensor([[[40.0, 14.0], [400.0, 300.0]]])
    turns, seen = torch.zeros(1, 2), sides(0)
    known = evidence_of_places(middles, turns, seen, Grid(25, 40), (1000, 1600), 40.0)
    guess = evidence_of_places(middles, turns, seen, Grid(25, 40, exact=False), (1000, 1600), 40.0)
    unknown = evidence_of_places(middles, turns, seen, None, (1000, 1600), 40.0)
    assert known[0, 0] > guess[0, 0] > 1.0 > 0.0 > guess[0, 1] > known[0, 1]
    assert unknown[0].tolist() == pytest.approx(guess[0].tolist())


def photo_of(row: int, col: int, degrees: float) -> np.ndarray:
    """(400, 400, 4) a piece of a cut of 3 x 3 cells of 150 pixels, turned clockwise."""
    cut = cut_grid(3, 3, 450, 450, np.random.default_rng(3))
    linear = clockwise(degrees)
    forward = np.column_stack([linear, 200 - linear @ cut.cell_center(row, col)])
    mask = rasterize(cut.outline(row, col), (400, 400), forward)
    return np.dstack([np.full((400, 400, 3), 90), 255 * mask]).astype(np.uint8)


def test_sides_of_a_photo_are_told_with_the_turn_they_dictate() -> None:
    piece = prepare_piece(photo_of(0, 1, 25.0), cutout=True)
    seen = seen_sides([piece])
    straight = int(seen.odds[0].argmax())
    assert (seen.odds[0] > 0).sum() == 1
    assert float(seen.outward[0]) + 90.0 * straight == pytest.approx(25.0, abs=2.0)
    none = seen_sides([prepare_piece(photo_of(1, 1, 25.0), cutout=True)])
    assert (none.odds < 0).all()


def test_a_rectangle_s_sides_say_nothing() -> None:
    crop = np.full((60, 80, 3), 90, np.uint8)
    assert not seen_sides([prepare_piece(crop, cutout=True)]).tell.any()


def maps_of(size: tuple[int, int]) -> tuple[HeadMaps, torch.Tensor]:
    """Flat maps, and correlations that are best in one place under every turn."""
    height, width = size
    heat = torch.zeros(1, 1, height, width)
    pixel = torch.zeros(1, 36, height, width)
    pixel[:, :, 4, 20] = 0.9
    two = torch.zeros(1, 2, height, width)
    return HeadMaps(heat, two, two, torch.zeros(1, height, width, dtype=torch.long)), pixel


def test_all_cells_along_the_edges_are_named_in_the_turn_that_faces_out() -> None:
    maps, pixel = maps_of((8 * ROWS, 8 * COLS))
    size, grid = (32 * ROWS, 32 * COLS), Grid(ROWS, COLS)
    named = border_places(maps, pixel, sides(2, outward=10.0), torch.zeros(1, 2), grid, size)
    assert named is not None
    # The third side faces down at 190 degrees: on the lower edge the photo is turned by 10.
    places = {
        (round(y / 32 - 0.5), round(x / 32 - 0.5), round(turn))
        for (x, y), turn in zip(named.place[0].tolist(), named.rotation[0].tolist(), strict=True)
    }
    lower = {(ROWS - 1, col, 10) for col in range(COLS)}
    upper = {(0, col, 190) for col in range(COLS)}
    right = {(row, COLS - 1, 100) for row in range(ROWS)}
    left = {(row, 0, 280) for row in range(ROWS)}
    assert places == lower | upper | right | left
    assert named.place[0, 0].tolist() == pytest.approx([80.0, 16.0])
    assert named.real.all()


def test_pieces_without_a_straight_side_are_named_no_more_places() -> None:
    maps, pixel = maps_of((8 * ROWS, 8 * COLS))
    off, grid, size = torch.zeros(1, 2), Grid(ROWS, COLS), (32 * ROWS, 32 * COLS)
    assert border_places(maps, pixel, sides(), off, grid, size) is None
    assert border_places(maps, pixel, sides(0), off, None, size) is None


def test_several_places_are_few_that_hold_nearly_all() -> None:
    assert several([0.95, 0.03]) is None
    assert several([0.5, 0.45, 0.01]) == 2
    assert several([0.25, 0.24, 0.22, 0.2, 0.01]) == 4
    assert several([0.3, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05]) is None
    assert several([]) is None
