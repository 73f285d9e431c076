"""What a loose piece may lie on: tables, cloth, paper, scanner lids, hands, drawn in numpy.

Every function answers (H, W, 3) float32 RGB, about 0..1, in a few milliseconds.
"""

from collections.abc import Callable

import cv2
import numpy as np

from heatmap_locator.resample import average

from .noise import Rng, colour, fractal, noise

Table = Callable[[Rng, int, int, np.ndarray], np.ndarray]

# RGB, 0..1, from light to dark.
_SKINS = np.array(
    [
        (0.95, 0.78, 0.69),
        (0.88, 0.67, 0.54),
        (0.76, 0.53, 0.40),
        (0.55, 0.37, 0.27),
        (0.36, 0.24, 0.18),
    ],
    np.float32,
)
# RGB, 0..1.
_WOODS = np.array(
    [
        (0.86, 0.72, 0.53),
        (0.72, 0.52, 0.33),
        (0.55, 0.36, 0.22),
        (0.33, 0.21, 0.14),
        (0.66, 0.62, 0.57),
    ],
    np.float32,
)


def _turned(rng: Rng, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (H, W) in pixels along and across a random direction."""
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.7 else rng.integers(4) * np.pi / 2
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return xs * c + ys * s, ys * c - xs * s


def _rotated(rng: Rng, image: np.ndarray, height: int, width: int) -> np.ndarray:
    """A window of a larger texture, turned by any angle."""
    big_h, big_w = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((big_w / 2, big_h / 2), float(rng.uniform(0, 360)), 1.0)
    matrix[:, 2] += (width - big_w) / 2, (height - big_h) / 2
    return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def _dyed(rng: Rng, texture: np.ndarray, base: np.ndarray, spread: float) -> np.ndarray:
    """A texture (H, W) as brighter and darker, and slightly other, shades of a colour."""
    tint = 1.0 + 0.25 * rng.standard_normal(3).astype(np.float32)
    return base + (np.float32(spread) * texture)[..., None] * (0.3 + 0.7 * base) * tint


def _plain(rng: Rng, h: int, w: int, _: np.ndarray) -> np.ndarray:
    flat = np.broadcast_to(colour(rng), (h, w, 3)).astype(np.float32)
    if rng.random() < 0.4:
        return _dyed(rng, fractal(rng, h, w, rng.uniform(2, 40)), flat, rng.uniform(0, 0.06))
    return flat


def _lid(rng: Rng, h: int, w: int, _: np.ndarray) -> np.ndarray:
    """A scanner's lid, light box, or black velvet: hardly any structure."""
    level = rng.choice([rng.uniform(0, 0.12), rng.uniform(0.25, 0.7), rng.uniform(0.82, 1.0)])
    flat = level + rng.uniform(-0.02, 0.02, 3).astype(np.float32)
    base = np.broadcast_to(flat, (h, w, 3)).astype(np.float32)
    return base + (0.02 * rng.random() * noise(rng, h, w, 3))[..., None].astype(np.float32)


def _wood(rng: Rng, h: int, w: int, _: np.ndarray) -> np.ndarray:
    side = round(1.45 * max(h, w))
    cells = rng.uniform(8, 60)
    grain = noise(rng, side, side, cells, rng.uniform(8, 30))
    grain = grain + 0.6 * noise(rng, side, side, min(3 * cells, side / 2), rng.uniform(10, 40))
    base = _WOODS[rng.integers(len(_WOODS))] * rng.uniform(0.6, 1.15)
    if rng.random() < 0.4:  # growth rings
        rings = np.sin(noise(rng, side, side, rng.uniform(2, 6), 4.0) * rng.uniform(4, 14))
        grain = grain + 0.8 * rings
    wood = _dyed(rng, grain, base, rng.uniform(0.02, 0.12))
    if rng.random() < 0.4:  # planks
        wide = int(rng.uniform(0.15, 0.6) * side)
        for y in range(int(rng.integers(0, wide)), side, wide):
            wood[y:] *= rng.uniform(0.85, 1.15)
            wood[y : y + int(rng.integers(1, 4))] *= rng.uniform(0.2, 0.8)
    return _rotated(rng, wood.astype(np.float32), h, w)


def _weave(rng: Rng, h: int, w: int, _: np.ndarray) -> np.ndarray:
    """Cloth, linen, carpet, knit: two crossing yarns and fuzz, often with stripes."""
    u, v = _turned(rng, h, w)
    pitch = float(np.exp(rng.uniform(np.log(2.2), np.log(18))))
    warp = noise(rng, h, w, rng.uniform(4, 30)) * 0.8
    a = np.sin(u * np.float32(2 * np.pi / pitch) + warp)
    b = np.sin(v * np.float32(2 * np.pi / (pitch * rng.uniform(0.6, 1.6))) + warp)
    yarn = rng.choice([0, 1, 2])
    cloth = (a * b, np.maximum(a, b), a + 0.3 * b)[yarn]
    cloth = cloth + rng.uniform(0, 0.8) * noise(rng, h, w, max(h, w) / rng.uniform(1.5, 4))
    base = np.broadcast_to(colour(rng), (h, w, 3))
    if rng.random() < 0.25:
        stripe = (np.sin(u / rng.uniform(4, 40)) > rng.uniform(-0.8, 0.8))[..., None]
        base = np.where(stripe, base, colour(rng))
    folds = 1 + rng.uniform(0, 0.12) * noise(rng, h, w, rng.uniform(1.5, 5))
    return _dyed(rng, cloth, base, rng.uniform(0.02, 0.22)) * folds[..., None]


def _mottled(rng: Rng, h: int, w: int, _: np.ndarray) -> np.ndarray:
    """Marble, stone, leather, carpet, card: colours along a fractal, with veins or without."""
    field = fractal(rng, h, w, rng.uniform(1.5, 50), rng.uniform(0.4, 0.9))
    if rng.random() < 0.35:
        field = 1.0 - np.abs(field) * rng.uniform(1, 4)
    share = (0.5 + 0.4 * field).clip(0, 1)[..., None]
    first = colour(rng)
    other = colour(rng) if rng.random() < 0.3 else first * rng.uniform(0.5, 1.6)
    return first + share * (other - first)


def _speckled(rng: Rng, h: int, w: int, _: np.ndarray) -> np.ndarray:
    """Granite, felt, terry, sand, grass: coarse grain."""
    white = rng.standard_normal((h, w, 3), np.float32)
    grain: np.ndarray = cv2.GaussianBlur(white, (0, 0), float(rng.uniform(0.5, 2.5)))
    grain /= grain.std() + 1e-6
    mono = grain.mean(axis=2, keepdims=True) * 1.7
    grain = mono + rng.uniform(0, 0.6) * (grain - mono)
    return colour(rng) * (1 + rng.uniform(0.04, 0.35) * grain) + rng.uniform(0, 0.06) * grain


def _pattern(rng: Rng, h: int, w: int, _: np.ndarray) -> np.ndarray:
    """Tablecloths and tiles: checks, stripes, dots, joints."""
    u, v = _turned(rng, h, w)
    pitch = float(np.exp(rng.uniform(np.log(10), np.log(160))))
    a, b = u / pitch % 1, v / pitch % 1
    kind, part = rng.integers(5), rng.uniform(0.25, 0.7)
    share: np.ndarray
    if kind == 0:
        share = ((a < part) ^ (b < part)).astype(np.float32)
    elif kind == 1:
        share = ((a < part).astype(np.float32) + (b < part)) / 2
    elif kind == 2:
        share = (a < part).astype(np.float32)
    elif kind == 3:
        share = ((a - 0.5) ** 2 + (b - 0.5) ** 2 < (0.5 * part) ** 2).astype(np.float32)
    else:
        joint = rng.uniform(0.02, 0.08)
        share = ((a < joint) | (b < joint)).astype(np.float32)
    share = cv2.GaussianBlur(share, (0, 0), float(rng.uniform(0.4, 1.5)))[..., None]
    first = colour(rng)
    return first + share * (colour(rng) - first)


def _printed(rng: Rng, h: int, w: int, picture: np.ndarray) -> np.ndarray:
    """A part of a picture: a cluttered room, a magazine, the puzzle's own box."""
    high, wide = picture.shape[:2]
    part = rng.uniform(0.3, 1.0)
    ph, pw = max(8, int(part * high)), max(8, int(part * wide))
    y, x = int(rng.integers(0, high - ph + 1)), int(rng.integers(0, wide - pw + 1))
    view = average(picture[y : y + ph, x : x + pw], (w, h))
    image: np.ndarray = view.astype(np.float32) / 255
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), float(np.exp(rng.uniform(0, 3))))
    if rng.random() < 0.4:
        mean = image.mean(axis=(0, 1))
        image = mean + rng.uniform(0.15, 0.8) * (image - mean)
    return image * rng.uniform(0.4, 1.2)


_KINDS: tuple[tuple[Table, float], ...] = (
    (_plain, 0.2),
    (_lid, 0.16),
    (_wood, 0.14),
    (_weave, 0.15),
    (_mottled, 0.12),
    (_speckled, 0.08),
    (_pattern, 0.06),
    (_printed, 0.09),
)
_WEIGHTS = np.array([weight for _, weight in _KINDS])


def _surface(rng: Rng, h: int, w: int, picture: np.ndarray) -> np.ndarray:
    kind = _KINDS[int(rng.choice(len(_KINDS), p=_WEIGHTS / _WEIGHTS.sum()))][0]
    return np.ascontiguousarray(kind(rng, h, w, picture), dtype=np.float32)


def _patch(rng: Rng, h: int, w: int) -> np.ndarray:
    """(H, W) 0..1, something on the table: a sheet, a disc, a pen, a lump."""
    shape = np.zeros((h, w), np.uint8)
    at = int(rng.uniform(-0.1, 1.1) * w), int(rng.uniform(-0.1, 1.1) * h)
    size = rng.uniform(0.06, 0.45, 2) * max(h, w)
    kind, turn = rng.integers(4), float(rng.uniform(0, 360))
    if kind == 0:
        corners = cv2.boxPoints((at, (float(size[0]), float(size[1])), turn))
        cv2.fillPoly(shape, [np.rint(corners).astype(np.int32)], 1)
    elif kind == 1:
        cv2.ellipse(shape, at, (int(size[0] / 2) + 2, int(size[1] / 2) + 2), turn, 0, 360, 1, -1)
    elif kind == 2:
        end = int(rng.uniform(0, 1) * w), int(rng.uniform(0, 1) * h)
        cv2.line(shape, at, end, 1, int(rng.integers(2, 26)))
    else:
        lump = np.array(at) + rng.normal(0, size.mean() / 3, (int(rng.integers(4, 9)), 2))
        cv2.fillConvexPoly(shape, cv2.convexHull(np.rint(lump).astype(np.int32)), 1)
    return cv2.GaussianBlur(shape.astype(np.float32), (0, 0), float(rng.uniform(0.4, 2.0)))


def draw_table(rng: Rng, height: int, width: int, picture: np.ndarray) -> np.ndarray:
    """A table of one kind, of two with an edge between, or with things lying about on it.

    Args:
        rng: everything follows from it.
        height, width: pixels.
        picture: (H, W, 3) uint8, shown where the table has something printed on it.
    """
    table = _surface(rng, height, width, picture)
    kind = rng.random()
    if kind < 0.12:  # the table's edge, or a sheet larger than the photo
        u, _ = _turned(rng, height, width)
        bend = rng.uniform(0, 0.1) * width * noise(rng, height, width, 2)
        edge = u - np.quantile(u, rng.uniform(0.1, 0.9)) + (bend if rng.random() < 0.3 else 0)
        share = (edge / rng.uniform(0.7, 4) + 0.5).clip(0, 1)[..., None]
        table = table + share * (_surface(rng, height, width, picture) - table)
        if rng.random() < 0.5:
            table *= 1 - rng.uniform(0, 0.6) * np.exp(-np.abs(edge) / rng.uniform(2, 20))[..., None]
    elif kind < 0.24:
        for _ in range(int(rng.integers(1, 6))):
            cover = _patch(rng, height, width)[..., None]
            shade = cv2.GaussianBlur(cover, (0, 0), float(rng.uniform(2, 8)))[..., None]
            table *= 1 - rng.uniform(0, 0.6) * shade
            thing = _printed(rng, height, width, picture) if rng.random() < 0.3 else colour(rng)
            table = table * (1 - cover) + thing * cover
    return np.asarray(table, np.float32)


def draw_cloth(rng: Rng, height: int, width: int, picture: np.ndarray) -> np.ndarray:
    """A table cloth with a pattern of strong contrast, or printed; as :func:`draw_table`."""
    kind = (_pattern, _pattern, _weave, _printed)[int(rng.integers(4))]
    return np.ascontiguousarray(kind(rng, height, width, picture), dtype=np.float32)


def skin_tone(rng: Rng) -> np.ndarray:
    """(3,) of RGB, 0..1."""
    tone: np.ndarray = _SKINS[rng.integers(len(_SKINS))] * rng.uniform(0.75, 1.15)
    return tone


def draw_hand(
    rng: Rng, height: int, width: int, toward: tuple[float, float], reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fingers or a palm.

    Args:
        rng, height, width: as for ``draw_table``.
        toward: (x, y) that the fingers point at.
        reach: pixels from there to their tips.

    Returns:
        (H, W, 3) skin and (H, W) 0..1, where it is.
    """
    cover = np.zeros((height, width), np.uint8)
    base = float(rng.uniform(0, 2 * np.pi))
    side = max(height, width)
    thick = rng.uniform(0.1, 0.3) * side
    for index in range(int(rng.integers(1, 4))):
        angle = base + index * rng.choice([rng.uniform(0.2, 0.7), np.pi + rng.uniform(-0.5, 0.5)])
        way = np.array([np.cos(angle), np.sin(angle)])
        tip = np.array(toward) + way * (reach + thick / 2) * rng.uniform(0.95, 1.15)
        end = tip + way * 2 * side + rng.normal(0, 0.2 * side, 2)
        a, b = tuple(int(v) for v in tip), tuple(int(v) for v in end)
        cv2.line(cover, a, b, 1, max(3, round(thick * rng.uniform(0.8, 1.2))))
    soft = cv2.GaussianBlur(cover.astype(np.float32), (0, 0), thick / 5)
    shade = 0.55 + 0.5 * soft + 0.05 * fractal(rng, height, width, 8)
    image = skin_tone(rng) * shade[..., None] ** np.array([0.8, 1.0, 1.1], np.float32)
    return image, cv2.GaussianBlur(cover.astype(np.float32), (0, 0), 0.8)
