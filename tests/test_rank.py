"""Ranking by pixels, on a print whose place is known."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import draw_texture

from heatmap_locator.decode import Candidate
from heatmap_locator.geometry import CELL
from heatmap_locator.model import PIXEL_STRIDE
from heatmap_locator.piece import PreparedPiece, prepare_piece
from heatmap_locator.rank import KEPT, compare, measure, pose_piece, rank
from heatmap_locator.ranker import FEATURES, Ranker

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


def tensor_of(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255


def halved_of(field: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(field, PIXEL_STRIDE)


def volume(field: torch.Tensor) -> torch.Tensor:
    """36 rotations of features that correlate nowhere."""
    return torch.zeros(36, field.shape[1] // 4, field.shape[2] // 4)


@pytest.mark.parametrize("stride", [1, PIXEL_STRIDE])
def test_the_true_place_correlates_and_others_do_not(
    piece: PreparedPiece, picture: np.ndarray, stride: int
) -> None:
    near = at(PLACE[0] + 2, PLACE[1] - 2, 53.0)
    elsewhere, turned = at(60, 120, 50.0), at(*PLACE, 140.0)
    poses, field = pose_piece(piece, torch.device("cpu")), tensor_of(picture)
    if stride > 1:
        poses, field = poses.halved, F.avg_pool2d(field, stride)
    with torch.no_grad():
        best = compare([near, elsewhere, turned], poses, field, stride)
    found = best.correlation.tolist()
    assert found[0] > 0.9
    assert max(found[1:]) < 0.6
    assert all(-1.01 <= value <= 1.01 for value in found)
    # Where it correlates best is where it lies, to the nearest pixel of the field.
    middle = (best.corner[0] + best.template.shape[-1] / 2) * stride
    assert middle.tolist() == pytest.approx([PLACE[1], PLACE[0]], abs=1.5 * stride)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_another_size_still_correlates(
    piece: PreparedPiece, picture: np.ndarray, factor: float
) -> None:
    matrix = cv2.getRotationMatrix2D((PLACE[0] - 0.5, PLACE[1] - 0.5), 0, factor)
    other = cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REFLECT)
    poses = pose_piece(piece, torch.device("cpu"))
    assert float(compare([at(*PLACE, 50.0)], poses, tensor_of(other)).correlation) > 0.9


def test_pixels_change_the_order(piece: PreparedPiece, picture: np.ndarray) -> None:
    field = tensor_of(picture)
    true, others = at(*PLACE, 50.0), [at(10.0 * i % 220, 20, 5.0 * i, 2.0) for i in range(KEPT + 6)]
    poses = pose_piece(piece, torch.device("cpu"))
    ranked = rank([*others, true], poses, field, halved_of(field), volume(field), Ranker())
    assert len(ranked) == KEPT + 7
    assert (ranked[0].x, ranked[0].y) == PLACE
    logits = [c.logit for c in ranked]
    assert max(logits[KEPT:]) <= logits[KEPT - 1]
    assert logits[:KEPT] == sorted(logits[:KEPT], reverse=True)


def test_equal_pixels_keep_the_order_of_the_head(piece: PreparedPiece, picture: np.ndarray) -> None:
    field, poses = tensor_of(picture), pose_piece(piece, torch.device("cpu"))
    first, second = at(*PLACE, 50.0, 1.0), at(*PLACE, 50.0, 0.0)
    level = rank([second, first], poses, field, halved_of(field), volume(field), Ranker())
    assert level[0].logit - level[1].logit == pytest.approx(1.0)
    assert rank([], poses, field, halved_of(field), volume(field), Ranker()) == []


def test_every_measure_tells_the_true_place(piece: PreparedPiece, picture: np.ndarray) -> None:
    field, poses = tensor_of(picture), pose_piece(piece, torch.device("cpu"))
    feature = volume(field)
    feature[5, int(PLACE[1] // 4), int(PLACE[0] // 4)] = 0.8
    places = [at(*PLACE, 50.0, 3.0), at(60, 120, 50.0, 1.0), at(*PLACE, 140.0, 1.0)]
    found = measure(places, poses, field, feature)
    assert found.shape == (3, len(FEATURES))
    assert found[:, 0].tolist() == [3.0, 1.0, 1.0]
    assert float(found[0, 1]) == pytest.approx(-np.log(1 - 0.64))
    assert (found[0] > 2 * found[1:]).all()


@pytest.mark.parametrize("corner", [(0.0, 0.0), (223.9, 0.0), (0.0, 191.9), (223.9, 191.9)])
def test_places_at_the_picture_s_corners_can_be_measured(
    piece: PreparedPiece, picture: np.ndarray, corner: tuple[float, float]
) -> None:
    field, poses = tensor_of(picture), pose_piece(piece, torch.device("cpu"))
    assert torch.isfinite(measure([at(*corner, 10.0)], poses, field, volume(field))).all()
