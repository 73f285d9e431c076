"""Corners and sides of pieces, on outlines whose corners and sides are known."""

import cv2
import numpy as np
import pytest

from heatmap_locator.geometry import Array, similarity, transform
from heatmap_locator.outline.sides import POINTS, Sides, find_sides
from heatmap_train.draw.cutter import Cut, cut_grid, rasterize

CELL = 150.0


def drawn(seed: int, rotation: float, row: int, col: int) -> tuple[Cut, np.ndarray, Array]:
    """A cut of 3 x 3, the mask of one piece turned, and the map from the cut to the mask."""
    cut = cut_grid(3, 3, 3 * CELL, 3 * CELL, np.random.default_rng(seed))
    forward = similarity(cut.cell_center(row, col), (200.0, 200.0), rotation, 1.0)
    return cut, rasterize(cut.outline(row, col), (400, 400), forward), forward


def found_sides(mask: np.ndarray) -> Sides:
    sides = find_sides(mask)
    assert sides is not None
    return sides


@pytest.mark.parametrize("seed", range(6))
def test_corners_are_those_of_the_cut_and_sides_run_along_it(seed: int) -> None:
    rotation = 30.0 * seed + 5.0
    cut, mask, forward = drawn(seed, rotation, 1, 1)
    sides = found_sides(mask)
    true = [transform(forward, points.astype(np.float64)) for points in cut.sides(1, 1)]
    starts = np.array([points[0] for points in true])
    near = np.linalg.norm(starts[:, None] - sides.corners, axis=2)
    assert sorted(near.argmin(axis=1).tolist()) == [0, 1, 2, 3]
    assert near.min(axis=1).max() < 0.01 * CELL
    for points, at in zip(true, near.argmin(axis=1), strict=True):
        chord = points[-1] - points[0]
        height = (points - points[0]) @ np.array([chord[1], -chord[0]]) / float(chord @ chord)
        curve = sides.sides[at].curve
        assert curve.shape == (POINTS, 2)
        assert curve[:, 1].max() == pytest.approx(height.max(), abs=0.01)
        assert curve[:, 1].min() == pytest.approx(height.min(), abs=0.01)


def test_a_corner_piece_has_two_straight_sides_that_face_out() -> None:
    for seed in range(6):
        _, mask, _ = drawn(seed, 20.0, 0, 0)
        sides = found_sides(mask)
        straight = [i for i, kind in enumerate(sides.kinds) if kind == "straight"]
        # Its top and its left, turned clockwise by 20 degrees.
        assert sides.outward[straight] == pytest.approx([20.0, 290.0], abs=2.0)
        assert straight == [0, 3]
        assert sides.regular


def test_the_first_side_is_the_one_at_the_top() -> None:
    for seed in range(6):
        _, mask, _ = drawn(seed, 77.0 * seed, 1, 1)
        turned = (found_sides(mask).outward + 45.0) % 360.0
        assert turned[0] < 90.0
        assert (np.diff(turned) > 0).all()


def test_knobs_lie_outside_the_line_between_corners() -> None:
    for seed in range(6):
        _, mask, _ = drawn(seed, 10.0, 1, 1)
        for side in found_sides(mask).sides:
            assert side.kind != "straight"
            assert side.curve[[0, -1]] == pytest.approx(np.array([[0.0, 0.0], [1.0, 0.0]]))
            assert (side.kind == "knob") == (abs(side.curve[:, 1].max()) > 0.1)


def test_no_outline_has_no_sides() -> None:
    assert find_sides(np.zeros((50, 60), np.float32)) is None


def test_a_disc_is_not_regular() -> None:
    y, x = np.mgrid[:200, :200] + 0.5
    sides = find_sides((np.hypot(x - 100, y - 100) < 70).astype(np.float32))
    assert sides is None or not sides.regular


def test_a_coarse_outline_is_drawn_to_the_edge_of_the_photo() -> None:
    for seed in range(3):
        _, mask, _ = drawn(seed, 25.0 * seed, 1, 1)
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, 4, (*mask.shape, 3))
        photo = mask[..., None] * (150, 90, 60) + (1 - mask[..., None]) * (70, 80, 130) + noise
        # As wide as a network may find it, and with the steps of its pixels.
        small = cv2.resize(mask, (100, 100), interpolation=cv2.INTER_AREA)
        wide = cv2.resize(small, (400, 400), interpolation=cv2.INTER_NEAREST)
        wide = (cv2.GaussianBlur(wide, (0, 0), 2.0) > 0.3).astype(np.float32)
        true, coarse = found_sides(mask), found_sides(wide)
        fine = find_sides(wide, photo.clip(0, 255).astype(np.uint8))
        assert fine is not None
        assert fine.kinds == true.kinds
        off = [np.linalg.norm(s.corners - true.corners, axis=1).mean() for s in (fine, coarse)]
        assert off[0] < 0.5 * off[1]
        assert off[0] < 0.01 * CELL


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_what_the_network_left_out_of_an_outline_is_seen_by_colour(seed: int) -> None:
    cut, mask, forward = drawn(seed, 15.0 + 20.0 * seed, 1, 1)
    # A dark corner, of the table's colour on a small copy.
    corner = transform(forward, cut.sides(1, 1)[0][:1].astype(np.float64))[0]
    bitten = mask.copy()
    cv2.circle(bitten, np.rint(corner).astype(int).tolist(), round(0.17 * CELL), 0.0, -1)
    rng = np.random.default_rng(seed)
    photo = mask[..., None] * (150, 90, 60) + (1 - mask[..., None]) * (70, 80, 130)
    photo = (photo + rng.normal(0, 3, photo.shape)).clip(0, 255).astype(np.uint8)
    # In a larger photo, so that what is read near the piece is told in the photo's pixels.
    wide = cv2.copyMakeBorder(photo, 130, 90, 150, 70, cv2.BORDER_REPLICATE)
    seen = np.pad(bitten, ((130, 90), (150, 70)))
    true, given, found = found_sides(mask), found_sides(bitten), find_sides(seen, wide)
    assert found is not None
    assert given.sure < 0.9
    assert found.regular
    assert found.sure > given.sure
    assert found.kinds == true.kinds
    assert np.abs(found.corners - [150, 130] - true.corners).max() < 0.02 * CELL
