"""Colours, random fields and blur that tables, pieces and cameras share, in numpy.

Fields are float32, quick to draw, and follow from the generator alone.
"""

import cv2
import numpy as np

from heatmap_locator import resample

Rng = np.random.Generator


def colour(rng: Rng) -> np.ndarray:
    """(3,) a colour as tables have it: often grey, black or white, seldom vivid."""
    kind = rng.random()
    if kind < 0.16:
        value = rng.uniform(0.0, 0.15)
    elif kind < 0.34:
        value = rng.uniform(0.8, 1.0)
    else:
        value = rng.uniform(0.1, 0.95)
    vivid = rng.beta(0.7, 1.8) if kind >= 0.34 else rng.uniform(0, 0.12)
    hue = np.array([rng.uniform(0, 360), vivid, value], np.float32)[None, None]
    found: np.ndarray = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0]
    return found


def noise(rng: Rng, height: int, width: int, cells: float, stretch: float = 1.0) -> np.ndarray:
    """(H, W) smooth noise of unit deviation at its knots, ``cells`` of them across."""
    rows = max(2, round(cells * height / max(height, width)) + 1)
    cols = max(2, round(cells / stretch * width / max(height, width)) + 1)
    knots = rng.standard_normal((rows, cols), np.float32)
    return resample.smooth(knots, (width, height))


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian; wide ones on a smaller copy."""
    if sigma < 0.25:
        return image
    if sigma < 5:
        return cv2.GaussianBlur(image, (0, 0), sigma)
    h, w = image.shape[:2]
    small = resample.average(image, (max(w // 4, 1), max(h // 4, 1)))
    return resample.stretch(cv2.GaussianBlur(small, (0, 0), sigma / 4), (w, h))


def fractal(rng: Rng, height: int, width: int, cells: float, decay: float = 0.6) -> np.ndarray:
    """(H, W) octaves of noise from ``cells`` across to grains of 2 pixels, about unit deviation."""
    total, weight, power = np.zeros((height, width), np.float32), 1.0, 0.0
    while cells < max(height, width) / 2:
        total += weight * noise(rng, height, width, cells)
        power += weight**2
        cells, weight = cells * 2.2, weight * decay
    return total / np.float32(max(power, 1e-6) ** 0.5)
