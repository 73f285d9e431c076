"""Pieces of a print that repeats, whose blanks nearly meet: rows and columns tell places apart."""

import math

import cv2
import numpy as np
import pytest
from drawn_pieces import draw_piece

from heatmap_locator import Locator
from heatmap_locator.geometry import similarity, to_cv2

CELL = np.array([96.0, 64.0])
"""Width and height in pixels; a window comes every three quarters of a cell."""


@pytest.fixture(scope="module")
def locator() -> Locator:
    return Locator.from_pretrained(device="cpu")


def draw_wall(rng: np.random.Generator) -> np.ndarray:
    """(256, 576, 3) uint8, a puzzle of 4 x 6 cells: windows all alike, and a little grain."""
    width, height = 6 * int(CELL[0]), 4 * int(CELL[1])
    y, x = np.mgrid[:height, :width]
    across, down = (x / (0.75 * CELL[0])) % 1, (y / CELL[1]) % 1
    u, v = np.abs(across - 0.5), np.abs(down - 0.5)
    glass = (u < 0.3) & (v < 0.32)
    wall = np.full((height, width, 3), (172, 120, 92), float)
    wall[glass] = (60, 80, 110)
    wall[glass & ((u < 0.05) | (v < 0.04) | (u > 0.25))] = (225, 220, 205)
    wall[down > 0.93] = (120, 84, 70)
    knots = rng.normal(size=(height // 4, width // 4, 3)).astype(np.float32)
    grain = cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC)
    return (wall + 6 * grain).clip(0, 255).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3, 4, 7])
def test_a_waisted_piece_of_repeating_print_lies_in_its_cell(locator: Locator, seed: int) -> None:
    """Taken for half of itself, it lay squarely in a cell three quarters beside its own."""
    rng = np.random.default_rng(seed)
    picture, piece = draw_wall(rng), draw_piece(rng, CELL[0] / CELL[1], 0.06, True)
    row, col = 1 + seed % 2, 2 + seed % 3 % 2
    place = (np.array([col, row]) + 0.5) * CELL
    matrix = similarity(
        tuple(place), piece.middle, piece.rotation, piece.side / math.sqrt(CELL.prod())
    )
    photo = cv2.warpAffine(picture, to_cv2(matrix), piece.mask.shape, flags=cv2.INTER_LINEAR)
    photo = photo * 0.9 + 8 + rng.normal(0, 3, photo.shape)
    cutout = np.dstack([photo, piece.mask * 255]).clip(0, 255).astype(np.uint8)
    found = locator.encode(picture, grid=(4, 6)).locate(cutout, top=5)
    assert found[0].cell == (row, col)
    assert np.abs((np.array(found[0].center) - place) / CELL).max() < 0.15
    # However well it fits, it may lie in the others' places as well.
    assert sum(one.score for one in found) <= 1 + 1e-6
