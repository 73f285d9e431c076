"""What the baselines share: outlines as the library finds them, and answers in its form."""

import cv2
import numpy as np

from heatmap_locator.geometry import Array, bounds, transform
from heatmap_locator.grid import Grid
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.outline.find import find_outline
from heatmap_locator.placement import Placement

_FINDER = OutlineFinder()  # of all baselines, read where the first photo needs it


def outline_of(piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) RGB and (H, W) float32 mask, found as the library finds it.

    Raises:
        InputError: the alpha leaves nothing opaque.
    """
    rgb = np.ascontiguousarray(piece[..., :3])
    alpha = np.ascontiguousarray(piece[..., 3]) if piece.shape[2] == 4 else None
    return rgb, find_outline(rgb, alpha, finder=_FINDER, cutout=alpha is not None)


def hull(mask: np.ndarray) -> Array:
    """(N, 2) corners of the convex hull of a mask's pixels, which has the outline's bounds."""
    ys, xs = np.nonzero(mask > 0.5)
    corners = [np.column_stack([xs + dx, ys + dy]) for dx in (0, 1) for dy in (0, 1)]
    return cv2.convexHull(np.concatenate(corners).astype(np.float32))[:, 0].astype(np.float64)


def placement(
    outline: Array, matrix: Array, rotation: float, score: float, picture: np.ndarray, grid: Grid
) -> Placement:
    """An answer from the 2x3 map of photo to picture and (N, 2) points of the outline."""
    x1, y1, x2, y2 = bounds(transform(matrix, outline))
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return Placement(
        box=(x1, y1, x2, y2),
        center=(x, y),
        rotation=rotation % 360.0,
        score=score,
        cell=grid.cell_at(x, y, picture.shape[1], picture.shape[0]),
        matrix=tuple(float(v) for v in matrix.flatten()),  # type: ignore[arg-type]
    )
