"""The classical methods find what they should, and mean the same by a rotation."""

import cv2
import numpy as np
import pytest

from heatmap_eval.methods.ncc import Ncc
from heatmap_eval.methods.places import hull
from heatmap_eval.methods.protocol import Method
from heatmap_eval.methods.sift import Sift, SiftThenNcc
from heatmap_locator.geometry import angle_difference, box_iou, similarity, to_cv2
from heatmap_locator.grid import Grid
from heatmap_locator.search.template import match_template
from heatmap_train.draw.procedural import draw_picture

GRID = Grid(4, 6)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """(400, 600, 3): cells of 100 pixels, full of corners."""
    rng = np.random.default_rng(2)
    drawn = draw_picture(600, 400, rng)
    for _ in range(600):
        x, y, w, h = (int(v) for v in rng.integers((0, 0, 4, 4), (600, 400, 16, 16)))
        cv2.rectangle(drawn, (x, y), (x + w, y + h), rng.integers(0, 255, 3).tolist(), -1)
    return drawn


def _exact(picture: np.ndarray, row: int, col: int, quarters: int) -> np.ndarray:
    crop = picture[row * 100 : row * 100 + 100, col * 100 : col * 100 + 100]
    return np.rot90(np.dstack([crop, np.full((100, 100), 255, np.uint8)]), -quarters)


def _by_definition(picture: np.ndarray, template: np.ndarray, mask: np.ndarray) -> np.ndarray:
    h, w = template.shape[:2]
    weight = mask[..., None]
    ours = (template - (template * weight).sum((0, 1)) / mask.sum()) * weight
    found = np.zeros((picture.shape[0] - h + 1, picture.shape[1] - w + 1))
    for y, x in np.ndindex(found.shape):
        window = picture[y : y + h, x : x + w]
        theirs = (window - (window * weight).sum((0, 1)) / mask.sum()) * weight
        found[y, x] = (ours * theirs).sum() / np.sqrt((ours**2).sum() * (theirs**2).sum())
    return found


def test_correlation_is_zero_mean_over_the_mask_per_channel() -> None:
    rng = np.random.default_rng(0)
    picture = rng.uniform(0, 255, (24, 30, 3)).astype(np.float32)
    mask = np.zeros((9, 11))
    mask[1:8, 2:9] = 1
    # Light of another colour: each channel's mean moves on its own.
    template = picture[6:15, 10:21] + np.array([40, -20, 90], np.float32)
    found = match_template(picture, template, mask.astype(np.float32))
    np.testing.assert_allclose(found, _by_definition(picture, template, mask), atol=1e-4)
    assert found[6, 10] == pytest.approx(1, abs=1e-4)


def test_flat_windows_tell_nothing() -> None:
    picture = np.full((40, 40, 3), 120, np.float32)
    picture[25:33, 25:33] = np.random.default_rng(0).uniform(0, 255, (8, 8, 3))
    found = match_template(picture, picture[25:33, 25:33], np.ones((8, 8), np.float32))
    assert np.isfinite(found).all()
    assert found.max() <= 1.001
    assert np.unravel_index(found.argmax(), found.shape) == (25, 25)
    assert found[0, 0] == -1


@pytest.mark.parametrize("method", [Ncc(), Sift(), SiftThenNcc(Sift(), Ncc())])
@pytest.mark.parametrize("quarters", [1, 2])
def test_exact_piece_is_found(picture: np.ndarray, method: Method, quarters: int) -> None:
    places = method.prepare(picture, GRID).locate(_exact(picture, 2, 4, quarters), 3)
    assert box_iou(places[0].box, (400, 200, 500, 300)) > 0.9
    assert abs(angle_difference(places[0].rotation, 90.0 * quarters)) < 2
    assert places[0].cell == (2, 4)
    assert places[0].score > 0.5
    if len(places) > 1:
        gap = np.subtract(places[0].center, places[1].center)
        assert np.hypot(*gap) > 50 - 3


@pytest.mark.parametrize("method", [Ncc(), Sift()])
def test_piece_at_an_angle_and_another_size(picture: np.ndarray, method: Method) -> None:
    # Clockwise by 40 degrees and 1.5 times as large, cut out.
    forward = to_cv2(similarity((250, 150), (130, 130), 40.0, 1.5))
    photo = cv2.warpAffine(picture, forward, (260, 260), flags=cv2.INTER_CUBIC)
    square = np.zeros((400, 600), np.uint8)
    square[100:200, 200:300] = 255
    alpha = cv2.warpAffine(square, forward, (260, 260))
    place = method.prepare(picture, GRID).locate(np.dstack([photo, alpha]), 1)[0]
    assert box_iou(place.box, (200, 100, 300, 200)) > 0.85
    assert abs(angle_difference(place.rotation, 40)) < 3
    matrix = np.reshape(place.matrix, (2, 3))
    np.testing.assert_allclose(matrix @ [130, 130, 1], (250, 150), atol=4)


def test_sift_knows_when_it_does_not_know(picture: np.ndarray) -> None:
    flat = np.full((100, 100, 4), 255, np.uint8)
    assert Sift().prepare(picture, GRID).locate(flat, 1) == []
    assert (
        Sift()
        .prepare(np.full((400, 600, 3), 9, np.uint8), GRID)
        .locate(_exact(picture, 0, 0, 0), 1)
        == []
    )


def test_hull() -> None:
    mask = np.zeros((20, 30), np.float32)
    mask[5:10, 7:20] = 1
    points = hull(mask)
    assert points.min(axis=0).tolist() == [7, 5]
    assert points.max(axis=0).tolist() == [20, 10]
