"""The picture as people have it: a lid or an assembled puzzle photographed at an angle, squared up.

Corners are (4, 2) float32, clockwise as seen from the picture's top left, in pixels of the photo.
"""

import re

import cv2
import numpy as np

from heatmap_locator.background import find_background
from heatmap_locator.errors import InputError
from heatmap_locator.shape import biggest, disc, fill_holes

MIN_SIDE = 16.0
"""Pixels that each side between two corners has at least."""

_FORM = 'give four as "x,y x,y x,y x,y", clockwise from the top left'
# Corners may lie this far outside, in parts of the longer side: a lid that the photo cuts off.
_OUTSIDE = 0.02

_WORK_SIDE = 800
_MIN_AREA, _MAX_AREA = 0.08, 0.96
_MIN_SUPPORT = 0.6
# Intersection over union of a mask's hull with the four lines that describe it; and how much of
# the hull is mask.
_MIN_OVERLAP = 0.9
_MIN_COVER = 0.7
# How far from the mask's side the edge is looked for, in parts of the work copy; and at how many
# half pixels outside it the table is.
_REACH = 0.035
_OUTER = 6

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
    shown = "".join(c if c.isprintable() else "?" for c in text[:60])
    number = r"[-+]?(?:[0-9]{1,7}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})"
    points = re.findall(rf"({number})\s*,\s*({number})(?:[\s;]+|$)", text.strip())
    pattern = rf"\s*{number}\s*,\s*{number}(?:[\s;]+{number}\s*,\s*{number}){{3}}\s*"
    if re.fullmatch(pattern, text) is None or len(points) != 4:
        raise InputError(f"corners '{shown}': {_FORM}")
    return np.array(points, np.float32)


def check_corners(corners: np.ndarray, width: int, height: int) -> np.ndarray:
    """Returns the corners as (4, 2) float32 if a picture can be squared up by them.

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
        raise InputError(f"corners: {_FORM}")
    slack = _OUTSIDE * max(width, height)
    if points.min() < -slack or (points > np.array([width, height]) + slack).any():
        raise InputError(f"corners: outside the picture of {width}x{height} pixels; move them in")
    sides = np.roll(points, -1, axis=0) - points
    if np.linalg.norm(sides, axis=1).min() < MIN_SIDE:
        raise InputError(f"corners: two are less than {MIN_SIDE:.0f} pixels apart; spread them")
    after = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0]
    sine = turns / np.linalg.norm(sides, axis=1) / np.linalg.norm(after, axis=1)
    if (sine < -0.02).all():
        raise InputError("corners: they go counter-clockwise; give them clockwise from top left")
    if (sine < 0.02).any():
        raise InputError("corners: their outline is not convex; give the picture's four corners")
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
    """Finds a lid or an assembled puzzle in a photo of it on a table.

    Candidates are what stands out from the table's colour and what edges enclose, as far as four
    lines describe it; each side is then fitted to the sharpest edge beside it.

    Args:
        picture: (H, W, 3) uint8.

    Returns:
        (4, 2) float32, clockwise from the corner nearest to the photo's top left; None where the
        picture fills the photo or nothing in it is convincingly a rectangle seen at an angle.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, _WORK_SIDE / max(height, width))
    size = max(round(width * scale), 8), max(round(height * scale), 8)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else picture
    small = cv2.medianBlur(small, 3)
    slope = _slope(small)
    best, best_support = None, _MIN_SUPPORT
    tried: list[np.ndarray] = []
    for mask in _masks(small):
        quad = _quadrilateral(mask)
        if quad is None or any(np.abs(quad - other).max() < 3.0 for other in tried):
            continue
        tried.append(quad)
        fitted, support = _fit_sides(slope, quad)
        if fitted is None or not _convincing(fitted, size):
            continue
        if support > best_support:
            best, best_support = fitted, support
    if best is None:
        return None
    points = best * np.array([width / size[0], height / size[1]])
    points = np.clip(points, 0.0, [width, height])
    order = np.roll(points, -int(np.argmin(points.sum(axis=1))), axis=0)
    try:
        return check_corners(order, width, height)
    except InputError:
        return None


def _slope(rgb: np.ndarray) -> np.ndarray:
    """(H, W) float32, change per pixel of the channel that changes most."""
    values = cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), 1.0)
    dx = cv2.Sobel(values, cv2.CV_32F, 1, 0, scale=0.125)
    dy = cv2.Sobel(values, cv2.CV_32F, 0, 1, scale=0.125)
    return np.sqrt(dx**2 + dy**2).max(axis=2)


def _masks(rgb: np.ndarray) -> list[np.ndarray]:
    """What may be the picture, each (H, W) uint8 0/1 in one part."""
    masks = []
    background = find_background(rgb)
    if background is not None:
        for threshold in (None, 9.0, 16.0, 25.0):
            if threshold is None:
                masks.append(background.apart())
            else:
                masks.append((background.distance > threshold).astype(np.uint8))
    grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
    for low in (20, 40, 80):
        edges = (cv2.Canny(grey, low, 2 * low) > 0).astype(np.uint8)
        # Off the frame, so that edges cannot be closed through it.
        edges[:3], edges[-3:], edges[:, :3], edges[:, -3:] = 0, 0, 0, 0
        masks.append(cv2.morphologyEx(edges, cv2.MORPH_CLOSE, disc(3)))
    wide = disc(0.012 * max(rgb.shape))
    result = []
    for mask in masks:
        closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, wide)
        part = biggest(cv2.morphologyEx(fill_holes(closed), cv2.MORPH_OPEN, wide))
        if part is not None and _MIN_AREA < part.mean() < _MAX_AREA:
            result.append(part)
    return result


def _quadrilateral(mask: np.ndarray) -> np.ndarray | None:
    """(4, 2) corners, clockwise, of the four lines that describe a mask; None if they do not."""
    contour = max(
        cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=cv2.contourArea
    )
    hull = cv2.convexHull(contour)
    around = cv2.arcLength(hull, True)
    for part in np.linspace(0.01, 0.08, 15):
        points = cv2.approxPolyDP(hull, part * around, True)[:, 0]
        if len(points) <= 4:
            break
    if len(points) != 4:
        return None
    filled = np.zeros_like(mask)
    cv2.fillConvexPoly(filled, points, 1)
    # Pale parts may be missing from the mask, but not from its hull.
    whole = np.zeros_like(mask)
    cv2.fillConvexPoly(whole, hull, 1)
    overlap = int((filled & whole).sum()) / int((filled | whole).sum())
    if overlap < _MIN_OVERLAP or mask.sum() < _MIN_COVER * whole.sum():
        return None
    corners = points.astype(np.float64) + 0.5
    after = np.roll(corners, -1, axis=0)
    area = float((corners[:, 0] * after[:, 1] - corners[:, 1] * after[:, 0]).sum())
    return corners if area > 0 else corners[::-1]


def _fit_sides(slope: np.ndarray, quad: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Moves each side of (4, 2) corners to the edge beside it.

    Returns:
        The corners, and the part of the sides, of the worst side, that lies on an edge; None if a
        side finds none.
    """
    reach = _REACH * max(slope.shape)
    lines, support = [], 1.0
    strong = max(1.5, 2.0 * float(np.median(slope)))
    for start, end in zip(quad, np.roll(quad, -1, axis=0), strict=True):
        along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
        normal = np.array([-along[1], along[0]])
        count = max(int(np.linalg.norm(end - start) / 2), 12)
        # The corners themselves are round, worn or covered by the other side's edge.
        at = start + np.linspace(0.06, 0.94, count)[:, None] * (end - start)
        offsets = np.arange(-reach, reach + 0.25, 0.5)
        grid = (at[:, None] + offsets[None, :, None] * normal - 0.5).astype(np.float32)
        values = cv2.remap(slope, grid, None, cv2.INTER_LINEAR, borderValue=0)  # type: ignore[call-overload]
        found = _line(at, normal, offsets, values, strong)
        if found is None:
            return None, 0.0
        lines.append(found[0])
        support = min(support, found[1])
    corners = []
    for previous, line in zip([lines[-1], *lines[:-1]], lines, strict=True):
        normals = np.stack([previous[:2], line[:2]])
        if abs(np.linalg.det(normals)) < 0.05:
            return None, 0.0
        corners.append(np.linalg.solve(normals, np.array([previous[2], line[2]])))
    return np.array(corners), support


def _line(
    at: np.ndarray, normal: np.ndarray, offsets: np.ndarray, values: np.ndarray, strong: float
) -> tuple[np.ndarray, float] | None:
    """The line with the most edge under it near a side.

    Args:
        at: (N, 2) points along the side.
        normal: (2,) unit vector across it.
        offsets: (K,) pixels across.
        values: (N, K) slope there.
        strong: slope from which a point lies on an edge.

    Returns:
        (a, b, c) with a x + b y = c, a and b of length 1, and the part of points on an edge.
    """
    t = np.linspace(-1.0, 1.0, len(at))
    # Every tilt and shift within reach, coarse; a lid's edge is one line all the way.
    capped = np.minimum(values, 4.0 * strong)
    # Outside there is a table, calmer than the picture: of many edges the outermost is the side.
    calm = cv2.blur(capped, (2 * _OUTER + 1, 1), borderType=cv2.BORDER_REPLICATE)
    shift = np.maximum(np.arange(len(offsets)) - 2 * _OUTER, 0)
    capped = capped - calm[:, shift]
    rows = np.arange(len(at))
    best, place = -1.0, (0.0, 0.0)
    for tilt in offsets[::2] / 2:
        columns = np.rint((offsets[None, :] + t[:, None] * tilt - offsets[0]) * 2).astype(int)
        valid = (columns >= 0) & (columns < len(offsets))
        total = np.where(valid, capped[rows[:, None], columns.clip(0, len(offsets) - 1)], 0.0)
        means = np.where(valid.all(axis=0), total.mean(axis=0), -np.inf)
        if means.max() > best:
            best, place = float(means.max()), (float(offsets[means.argmax()]), float(tilt))
    expected = place[0] + t * place[1]
    near = np.abs(offsets[None, :] - expected[:, None]) <= 2.0
    weight = np.where(near, values, 0.0)
    peak = weight.max(axis=1)
    on = peak > strong
    if on.mean() < 0.3:
        return None
    # The middle of the edge at each point: what is left of a pixel.
    sharp = np.where(near, np.maximum(values - 0.5 * peak[:, None], 0.0), 0.0)
    middle = (sharp * offsets).sum(axis=1) / np.maximum(sharp.sum(axis=1), 1e-6)
    kept = on
    for _ in range(4):
        fit = np.polyfit(t[kept], middle[kept], 1)
        off = np.abs(np.polyval(fit, t) - middle)
        kept = on & (off < max(0.5, 2.5 * float(np.median(off[on]))))
        if kept.sum() < 6:
            return None
    first, last = (at[i] + np.polyval(fit, t[i]) * normal for i in (0, -1))
    direction = (last - first) / np.linalg.norm(last - first)
    a, b = -direction[1], direction[0]
    return np.array([a, b, a * first[0] + b * first[1]]), float(kept.mean())


def _convincing(corners: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether corners in a photo of ``size`` (width, height) can be a picture's, seen whole."""
    width, height = size
    edge = 0.003 * max(size)
    inside = (corners > edge).all(axis=1) & (corners < np.array(size) - edge).all(axis=1)
    if inside.sum() < 4:
        return False
    try:
        check_corners(corners, width, height)
    except InputError:
        return False
    area = cv2.contourArea(corners.astype(np.float32)) / (width * height)
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    steep = max(sides[0] / sides[2], sides[2] / sides[0], sides[1] / sides[3], sides[3] / sides[1])
    aspect = aspect_ratio(corners, width, height)
    return bool(_MIN_AREA < area < _MAX_AREA and steep < 2.5 and 0.25 < aspect < 4.0)
