"""A photo of the whole picture, or of a large part of it, is told from one of a piece.

Where the number of pieces is known a piece is looked for at its size alone, so that what is many
cells large is found nowhere, or somewhere by chance.  Local features have a scale of their own
(SIFT, Lowe 2004): with them what the outline holds is found in the picture at any size.
"""

from functools import cached_property

import cv2
import numpy as np

from heatmap_locator.errors import NoPieceError
from heatmap_locator.found import Search
from heatmap_locator.grid import Grid
from heatmap_locator.outline.sides import Sides
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


class Oversize:
    """Refuses what is no piece but much of a picture.  Threads may share it.

    Args:
        picture: (H, W, 3) uint8.
        grid: rows and columns, where they are known.
    """

    def __init__(self, picture: np.ndarray, grid: Grid | None) -> None:
        self._picture, self._grid = picture, grid

    def refuse(self, search: Search, name: str) -> None:
        """Nothing, where a search may be of a piece.

        Args:
            search: what was found of a photo.
            name: what messages call the photo.

        Raises:
            NoPieceError: it shows the picture, or many cells of it.
        """
        score = 0.0
        if search.placements:
            score, (x1, y1, x2, y2) = search.placements[0].score, search.placements[0].box
            self._check((x2 - x1, y2 - y1), name, _one_of_another_count(search))
        if score < UNSURE:
            size = self._size_by_features(search)
            if size is not None:
                self._check(size, name)

    def _check(self, size: tuple[float, float], name: str, one: bool = False) -> None:
        """Of a size in the picture, in its pixels; ``one``: the outline is that of one piece."""
        (height, width), grid = self._picture.shape[:2], self._grid
        if size[0] * size[1] > MOST * width * height and (grid is None or grid.pieces > 2):
            raise NoPieceError(
                "no piece found: this is the whole picture; photograph a loose piece", name=name
            )
        if grid is None or one:
            return
        cell = grid.cell_size(width, height)
        across, down = size[0] / cell[0], size[1] / cell[1]
        if max(across, down) > CELLS and grid.pieces > 2 * CELLS**2:
            wide, high = (f"{n:.0f}" if n >= 1 else f"{n:.1g}" for n in (across, down))
            raise NoPieceError(
                f"no piece found: this is {wide} by {high} pieces large in the picture; "
                "photograph one loose piece, or correct the number of pieces",
                name=name,
            )

    def _size_by_features(self, search: Search) -> tuple[float, float] | None:
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
        own, described = cv2.SIFT.create(nfeatures=_FEATURES).detectAndCompute(_grey(small), inside)
        others, known, of_picture = self._features
        if described is None or known is None or min(len(own), len(others)) < _AGREEING:
            return None
        pairs = cv2.BFMatcher().knnMatch(described, known, k=2)
        good = [
            two[0] for two in pairs if len(two) == 2 and two[0].distance < _RATIO * two[1].distance
        ]
        if len(good) < _AGREEING:
            return None
        start = np.array([own[match.queryIdx].pt for match in good], np.float32)
        end = np.array([others[match.trainIdx] for match in good], np.float32)
        found = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=_OFF)
        matrix, agree = np.asarray(found[0], np.float64), found[1]
        if matrix.shape != (2, 3) or int(np.sum(agree)) < _AGREEING:
            return None
        points = np.column_stack([xs - xs.min(), ys - ys.min()]) * scale
        laid = points @ matrix[:, :2].T / of_picture
        across, down = np.ptp(laid, axis=0)
        return float(across), float(down)

    @cached_property
    def _features(self) -> tuple[list[tuple[float, float]], np.ndarray | None, float]:
        """Points and descriptions of features in a copy of the picture, and that copy's scale."""
        whole, scale = shrunk(self._picture, _PICTURE_SIDE, 1)
        sift = cv2.SIFT.create(nfeatures=_FEATURES)
        points, described = sift.detectAndCompute(_grey(whole), np.empty(0))
        return [(point.pt[0], point.pt[1]) for point in points], described, scale


def _one_of_another_count(search: Search) -> bool:
    """Whether it is one piece of a puzzle whose number of pieces was given wrong.

    It fits well at another size, and its outline has the knobs and blanks of one piece: of many
    together those are small beside a side.
    """
    sides: Sides | None = search.sides
    if search.size_estimate is None or sides is None:
        return False
    return any(kind != "straight" for kind in sides.kinds)


def _grey(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
