"""Sides of a rectangle in a photo, moved onto the sharpest edge close by."""

import cv2
import numpy as np

from heatmap_locator.resample import shrunk

Array = np.ndarray

# Longest side, in pixels, of the copy in which sides are looked for.
_WORK_SIDE = 800
# How far from where a side is thought to be its edge is looked for, in pixels of the work copy.
_REACH = 4.0


def fit_sides(picture: Array, corners: Array) -> Array:
    """Move each side of a quadrilateral to the edge beside it; sides without one stay.

    Args:
        picture: (H, W, 3) uint8.
        corners: (4, 2), in order around, right to about 1% of the photo.

    Returns:
        (4, 2) float64, in the same order.
    """
    small, scale = shrunk(picture, _WORK_SIDE)
    slope = _slope(cv2.medianBlur(small, 3))
    quad = np.asarray(corners, np.float64) * scale
    lines = [
        _line(slope, start, end) for start, end in zip(quad, np.roll(quad, -1, axis=0), strict=True)
    ]
    fitted = []
    for previous, line in zip([lines[-1], *lines[:-1]], lines, strict=True):
        normals = np.stack([previous[:2], line[:2]])
        fitted.append(np.linalg.solve(normals, np.array([previous[2], line[2]])))
    return np.array(fitted) / scale


def _slope(rgb: Array) -> Array:
    """(H, W) float32, change per pixel of the channel that changes most."""
    values = cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), 1.0)
    dx = cv2.Sobel(values, cv2.CV_32F, 1, 0, scale=0.125)
    dy = cv2.Sobel(values, cv2.CV_32F, 0, 1, scale=0.125)
    return np.sqrt(dx**2 + dy**2).max(axis=2)


def _line(slope: Array, start: Array, end: Array) -> Array:
    """(a, b, c) with a x + b y = c, a and b of length 1: the line with the most edge under it."""
    length = float(np.linalg.norm(end - start))
    along = (end - start) / length
    normal = np.array([-along[1], along[0]])
    given = np.array([*normal, normal @ start])
    # The corners themselves are round, worn or covered by the other side's edge.
    at = start + np.linspace(0.06, 0.94, max(int(length / 2), 12))[:, None] * (end - start)
    t = np.linspace(-1.0, 1.0, len(at))
    offsets = np.arange(-_REACH, _REACH + 0.25, 0.5)
    grid = (at[:, None] + offsets[None, :, None] * normal - 0.5).astype(np.float32)
    values = cv2.remap(slope, grid, None, cv2.INTER_LINEAR, borderValue=0)  # type: ignore[call-overload]
    strong = max(1.5, 2.0 * float(np.median(slope)))
    expected = _coarse(np.minimum(values, 4.0 * strong), offsets, t)
    near = np.abs(offsets[None, :] - expected[:, None]) <= 2.0
    weight = np.where(near, values, 0.0)
    peak = weight.max(axis=1)
    # The middle of the edge at each point: what is left of a pixel.
    sharp = np.where(near, np.maximum(values - 0.5 * peak[:, None], 0.0), 0.0)
    middle = (sharp * offsets).sum(axis=1) / np.maximum(sharp.sum(axis=1), 1e-6)
    on = peak > strong
    kept = on
    if on.mean() < 0.3:
        return given
    for _ in range(4):
        fit = np.polyfit(t[kept], middle[kept], 1)
        off = np.abs(np.polyval(fit, t) - middle)
        kept = on & (off < max(0.5, 2.5 * float(np.median(off[on]))))
        if kept.sum() < 6:
            return given
    first, last = (at[i] + np.polyval(fit, t[i]) * normal for i in (0, -1))
    direction = (last - first) / np.linalg.norm(last - first)
    a, b = -direction[1], direction[0]
    return np.array([a, b, a * first[0] + b * first[1]])


def _coarse(values: Array, offsets: Array, t: Array) -> Array:
    """(N,), how far across the straight line with the most edge lies at each point.

    Args:
        values: (N, K) slope at each point of a side and distance across it.
        offsets: (K,) those distances.
        t: (N,) from -1 to 1 along the side.
    """
    rows = np.arange(len(t))
    best, place = -1.0, np.zeros(len(t))
    for tilt in offsets[::2] / 2:
        columns = np.rint((offsets[None, :] + t[:, None] * tilt - offsets[0]) * 2).astype(int)
        valid = (columns >= 0) & (columns < len(offsets))
        total = np.where(valid, values[rows[:, None], columns.clip(0, len(offsets) - 1)], 0.0)
        means = np.where(valid.all(axis=0), total.mean(axis=0), -np.inf)
        if means.max() > best:
            best, place = float(means.max()), offsets[means.argmax()] + t * tilt
    return place
