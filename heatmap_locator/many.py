"""One photo, many pieces: cut a photo or scan of loose pieces into one cut-out each."""

from dataclasses import dataclass

import numpy as np

from heatmap_locator.errors import NoPieceError
from heatmap_locator.images import ImageSource, read_piece
from heatmap_locator.outline import CONTOUR_INSET, find_outline, outline_points


@dataclass(frozen=True)
class FoundPiece:
    """One of the pieces in a photo.

    Attributes:
        image: (h, w, 4) uint8 RGBA, its cut-out, a few transparent pixels around it.
        outline: (N, 2) float32, points along its outline, in pixels of the photo.
        box: (x1, y1, x2, y2) of the outline, in pixels of the photo.
        touching: it touches another piece, so that its outline is a guess there, or it is still
            several pieces in one.
    """

    image: np.ndarray
    outline: np.ndarray
    box: tuple[float, float, float, float]
    touching: bool


def cut_pieces(photo: ImageSource) -> list[FoundPiece]:
    """Cuts a photo of loose pieces on one background into its pieces.

    Args:
        photo: path, PIL image or uint8 array, as for ``Puzzle.locate``; with an alpha channel,
            its opaque parts are the pieces.

    Returns:
        The pieces in reading order.

    Raises:
        NoPieceError: there is none.
        InputError: the photo cannot be read.
    """
    rgb, alpha = read_piece(photo)
    mask = find_outline(rgb, alpha)
    if not (mask > 0.5).any():
        raise NoPieceError("photo: no piece found")
    rgba = np.dstack([rgb, np.rint(mask * 255).astype(np.uint8)])
    points = outline_points(mask)
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    box = tuple(
        float(v)
        for v in (x1 - CONTOUR_INSET, y1 - CONTOUR_INSET, x2 + CONTOUR_INSET, y2 + CONTOUR_INSET)
    )
    return [FoundPiece(rgba, points.astype(np.float32), box, False)]
