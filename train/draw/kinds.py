"""Pictures that mislead: prints that repeat themselves, and prints with little to go by.

Made of ordinary ones.  Where many places look alike the best of them is often the wrong one, and
how sure an answer may be can only be learnt where that happens.
"""

import cv2
import numpy as np

from heatmap_locator.resample import smooth

_PERIODS = (4.0, 14.0)
"""Fewest and most repeats along the longer side."""

_UNIQUE = 0.35
"""Share of repeating pictures of which a part is left as it was."""

_SOFT = (0.01, 0.06)
"""Least and most blur of a smooth picture, standard deviation in shorter sides."""

_GRAIN = (0.3, 1.5)
"""Levels of grain that the blur leaves."""


def as_kind(image: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    """A picture of a kind.

    Args:
        image: (H, W, 3) uint8.
        kind: ``plain`` leaves it as it is; ``repeating``, ``smooth``.
    """
    if kind == "plain":
        return image
    if kind == "repeating":
        return _repeating(image, rng)
    if kind == "smooth":
        return _smooth(image, rng)
    raise ValueError(f"no kind {kind!r}")


def _repeating(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of the picture again and again, like windows or a wallpaper, in uneven light."""
    height, width = image.shape[:2]
    period = max(height, width) / rng.uniform(*_PERIODS)
    w = min(max(round(period), 8), width)
    h = min(max(round(period * float(np.exp(rng.uniform(-0.5, 0.5)))), 8), height)
    left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    motif = image[top : top + h, left : left + w]
    if rng.random() < 0.3:  # as a mirror image beside it, without a seam
        motif = np.concatenate([motif, motif[:, ::-1]], axis=1)
    across, down = -(-width // motif.shape[1]), -(-height // h)
    tiled = np.tile(motif, (down, across, 1))[:height, :width].astype(np.float32)
    # No two windows of a facade are lit or painted quite alike.
    light = 1 + _slow(height, width, rng.uniform(0.0, 0.12), rng)
    own = _slow(height, width, rng.uniform(0.0, 4.0), rng, cells=24)
    print_ = tiled * light[..., None] + own[..., None]
    if rng.random() < _UNIQUE:
        x = int(width * rng.uniform(0.5, 0.8))
        print_[:, x:] = image[:, x:]
    return print_.clip(0, 255).round().astype(np.uint8)


def _smooth(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture as haze or sky: its colours run into each other, with a little grain."""
    height, width = image.shape[:2]
    sigma = min(height, width) * float(np.exp(rng.uniform(*np.log(_SOFT))))
    soft = cv2.GaussianBlur(image, (0, 0), sigma).astype(np.float32)
    grain = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 0.7)
    grain = grain * np.float32(rng.uniform(*_GRAIN) / max(float(grain.std()), 1e-6))
    return (soft + grain[..., None]).clip(0, 255).round().astype(np.uint8)


def _slow(
    height: int, width: int, strength: float, rng: np.random.Generator, cells: int = 5
) -> np.ndarray:
    """(height, width) float32 that changes slowly, of that standard deviation."""
    knots = rng.standard_normal((cells, cells)).astype(np.float32) * np.float32(strength)
    return smooth(knots, (width, height))
