"""Photos taken in the dark, or burnt out, as bright as an outline can be seen in them."""

import cv2
import numpy as np

from heatmap_locator.resample import shrunk

# Set by hand, in view of drawn photos of training pictures: the level that the brightest pixels of
# a dim photo stay below, the one that they are brought to and the most that they are multiplied by
# for that, and the deviation, in parts of the longer side, of the blur that averages their noise.
_DIM, _BRIGHT, _MOST, _GRAIN = 110, 230, 6.0, 0.01
_BRIGHTEST = 99.5
# The level that the darkest pixels of a pale photo stay above, the one they are brought to, and the
# blur: what is nearly burnt out has little noise.
_PALE, _DARK, _FINE = 205, 20, 0.004
_DARKEST = 1.0
# Of the copy that is looked at: the noise of more pixels is blurred away, in seconds.
_SIDE = 1200


def well_exposed(rgb: np.ndarray) -> np.ndarray | None:
    """A photo that is dim or nearly burnt out as others are; ``None`` where it is neither.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (h, w, 3) uint8, no larger than is needed to see an outline.
    """
    small, _ = shrunk(rgb, _SIDE)
    bright = brightened(small)
    return darkened(small) if bright is None else bright


def brightened(rgb: np.ndarray) -> np.ndarray | None:
    """A dim photo as bright as others are, and without grain; ``None`` where it is no dim one.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (h, w, 3) uint8, no larger than is needed to see an outline.
    """
    small, _ = shrunk(rgb, _SIDE)
    level = float(np.percentile(small, _BRIGHTEST))
    if not 1 <= level < _DIM:
        return None
    gain = min(_BRIGHT / level, _MOST)
    found: np.ndarray = (_blurred(small, _GRAIN) * gain).clip(0, 255).astype(np.uint8)
    return found


def darkened(rgb: np.ndarray) -> np.ndarray | None:
    """A photo that is nearly burnt out, with the contrast of others; ``None`` where it is none.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        (h, w, 3) uint8, no larger than is needed to see an outline.
    """
    small, _ = shrunk(rgb, _SIDE)
    if float(np.percentile(small, _DARKEST)) < _PALE:
        return None
    smooth = _blurred(small, _FINE)
    low, high = np.percentile(smooth, [_DARKEST, _BRIGHTEST])
    gain = min((_BRIGHT - _DARK) / max(float(high - low), 1.0), _MOST)
    found: np.ndarray = ((smooth - high) * gain + _BRIGHT).clip(0, 255).astype(np.uint8)
    return found


def _blurred(image: np.ndarray, grain: float) -> np.ndarray:
    """(h, w, 3) float32, blurred by a deviation in parts of the longer side."""
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), max(1.0, grain * max(image.shape)))
