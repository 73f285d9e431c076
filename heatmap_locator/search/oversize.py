"""A photo of the whole picture, or of a large part of it, is told from one of a piece.

Where the number of pieces is known a piece is looked for at its size alone, so that what is many
cells large is found nowhere, or somewhere by chance.  Local features have a scale of their own
(SIFT, Lowe 2004): with them what the outline holds is found in the picture at any size.
"""

import cv2
import numpy as np

from heatmap_locator.errors import NoPieceError
from heatmap_locator.found import Search
from heatmap_locator.grid import Grid
from heatmap_locator.resample import shrunk

CELLS = 3.0
"""Cells of the picture, across or down, from which on it is no piece."""

UNSURE = 0.5
"""Score from which an answer is believed, whatever its size."""

MOST = 0.5
"""Part of the picture's area, where no grid is known, from which on it is the picture."""

# Of the copies that features are taken from, and how many of those have to agree: of two pictures
# that have nothing in common fewer than ten do.
_PICTURE_SIDE, _PHOTO_SIDE, _FEATURES, _AGREEING = 1200, 700, 3000, 25
# Lowe's ratio of the nearest to the second nearest, and pixels that a match may be off.
_RATIO, _OFF = 0.75, 6.0


def refuse_oversize(picture: np.ndarray, grid: Grid | None, search: Search, name: str) -> None:
    """Nothing, where a search may be of a piece.

    Args:
        picture: (H, W, 3) uint8.
        grid: rows and columns, where they are known.
        search: what was found of a photo.
        name: what messages call the photo.

    Raises:
        NoPieceError: it shows the picture, or many cells of it.
    """
    if not search.placements:
        return
    best = search.placements[0]
    x1, y1, x2, y2 = best.box
    _check(picture, grid, (x2 - x1, y2 - y1), name)
    if grid is not None and best.score < UNSURE:
        size = _size_by_features(picture, search)
        if size is not None:
            _check(picture, grid, size, name)


def _check(picture: np.ndarray, grid: Grid | None, size: tuple[float, float], name: str) -> None:
    height, width = picture.shape[:2]
    if size[0] * size[1] > MOST * width * height and (grid is None or grid.pieces > 2):
        raise NoPieceError(
            "no piece found: this is the whole picture; photograph a loose piece", name=name
        )
    if grid is None:
        return
    cell = grid.cell_size(width, height)
    across, down = size[0] / cell[0], size[1] / cell[1]
    if max(across, down) > CELLS and grid.pieces > 2 * CELLS**2:
        raise NoPieceError(
            f"no piece found: this is {across:.0f} by {down:.0f} pieces large in the picture; "
            "photograph one loose piece, or correct the number of pieces",
            name=name,
        )


def _size_by_features(picture: np.ndarray, search: Search) -> tuple[float, float] | None:
    """Width and height in the picture, in its pixels, of what the outline holds."""
    ys, xs = np.nonzero(search.piece_mask > 0.5)
    if len(xs) == 0:
        return None
    box = slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)
    crop, mask = search.piece_rgb[box], search.piece_mask[box] > 0.5
    small, scale = shrunk(crop, _PHOTO_SIDE, 1)
    inside = cv2.warpAffine(
        mask.astype(np.uint8),
        np.array([[scale, 0, 0], [0, scale, 0]], np.float32),
        (small.shape[1], small.shape[0]),
        flags=cv2.INTER_NEAREST,
    )
    whole, of_picture = shrunk(picture, _PICTURE_SIDE, 1)
    sift = cv2.SIFT.create(nfeatures=_FEATURES)
    own, described = sift.detectAndCompute(_grey(small), inside)
    others, known = sift.detectAndCompute(_grey(whole), np.empty(0))
    if described is None or known is None or min(len(own), len(others)) < _AGREEING:
        return None
    pairs = cv2.BFMatcher().knnMatch(described, known, k=2)
    good = [two[0] for two in pairs if len(two) == 2 and two[0].distance < _RATIO * two[1].distance]
    if len(good) < _AGREEING:
        return None
    start = np.array([own[match.queryIdx].pt for match in good], np.float32)
    end = np.array([others[match.trainIdx].pt for match in good], np.float32)
    found = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=_OFF)
    matrix, agree = np.asarray(found[0], np.float64), found[1]
    if matrix.shape != (2, 3) or int(np.sum(agree)) < _AGREEING:
        return None
    points = np.column_stack([xs - xs.min(), ys - ys.min()]) * scale
    laid = points @ matrix[:, :2].T / of_picture
    across, down = np.ptp(laid, axis=0)
    return float(across), float(down)


def _grey(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
