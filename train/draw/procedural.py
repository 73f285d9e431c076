"""Draw pictures to train on where there are no photos. Shapes are sized by the picture."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import ArrayLike

from heatmap_locator.resample import smooth, stretch

Ink = tuple[int, int, int]
_FONTS = (0, 1, 2, 3, 4, 6, 7)  # OpenCV's Hershey fonts; 5 is a smaller 4
_LETTERS = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789&!?%.,:    ")


class _Board:
    """A picture's size in pixels, its random generator, its palette, and ways to draw."""

    def __init__(self, width: int, height: int, rng: np.random.Generator) -> None:
        self.width, self.height, self.rng, self.unit = width, height, rng, (width * height) ** 0.5
        # Hues follow one scheme, and a dark and a light colour give contrast in any case.
        spread = rng.choice([0.06, 0.15, 1.0], p=[0.25, 0.35, 0.4])
        hues = rng.random() + rng.choice([0.0, 1 / 3, 0.5], 9) + rng.uniform(-spread, spread, 9)
        light, vivid = rng.uniform(0.2, 1.0, 9), rng.uniform(0.1, 1.0, 9) * rng.uniform(0.4, 1.0)
        light[:2] = rng.uniform(0.1, 0.4), rng.uniform(0.85, 1.0)
        hsv = np.stack((hues % 1.0 * 360.0, vivid, rng.permutation(light)), axis=1)[None]
        rgb: np.ndarray = cv2.cvtColor(hsv.astype(np.float32), cv2.COLOR_HSV2RGB)[0]
        self.colors = rgb * 255.0  # (9, 3)

    def vary(self, colors: np.ndarray, spread: float = 14.0) -> list[Ink]:
        """Colours (N, 3) in OpenCV's form, each varied by about spread levels."""
        own = 0.5 * self.rng.normal(0.0, spread, (len(colors), 3))
        own += self.rng.normal(0.0, spread, (len(colors), 1))
        return [(r, g, b) for r, g, b in np.clip(colors + own, 0, 255).astype(int).tolist()]

    def inks(self, count: int) -> list[Ink]:
        return self.vary(self.colors[self.rng.integers(0, 9, count)])

    def spots(self, count: int) -> np.ndarray:
        return self.rng.uniform(-0.03, 1.03, (count, 2)) * (self.width, self.height)

    def fractal(self, cells: float = 3.0, decay: float = 0.6) -> np.ndarray:
        """(H, W) float32 noise, 0..1: octaves from cells across the longer side to fine grain."""
        wide, high = self.width, self.height
        total, weight, step = np.zeros((high, wide), np.float32), 1.0, max(wide, high) / cells
        while weight == 1.0 or step >= 2.0:
            grid = self.rng.random((int(high / step) + 3, int(wide / step) + 3), dtype=np.float32)
            total += weight * smooth(grid, (wide, high))
            step, weight = step / 2, weight * decay
        total -= total.min()
        return total / max(float(total.max()), 1e-6)

    def rings(
        self, at: np.ndarray, size: ArrayLike, n: int = 9, flat: ArrayLike = 1, rough: float = 0
    ) -> np.ndarray:
        """Shapes (N, n, 2) px round at (N, 2), size px in radius, by flat narrower across."""
        theta = np.linspace(0.0, 2 * np.pi, n, endpoint=False)
        reach = np.reshape(size, (-1, 1)) * (1 + rough * self.rng.uniform(-1, 1, (len(at), n)))
        across = np.sin(theta) * flat * self.rng.uniform(0.75, 1.0, (len(at), 1))
        turn = np.exp(1j * self.rng.uniform(0.0, 2 * np.pi, (len(at), 1)))
        shape = reach * (np.cos(theta) + 1j * across) * turn
        return np.stack((shape.real, shape.imag), axis=-1) + at[:, None]


def _ramp(colors: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Colours (H, W, 3) uint8 that run through colors as values (H, W) run from 0 to 1."""
    stops, levels = np.linspace(0, 1, len(colors)), np.linspace(0, 1, 256)
    table = np.stack([np.interp(levels, stops, channel) for channel in colors.T], axis=1)
    return table.clip(0, 255).astype(np.uint8)[(values * 255).clip(0, 255).astype(np.uint8)]


def _stamp(image: np.ndarray, shapes: Iterable[np.ndarray], inks: list[Ink]) -> None:
    for shape, ink in zip(shapes, inks, strict=True):
        cv2.fillPoly(image, [np.round(shape * 16 - 8).astype(np.int32)], ink, cv2.LINE_AA, 4)


def _scene(board: _Board) -> np.ndarray:
    rng, colors, height = board.rng, board.colors, board.height
    rows, layers = np.arange(height)[:, None], int(rng.integers(3, 6))
    sky = _ramp(colors[:2], np.repeat(rows / height, board.width, axis=1) * 1.6)
    clouds = (board.fractal(2.5) * 3 - rng.uniform(0.9, 1.6)).clip(0, 0.9)[..., None]
    image = (sky * (1 - clouds) + 245 * clouds).astype(np.uint8)
    for depth, top in enumerate(np.linspace(rng.uniform(0.2, 0.45), 0.85, layers) * height):
        near = (depth + 1) / layers
        ridge = top + (board.fractal(rng.uniform(1.5, 6.0))[0] - 0.5) * 0.4 * height
        tones = colors[[3 + depth % 4, 2 + depth % 5]] * (0.4 + 0.6 * near) + 70 * (1 - near)
        land = _ramp(tones, board.fractal(6 + 8 * near, 0.75))
        np.copyto(image, land, where=(rows > ridge)[..., None])
        for x in rng.uniform(0, board.width, int(rng.integers(8, 24))):
            foot = np.array((x, ridge[int(x)] + rng.uniform(0, 0.1) * height))
            _plant_or_house(board, image, foot, board.unit * near * rng.uniform(0.03, 0.09))
    blooms = board.spots(250) * (1, 0.3) + (0, 0.72 * height)
    sizes = board.unit * rng.uniform(0.002, 0.01, 250) * (blooms[:, 1] / height) ** 2
    _stamp(image, board.rings(blooms, sizes, 6, rough=0.5), board.inks(250))
    return image


def _plant_or_house(board: _Board, image: np.ndarray, foot: np.ndarray, size: float) -> None:
    rng, box = board.rng, np.array([(-1, 0), (1, 0), (1, -1), (-1, -1)])
    if rng.random() < 0.3:
        roof = box * (1.2, 0.7) - (0, 1) + [(0, 0), (0, 0), (-0.5, 0), (0.5, 0)]
        panes = [box * (0.16, 0.3) + (at, -0.45) for at in (-0.6, 0.55)]
        house = np.stack((box, roof, *panes, box * (0.15, 0.6)))
        return _stamp(image, house * size + foot, board.inks(5))
    light = np.sort(rng.uniform(0.35, 1.15, (22, 1)), axis=0)
    crown = (rng.normal(0, 0.3, (22, 2)) - light * 0.25 - (0, rng.uniform(0.7, 1.6))) * size + foot
    leaves = board.rings(crown, size * rng.uniform(0.1, 0.4, 22), rough=0.25)
    inks = board.vary(board.colors[rng.integers(2, 9)] * light)
    _stamp(image, [box * (0.08, 1.2) * size + foot, *leaves], [(70, 48, 34), *inks])


def _facade(board: _Board) -> np.ndarray:
    rng, unit, height, x = board.rng, board.unit, board.height, 0.0
    image = _ramp(board.colors[:3], board.fractal())
    while x < board.width:
        wide, top = unit * rng.uniform(0.15, 0.45), height * rng.uniform(-0.1, 0.3)
        wall, trim, roof, *glass = board.inks(7)
        left, right, thick = int(x), int(x + wide), max(1, int(unit * 0.005))
        cv2.rectangle(image, (left, int(top)), (right, height), wall, -1)
        for y in np.arange(top, height, unit * 0.012).astype(int).tolist():  # courses of stone
            cv2.line(image, (left, y), (right, y), trim, 1)
        cv2.rectangle(image, (left, int(top)), (right, int(top + 0.03 * unit)), roof, -1)
        cell = np.array((wide / int(rng.integers(2, 6)), unit * rng.uniform(0.07, 0.14)))
        shape, at = rng.uniform(0.45, 0.8, 2) * cell, np.array((x, top + 0.05 * unit))
        for row, col in np.ndindex(int((height - top) / cell[1]) + 1, round(wide / cell[0])):
            low = at + cell * (col, row) + 0.5 * (cell - shape)
            (x1, y1), (x2, y2) = low.astype(int).tolist(), (low + shape).astype(int).tolist()
            cv2.rectangle(image, (x1, y1), (x2, y2), glass[int(rng.integers(0, 4))], -1)
            blind = x2, int(y1 + (y2 - y1) * rng.uniform(0.0, 1.0))
            cv2.rectangle(image, (x1, y1), blind, board.vary(board.colors[:1], 30.0)[0], -1)
            cv2.rectangle(image, (x1, y1), (x2, y2), trim, thick)
            cv2.line(image, ((x1 + x2) // 2, y1), ((x1 + x2) // 2, y2), trim, 1)
        x += wide
    return image


def _shapes(board: _Board) -> np.ndarray:
    rng, image = board.rng, _ramp(board.colors, board.fractal())
    for points in rng.permutation([3, 4, 5, 7, 16, 16, 24] * 5).tolist():
        count, size = int(rng.integers(8, 36)), board.unit * 10 ** rng.uniform(-2.2, -0.9)
        flat, rough = rng.uniform((0.15, 0.0), (1.0, 0.5)).tolist()
        sizes = size * rng.uniform(0.4, 1.5, count)
        rings = board.rings(board.spots(count), sizes, points, flat, rough)
        _stamp(image, rings, board.inks(count))
        lines = [np.round(ring * 16 - 8).astype(np.int32) for ring in rings[::2]]
        thick = int(rng.integers(1, 3 + int(board.unit) // 200))
        cv2.polylines(image, lines, True, board.inks(1)[0], thick, cv2.LINE_AA, 4)
    return image


def _mosaic(board: _Board) -> np.ndarray:
    rng, count = board.rng, int(10 ** board.rng.uniform(2.3, 3.1))
    seeds = np.ones((board.height, board.width), np.uint8)
    # Beta-distributed seeds crowd some parts, so tiles come in many sizes.
    across, down = (rng.beta(rng.uniform(0.7, 1.3), rng.uniform(0.7, 1.3), count) for _ in "xy")
    seeds[(down * (board.height - 1)).astype(int), (across * (board.width - 1)).astype(int)] = 0
    far, tile = cv2.distanceTransformWithLabels(seeds, 2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    hue = _ramp(board.colors, board.fractal(2.0))[seeds == 0]  # labels count seeds row by row
    fill = np.vstack((hue[:1], board.vary(hue, rng.uniform(10, 40)))).astype(np.float32)
    image = fill[tile] * (1.1 - 0.3 * far / max(float(far.max()), 1.0))[..., None]
    grout = cv2.morphologyEx(tile.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((2, 2))) > 0
    image[grout] = board.colors[0] * rng.uniform(0.2, 1.0)
    return image.clip(0, 255).astype(np.uint8)


def _text(board: _Board) -> np.ndarray:
    rng, image = board.rng, np.zeros((board.height, board.width, 3), np.uint8)
    size = np.array((board.width, board.height))
    for part in np.linspace(1.0, 0.2, int(rng.integers(14, 34))).tolist():  # sheet to slips
        x, y = (rng.uniform(0.0, max(1.0 - 0.8 * part, 0.2), 2) * (part < 1) * size).astype(int)
        panel = image[y:, x:][: int(part * size[1]), : int(part * rng.uniform(1, 1.5) * size[0])]
        paper, _, *pens = sorted(board.inks(6), key=sum)[:: int(rng.choice([-1, 1]))]
        panel[:], font, line = paper, int(rng.choice(_FONTS)), 0
        while line < len(panel):
            tall = rng.uniform(0.03, 0.14) * board.unit + 4
            words = "".join(rng.choice(_LETTERS, int(panel.shape[1] / tall * 1.6) + 2))
            line, thick = line + int(tall * 1.25), 1 + int(tall * 0.1 * rng.random())
            at, ink = (int(rng.uniform(-0.5, 1) * tall), line), pens[int(rng.integers(0, 4))]
            cv2.putText(panel, words, at, font, tall / 30, ink, thick, cv2.LINE_AA)
    return image


def _turing(board: _Board) -> np.ndarray:
    half = max(board.width // 2, 8), max(board.height // 2, 8)
    maze = board.rng.standard_normal(half[::-1], dtype=np.float32)
    sigma = board.rng.uniform(0.004, 0.012) * max(half) + 0.6
    for _ in range(7):  # short-range growth against long-range decay, the Turing mechanism
        near = cv2.GaussianBlur(maze, (0, 0), sigma)
        maze = np.tanh(6 * (near - cv2.GaussianBlur(near, (0, 0), 1.6 * sigma)) / near.std())
    share = stretch(maze, (board.width, board.height))[..., None] * 0.5 + 0.5
    one, two = (_ramp(part, board.fractal(3, 0.75)) for part in np.split(board.colors[:8], 2))
    return (one * (1 - share) + two * share).clip(0, 255).astype(np.uint8)


def _foliage(board: _Board) -> np.ndarray:
    rng, unit, count = board.rng, board.unit, 1800
    image = _ramp(board.colors[:3] * 0.4, board.fractal(8))
    sizes, turn = unit * rng.uniform(0.01, 0.05, count), np.linspace(0, 2 * np.pi, 13)[:-1]
    slim = rng.uniform(0.4, 0.9) * np.abs(np.sin(turn))  # narrows to both ends
    leaves = board.rings(board.spots(count), sizes, 12, slim, 0.1)
    depth = np.linspace(0.35, 1.1, count)[:, None]  # what is nearer is drawn later, and lighter
    tones = board.colors[rng.integers(0, 6, count)] * depth
    for leaf, ink, vein in zip(leaves, board.vary(tones), board.vary(tones * 0.6), strict=True):
        _stamp(image, [leaf], [ink])
        stem, tip = np.round(leaf[[0, 6]] * 16 - 8).astype(int).tolist()
        cv2.line(image, stem, tip, vein, 1, cv2.LINE_AA, 4)
    petals = np.vstack((np.stack((np.cos(turn), np.sin(turn)), axis=1)[::2], (0, 0)))
    for spot in board.spots(40):
        size, (petal, eye) = unit * rng.uniform(0.006, 0.03), board.inks(2)
        flower = board.rings(spot + size * petals, size * np.repeat((0.75, 0.5), (6, 1)))
        _stamp(image, flower, [*board.vary(np.tile(petal, (6, 1))), eye])
    return image


def _waves(board: _Board) -> np.ndarray:
    rng, (y, x) = board.rng, np.indices((board.height, board.width), np.float32)
    total = np.zeros_like(x)
    for _ in range(4):
        angle, rate = rng.uniform(0, np.pi), rng.uniform(6, 60) / board.unit
        phase = x * np.float32(np.cos(angle) * rate) + y * np.float32(np.sin(angle) * rate)
        total += np.sin(phase + rng.uniform(1.0, 9.0) * board.fractal(3, 0.5))
    image = _ramp(board.colors, total / 8 + 0.5)
    contours = cv2.morphologyEx(np.floor(total * 3), cv2.MORPH_GRADIENT, np.ones((2, 2))) > 0
    image[contours & (rng.random() < 0.6)] = board.colors[0]
    return image


_PAINTERS = (_scene, _facade, _shapes, _mosaic, _text, _turing, _foliage, _waves)
KINDS: tuple[str, ...] = tuple(painter.__name__[1:] for painter in _PAINTERS)


def draw_picture(
    width: int, height: int, rng: np.random.Generator, kind: str | None = None
) -> np.ndarray:
    """Draw a picture, (height, width, 3) uint8 RGB, of one of KINDS; None lets rng choose.

    Raises ValueError for a kind not in KINDS, or a width or height below 16 pixels.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}: use one of {', '.join(KINDS)}, or None")
    if width < 16 or height < 16:
        raise ValueError(f"no room in {width} x {height} pixels: ask for 16 x 16 or more")
    index = int(rng.integers(0, len(KINDS))) if kind is None else KINDS.index(kind)
    image = _PAINTERS[index](board := _Board(width, height, rng))
    # Uneven light, and grain that leaves no part of the picture bare.
    light = 1.0 + rng.uniform(0.0, 0.5) * (board.fractal(1.5) - 0.5)
    grain = rng.uniform(22.0, 50.0) * (board.fractal(max(width, height) / 9, 0.9) - 0.5)
    grain += rng.uniform(1.0, 5.0) * rng.standard_normal((height, width), dtype=np.float32)
    return (image * light[..., None] + grain[..., None]).clip(0, 255).astype(np.uint8)
