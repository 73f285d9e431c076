"""How much print a piece shows to go by."""

import cv2
import numpy as np

from heatmap_locator.geometry import CELL
from heatmap_locator.resample import resize

TEXTURE_LIMITS = (4.0, 12.0)
"""Spreads, in steps of luminance, from which texture is medium and high."""


def texture_spread(rgb: np.ndarray, mask: np.ndarray, cell: float) -> float:
    """How much print there is to go by, in steps of luminance (0..255).

    The piece is brought to CELL pixels a cell; the measure is the standard deviation, inside the
    outline, of its luminance between two blurs, of 1 and 6 pixels: neither a soft gradient nor
    grain counts.

    Args:
        rgb: (H, W, 3) uint8, the clean print.
        mask: (H, W) 0..1.
        cell: side of a cell in pixels of ``rgb``.
    """
    size = (max(8, round(rgb.shape[1] * CELL / cell)), max(8, round(rgb.shape[0] * CELL / cell)))
    scale = CELL / cell
    grey = cv2.cvtColor(resize(rgb, size, scale, soft=True), cv2.COLOR_RGB2GRAY)
    inside = (resize(mask.astype(np.float32), size, scale, soft=True) > 0.5) * np.float32(1)

    def blur(sigma: float) -> np.ndarray:
        # Over the piece alone: what is printed beyond its outline is not on it.
        weight = cv2.GaussianBlur(inside, (0, 0), sigma).clip(1e-6)
        return cv2.GaussianBlur(grey * inside, (0, 0), sigma) / weight

    return float((blur(1.0) - blur(6.0))[inside > 0].std())


def texture_class(spread: float) -> str:
    """``low`` (sky, walls, soft gradients), ``medium`` or ``high``, by TEXTURE_LIMITS."""
    low, high = TEXTURE_LIMITS
    return "low" if spread < low else "medium" if spread < high else "high"
