"""A piece cut out already and saved on one flat colour, without alpha."""

import cv2
import numpy as np

from heatmap_locator.outline.background import border
from heatmap_locator.outline.shape import biggest, disc, fill_holes

# Part of the border that is the fill to the digit; a camera's or scanner's never is.
_FLAT = 0.995
# Levels of 255 from which a pixel is not the fill.
_DIFFERENT = 2
# Around a piece saved as JPEG lies a faint halo.  An outline that is nowhere this far from the
# fill, in at least this part of its length, is taken for one.
_STRONG, _STRONG_PART = 24, 0.15
# Part of the piece's side that a gap of the print in the fill's colour is closed over.
_GAP = 0.02
# The outermost pixels are covered as far as they differ from the fill, measured by the strongest
# of a square of so many pixels.
_RIM = np.ones((5, 5), np.uint8)


def cut_out_on_fill(rgb: np.ndarray) -> np.ndarray | None:
    """Finds a cut-out on a fill of one colour, such as black or white.

    To the digit, so that dark print on black is found where a photo's outline would be lost.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (H, W) float32, 0..1; None where the border is not of one colour, or what differs from it
        has no definite outline.
    """
    frame = border(rgb.shape)
    edge = rgb[frame].astype(np.int16)
    fill = np.median(edge, axis=0)
    if (np.abs(edge - fill).max(axis=1) <= 1).mean() < _FLAT:
        return None
    apart = np.abs(rgb.astype(np.int16) - fill.astype(np.int16)).max(axis=2)
    found = (apart >= _DIFFERENT).astype(np.uint8)
    if found.sum() < 30:
        return None
    gap = disc(_GAP * float(np.sqrt(found.sum())))
    pad = gap.shape[0]
    # Padded, or closing would join the piece to the photo's edge.
    padded = cv2.copyMakeBorder(found, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, gap)[pad:-pad, pad:-pad]
    body = biggest(fill_holes(closed))
    if body is None:
        return None
    inner = cv2.erode(body, _RIM, borderValue=0)
    edge_of_inner = (inner > 0) & (cv2.erode(inner, np.ones((3, 3), np.uint8), borderValue=0) == 0)
    if not edge_of_inner.any() or (apart[edge_of_inner] >= _STRONG).mean() < _STRONG_PART:
        return None
    strength = apart.astype(np.float32)
    cover = strength / np.maximum(cv2.dilate(strength, _RIM), 1.0)
    return cv2.blur(np.where(inner > 0, np.float32(1), body * cover), (3, 3))
