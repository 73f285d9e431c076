"""Tells a photo whose background is burnt out from a piece cut out and saved on a flat colour.

Both have a border of one colour to the digit.  But what lies on paper so bright, or on cloth so
dark, has its shadow and the camera's halo around it, and those differ from the colour as well.
"""

import math

import cv2
import numpy as np

from heatmap_locator.geometry import Array
from heatmap_locator.outline.contour import contour_of, sampled
from heatmap_locator.outline.quads import area_of
from heatmap_locator.outline.sides import find_sides
from heatmap_locator.outline.snap import normals_of

# Lengths are shares of the root of the outline's area.  Outlines this far apart differ, and so
# much on both sides of an outline is compared.
_APART, _BESIDE = 0.025, 0.015
# Of an outline's points, so many differ at least.
_LEAST = 0.03
# So many times as much colours part along what is seen: dark print on black has a faint edge, too.
_CLEARER = 1.8
# Of what is seen, the part that lies outside of what differs from the fill at most.
_OUTSIDE = 0.02
# Sides of what is seen are as sure as the fill's, or nearly: a motif on print in the fill's own
# colour is bounded clearly, too, but not like a piece.
_SURE = 0.9


def is_burnt_out(rgb: np.ndarray, filled: np.ndarray, seen: np.ndarray) -> bool:
    """Whether what differs from a fill is more than the piece that is seen in the photo.

    It is where the outline seen lies within that of the fill and has a piece's sides, and where
    the two differ the photo's colours part more clearly along the one seen.

    Args:
        rgb: (H, W, 3) uint8.
        filled: (H, W) float, 0..1, what differs from the fill.
        seen: (H, W) float, 0..1, a piece that was seen for certain.
    """
    outer, inner = contour_of(filled), contour_of(seen)
    solid = seen > 0.5
    if outer is None or inner is None or (solid & (filled <= 0.5)).sum() > _OUTSIDE * solid.sum():
        return False
    lab = cv2.cvtColor(rgb.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    one, other = _contrast(lab, outer, inner), _contrast(lab, inner, outer)
    if one is None or other is None or other <= _CLEARER * one:
        return False
    own, whole = find_sides(seen, rgb), find_sides(filled)
    return (
        own is not None
        and own.regular
        and (whole is None or not whole.regular or own.sure >= _SURE * whole.sure)
    )


def _contrast(lab: np.ndarray, points: Array, other: Array) -> float | None:
    """Where an outline is far from another, the median difference in Lab between both sides of it.

    Args:
        lab: (H, W, 3) float32.
        points: (N, 2) of the outline, clockwise, in pixels.
        other: (M, 2).

    Returns:
        ``None`` where it is hardly anywhere.
    """
    side = math.sqrt(max(area_of(points), 1.0))
    off = np.linalg.norm(points[:, None] - other[None], axis=2).min(axis=1)
    far = off > _APART * side
    if far.mean() < _LEAST:
        return None
    step = _BESIDE * side * normals_of(points)[far]
    across = sampled(lab, points[far] + step) - sampled(lab, points[far] - step)
    return float(np.median(np.linalg.norm(across, axis=1)))
