"""Rectangles seen at an angle: four straight edges that part a photo in two.

Of all quadrilaterals whose sides lie on straight edges, the best is that whose sides are edge all
the way and end at its corners, and whose outline tells most about the colours on either side.
"""

import cv2
import numpy as np

from heatmap_locator.picture.lines import Lines, find_lines
from heatmap_locator.resample import shrunk

Array = np.ndarray

# Longer sides of the copies in which lines and colours are looked at.
_LINE_SIDE, _COLOUR_SIDE = 480, 160
# Least part of a side that is edge, for the worst of four and on average; least length of a side
# in parts of the photo's shorter one; sine of the smallest angle between sides.
_LEAST, _MEAN = 0.28, 0.42
_SHORT, _SINE = 0.12, 0.35
MIN_AREA, MAX_AREA = 0.08, 0.96
"""Parts of the photo that a rectangle takes up."""
# Candidates that are judged by colour too, and colours that are told apart.
_CANDIDATES, _COLOURS = 300, 24
# How far around a corner a side is looked at, in pixels of the lines' copy.
_PAST = (3.0, 27.0)


def find_rectangles(rgb: Array) -> tuple[Array, Array]:
    """Quadrilaterals that may be a picture on a table, best first.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (K, 4, 2) corners in order around, pixels; and (K,) scores, 3.5 where all that makes a
        rectangle is there.
    """
    small, scale = shrunk(rgb, _LINE_SIDE)
    lines = find_lines(small)
    sides = _around(lines)
    corners = _crossings(lines, sides)
    area = np.abs(_area(corners)) / (lines.size[0] * lines.size[1])
    fits = (area > MIN_AREA) & (area < MAX_AREA)
    sides, corners, area = sides[fits], corners[fits], area[fits]
    if not len(sides):
        return np.empty((0, 4, 2)), np.empty(0)
    # Weights of a conditional logit over candidates in synthetic photos, rounded.
    support, beyond = _on_edges(lines, sides, corners)
    score = 1.2 * support.min(axis=1) + 1.5 * support.mean(axis=1) - 0.7 * beyond
    score += 0.15 * np.log(area)
    first = np.argsort(-score, kind="stable")[:_CANDIDATES]
    corners, score = (corners[first] + 0.5) / scale, score[first]
    small, scale = shrunk(rgb, _COLOUR_SIDE)
    score += _told_apart(_colours(small), corners * scale)
    order = np.argsort(-score, kind="stable")
    return corners[order], score[order]


def _area(corners: Array) -> Array:
    """(K,) areas of (K, 4, 2), positive clockwise."""
    x, y = corners[..., 0], corners[..., 1]
    return 0.5 * (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1)


def _around(lines: Lines) -> Array:
    """(K, 4) lines, in order around, of which each is edge between those before and after it."""
    n, count = lines.normals, len(lines.normals)
    (width, height), none = lines.size, np.empty((0, 4), np.int64)
    if count < 4:
        return none
    sine = n[:, None, 0] * n[None, :, 1] - n[:, None, 1] * n[None, :, 0]
    apart = np.where(np.abs(sine) > _SINE, sine, np.nan)
    x = (n[:, None, 2] * n[None, :, 1] - n[None, :, 2] * n[:, None, 1]) / apart
    y = (n[:, None, 0] * n[None, :, 2] - n[None, :, 0] * n[:, None, 2]) / apart
    inside = (x > -1) & (x < width + 1) & (y > -1) & (y < height + 1)
    points = np.stack([x, y], axis=2).astype(np.float32)
    # side[i, j, k]: the part of line i between its crossings with j and k that is edge.
    side = np.zeros((count, count, count), np.float32)
    i, j, k = np.nonzero(inside[:, :, None] & inside[:, None, :])
    i, j, k = i[j < k], j[j < k], k[j < k]
    long = np.linalg.norm(points[i, j] - points[i, k], axis=1) > _SHORT * min(width, height)
    i, j, k = i[long], j[long], k[long]
    side[i, j, k] = side[i, k, j] = lines.support(i, points[i, j], points[i, k])
    found = []
    for a in range(count):
        for b in range(a + 1, count):
            across = np.flatnonzero(side[a + 1 :, a, b] > _LEAST) + a + 1
            c, d = (across[at] for at in np.triu_indices(len(across), 1))
            four = np.stack([side[a, c, d], side[b, c, d], side[c, a, b], side[d, a, b]])
            keep = (four.min(axis=0) > _LEAST) & (four.mean(axis=0) > _MEAN)
            one = np.ones(int(keep.sum()), np.int64)
            found.append(np.stack([a * one, c[keep], b * one, d[keep]], axis=1))
    return np.concatenate(found) if found else none


def _crossings(lines: Lines, sides: Array) -> Array:
    """(K, 4, 2), where each of (K, 4) lines meets the one before it; pixel centres are whole."""
    one = lines.normals[sides]
    other = np.roll(one, 1, axis=1)
    apart = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
    x = one[..., 2] * other[..., 1] - other[..., 2] * one[..., 1]
    y = one[..., 0] * other[..., 2] - other[..., 0] * one[..., 2]
    return np.stack([x, y], axis=-1) / apart[..., None]


def _on_edges(lines: Lines, sides: Array, corners: Array) -> tuple[Array, Array]:
    """The part of each side that is edge, (K, 4); and of what lies just beyond its ends, (K,)."""
    after = np.roll(corners, -1, axis=1)
    along = (after - corners) / np.linalg.norm(after - corners, axis=2, keepdims=True)
    near, far = _PAST
    before_it = lines.support(sides, corners - near * along, corners - far * along)
    after_it = lines.support(sides, after + near * along, after + far * along)
    return lines.support(sides, corners, after), (before_it + after_it).mean(axis=1) / 2


def _colours(rgb: Array) -> Array:
    """(H, W) int, which of a few colours and grains each pixel of (H, W, 3) uint8 has."""
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab)
    light = lab[..., 0]
    mean = cv2.blur(light, (5, 5))
    grain = np.sqrt(np.maximum(cv2.blur(light * light, (5, 5)) - mean * mean, 0.0))
    # Light falls unevenly: lightness counts for less than hue.
    values = np.dstack([0.7 * light, lab[..., 1:], grain]).reshape(-1, 4)
    some = np.ascontiguousarray(values[:: max(len(values) // 3000, 1)])
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 12, 0.5)
    cv2.setRNGSeed(0)
    count = min(_COLOURS, len(some))
    centres = cv2.kmeans(some, count, None, criteria, 1, cv2.KMEANS_PP_CENTERS)[2]  # type: ignore[call-overload]
    away = ((values[:, None] - centres[None]) ** 2).sum(axis=2)
    return away.argmin(axis=1).reshape(light.shape)


def _told_apart(colours: Array, corners: Array) -> Array:
    """(K,) 0..1, how much a pixel's colour, (H, W), tells about whether it lies in (4, 2) corners.

    Theil's uncertainty coefficient: mutual information over the entropy of in and out.
    """
    total = np.bincount(colours.ravel(), minlength=_COLOURS).astype(np.float64)
    inside = np.empty((len(corners), _COLOURS))
    for row, points in zip(inside, corners, strict=True):
        mask = np.zeros(colours.shape, np.uint8)
        cv2.fillConvexPoly(mask, np.rint(points * 16 - 8).astype(np.int32), 1, shift=4)
        row[:] = np.bincount(colours[mask > 0], minlength=_COLOURS)
    part = inside.sum(axis=1) / total.sum()
    each = inside / np.maximum(total, 1.0)
    left = (_entropy(each) * total).sum(axis=1) / total.sum()
    return 1.0 - left / np.maximum(_entropy(part), 1e-9)


def _entropy(part: Array) -> Array:
    """Of two outcomes, the first of probability ``part``."""
    p = np.clip(part, 1e-12, 1 - 1e-12)
    return -(p * np.log(p) + (1 - p) * np.log1p(-p))
