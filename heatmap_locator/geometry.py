"""The conventions of this project, stated once.

* Coordinates are continuous: x to the right, y down, the centre of pixel ``(0, 0)`` at
  ``(0.5, 0.5)``.  Resizing by ``s`` therefore maps ``p`` to ``s * p`` with no half-pixel term; the
  term appears only where a library counts from pixel centres (``to_cv2``).
* A rotation is in degrees in [0, 360), clockwise as seen.  A piece with ``rotation`` r has been
  turned clockwise by r in its photo; turning the photo counter-clockwise by r makes it upright.
* A box is ``(x1, y1, x2, y2)``, axis-aligned, in pixels of the puzzle picture.
* A 2x3 matrix maps column vectors ``(x, y, 1)``.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

CELL = 32
"""Working pixels on the side of a cell: pictures and pieces are resized until its area fits."""

STRIDE = 4
"""Working pixels per step of the feature maps, the correlation volume and the heatmap."""

RIGHT_ANGLE = 15.0
"""Degrees within which a rotation counts as right, in training as in evaluation."""


def clockwise(degrees: float) -> Array:
    """2x2 matrix that turns clockwise as seen (y points down)."""
    angle = np.deg2rad(degrees)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def similarity(
    source: tuple[float, float], target: tuple[float, float], degrees: float, scale: float
) -> Array:
    """2x3 matrix that scales, turns clockwise by ``degrees`` and takes ``source`` to ``target``."""
    linear = scale * clockwise(degrees)
    return np.column_stack([linear, np.asarray(target) - linear @ np.asarray(source)])


def compose(outer: Array, inner: Array) -> Array:
    """``(..., 2, 3)`` matrices that apply ``inner`` first, then ``outer``."""
    both: Array = outer[..., :2] @ inner
    both[..., 2] += outer[..., 2]
    return both


def invert(matrix: Array) -> Array:
    """Invert ``(..., 2, 3)`` matrices."""
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], axis=-1)


def transform(matrix: Array, points: Array) -> Array:
    """Map ``(..., N, 2)`` points by ``(..., 2, 3)`` matrices."""
    return points @ matrix[..., :2].swapaxes(-1, -2) + matrix[..., None, :, 2]


def to_cv2(matrix: Array) -> Array:
    """The same map for OpenCV, which puts a pixel's centre on the integer."""
    shifted = matrix.astype(np.float64).copy()
    shifted[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    return shifted


def homography_to_cv2(matrix: Array) -> Array:
    """The same of a 3x3 homography."""
    centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    found: Array = np.linalg.inv(centre) @ matrix @ centre
    return found


def bounds(points: Array) -> tuple[float, float, float, float]:
    """Axis-aligned box of ``(N, 2)`` points."""
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    return float(x1), float(y1), float(x2), float(y2)


def angle_difference(a: float, b: float) -> float:
    """Signed ``a - b`` on the circle, degrees in [-180, 180)."""
    return (a - b + 180.0) % 360.0 - 180.0


def box_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap
    return overlap / union
