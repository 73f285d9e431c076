"""Poses between those searched, on a print whose place, angle and size are known."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import draw_texture

from heatmap_locator.decode import Candidate
from heatmap_locator.geometry import CELL, STRIDE, angle_difference
from heatmap_locator.model import EncodedImages, HeatmapLocator
from heatmap_locator.piece import PreparedPiece, prepare_piece
from heatmap_locator.refine import refine
from heatmap_locator.weights import load_model

PLACE = (110.0, 90.0)


@pytest.fixture(scope="module")
def model(plain_weights: Path) -> HeatmapLocator:
    loaded, _ = load_model(plain_weights)
    return loaded


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return draw_texture(192, 224, 11)


@pytest.fixture(scope="module")
def encoded(model: HeatmapLocator, picture: np.ndarray) -> EncodedImages:
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        return model.encode_picture(tensor)


def photo_of(picture: np.ndarray, degrees: float, larger: float) -> PreparedPiece:
    """A round piece at PLACE of a cell's area times the square of a factor."""
    side, zoom = 192, 2.0
    radius = CELL / np.sqrt(np.pi) * larger  # of the area of a cell
    matrix = cv2.getRotationMatrix2D((PLACE[0] - 0.5, PLACE[1] - 0.5), -degrees, zoom)
    matrix[:, 2] += np.array([side / 2 - 0.5, side / 2 - 0.5]) - np.subtract(PLACE, 0.5)
    rgb = cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_CUBIC)
    ys, xs = np.mgrid[:side, :side] + 0.5 - side / 2
    alpha = (np.hypot(xs, ys) <= radius * zoom).astype(np.uint8) * 255
    return prepare_piece(np.dstack([rgb, alpha]))


def true_scale(piece: PreparedPiece) -> float:
    """Template to picture: photos enter the bank at twice CELL, this photo is at zoom 2."""
    return 1.0 / float(piece.to_resized[0, 0])


@pytest.mark.parametrize("larger", [0.9, 1.1])
@pytest.mark.parametrize("degrees", [0.0, 123.0])
@pytest.mark.parametrize("off", [-6.0, 4.0])
def test_angle_and_size_are_found(
    model: HeatmapLocator,
    encoded: EncodedImages,
    picture: np.ndarray,
    larger: float,
    degrees: float,
    off: float,
) -> None:
    piece = photo_of(picture, degrees, larger)
    start = Candidate(PLACE[0] + 2, PLACE[1] - 2, (degrees + off) % 360, (0.0, 0.0), 1.5, 0)
    with torch.no_grad():
        (found,) = refine([start], piece, encoded, model, spread=10.0)
    assert found.logit == start.logit
    assert abs(angle_difference(found.rotation, degrees)) < abs(off) / 2
    assert np.hypot(found.x - PLACE[0], found.y - PLACE[1]) <= STRIDE
    factor = found.scale / true_scale(piece)
    assert abs(np.log(factor)) < 0.05


def test_a_narrow_spread_keeps_the_size_of_the_outline(
    model: HeatmapLocator, encoded: EncodedImages, picture: np.ndarray
) -> None:
    piece = photo_of(picture, 50.0, 1.1)
    start = Candidate(*PLACE, 53.0, (0.01, -0.02), 0.0, 0)
    with torch.no_grad():
        (found,) = refine([start], piece, encoded, model, spread=1e-3)
    assert (found.scale, found.log_size) == (1.0, (0.01, -0.02))
    assert (found.x, found.y) == PLACE


def test_none_in_none_out(
    model: HeatmapLocator, encoded: EncodedImages, picture: np.ndarray
) -> None:
    assert refine([], photo_of(picture, 0.0, 1.0), encoded, model, 0.1) == []
