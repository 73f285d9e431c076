"""Pieces cut from the file itself, whole and tiny: their labels say where the pixels are."""

import cv2
import numpy as np
import pytest

from heatmap_eval.methods.places import outline_of
from heatmap_eval.protocols.synthesis import exact_tasks, tiny_tasks
from heatmap_eval.protocols.tasks import PictureTask
from heatmap_locator.geometry import bounds, clockwise, similarity, to_cv2, transform
from heatmap_locator.grid import Grid
from heatmap_locator.search.template import match_template
from heatmap_train.draw.prints import render_print
from heatmap_train.draw.procedural import draw_picture
from heatmap_train.draw.texture import texture_spread


@pytest.fixture(scope="module")
def exact() -> PictureTask:
    return next(exact_tasks(None, seed=3, per_picture=8))


def test_exact_piece_put_back(exact: PictureTask) -> None:
    assert exact.image.shape == (2000, 3000, 3)
    assert exact.grid == Grid(25, 38)
    assert {p.rotation for p in exact.pieces} > {0.0, 90.0}
    for piece in exact.pieces:
        x1, y1, x2, y2 = (int(v) for v in piece.box)
        assert piece.image[..., 3].min() == 255
        assert (outline_of(piece.image)[1] == 1).all()
        # Counter-clockwise by the rotation, and the pixels are those of the picture.
        back = np.rot90(piece.image[..., :3], int(piece.rotation // 90))
        np.testing.assert_array_equal(back, exact.image[y1:y2, x1:x2])
        around = exact.image[max(0, y1 - 9) : y2 + 9, max(0, x1 - 9) : x2 + 9]
        found = match_template(
            around.astype(np.float32), back.astype(np.float32), np.ones(back.shape[:2], np.float32)
        )
        y, x = np.unravel_index(found.argmax(), found.shape)
        assert found.max() > 0.99
        assert (x, y) == (min(9, x1), min(9, y1))


@pytest.mark.parametrize("rotation", [0.0, 90.0, 200.0])
@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_print_turned_back_is_the_source(rotation: float, scale: float) -> None:
    source = cv2.GaussianBlur(draw_picture(300, 200, np.random.default_rng(5)), (0, 0), 2.0)
    outline = np.array([[100, 60], [160, 60], [160, 110], [130, 120], [100, 110]], np.float64)
    photo, mask, forward = render_print(source, outline, rotation, scale, margin=12.0)
    np.testing.assert_allclose(forward[:, :2], scale * clockwise(rotation), atol=1e-9)
    left, top, right, bottom = bounds(transform(forward, outline))
    assert (left, top) == pytest.approx((12, 12))
    assert abs(photo.shape[1] - right - 12) <= 1
    assert abs(photo.shape[0] - bottom - 12) <= 1
    assert mask.sum() == pytest.approx(scale**2 * (60 * 50 + 300), rel=0.01)
    middle = transform(forward, np.array([[130.0, 85.0]]))[0]
    back = cv2.warpAffine(
        photo, to_cv2(similarity(tuple(middle), (20, 20), -rotation, 1 / scale)), (40, 40)
    )
    crop = source[65:105, 110:150]
    assert np.abs(back.astype(float) - crop).mean() < 4


def test_texture_spread() -> None:
    mask = np.ones((64, 64), np.float32)
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert texture_spread(flat, mask, 64) == pytest.approx(0, abs=1e-3)
    slope = np.repeat(np.linspace(0, 120, 64)[None, :, None], 64, axis=0).repeat(3, axis=2)
    checks = flat + 100 * ((np.indices((64, 64)) // 16).sum(axis=0) % 2)[..., None]
    checks = checks.astype(np.uint8)
    assert texture_spread(slope.astype(np.uint8), mask, 64) < 12 < texture_spread(checks, mask, 64)
    mask[:, 20:] = 0
    checks[:, :20] = 90  # what lies outside the outline does not count
    assert texture_spread(checks, mask, 64) == pytest.approx(0, abs=1e-3)


def test_tiny_piece_put_back() -> None:
    task = next(tiny_tasks(None, seed=2, per_picture=4))
    assert task.image.shape == (256, 256, 3)
    assert task.grid == Grid(4, 4)
    assert [p.rotation for p in task.pieces] == [0.0, 90.0, 180.0, 270.0] * 4
    for piece in task.pieces:
        assert piece.image.shape[2] == 3
        back = np.rot90(piece.image, int(piece.rotation // 90))
        assert (back[:19] == 0).all()
        assert (back[:, :19] == 0).all()
        # Wherever it is not black it is the picture, 20 pixels in from the box's whole pixels.
        left, top = (int(np.floor(v)) - 20 for v in piece.box[:2])
        around = np.pad(task.image, ((40, 40), (40, 40), (0, 0)))
        height, width = back.shape[:2]
        under = around[top + 40 : top + 40 + height, left + 40 : left + 40 + width]
        inside = cv2.erode((back.sum(axis=2) > 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert inside.sum() > 0.5 * 64 * 64
        np.testing.assert_array_equal(back[inside], under[inside])
        ys, xs = np.nonzero(back.sum(axis=2))
        whole = (xs.min() + left, ys.min() + top, xs.max() + 1 + left, ys.max() + 1 + top)
        np.testing.assert_allclose(whole, piece.box, atol=2)
