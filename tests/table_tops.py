"""Textures of table tops, seen from above: wood, stone, cloth, tiles, carpet."""

from collections.abc import Callable

import cv2
import numpy as np

from heatmap_train.draw.procedural import draw_picture

Array = np.ndarray


PLAN = 1400  # pixels of the table's own texture, which repeats beyond


def _noise(rng: np.random.Generator, coarse: float, across: float = 0.0) -> Array:
    """(PLAN, PLAN) of unit variance; drawn out along x where ``across`` is given."""
    small = rng.standard_normal((PLAN, PLAN)).astype(np.float32)
    field = cv2.GaussianBlur(small, (0, 0), sigmaX=max(across, coarse), sigmaY=coarse)
    return field / field.std()


def _plain(rng: np.random.Generator) -> Array:
    colour = rng.uniform(20, 245, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(15, 245))
    return colour + _noise(rng, 60)[..., None] * rng.uniform(0, 5)


def _planks(rng: np.random.Generator) -> Array:
    """Boards with grain and dark joints: oak, walnut, pine."""
    brown = np.array([[120, 84, 52], [82, 56, 38], [196, 158, 112], [60, 40, 28]][rng.integers(4)])
    grain = 0.12 * _noise(rng, 1.2, 60) + 0.10 * _noise(rng, 5, 120) + 0.05 * _noise(rng, 0.7)
    y = np.arange(PLAN)
    board = rng.uniform(80, 260)
    tone = rng.normal(1.0, 0.1, PLAN)[(y // board).astype(int)]
    joint = 1 - rng.uniform(0, 0.6) * (y % board < rng.uniform(2, 6))
    return brown * (1 + grain * rng.uniform(0.5, 2.0))[..., None] * (tone * joint)[:, None, None]


def _speckled(rng: np.random.Generator) -> Array:
    """Granite, terrazzo, a worktop."""
    base = rng.uniform(50, 210, 3) * 0.3 + rng.uniform(50, 210) * 0.7
    values = sum(s * _noise(rng, c) for s, c in ((1.0, 1.0), (0.8, 3.0), (0.5, 8.0)))
    return base + values[..., None] * rng.uniform(6, 22)


def _marble(rng: np.random.Generator) -> Array:
    veins = np.exp(-np.abs(_noise(rng, 30) + 0.3 * _noise(rng, 8)) / 0.08)
    return rng.uniform(200, 240) - (veins * rng.uniform(30, 90))[..., None] * [1.0, 0.95, 0.9]


def _checked(rng: np.random.Generator) -> Array:
    """A tablecloth with checks or stripes, and its weave."""
    size, (one, two) = rng.uniform(30, 110), rng.uniform(30, 240, (2, 3))
    y, x = np.mgrid[0:PLAN, 0:PLAN] // size
    part = (x % 2) if rng.random() < 0.4 else ((x % 2) + (y % 2)) / 2
    weave = _noise(rng, 0.8)[..., None] * 6
    return one + (two - one) * part[..., None] + weave


def _tiles(rng: np.random.Generator) -> Array:
    size = rng.uniform(120, 320)
    y, x = np.mgrid[0:PLAN, 0:PLAN]
    gap = ((x % size) < 5) | ((y % size) < 5)
    tone = rng.normal(0, 8, (40, 40))[(y // size).astype(int), (x // size).astype(int)]
    tiles = rng.uniform(80, 230, 3) + (tone + 5 * _noise(rng, 12))[..., None]
    return np.where(gap[..., None], rng.uniform(60, 220), tiles)


def _carpet(rng: np.random.Generator) -> Array:
    base = rng.uniform(40, 200, 3)
    return base + (_noise(rng, 1.5) * rng.uniform(10, 30) + _noise(rng, 20) * 8)[..., None]


def _patterned(rng: np.random.Generator) -> Array:
    """Oilcloth or a rug with a motif as lively as a puzzle."""
    picture = draw_picture(PLAN // 2, PLAN // 2, rng).astype(np.float32)
    calm = rng.uniform(0.25, 0.6)
    return cv2.resize(picture * calm + picture.mean() * (1 - calm), (PLAN, PLAN))


TABLES: dict[str, Callable[[np.random.Generator], Array]] = {
    "plain": _plain,
    "planks": _planks,
    "speckled": _speckled,
    "marble": _marble,
    "checked": _checked,
    "tiles": _tiles,
    "carpet": _carpet,
    "patterned": _patterned,
}
