"""The picture as people have it: a lid or an assembled puzzle photographed at an angle, squared up.

Corners are (4, 2) float32, clockwise as seen from the picture's top left, in pixels of the photo.
"""

import re

import cv2
import numpy as np

from heatmap_locator.errors import InputError, one_line
from heatmap_locator.picture.rectangles import find_rectangles
from heatmap_locator.picture.sides import fit_sides

MIN_SIDE = 16.0
"""Pixels that each side between two corners has at least."""

_FORM = 'give four as "x,y x,y x,y x,y", clockwise from the top left'
# Corners may lie this far outside, in parts of the longer side: a lid that the photo cuts off.
_OUTSIDE = 0.02

# The score of a rectangle from which it is believed, and how many less sure ones are looked at.
_SCORE = 2.4
_TRIED = 5

# Focal length in parts of the photo's diagonal that is expected where the corners do not tell:
# phones have 24 to 28 mm on a diagonal of 43; crops and tele lenses make it longer.
_FOCAL = 0.75
_FOCAL_SPREAD = 0.35
# How far from square the picture's sides may seem, in radians, for corners placed by hand.
_CORNER_NOISE = 0.004


def parse_corners(text: str) -> np.ndarray:
    """Corners from ``"x,y x,y x,y x,y"``, clockwise from the top left.

    Returns:
        (4, 2) float32.

    Raises:
        InputError: the text has another form.
    """
    number = r"[-+]?(?:[0-9]{1,7}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})"
    points = re.findall(rf"({number})\s*,\s*({number})(?:[\s;]+|$)", text.strip())
    pattern = rf"\s*{number}\s*,\s*{number}(?:[\s;]+{number}\s*,\s*{number}){{3}}\s*"
    if re.fullmatch(pattern, text) is None or len(points) != 4:
        raise InputError(_FORM, name=f"corners '{one_line(text[:60])}'")
    return np.array(points, np.float32)


def check_corners(corners: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the corners as (4, 2) float32 if a picture can be squared up by them.

    Args:
        corners: four (x, y), clockwise from the top left.
        width, height: of the photo.

    Raises:
        InputError: not four points, outside the photo, crossed, not convex, the wrong way round,
            or too small.
    """
    try:
        points = np.asarray(corners, np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.shape != (4, 2) or not np.isfinite(points).all():
        raise InputError(_FORM, name="corners")
    slack = _OUTSIDE * max(width, height)
    if points.min() < -slack or (points > np.array([width, height]) + slack).any():
        raise InputError(
            f"outside the picture of {width}x{height} pixels; move them in", name="corners"
        )
    sides = np.roll(points, -1, axis=0) - points
    if np.linalg.norm(sides, axis=1).min() < MIN_SIDE:
        raise InputError(
            f"two are less than {MIN_SIDE:.0f} pixels apart; spread them", name="corners"
        )
    after = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0]
    sine = turns / np.linalg.norm(sides, axis=1) / np.linalg.norm(after, axis=1)
    if (sine < -0.02).all():
        raise InputError(
            "they go counter-clockwise; give them clockwise from top left", name="corners"
        )
    if (sine < 0.02).any():
        raise InputError(
            "their outline is not convex; give the picture's four corners", name="corners"
        )
    return points.astype(np.float32)


def aspect_ratio(corners: np.ndarray, width: int, height: int) -> float:
    """Width over height of the flat rectangle whose corners these are.

    Zhang and He, "Whiteboard scanning and image enhancement" (2007), with square pixels and the
    principal point in the middle of the photo.  Their focal length is that which makes the sides
    perpendicular; with little or one-sided perspective it is undetermined, so here it is weighed
    against what cameras have.

    Args:
        corners: (4, 2), clockwise from the top left.
        width, height: of the photo.
    """
    scale = float(np.hypot(width, height))
    middle = np.array([width / 2.0, height / 2.0])
    # In parts of the diagonal, around the principal point; named as in the paper.
    tl, tr, br, bl = (
        np.append((np.asarray(c, np.float64) - middle) / scale, 1.0) for c in np.asarray(corners)
    )
    m1, m2, m3, m4 = tl, tr, bl, br
    k2 = np.cross(m1, m4) @ m3 / (np.cross(m2, m4) @ m3)
    k3 = np.cross(m1, m4) @ m2 / (np.cross(m3, m4) @ m2)
    across, down = k2 * m2 - m1, k3 * m3 - m1
    focal = np.exp(np.linspace(np.log(0.3), np.log(6.0), 600))
    rays = np.stack([1.0 / focal, 1.0 / focal, np.ones_like(focal)], axis=1)
    u, v = across * rays, down * rays
    long_u, long_v = np.linalg.norm(u, axis=1), np.linalg.norm(v, axis=1)
    skew = np.arcsin(np.clip((u * v).sum(axis=1) / long_u / long_v, -1.0, 1.0))
    cost = (skew / _CORNER_NOISE) ** 2 + (np.log(focal / _FOCAL) / _FOCAL_SPREAD) ** 2
    best = int(np.argmin(cost))
    return float(long_u[best] / long_v[best])


def square_up(picture: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """The part of a photo between four corners as if seen from straight above.

    Args:
        picture: (H, W, 3) uint8.
        corners: (4, 2), clockwise from the top left, as :func:`find_corners` gives them; the first
            one becomes the result's top left.

    Returns:
        (H', W', 3) uint8, of the rectangle's own aspect, no side's resolution lost.

    Raises:
        InputError: corners that no picture can have.
    """
    height, width = picture.shape[:2]
    points = check_corners(corners, width, height)
    out_width, out_height = _size(points, width, height)
    target = np.array(
        [[0, 0], [out_width, 0], [out_width, out_height], [0, out_height]], np.float32
    )
    # OpenCV counts from pixel centres on both sides.
    forward = cv2.getPerspectiveTransform(points - np.float32(0.5), target - np.float32(0.5))
    return cv2.warpPerspective(
        picture,
        forward,
        (out_width, out_height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _size(points: np.ndarray, width: int, height: int) -> tuple[int, int]:
    """(width, height) of the squared-up picture: the aspect, the longer sides' resolution."""
    top, right, bottom, left = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    across, down = float(max(top, bottom)), float(max(left, right))
    aspect = aspect_ratio(points, width, height)
    # A long foreshortened side is given its pixels back, but never many more than the photo has.
    if across / down > aspect:
        down = across / aspect
    else:
        across = down * aspect
    shrink = min(1.0, np.sqrt(1.5 * width * height / (across * down)))
    return max(round(across * shrink), 8), max(round(down * shrink), 8)


def find_corners(picture: np.ndarray) -> np.ndarray | None:
    """Find a lid or an assembled puzzle in a photo of it on a table.

    Args:
        picture: (H, W, 3) uint8.

    Returns:
        (4, 2) float32, clockwise from the corner nearest to the photo's top left; None where the
        picture fills the photo or nothing in it is convincingly a rectangle seen at an angle.
    """
    height, width = picture.shape[:2]
    candidates, scores = find_rectangles(picture)
    for quad, score in zip(candidates[:_TRIED], scores[:_TRIED], strict=True):
        if score < _SCORE:
            break
        around = quad if cv2.contourArea(quad.astype(np.float32), oriented=True) > 0 else quad[::-1]
        points = fit_sides(picture, around)
        order = np.roll(points, -int(np.argmin(points.sum(axis=1))), axis=0)
        if _convincing(order, width, height):
            return order.astype(np.float32)
    return None


def _convincing(corners: np.ndarray, width: int, height: int) -> bool:
    """Whether corners in a photo can be a picture's, seen whole."""
    edge = 0.003 * max(width, height)
    if corners.min() < edge or (corners > np.array([width, height]) - edge).any():
        return False
    try:
        check_corners(corners, width, height)
    except InputError:
        return False
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    steep = max(sides[0] / sides[2], sides[2] / sides[0], sides[1] / sides[3], sides[3] / sides[1])
    return bool(steep < 2.5 and 0.25 < aspect_ratio(corners, width, height) < 4.0)
