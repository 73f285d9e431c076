"""Whether a photo in which no outline was found shows a piece of the puzzle at all.

Such a photo is a crop that is all piece, or a face, a cup, a cluttered table.  The outline cannot
tell, the print can: where the piece would go, the detail of the two pictures has to agree.
"""

import math

import cv2
import numpy as np

from heatmap_locator.errors import NoPieceError
from heatmap_locator.geometry import Array, compose
from heatmap_locator.placement import Placement
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.warp import warp_piece

MIN_DETAIL = 0.6
"""Correlation of detail from which a photo without an outline counts as a crop of the picture.

On validation pictures, crops under a capture of their own had 0.7 or more where they were placed
right, other photographs 0.57 or less.
"""

# Detail is what a blur of this many pixels takes away from a piece of this side.
_SIDE = 32.0
_BLUR = 4.0
# What a placement may be off by: pixels of that size, and factors on the scale.
_REACH = 4
_SCALES = (0.92, 0.96, 1.0, 1.04, 1.08)


def require_piece(
    piece: PreparedPiece, placements: list[Placement], picture: np.ndarray, name: str
) -> None:
    """Refuses a photo without a clear outline that is nowhere in the picture.

    Args:
        piece: made ready; one whose outline was given or seen clearly is not questioned.
        placements: best first.
        picture: (H, W, 3) uint8.
        name: what the error calls the photo.

    Raises:
        NoPieceError: there is no outline, and the detail does not agree at the best placement.
    """
    if not piece.assumed:
        return
    if not placements or detail_agreement(piece, placements[0], picture) < MIN_DETAIL:
        raise NoPieceError(
            f"{name}: no piece found; photograph it on a plain background, all of it in the photo"
        )


def detail_agreement(piece: PreparedPiece, place: Placement, picture: np.ndarray) -> float:
    """Zero-mean NCC, -1..1, of the fine print of a piece and of the picture at a placement.

    The highest over a few pixels' shift and a few percent of scale; 0 where there is no detail.
    """
    x1, y1, x2, y2 = place.box
    scale = _SIDE / math.sqrt(max((x2 - x1) * (y2 - y1), 1e-6))
    width = min(max(round((x2 - x1) * scale), 8), 256)
    height = min(max(round((y2 - y1) * scale), 8), 256)
    whole = np.ones(picture.shape[:2], np.float32)
    size = width + 2 * _REACH, height + 2 * _REACH
    there, _ = warp_piece(picture, whole, _view(place.center, scale, size), size)
    there = _detail(there)
    matrix = np.reshape(place.matrix, (2, 3))
    best = 0.0
    for factor in _SCALES:
        into = compose(_view(place.center, scale * factor, (width, height)), matrix)
        rgb, mask = warp_piece(piece.rgb, piece.mask, into, (width, height))
        inside = np.repeat((mask > 0.9).astype(np.float32)[..., None], 3, axis=2)
        if inside.sum() < 3 * 16:
            continue
        found = cv2.matchTemplate(there, _detail(rgb), cv2.TM_CCOEFF_NORMED, mask=inside)
        # Windows without any variation come back as infinity or no number.
        found = found[np.isfinite(found) & (found <= 1.001)]
        best = max(best, float(found.max(initial=0.0)))
    return min(best, 1.0)


def _view(center: tuple[float, float], scale: float, size: tuple[int, int]) -> Array:
    """2x3 map of picture pixels to a window of ``size`` (width, height) around ``center``."""
    return np.array(
        [
            [scale, 0.0, size[0] / 2 - scale * center[0]],
            [0.0, scale, size[1] / 2 - scale * center[1]],
        ]
    )


def _detail(rgb: np.ndarray) -> np.ndarray:
    values = rgb.astype(np.float32)
    return values - cv2.GaussianBlur(values, (0, 0), _BLUR)
