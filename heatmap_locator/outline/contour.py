"""The outline of a piece as a smooth curve of points between pixels."""

import cv2
import numpy as np

from heatmap_locator.geometry import Array
from heatmap_locator.resample import resize

POINTS = 720
"""Of a contour, evenly along it."""

LARGEST = 320.0
"""Pixels on the root of its area that a piece is looked at with at most: 1% of a side is 3 then."""

# Pixels of a blur that makes a mask's staircase a slope, and of the contour's own.
_SOFT, _SMOOTH = 1.0, 1.5
# Pixels kept around the mask.
_MARGIN = 6
# Steps to where the mask is a half, and how far each goes at most.
_STEPS, _FARTHEST = 3, 1.0


def contour_of(mask: np.ndarray) -> Array | None:
    """The contour of the largest part of a mask.

    Args:
        mask: (H, W) float, 0..1.

    Returns:
        (``POINTS``, 2) float64 in pixels of the mask, clockwise, evenly along it; ``None`` where
        the mask is empty.
    """
    x, y, w, h = cv2.boundingRect((mask > 0.5).astype(np.uint8))
    if min(w, h) < 4:
        return None
    part = np.pad(mask[y : y + h, x : x + w].astype(np.float32), _MARGIN)
    scale = min(1.0, LARGEST / float(np.sqrt(max(part.sum(), 1.0))))
    size = max(round(part.shape[1] * scale), 8), max(round(part.shape[0] * scale), 8)
    ratio = np.array([size[0] / part.shape[1], size[1] / part.shape[0]])
    if scale < 1:
        part = resize(part, size, scale, soft=True)
    points = level_curve(part)
    if points is None:
        return None
    return points / ratio - _MARGIN + [x, y]


def along_pixels(solid: np.ndarray) -> Array:
    """Points along the outline of the largest part, a quarter inside its pixels' edges.

    Args:
        solid: (H, W) uint8 0/1.

    Returns:
        (N, 2) float64 in pixels, clockwise; none where all is 0.
    """
    # OpenCV's contours run through pixels' centres; twice the size brings those near the edge.
    doubled = solid.repeat(2, axis=0).repeat(2, axis=1)
    found, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not found:
        return np.empty((0, 2))
    # It goes round against the clock.
    return (max(found, key=cv2.contourArea)[::-1, 0].astype(np.float64) + 0.5) / 2


def level_curve(field: np.ndarray) -> Array | None:
    """Where (H, W) float32, 0..1 and 0 at its border, is a half: (``POINTS``, 2), clockwise.

    ``None`` where it is nowhere more.
    """
    soft = cv2.GaussianBlur(field, (0, 0), _SOFT)
    rough = along_pixels((soft > 0.5).astype(np.uint8))
    if len(rough) < 16:
        return None
    points = resampled(smoothed(rough, 2 * _SMOOTH, wrap=True), POINTS, closed=True)
    slope = np.dstack([cv2.Sobel(soft, cv2.CV_32F, *by, ksize=3) / 8 for by in ((1, 0), (0, 1))])
    for _ in range(_STEPS):
        values, slopes = sampled(soft, points), sampled(slope, points)
        steep = (slopes**2).sum(axis=1)
        step = ((0.5 - values) / np.maximum(steep, 1e-4))[:, None] * slopes
        far = np.linalg.norm(step, axis=1, keepdims=True)
        points = points + step * np.minimum(1.0, _FARTHEST / np.maximum(far, 1e-9))
    return resampled(points, POINTS, closed=True)


def sampled(image: np.ndarray, points: Array) -> Array:
    """(N,) or (N, C) float64 of (H, W) or (H, W, C) float32 at (N, 2) points, bilinearly.

    Of (N, M, 2) points, as many.
    """
    single = points.ndim == 2
    x, y = np.moveaxis((points[:, None] if single else points) - 0.5, -1, 0).astype(np.float32)
    found = cv2.remap(image, x, y, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    return (found[:, 0] if single else found).astype(np.float64)


def smoothed(values: Array, deviation: float, wrap: bool = False) -> Array:
    """A Gaussian filter of (N,) or (N, M) along the first axis, which ends in zeros or is a circle.

    SciPy's, without its import, which takes longer than all that a piece's outline needs.
    """
    reach = int(4 * deviation + 0.5)
    kernel = cv2.getGaussianKernel(2 * reach + 1, deviation, cv2.CV_64F)
    table = values.astype(np.float64).reshape(len(values), -1)
    table = np.pad(table, ((reach, reach), (0, 0)), mode="wrap" if wrap else "constant")
    found = cv2.sepFilter2D(table, cv2.CV_64F, np.ones(1), kernel)[reach:-reach]
    return found.astype(np.float64, copy=False).reshape(values.shape)


def resampled(points: Array, count: int, closed: bool = False) -> Array:
    """(count, 2) points evenly along the curve through (N, 2); open ones keep both ends."""
    if closed:
        points = np.concatenate([points, points[:1]])
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0.0, at[-1], count + 1)[:-1] if closed else np.linspace(0, at[-1], count)
    return np.stack([np.interp(wanted, at, points[:, i]) for i in (0, 1)], axis=1)
