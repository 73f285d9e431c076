"""Pictures of which a part is sky, sea, snow or lawn: print that says little of where it belongs.

What people need help with.  Pieces of that part differ by their outlines, hardly by their print.
"""

import cv2
import numpy as np

from heatmap_locator.resample import smooth

from .kinds import as_kind
from .pictures import PictureSource
from .puzzles import paste

_SHARE = (0.42, 0.55)
"""Least and most of the height that is flat."""

_WAVE = 0.05
"""Deviation of the horizon, in heights."""

_CLOUD = (0.0, 5.0)
"""Least and most deviation of clouds, swell or drifts, in levels."""

_GRAIN = (0.2, 1.2)
"""The same of grain."""

# RGB levels at the far edge and at the horizon: clear sky, dusk, overcast, snow, sea, lawn.
_TONES = (
    ((70, 120, 200), (170, 205, 235)),
    ((60, 60, 110), (235, 170, 120)),
    ((150, 158, 168), (200, 204, 208)),
    ((245, 246, 250), (215, 222, 235)),
    ((25, 70, 95), (90, 140, 150)),
    ((60, 110, 45), (110, 145, 75)),
)


def with_sky(
    source: PictureSource, size: tuple[int, int], side: int, rng: np.random.Generator
) -> np.ndarray:
    """A picture, nearly half of it flat.

    Args:
        source: of what the other part shows.
        size: (width, height) in pixels.
        side: pictures pasted side by side, in each direction.
        rng: everything follows from it.

    Returns:
        (H, W, 3) uint8.
    """
    width, height = size
    tiles = [source[int(i)] for i in rng.integers(len(source), size=side**2)]
    pasted = paste(tiles, side)
    scale = max(width / pasted.shape[1], height / pasted.shape[0])
    fitted = max(width, round(pasted.shape[1] * scale)), max(height, round(pasted.shape[0] * scale))
    land = smooth(pasted, fitted)[:height, :width].astype(np.float32)
    if rng.random() < 0.5:
        flat = _drawn(width, height, rng)
    else:
        haze = as_kind(source[int(rng.integers(len(source)))], "smooth", rng)
        flat = _calm(smooth(haze, size), rng)
    share = rng.uniform(*_SHARE)
    line = share + _WAVE * smooth(rng.standard_normal((1, 6)).astype(np.float32), (width, 1))[0]
    rows = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height
    soft = 1.5 / height
    cover = ((line[None] - rows) / soft + 0.5).clip(0, 1)[..., None]
    image = land + cover * (flat - land)
    if rng.random() < 0.3:  # sea or snow lies below
        image = image[::-1]
    return image.clip(0, 255).round().astype(np.uint8)


def _drawn(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) float32, a slow change of colour with faint clouds."""
    far, near = (np.array(tone, np.float32) for tone in _TONES[int(rng.integers(len(_TONES)))])
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    flat = far + down * (near - far) + np.zeros((1, width, 1), np.float32)
    clouds = np.zeros((height, width), np.float32)
    for cells in (3, 6, 12):
        knots = rng.standard_normal((cells, cells)).astype(np.float32) / np.float32(cells)
        clouds += smooth(knots, (width, height))
    clouds *= np.float32(rng.uniform(*_CLOUD)) / max(float(clouds.std()), 1e-6)
    return _grained(flat + clouds[..., None], rng)


def _calm(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A blurred picture with a part of its contrast."""
    values = image.astype(np.float32)
    soft = cv2.GaussianBlur(values, (0, 0), min(image.shape[:2]) * 0.04)
    mean = soft.mean((0, 1))
    return _grained(mean + np.float32(rng.uniform(0.2, 0.6)) * (soft - mean), rng)


def _grained(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    grain = rng.standard_normal(image.shape[:2]).astype(np.float32)
    found: np.ndarray = image + np.float32(rng.uniform(*_GRAIN)) * grain[..., None]
    return found
