"""What tests of a locator share: a drawn picture of cells, a model that reads pixels, photos."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import draw_texture

from heatmap_locator import Locator, Placement, Puzzle
from heatmap_locator.geometry import angle_difference, box_iou, clockwise

ROWS, COLS, CELL = 3, 4, 40


WIDTH, HEIGHT = COLS * CELL, ROWS * CELL


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return draw_texture(HEIGHT, WIDTH, 5)


@pytest.fixture(scope="module")
def locator(plain_weights: Path) -> Locator:
    return Locator.from_pretrained(plain_weights, device="cpu")


@pytest.fixture(scope="module")
def puzzle(locator: Locator, picture: np.ndarray) -> Puzzle:
    return locator.encode(picture, grid=(ROWS, COLS))


def cell(picture: np.ndarray, row: int, col: int) -> np.ndarray:
    return picture[row * CELL : (row + 1) * CELL, col * CELL : (col + 1) * CELL]


def turned(picture: np.ndarray, row: int, col: int, degrees: float, zoom: float) -> np.ndarray:
    """(S, S, 4) photo of a square cell, turned clockwise and enlarged, with alpha."""
    side = int(CELL * zoom * 1.5)
    linear = zoom * clockwise(degrees)
    centre = np.array([(col + 0.5) * CELL, (row + 0.5) * CELL])
    matrix = np.column_stack([linear, side / 2 - linear @ centre])
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # OpenCV counts from pixel centres
    alpha = np.zeros(picture.shape[:2], np.uint8)
    cell(alpha, row, col)[:] = 255
    return np.dstack(
        [
            cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_CUBIC),
            cv2.warpAffine(alpha, matrix, (side, side)),
        ]
    )


def check(found: Placement, row: int, col: int, rotation: float, cell_side: float = CELL) -> None:
    truth = col * cell_side, row * cell_side, (col + 1) * cell_side, (row + 1) * cell_side
    centre = (col + 0.5) * cell_side, (row + 0.5) * cell_side
    assert np.hypot(*np.subtract(found.center, centre)) < cell_side / 4
    assert box_iou(found.box, truth) > 0.75
    assert abs(angle_difference(found.rotation, rotation)) < 10
    assert 0 <= found.score <= 1


def opaque(crop: np.ndarray) -> np.ndarray:
    return np.dstack([crop, np.full(crop.shape[:2], 255, np.uint8)])


FIXTURES = picture, locator, puzzle
"""For a test module to take by their names."""
