"""Bringing images to another size: which interpolation, decided in one place.

Shrinking averages over area, so that nothing is skipped (OpenCV's ``INTER_AREA``); growing is
bicubic for print, which stays sharp, and bilinear for masks, which must not overshoot.
"""

import cv2
import numpy as np


def resize(
    image: np.ndarray, size: tuple[int, ...], scale: float, soft: bool = False
) -> np.ndarray:
    """Resample pixels.

    Args:
        image: (H, W) or (H, W, C), uint8 or float32.
        size: (width, height) wanted.
        scale: the factor that ``size`` was rounded from; below 1 it shrinks.
        soft: grow without overshoot: for masks.

    Returns:
        of the size and the image's type.
    """
    if scale < 1:
        return average(image, size)
    return stretch(image, size) if soft else smooth(image, size)


def average(image: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The same by means over areas, always.

    Args:
        image: (H, W) or (H, W, C), uint8 or float32.
        size: (width, height) wanted.
    """
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def shrunk(image: np.ndarray, side: float, least: int = 8) -> tuple[np.ndarray, float]:
    """An image no larger than wanted: as it is, or by means over areas.

    Args:
        image: (H, W) or (H, W, C), uint8 or float32.
        side: pixels on the longer side at most.
        least: pixels on either side at least.

    Returns:
        it, and the factor that its size was rounded from, 1 at most.
    """
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1.0:
        return image, scale
    size = max(round(width * scale), least), max(round(height * scale), least)
    return average(image, size), scale


def stretch(field: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """A smooth field, such as a soft mask or a heatmap, at another size, always bilinear.

    Args:
        field: (H, W) or (H, W, C), uint8 or float32.
        size: (width, height) wanted.
    """
    return cv2.resize(field, size, interpolation=cv2.INTER_LINEAR)


def smooth(field: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """The same, always bicubic: knots of noise, print that grows.

    Args:
        field: (H, W) or (H, W, C), uint8 or float32.
        size: (width, height) wanted.
    """
    return cv2.resize(field, size, interpolation=cv2.INTER_CUBIC)
