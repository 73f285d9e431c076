"""Template matching without OpenCV's surprises."""

import cv2
import numpy as np


def match_template(
    picture: np.ndarray, template: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    """Zero-mean normalised correlation, means per channel.

    Args:
        picture: (H, W, 3) uint8 or float32.
        template: (h, w, 3) of the same type.
        mask: (h, w) float32, 0 or 1; ``None`` counts every pixel.

    Returns:
        (H - h + 1, W - w + 1) float32 in -1..1; windows too flat to tell anything hold -1.
    """
    found = cv2.matchTemplate(picture, template, cv2.TM_CCOEFF_NORMED, mask=mask)
    # OpenCV divides by the window's spread: where that is 0, or 0 but for rounding, it returns
    # infinity, no number, or more than 1.
    known = np.isfinite(found) & (found <= 1.001)
    return np.where(known, found, np.float32(-1)).astype(np.float32)
