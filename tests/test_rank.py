"""Ranking by pixels at full working resolution, on a print whose place is known."""

import cv2
import numpy as np
import pytest
import torch
from conftest import draw_texture

from heatmap_locator.decode import Candidate
from heatmap_locator.geometry import CELL
from heatmap_locator.piece import PreparedPiece, prepare_piece
from heatmap_locator.rank import WEIGHT, fine_correlation, rank

PLACE = (110.0, 90.0)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return draw_texture(192, 224, 12)


@pytest.fixture(scope="module")
def piece(picture: np.ndarray) -> PreparedPiece:
    """A round piece at PLACE, turned by 50 degrees, darker and flatter than the picture."""
    side, zoom, degrees = 192, 2.0, 50.0
    matrix = cv2.getRotationMatrix2D((PLACE[0] - 0.5, PLACE[1] - 0.5), -degrees, zoom)
    matrix[:, 2] += np.array([side / 2 - 0.5, side / 2 - 0.5]) - np.subtract(PLACE, 0.5)
    rgb = cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_CUBIC)
    ys, xs = np.mgrid[:side, :side] + 0.5 - side / 2
    inside = np.hypot(xs, ys) <= CELL / np.sqrt(np.pi) * zoom
    return prepare_piece(np.dstack([rgb // 2 + 20, inside.astype(np.uint8) * 255]))


def at(x: float, y: float, rotation: float, logit: float = 0.0) -> Candidate:
    return Candidate(x, y, rotation, (0.0, 0.0), logit, 0)


def correlate(piece: PreparedPiece, picture: np.ndarray, *candidates: Candidate) -> list[float]:
    tensor = torch.from_numpy(picture).permute(2, 0, 1).float() / 255
    return fine_correlation(list(candidates), piece, tensor)


def test_the_true_place_correlates_and_others_do_not(
    piece: PreparedPiece, picture: np.ndarray
) -> None:
    near = at(PLACE[0] + 2, PLACE[1] - 2, 53.0)
    elsewhere, turned = at(60, 120, 50.0), at(*PLACE, 140.0)
    with torch.no_grad():
        found = correlate(piece, picture, near, elsewhere, turned)
    assert found[0] > 0.9
    assert max(found[1:]) < 0.6
    assert all(-1.01 <= value <= 1.01 for value in found)


def test_pixels_may_change_the_order() -> None:
    first, second = at(0, 0, 0, logit=1.0), at(50, 50, 0, logit=0.0)
    level = rank([first, second], [0.5, 0.5])
    assert level[0].logit - level[1].logit == pytest.approx(1.0)
    ranked = rank([first, second], [0.4, 0.6])
    assert ranked[1].logit - ranked[0].logit == pytest.approx(0.2 * WEIGHT - 1.0)
    assert rank([first], [-0.5]) == [first]  # pixels that disagree prove nothing
    assert rank([], []) == []
