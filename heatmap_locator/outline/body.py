"""The body of a piece, its knobs taken away and its blanks filled: how large, where, how turned.

A piece's edges run along its cell's, but for the knobs and blanks between.  So the body is the
rectangle along which the outline runs furthest: directions and distances at which much of the
outline lies make up rectangles, and lines are fitted to the four sides of the best by iteratively
reweighted least squares with Tukey's biweight (Beaton and Tukey, 1974), which leaves knobs and
blanks out, however large.
"""

import itertools
import math
from dataclasses import dataclass

import cv2
import numpy as np

from heatmap_locator.geometry import Array
from heatmap_locator.outline.contour import along_pixels, smoothed
from heatmap_locator.resample import resize

# Set by hand on drawn cuts (``train/LOG.md``, "body of a piece", has the errors they lead to).
# The body is measured on a mask of this square root of its area; lengths below are in its pixels.
_SIDE = 96.0
_BORDER = 2
# Directions of the outline, and distances of each side, from which fits may start; of those along
# which the outline runs furthest, so many are fitted.
_DIRECTIONS, _DISTANCES, _FITTED = 2, 2, 3
# Distances from a side at which an outline is none of it any more, step by step.
_WIDTHS = (13.5, 10.5, 8.0, 6.0, 5.0, 5.0)
# A prior against sides that lean about the body's own direction: as much outline, at one end of a
# side, that does not.
_LEAN_LENGTH = 3.0
# The outline is followed at every so many halves of a pixel, smoothed by a deviation of so many; it
# runs a quarter of a pixel inside, along pixels' edges, and less across them.
_STRIDE, _SMOOTH, _INSET = 3, 4.0, 0.22
# Of its four sides, the body's outline runs along so much at least, or it is none: 300 drawn cuts
# had 0.71 and more, a disc has 0.38.
_COVERED = 0.55
# No cut moves the root of the area by more than this; a larger correction is a damaged mask.
_CORRECTION = (0.85, 1.22)
# From so much of the smallest rectangle around it on, a piece has neither knobs nor blanks.
_RECTANGLE = 0.95


@dataclass(frozen=True)
class Body:
    """A piece without its knobs and blanks, in its photo.

    Attributes:
        middle: (x, y) in pixels.
        direction: degrees in [0, 90) by which its edges are turned clockwise from level.
        side: pixels on the side of the square of its area, > 0.
    """

    middle: tuple[float, float]
    direction: float
    side: float


def find_body(mask: np.ndarray) -> Body:
    """Measures the body of a piece.

    Args:
        mask: (H, W) float, 0..1, as ``find.find_outline`` returns.

    Returns:
        of a mask that is empty or no piece, what comes nearest.
    """
    plain = math.sqrt(max(float(mask.sum()), 1.0))
    solid, scale, corner = _normalised(mask, plain)
    inside = cv2.findNonZero(solid)
    if inside is None:
        return Body((mask.shape[1] / 2, mask.shape[0] / 2), 0.0, plain)
    (x, y), (wide, high), degrees = cv2.minAreaRect(inside)
    middle, side = (x + 0.5, y + 0.5), _SIDE
    if solid.sum() < _RECTANGLE * (wide + 1.0) * (high + 1.0):
        middle, degrees, side = _fitted(solid)
    side = float(np.clip(side / _SIDE, *_CORRECTION)) * plain
    place = [corner[i] + (middle[i] - _BORDER) / scale[i] for i in (0, 1)]
    # Twice: the remainder of a hair below zero rounds to 90 itself.
    return Body((float(place[0]), float(place[1])), float(degrees) % 90.0 % 90.0, side)


def body_size(mask: np.ndarray) -> float:
    """Side in pixels, > 0, of the square of the area that a piece would have uncut.

    Args:
        mask: (H, W) float, 0..1, as ``find.find_outline`` returns.
    """
    return find_body(mask).side


def _normalised(
    mask: np.ndarray, plain: float
) -> tuple[np.ndarray, tuple[float, float], tuple[int, int]]:
    """The mask as uint8 0/1 of ``_SIDE`` squared pixels within a border, its scale, its corner."""
    x, y, w, h = cv2.boundingRect((mask > 0.5).astype(np.uint8))
    if min(w, h) < 1:
        return np.zeros((1, 1), np.uint8), (1.0, 1.0), (0, 0)
    scale = _SIDE / plain
    size = max(round(w * scale), 1), max(round(h * scale), 1)
    part = resize(mask[y : y + h, x : x + w].astype(np.float32), size, scale, soft=True)
    solid = np.pad((part > 0.5).astype(np.uint8), _BORDER)
    return solid, (size[0] / w, size[1] / h), (x, y)


def _fitted(solid: np.ndarray) -> tuple[tuple[float, float], float, float]:
    """Middle (x, y) in pixels, direction in degrees and side of the body in uint8 0/1."""
    points, steps = _outline(solid)
    start = _starts(points, steps)
    _, covered = _step(points, steps, start, _WIDTHS[0])
    fit = start.take(np.argsort(-covered)[:_FITTED])
    for width in _WIDTHS:
        fit, covered = _step(points, steps, fit, width)
    best = int(covered.argmax())
    wide, high = 2.0 * (fit.reach[best, :2] + _INSET)
    if covered[best] < _COVERED * 2.0 * (wide + high) or min(wide, high) < _SIDE / 4:
        return _of_hull(cv2.convexHull(cv2.findNonZero(solid)))
    x, y = fit.middle[best]
    return (float(x), float(y)), math.degrees(fit.angle[best]), math.sqrt(wide * high)


def _peaks(values: Array, apart: int, count: int) -> Array:
    """Indices of the ``count`` highest of (N,) values on a circle, farther than ``apart``."""
    left, found = values.copy(), []
    for _ in range(count):
        best = int(left.argmax())
        found.append(best)
        left[np.arange(best - apart, best + apart + 1) % len(left)] = -1.0
    return np.array(found)


def _starts(points: Array, steps: Array) -> "_Rectangles":
    """Rectangles to start from: along the directions and at the distances of most of the outline.

    Args:
        points, steps: as :func:`_outline` returns them.
    """
    middle = points.mean(axis=0)
    length = np.hypot(*steps.T)
    degrees = np.rad2deg(np.arctan2(steps[:, 1], steps[:, 0])) % 90.0
    turns, _ = np.histogram(degrees, 90, (0.0, 90.0), weights=length)
    smooth = smoothed(turns, 2.0, wrap=True)
    found: list[tuple[float, ...]] = []
    for turn in _peaks(smooth, 15, _DIRECTIONS):
        angle = math.radians(turn + 0.5)
        normals = _normals(np.array([angle]))[0]
        off, along = (points - middle) @ normals.T, steps @ np.roll(normals, -1, axis=0).T
        sides = []
        for own, ran in zip(off.T, along.T, strict=True):
            level = ran > 0.85 * length
            far, _ = np.histogram(own[level], int(_SIDE), (0.0, _SIDE), weights=ran[level])
            smooth = smoothed(far, 2.0)
            smooth[: int(_SIDE / 8)] = 0.0
            sides.append(_peaks(smooth, 6, _DISTANCES) + 0.5)
        found += [(angle, *reach) for reach in itertools.product(*sides)]
    angles, reach = np.array(found)[:, 0], np.array(found)[:, 1:]
    shift = (reach[:, :2] - reach[:, 2:]) / 2
    middles = middle + (_normals(angles)[:, :2] * shift[..., None]).sum(axis=1)
    half = (reach[:, :2] + reach[:, 2:]) / 2
    return _Rectangles(middles, angles, np.hstack([half, half]), np.zeros_like(reach))


def _of_hull(hull: np.ndarray) -> tuple[tuple[float, float], float, float]:
    """As :func:`_fitted`, of a convex hull of pixel centres."""
    moments, degrees = cv2.moments(hull), cv2.minAreaRect(hull)[2]
    x, y = hull.reshape(-1, 2).mean(axis=0)
    if moments["m00"] > 0:
        x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    return (float(x) + 0.5, float(y) + 0.5), degrees, math.sqrt(max(moments["m00"], 1.0))


def _outline(solid: np.ndarray) -> tuple[Array, Array]:
    """Points along the outline of the largest part, (N, 2) in pixels, and (N, 2) steps there."""
    # What is stepped over is smoothed, as directions are read.
    points = smoothed(along_pixels(solid), _SMOOTH, wrap=True)[::_STRIDE]
    return points, (np.roll(points, -1, 0) - np.roll(points, 1, 0)) / 2


@dataclass
class _Rectangles:
    """M rectangles whose sides may lean, in pixels.

    Attributes:
        middle: (M, 2).
        angle: (M,) of the first side's normal, in radians clockwise; a quarter turn more for each.
        reach: (M, 4) distances of the sides from the middle.
        lean: (M, 4) slopes of the sides against being square.
    """

    middle: Array
    angle: Array
    reach: Array
    lean: Array

    def take(self, index: np.ndarray) -> "_Rectangles":
        return _Rectangles(
            self.middle[index], self.angle[index], self.reach[index], self.lean[index]
        )


def _normals(angles: Array) -> Array:
    """(M, 4, 2) outward ones of rectangles; each is also the direction along the side before."""
    turned = angles[:, None] + np.arange(4) * math.pi / 2
    return np.stack([np.cos(turned), np.sin(turned)], axis=2)


def _step(points: Array, steps: Array, fit: _Rectangles, width: float) -> tuple[_Rectangles, Array]:
    """One step of rectangles to where the outline runs along their sides.

    Args:
        points, steps: as :func:`_outline` returns them.
        fit: where to start.
        width: distance from a side at which the outline is none of it.

    Returns:
        the rectangles moved, and the length, (M,), that ran along their sides before.
    """
    normals = _normals(fit.angle)
    along = np.roll(normals, -1, axis=1).transpose(0, 2, 1)
    off = points - fit.middle[:, None]
    u, v = off @ along, off @ normals.transpose(0, 2, 1) - fit.reach[:, None]
    first, last = (1.05 * np.roll(fit.reach, by, axis=1)[:, None] for by in (1, -1))
    miss = (v - fit.lean[:, None] * u) / width
    # What runs across a side, or back, is none of it.
    weight = (steps @ along).clip(0) * (1 - miss**2).clip(0) ** 2 * ((u > -first) & (u < last))
    s, su, suu, sv, suv = ((weight * term).sum(axis=1) for term in (1.0, u, u * u, v, u * v))
    covered = s.sum(axis=1)
    s, suu = s + 1e-3, suu + _LEAN_LENGTH * (_SIDE / 2) ** 2
    determinant = s * suu - su * su
    reach = fit.reach + (suu * sv - su * suv) / determinant
    lean = (s * suv - su * sv) / determinant
    turn = lean.mean(axis=1)
    angle = fit.angle - turn
    shift = (reach[:, :2] - reach[:, 2:]) / 2
    middle = fit.middle + (_normals(angle)[:, :2] * shift[..., None]).sum(axis=1)
    half = ((reach[:, :2] + reach[:, 2:]) / 2).clip(1.0)
    return _Rectangles(middle, angle, np.hstack([half, half]), lean - turn[:, None]), covered
