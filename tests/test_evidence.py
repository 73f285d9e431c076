"""Straight sides as evidence: where a piece with some may lie, and how it is turned there."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from heatmap_locator.geometry import clockwise
from heatmap_locator.grid import Grid
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.outline.proportions import upright_or_not
from heatmap_locator.placement import Placement
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
from heatmap_locator.search.place import squared
from heatmap_train.draw.cutter import cut_grid, rasterize

YES, NO = math.log(SEEN / MISTAKEN), math.log((1 - SEEN) / (1 - MISTAKEN))
ROWS, COLS = 5, 8
CELLS = torch.tensor([float(COLS), float(ROWS)])


def sides(*straight: int, outward: float = 0.0) -> SeenSides:
    odds = [YES if side in straight else NO for side in range(4)]
    return SeenSides(torch.tensor([outward]), torch.tensor([odds]), torch.zeros(1, 2))


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
    wide = torch.tensor([upright_or_not(0.07, 0.07)])
    known = [sides(), sides(1), sides(0, 1), sides(3, 0)]
    for seen in [*known, *(replace(one, upright=wide) for one in known)]:
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


def test_a_piece_too_long_to_be_turned_by_a_quarter_is_not() -> None:
    middles, turns, places = everywhere()
    seen = replace(sides(0), upright=torch.tensor([upright_or_not(0.08, 0.08)]))
    found = side_evidence(middles, turns, seen, CELLS, True)[0].tolist()
    by_place = dict(zip(places, found, strict=True))
    # On the upper edge, upright, and on the lower one; not on the right one, nor on the left.
    assert by_place[0, 3, 0] == pytest.approx(by_place[ROWS - 1, 3, 2])
    assert by_place[0, 3, 0] > by_place[2, COLS - 1, 3] + 2
    assert by_place[0, 3, 0] > by_place[2, 0, 1] + 2


def test_none_has_no_place_on_the_border_but_for_a_picture_that_is_cropped() -> None:
    found = probabilities(sides())
    outer = [p for (r, c, _), p in found.items() if r in (0, ROWS - 1) or c in (0, COLS - 1)]
    assert sum(outer) < 0.05
    assert min(outer) >= CROPPED / len(found)


def test_what_is_not_known_says_nothing() -> None:
    silent = SeenSides(torch.tensor([0.0]), torch.zeros(1, 4), torch.zeros(1, 2))
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
    # A number of pieces says how large the outermost cells are.
    number = evidence_of_places(
        middles, turns, seen, Grid.from_pieces(1000, 1600, 1000), (1000, 1600), 40.0
    )
    assert number.tolist() == known.tolist()


def photo_of(
    row: int, col: int, degrees: float, cell: tuple[float, float] = (150.0, 150.0)
) -> np.ndarray:
    """(400, 400, 4) a piece of a cut of 3 x 3 cells, turned clockwise."""
    cut = cut_grid(3, 3, 3 * cell[0], 3 * cell[1], np.random.default_rng(3))
    linear = clockwise(degrees)
    forward = np.column_stack([linear, 200 - linear @ cut.cell_center(row, col)])
    mask = rasterize(cut.outline(row, col), (400, 400), forward)
    return np.dstack([np.full((400, 400, 3), 90), 255 * mask]).astype(np.uint8)


def test_sides_of_a_photo_are_told_with_the_turn_they_dictate() -> None:
    piece = prepare_piece(photo_of(0, 1, 25.0), cutout=True)
    seen = seen_sides([piece], Grid(3, 3), (300, 330))
    straight = int(seen.odds[0].argmax())
    assert (seen.odds[0] > 0).sum() == 1
    assert float(seen.outward[0]) + 90.0 * straight == pytest.approx(25.0, abs=2.0)
    none = seen_sides([prepare_piece(photo_of(1, 1, 25.0), cutout=True)], None, (300, 330))
    assert (none.odds < 0).all()
    assert not none.upright.any()


def test_a_rectangle_s_sides_say_nothing() -> None:
    crop = np.full((60, 80, 3), 90, np.uint8)
    seen = seen_sides([prepare_piece(crop, cutout=True)], Grid(3, 3), (300, 330))
    assert not seen.tell.any()


def test_a_long_piece_is_told_to_be_one() -> None:
    piece = prepare_piece(photo_of(1, 1, 25.0, (180.0, 140.0)), cutout=True)
    # Which side is the first depends on the angle: at 25 degrees it is the one above.
    up, aside = seen_sides([piece], Grid(3, 3), (420, 540)).upright[0].tolist()
    assert up > aside + 2
    turned = prepare_piece(photo_of(1, 1, 115.0, (180.0, 140.0)), cutout=True)
    up, aside = seen_sides([turned], Grid(3, 3), (420, 540)).upright[0].tolist()
    assert aside > up + 2


@pytest.mark.parametrize("kind", ["straight", "knob"])
def test_what_is_clear_in_a_photo_says_more(kind: str) -> None:
    drawn = prepare_piece(photo_of(0, 1, 25.0), cutout=True)
    known = drawn.sides
    assert known is not None

    def said(sure: float, searched: bool) -> float:
        own = tuple(replace(one, sure=sure) for one in known.sides)
        piece = replace(drawn, searched=searched)
        vars(piece)["sides"] = replace(known, sides=own)
        odds = seen_sides([piece], None, (300, 300)).odds[0]
        return float(odds[[one.kind for one in own].index(kind)])  # type: ignore[arg-type]

    clear, unclear = said(0.97, True), said(0.8, True)
    assert abs(clear) > abs(unclear) + 1
    assert (clear > 0) == (unclear > 0) == (kind == "straight")
    # An outline that was given is as good as it is.
    assert said(0.97, False) == said(0.8, False)


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


def test_an_angle_that_no_corners_allow_is_that_of_the_corners() -> None:
    piece = prepare_piece(photo_of(1, 1, 25.0), cutout=True)
    grid, size = Grid(3, 3), (450, 450)
    place = Placement((150, 150, 300, 300), (225, 225), 55.0, 0.2, (1, 1), (1, 0, 0, 0, 1, 0))
    found = squared(place, piece, size, grid)
    assert found.rotation == pytest.approx(25.0, abs=2)
    assert found.center == pytest.approx((225, 225), abs=25)
    assert squared(replace(place, rotation=75.0), piece, size, grid).rotation == (
        pytest.approx(115.0, abs=2)
    )
    # Nine pieces of a square are 3 x 3, and hardly anything else.
    assert squared(place, piece, size, Grid.from_pieces(9, *size)) == found
    # What is near, or certain, or of cells that are a guess, stays.
    for other, cells in (
        (replace(place, rotation=30.0), grid),
        (replace(place, score=0.999), grid),
        (place, Grid(3, 3, exact=False)),
        (place, None),
    ):
        assert squared(other, piece, size, cells) is other
    crop = prepare_piece(np.full((60, 80, 3), 90, np.uint8), cutout=True)
    assert squared(place, crop, size, grid) is place
