"""A loose piece as it lies on a table: its outline, print, surface, walls and shadows, in numpy."""

import cv2
import numpy as np

from heatmap_locator.geometry import Array, clockwise, to_cv2
from heatmap_locator.resample import resize

from .cutter import cut_grid
from .noise import Rng, blur, colour, noise

_CELL = 100.0
"""Side of a cell in the units that outlines are cut in, before they are brought to area 1."""

# RGB, 0..1, of the walls of a piece.
_CARDBOARD = np.array([(0.62, 0.6, 0.57), (0.55, 0.45, 0.35), (0.85, 0.83, 0.8), (0.35, 0.4, 0.5)])


def loose_outline(rng: Rng) -> Array:
    """A piece's outline around the origin, (N, 2), its cell of area 1."""
    tall = float(np.exp(rng.normal(0, 0.12)))
    style = "square" if rng.random() < 0.06 else "interlocking"
    cut = cut_grid(3, 3, 3 * _CELL / tall, 3 * _CELL * tall, rng, style)
    row, col = (1, 1) if rng.random() < 0.6 else (int(v) for v in rng.integers(0, 3, 2))
    points = (cut.outline(row, col) - np.array(cut.cell_center(row, col))) / _CELL
    if rng.random() < 0.2:  # wilder than the cutter: swung lines
        x, y = points.T
        a, b, p, q = rng.uniform(0, 0.06, 2).tolist() + rng.uniform(0, 6.28, 2).tolist()
        points = np.column_stack([x + a * np.sin(4 * y + p), y + b * np.sin(4 * x + q)])
    shear = np.eye(2) + rng.normal(0, 0.03, (2, 2))  # not quite from above
    shear /= np.sqrt(abs(np.linalg.det(shear)))
    return points @ (shear @ clockwise(float(rng.uniform(0, 360)))).T


def printed_part(rng: Rng, picture: np.ndarray, h: int, w: int, side: float) -> np.ndarray:
    """(h, w, 3) a part of the picture as printed on pieces of ``side`` pixels, with its tone."""
    high, wide = picture.shape[:2]
    cell = float(np.exp(rng.uniform(np.log(18), np.log(0.45 * min(high, wide)))))
    scale = side / cell
    if scale < 0.7:
        small = max(8, round(wide * scale)), max(8, round(high * scale))
        picture, scale = resize(picture, small, scale), 1.0
        high, wide = picture.shape[:2]
    linear = scale * clockwise(float(rng.uniform(0, 360)))
    at = rng.uniform(0, 1, 2) * (wide, high)
    matrix = np.column_stack([linear, np.array([w / 2, h / 2]) - linear @ at])
    view = cv2.warpAffine(picture, to_cv2(matrix), (w, h), borderMode=cv2.BORDER_REFLECT)
    return toned(rng, view)


def toned(rng: Rng, view: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 as printed: float32, about 0..1, with tone, lifted blacks, faded colours."""
    table = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.1, 3))
    lift = rng.uniform(0, 0.22) * (rng.random() < 0.5)
    table = table * np.exp(rng.normal(0, 0.15) + rng.normal(0, 0.1, 3)) * (1 - lift) + lift
    if rng.random() < 0.15:  # faded or of one colour: sky, night, fog
        table = table.mean(0) + rng.uniform(0.05, 0.5) * (table - table.mean(0))
    image: np.ndarray = cv2.LUT(view, table.astype(np.float32)[None])
    return image


def coverage(points: Array, h: int, w: int) -> np.ndarray:
    """(h, w) float32, about the coverage of an outline; quicker than ``rasterize``."""
    mask = np.zeros((h, w), np.uint8)
    fixed = np.rint((points - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def _moved(mask: np.ndarray, dx: float, dy: float) -> np.ndarray:
    h, w = mask.shape
    return cv2.warpAffine(mask, np.array([[1, 0, dx], [0, 1, dy]], np.float64), (w, h))


def surfaced(rng: Rng, image: np.ndarray, mask: np.ndarray, side: float) -> np.ndarray:
    """Linen, bevel lit from one side, rim of cardboard or shade, gloss."""
    h, w = mask.shape
    if rng.random() < 0.35:
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(2.5, 7)
        ys, xs = np.mgrid[:h, :w].astype(np.float32) * np.float32(2 * np.pi / pitch)
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        linen = np.sin(xs * c + ys * s) * np.sin(ys * c - xs * s)
        image = image * (1 + np.float32(rng.uniform(0.02, 0.2)) * linen[..., None])
    soft = blur(mask, max(0.6, side * rng.uniform(0.005, 0.025)))
    angle = rng.uniform(0, 2 * np.pi)
    gx, gy = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    lit = gx * np.float32(np.cos(angle)) + gy * np.float32(np.sin(angle))
    image = image + np.float32(rng.uniform(0, 0.35)) * lit[..., None]
    if rng.random() < 0.55:
        rim = ((1 - soft) * 2).clip(0, 1) * np.float32(rng.uniform(0.1, 0.8))
        tone = rng.choice([0.0, 0.08, 0.75, 1.0]) if rng.random() < 0.6 else colour(rng)
        image = image + rim[..., None] * (np.float32(tone) - image)
    if rng.random() < 0.2:
        shine = (noise(rng, h, w, rng.uniform(2, 6)) - 0.7).clip(0, 1)
        image = image + np.float32(rng.uniform(0.1, 0.7)) * shine[..., None]
    return np.asarray(image, np.float32)


def lie_down(rng: Rng, table: np.ndarray, mask: np.ndarray, side: float) -> np.ndarray:
    """The table with the piece's shadows, and its side walls where they are seen."""
    solid = mask
    wall = None
    if rng.random() < 0.4:
        angle, thick = rng.uniform(0, 2 * np.pi), rng.uniform(0.01, 0.06) * side
        for step in np.linspace(0, thick, max(2, round(thick) + 1))[1:]:
            solid = np.maximum(solid, _moved(mask, step * np.cos(angle), step * np.sin(angle)))
        wall = _CARDBOARD[rng.integers(len(_CARDBOARD))] * rng.uniform(0.3, 1.25)
    for _ in range(1 + (rng.random() < 0.25)):
        if rng.random() < 0.12:
            continue
        angle, far = rng.uniform(0, 2 * np.pi), side * rng.uniform(0, 0.1)
        cast = _moved(solid, far * np.cos(angle), far * np.sin(angle))
        cast = blur(cast, side * float(np.exp(rng.uniform(np.log(0.004), np.log(0.09)))))
        table = table * (1 - np.float32(rng.uniform(0.05, 0.75)) * cast[..., None])
    if rng.random() < 0.4:  # where it touches the table
        near = blur(solid, side * rng.uniform(0.004, 0.02))
        table = table * (1 - np.float32(rng.uniform(0.1, 0.8)) * near[..., None])
    if wall is not None:
        grain = 1 + 0.08 * noise(rng, mask.shape[0], mask.shape[1], max(mask.shape) / 3)[..., None]
        table = table + solid[..., None] * (wall.astype(np.float32) * grain - table)
    return np.asarray(table, np.float32)
