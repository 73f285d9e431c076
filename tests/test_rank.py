"""Ranking by pixels, on a print whose place is known."""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import draw_texture

from heatmap_locator.geometry import CELL, angle_difference
from heatmap_locator.grid import Grid
from heatmap_locator.model.network import PIXEL_STRIDE
from heatmap_locator.model.ranker import FEATURES, Ranker
from heatmap_locator.search.compare import compare
from heatmap_locator.search.decode import Candidate
from heatmap_locator.search.levels import Field
from heatmap_locator.search.measure import KEPT, lay, measure, rank
from heatmap_locator.search.piece import PreparedPiece, prepare_piece
from heatmap_locator.search.pose import pose_piece
from heatmap_locator.search.propose import bodies

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


def field_of(picture: np.ndarray, grid: Grid | None = None) -> Field:
    tensor = tensor_of(picture)
    return Field(tensor, F.avg_pool2d(tensor, PIXEL_STRIDE), grid)


def volume(field: Field) -> torch.Tensor:
    """36 rotations of features that correlate nowhere."""
    return torch.zeros(36, field.picture.shape[1] // 4, field.picture.shape[2] // 4)


def test_the_true_place_correlates_and_others_do_not(
    piece: PreparedPiece, picture: np.ndarray
) -> None:
    near = at(PLACE[0] + 2, PLACE[1] - 2, 53.0)
    elsewhere, turned = at(60, 120, 50.0), at(*PLACE, 140.0)
    poses, field = pose_piece(piece, torch.device("cpu")), field_of(picture)
    with torch.no_grad():
        best = compare([near, elsewhere, turned], poses, field.halved)
    found = best.correlation.tolist()
    assert found[0] > 0.9
    assert max(found[1:]) < 0.6
    assert all(-1.01 <= value <= 1.01 for value in found)
    # Where it correlates best is where it lies, to the nearest pixel of the field.
    assert best.middle[0].tolist() == pytest.approx(PLACE, abs=1.5 * PIXEL_STRIDE)
    assert best.degrees[0] == 50
    # The body of a round piece is its middle.
    there = bodies(best.middle.numpy(), best.degrees.numpy(), best.scale.numpy(), piece)
    assert there[0] == pytest.approx(PLACE, abs=1.5 * PIXEL_STRIDE + 0.5)


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("off", [-4.0, 3.0])
def test_alignment_finds_place_angle_and_size(
    piece: PreparedPiece, picture: np.ndarray, factor: float, off: float
) -> None:
    x, y = PLACE[0] * factor, PLACE[1] * factor
    other = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    poses, field = pose_piece(piece, torch.device("cpu")), field_of(other)
    start = [at(x + off, y - off, 50.0 + off)]
    best = compare(start, poses, field.halved)
    moved, _ = measure(start, best, poses, field, volume(field))
    assert float(lay(best, poses, field.picture)[0].correlation) > 0.97
    assert (moved[0].x, moved[0].y) == pytest.approx((x, y), abs=0.3)
    assert abs(angle_difference(moved[0].rotation, 50.0)) < 0.6
    assert moved[0].pose is not None
    linear = np.reshape(moved[0].pose, (2, 3))[:, :2]
    assert np.sqrt(np.linalg.det(linear)) == pytest.approx(factor / 2, rel=0.015)


def test_pixels_change_the_order(piece: PreparedPiece, picture: np.ndarray) -> None:
    field = field_of(picture)
    true = at(*PLACE, 50.0)
    others = [at(9.0 * i % 220, 20 + i, 5.0 * i, 2.0) for i in range(KEPT + 6)]
    poses = pose_piece(piece, torch.device("cpu"))
    ranked = rank([*others, true], poses, field, volume(field), Ranker())
    assert len(ranked) == KEPT + 7
    assert (ranked[0].x, ranked[0].y) == pytest.approx(PLACE, abs=0.3)
    measured = [c for c in ranked if c.pose is not None]
    assert measured == ranked[: len(measured)]
    assert KEPT - 10 <= len(measured) <= KEPT
    logits = [c.logit for c in ranked]
    assert max(logits[len(measured) :]) <= logits[len(measured) - 1]
    assert logits == sorted(logits, reverse=True)


def test_equal_pixels_keep_the_order_of_the_head(piece: PreparedPiece, picture: np.ndarray) -> None:
    # A picture of one tile, four times over: what is seen at each place is the same.
    tile = picture[34:146, 54:166]
    field = field_of(np.tile(tile, (2, 2, 1)))
    poses = pose_piece(piece, torch.device("cpu"))
    first, second = at(56, 56, 50.0, 1.0), at(168, 168, 50.0, 0.0)
    level = rank([second, first], poses, field, volume(field), Ranker())
    assert (level[0].x, level[0].y) == pytest.approx((56, 56), abs=0.5)
    assert level[0].logit - level[1].logit == pytest.approx(1.0, abs=0.05)
    assert rank([], poses, field, volume(field), Ranker()) == []


def test_the_same_pose_is_measured_once(piece: PreparedPiece, picture: np.ndarray) -> None:
    field, poses = field_of(picture), pose_piece(piece, torch.device("cpu"))
    twice = [at(*PLACE, 50.0), at(PLACE[0] + 1, PLACE[1], 51.0)]
    ranked = rank(twice, poses, field, volume(field), Ranker())
    assert [c.pose is not None for c in ranked] == [True, False]


def test_every_measure_tells_the_true_place(piece: PreparedPiece, picture: np.ndarray) -> None:
    # The true place is the middle of a cell: of three columns and two rows, with a round body.
    grid = Grid(1, 1)
    field, poses = field_of(picture, grid), pose_piece(piece, torch.device("cpu"))
    feature = volume(field)
    feature[5, int(PLACE[1] // 4), int(PLACE[0] // 4)] = 0.8
    places = [at(*PLACE, 50.0, 3.0), at(60, 120, 50.0, 1.0), at(*PLACE, 140.0, 1.0)]
    best = compare(places, poses, field.halved)
    _, found = measure(places, best, poses, field, feature)
    assert found.shape == (3, len(FEATURES))
    assert found[:, 0].tolist() == [3.0, 1.0, 1.0]
    assert float(found[0, 1]) == pytest.approx(-np.log(1 - 0.64))
    assert (found[0, :6] > 2 * found[1:, :6]).all()
    cell, size = FEATURES.index("cell"), FEATURES.index("size")
    assert found[0, cell] > 1
    assert found[1, cell] < -1
    assert found[0, size] > -0.1
    unknown = measure(places, best, poses, field_of(picture), feature)[1]
    assert (unknown[:, [cell, size]] == 0).all()
    fitting = Field(field.picture, field.halved, Grid(1, 1, exact=False))
    assert (measure(places, best, poses, fitting, feature)[1][:, cell] == 0).all()


@pytest.mark.parametrize("corner", [(0.0, 0.0), (223.9, 0.0), (0.0, 191.9), (223.9, 191.9)])
def test_places_at_the_picture_s_corners_can_be_measured(
    piece: PreparedPiece, picture: np.ndarray, corner: tuple[float, float]
) -> None:
    field, poses = field_of(picture), pose_piece(piece, torch.device("cpu"))
    place = [at(*corner, 10.0)]
    moved, found = measure(place, compare(place, poses, field.halved), poses, field, volume(field))
    assert torch.isfinite(found).all()
    assert np.isfinite(moved[0].pose).all()
