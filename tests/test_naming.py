"""Which places are named: by the head, by the pixels, and by how they fit the cut."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import draw_texture

from heatmap_locator.geometry import CELL, transform
from heatmap_locator.grid import Grid
from heatmap_locator.locator import Locator
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.search.levels import encode_levels
from heatmap_locator.search.piece import PreparedPiece, photo_to_working, prepare_piece
from heatmap_locator.search.propose import NAMED, NAMED_BY_PIXELS, bodies, name_places
from heatmap_locator.search.see import see

ROTATIONS, SIDE = 36, 80
SIZE = (4 * SIDE, 4 * SIDE)


@pytest.fixture(scope="module")
def piece() -> PreparedPiece:
    """A square with a knob, so that its reference point is not its body's middle."""
    alpha = np.zeros((120, 120), np.uint8)
    alpha[30:90, 30:90] = 255
    alpha[50:70, 90:105] = 255
    return prepare_piece(np.dstack([np.full((120, 120, 3), 90, np.uint8), alpha]))


def maps_of(heat: torch.Tensor) -> HeadMaps:
    zeros = torch.zeros(1, 2, SIDE, SIDE)
    upright = torch.cat([zeros[:, :1], zeros[:, :1] + 1], 1)
    return HeadMaps(heat[None, None], zeros + 0.5, upright, zeros[:, 0].long())


def named(
    piece: PreparedPiece, heat: torch.Tensor, pixel: torch.Tensor, grid: Grid | None
) -> list[tuple[float, float, float]]:
    (found,) = name_places(maps_of(heat), pixel[None], [piece], grid, SIZE, 9.0).candidates()
    return [(c.x, c.y, c.rotation) for c in found]


@pytest.mark.parametrize("degrees", [0.0, 90.0, 217.0])
def test_bodies_lie_where_the_photo_s_map_puts_them(piece: PreparedPiece, degrees: float) -> None:
    matrix = photo_to_working(piece, (100.0, 60.0), degrees)
    wanted = transform(matrix, np.array([piece.body.middle]))
    place = torch.tensor([[100.0, 60.0]]).double()
    found = bodies(place, torch.tensor([degrees]).double(), 1.0, piece.body_off)
    np.testing.assert_allclose(found, wanted, atol=1e-3)
    assert math.dist(found[0], (100.0, 60.0)) > 0.5


def test_what_pixels_alone_see_is_named(piece: PreparedPiece) -> None:
    heat = torch.full((SIDE, SIDE), -9.0)
    heat[20, 30] = 2.0
    pixel = torch.zeros(ROTATIONS, SIDE, SIDE)
    pixel[9, 50, 60] = 0.9
    found = named(piece, heat, pixel, None)
    assert (122.0, 82.0, 0.0) in found
    assert (60.5 * 4, 50.5 * 4, 90.0) in found
    assert len(found) <= NAMED + NAMED_BY_PIXELS


def test_an_angle_that_lies_square_is_taken_where_print_tells_nothing(
    piece: PreparedPiece,
) -> None:
    turned = replace(piece, body=replace(piece.body, direction=40.0))
    pixel = torch.zeros(ROTATIONS, SIDE, SIDE)
    pixel[:, 50, 60] = 0.5
    pixel[2, 50, 60] = 0.51
    found = named(turned, torch.full((SIDE, SIDE), -9.0), pixel, None)
    (rotation,) = {r for x, y, r in found if (x, y) == (242.0, 202.0) and r > 0}
    assert rotation % 90 == 40


def test_of_many_places_those_in_cells_are_named(piece: PreparedPiece) -> None:
    grid = Grid(10, 10)  # cells of CELL working pixels
    assert SIZE[0] / grid.rows == CELL
    generator = torch.Generator().manual_seed(0)
    heat = torch.rand(SIDE, SIDE, generator=generator) * 0.2 - 5
    off = bodies(torch.zeros(1, 2), torch.zeros(1), 1.0, piece.body_off)[0].numpy()

    flat = torch.zeros(ROTATIONS, SIDE, SIDE)

    def share(grid: Grid | None) -> float:
        places = np.array([(x, y) for x, y, _ in named(piece, heat, flat, grid)[:NAMED]]) + off
        away = np.abs(places % CELL - CELL / 2).max(axis=1)
        return float((away < 0.15 * CELL).mean())

    assert share(None) < 0.3
    assert share(Grid(10, 10, exact=False)) == share(None)
    assert share(grid) > 2 * share(None)


def test_a_piece_is_seen_at_the_sizes_asked_for_alone(plain_locator: Locator) -> None:
    picture = draw_texture(96, 128, 3)
    levels = encode_levels(picture, None, plain_locator.model, plain_locator.device)
    assert len(levels) > 2
    pieces = [prepare_piece(picture[y : y + 30, 40:70].copy()) for y in (10, 50)]
    with torch.inference_mode():
        model, device = plain_locator.model, plain_locator.device
        both = see(pieces, [levels, levels[1:2]], model, device)
        alone = see(pieces[1:], [levels[1:2]], model, device)
    assert [s.level.index for s in both[0]] == list(range(len(levels)))
    ((wanted,),) = alone
    (found,) = both[1]
    assert found.level is wanted.level is levels[1]
    np.testing.assert_allclose(found.heat, wanted.heat, atol=1e-3)
    np.testing.assert_allclose(found.feature, wanted.feature, atol=1e-3)
    np.testing.assert_allclose(found.named.place[0, 0], wanted.named.place[0, 0], atol=0.1)
