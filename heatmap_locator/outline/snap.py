"""A contour drawn to the edge that the photo shows, at the photo's own resolution.

The outline network sees 256 pixels.  Around its contour the photo is sampled along the normals;
where colours just inside and just outside differ most, and neighbours agree, the edge is: the best
path by dynamic programming (Amini, Weymouth and Jain, "Using dynamic programming for solving
variational problems in vision", 1990).
"""

import math

import cv2
import numpy as np

from heatmap_locator.geometry import Array
from heatmap_locator.outline.contour import LARGEST, POINTS, resampled, sampled, smoothed
from heatmap_locator.outline.quads import area_of
from heatmap_locator.resample import resize

# Lengths are shares of the root of the outline's area.  How far from the contour the edge may be,
# and how much on both sides of it is compared.  Of 0.03, 0.04 and 0.06, on drawn photos of 80 and
# 150 pixels a cell, this and the next two are as good as others or better: ``train/LOG.md``.
_REACH, _BESIDE = 0.03, 0.015
# Positions tried, an odd number.
_TRIED = 33
# What it costs, in edges of the usual contrast, to lie at the end of the reach, and to move by one
# position from a point to the next; further moves cost as many times more, up to so many.
_FAR, _BEND, _JUMP = 0.3, 0.1, 2
# Pixels a side, and a share of it, of the blur that the photo is sampled under.
_BLUR, _LEAST_BLUR = 0.006, 0.6


def snapped(points: Array, photo: np.ndarray) -> Array:
    """A contour moved to the edge in its photo.

    Args:
        points: (N, 2) in pixels of the photo, clockwise, evenly along it.
        photo: (H, W, 3) uint8.

    Returns:
        (``POINTS``, 2).
    """
    normals = normals_of(points)
    side = math.sqrt(max(area_of(points), 1.0))
    offsets = np.linspace(-_REACH, _REACH, _TRIED) * side
    cost = -_contrast(points, normals, photo, offsets, side)
    cost += _FAR * (offsets / offsets[-1]) ** 2
    moved = points + offsets[_cheapest(cost)][:, None] * normals
    return resampled(smoothed(moved, 1.0, wrap=True), POINTS, closed=True)


def normals_of(points: Array) -> Array:
    """(N, 2) unit normals, outwards, of (N, 2) points clockwise along a closed curve."""
    along = np.roll(points, -2, axis=0) - np.roll(points, 2, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True).clip(1e-9)
    return np.stack([along[:, 1], -along[:, 0]], axis=1)


def _contrast(
    points: Array, normals: Array, photo: np.ndarray, offsets: Array, side: float
) -> Array:
    """(N, T) how much colours differ between both sides of each position, about 0..1."""
    step = offsets[1] - offsets[0]
    beside = max(1, round(_BESIDE * side / step))
    margin = (beside + 1) * step
    far = np.arange(-beside, len(offsets) + beside) * step + offsets[0]
    room = offsets[-1] + margin + 2
    left, top = (int(v) for v in np.floor(points.min(axis=0) - room).clip(0))
    right, bottom = (int(v) for v in np.ceil(points.max(axis=0) + room))
    part = photo[top:bottom, left:right]
    scale = min(1.0, LARGEST / side)
    if scale < 1:
        size = max(round(part.shape[1] * scale), 2), max(round(part.shape[0] * scale), 2)
        ratio = np.array([size[0] / part.shape[1], size[1] / part.shape[0]])
        part = resize(part, size, scale)
    else:
        ratio = np.ones(2)
    colours = cv2.cvtColor(part.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    soft = cv2.GaussianBlur(colours, (0, 0), max(_LEAST_BLUR, _BLUR * side * scale))
    at = points[:, None] + far[:, None] * normals[:, None] - np.array([left, top])
    seen = sampled(soft.astype(np.float32, copy=False), at * ratio)
    sums = np.concatenate([np.zeros((len(points), 1, 3)), np.cumsum(seen, axis=1)], axis=1)
    index = np.arange(len(offsets)) + beside
    inner = sums[:, index] - sums[:, index - beside]
    outer = sums[:, index + beside] - sums[:, index]
    found = np.linalg.norm(outer - inner, axis=2) / beside
    highest = found.max(axis=1, keepdims=True)
    # Faint edges count for less, but where all are faint they count.
    scaled: Array = found / ((highest + np.median(highest)) / 2 + 1e-6)
    return scaled


def _cheapest(cost: Array) -> np.ndarray:
    """(N,) the positions, of (N, T) costs along a closed curve, that cost least together."""
    count, tried = cost.shape
    # Once round to begin with: what is read off lies half a turn from either end.
    back = np.zeros((2 * count, tried), np.int64)
    moves = np.arange(-_JUMP, _JUMP + 1)
    origin = np.arange(tried) - moves[:, None]
    valid = (origin >= 0) & (origin < tried)
    price = np.where(valid, _BEND * np.abs(moves)[:, None], np.inf)
    origin = origin.clip(0, tried - 1)
    total = cost[0]
    for i in range(1, 2 * count):
        ways = total[origin] + price
        best = ways.argmin(axis=0)
        back[i] = origin[best, np.arange(tried)]
        total = ways[best, np.arange(tried)] + cost[i % count]
    path = np.zeros(2 * count, np.int64)
    path[-1] = int(total.argmin())
    for i in range(2 * count - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    middle = path[count // 2 : count // 2 + count]
    return np.roll(middle, count // 2)
