"""The conventions: half pixels, the direction of a turn, maps and boxes."""

import cv2
import numpy as np
import pytest

from heatmap_locator.geometry import (
    angle_difference,
    bounds,
    box_iou,
    clockwise,
    compose,
    invert,
    similarity,
    to_cv2,
    transform,
)


def ramp(height: int, width: int) -> np.ndarray:
    """(height, width, 2) float32 that holds each pixel's own (x, y), centres at +0.5."""
    ys, xs = np.mgrid[:height, :width] + 0.5
    return np.stack([xs, ys], -1).astype(np.float32)


@pytest.mark.parametrize(
    ("degrees", "wanted"), [(0, (1, 0)), (90, (0, 1)), (180, (-1, 0)), (270, (0, -1))]
)
def test_a_quarter_clockwise_takes_right_to_down(degrees: float, wanted: tuple[int, int]) -> None:
    np.testing.assert_allclose(clockwise(degrees) @ [1, 0], wanted, atol=1e-12)


def test_turning_a_picture_agrees_with_rot90() -> None:
    image = np.random.default_rng(0).integers(0, 255, (6, 6), np.uint8)
    matrix = similarity((3, 3), (3, 3), 90, 1)
    turned = cv2.warpAffine(image, to_cv2(matrix), (6, 6), flags=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(turned, np.rot90(image, -1))


@pytest.mark.parametrize("degrees", [0.0, 37.0, 200.0])
@pytest.mark.parametrize("scale", [0.5, 1.0, 2.5])
def test_warping_moves_pixels_where_the_matrix_says(degrees: float, scale: float) -> None:
    matrix = similarity((20.0, 15.0), (31.0, 27.0), degrees, scale)
    warped = cv2.warpAffine(ramp(30, 40), to_cv2(matrix), (60, 50), flags=cv2.INTER_LINEAR)
    back = transform(invert(matrix), ramp(50, 60).reshape(-1, 2).astype(np.float64))
    inside = ((back > 2) & (back < [38, 28])).all(axis=1)
    assert inside.sum() > 100
    # OpenCV interpolates in steps of 1/32 pixel.
    np.testing.assert_allclose(warped.reshape(-1, 2)[inside], back[inside], atol=0.04)


@pytest.mark.parametrize("size", [(80, 60), (20, 15)])
def test_resizing_maps_p_to_s_times_p(size: tuple[int, int]) -> None:
    resized = cv2.resize(ramp(30, 40), size, interpolation=cv2.INTER_AREA)
    if size[0] > 40:
        resized = cv2.resize(ramp(30, 40), size, interpolation=cv2.INTER_LINEAR)
    scale = size[0] / 40
    inner = (slice(2, -2), slice(2, -2))
    np.testing.assert_allclose((scale * resized)[inner], ramp(*size[::-1])[inner], atol=1e-4)
    warped = cv2.warpAffine(ramp(30, 40), to_cv2(np.array([[scale, 0, 0], [0, scale, 0.0]])), size)
    np.testing.assert_allclose((scale * warped)[inner], ramp(*size[::-1])[inner], atol=0.04)


def test_to_cv2_leaves_its_argument_alone() -> None:
    matrix = np.array([[2.0, 0, 1], [0, 2, 3]])
    to_cv2(matrix)
    np.testing.assert_array_equal(matrix, [[2, 0, 1], [0, 2, 3]])


def test_similarity_takes_source_to_target() -> None:
    matrix = similarity((3.0, 4.0), (10.0, -2.0), 33.0, 1.7)
    np.testing.assert_allclose(transform(matrix, np.array([[3.0, 4.0]])), [[10, -2]])
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(1.7**2)


def test_compose_applies_the_inner_map_first() -> None:
    rng = np.random.default_rng(1)
    outer, inner, points = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(5, 2))
    wanted = transform(outer, transform(inner, points))
    np.testing.assert_allclose(transform(compose(outer, inner), points), wanted)


def test_a_map_and_its_inverse_cancel() -> None:
    matrix = np.random.default_rng(2).normal(size=(2, 3))
    np.testing.assert_allclose(compose(matrix, invert(matrix)), np.eye(2, 3), atol=1e-12)
    np.testing.assert_allclose(compose(invert(matrix), matrix), np.eye(2, 3), atol=1e-12)


def test_bounds() -> None:
    assert bounds(np.array([[3.0, 9.0], [1.0, 2.0], [5.0, 4.0]])) == (1, 2, 5, 9)


@pytest.mark.parametrize(
    ("a", "b", "wanted"), [(10, 350, 20), (350, 10, -20), (180, 0, -180), (90, 90, 0), (725, 0, 5)]
)
def test_angle_difference_takes_the_short_way(a: float, b: float, wanted: float) -> None:
    assert angle_difference(a, b) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        ((0, 0, 4, 2), 1.0),
        ((2, 0, 6, 2), 4 / 12),
        ((1, 0.5, 2, 1.5), 1 / 8),
        ((4, 0, 8, 2), 0.0),
        ((5, 5, 6, 6), 0.0),
    ],
)
def test_iou_by_hand(other: tuple[float, ...], wanted: float) -> None:
    assert box_iou((0, 0, 4, 2), other) == pytest.approx(wanted)
    assert box_iou(other, (0, 0, 4, 2)) == pytest.approx(wanted)
