"""Photos of a loose piece to learn its outline from: print, table, shadow, hand, camera.

Drawn in numpy and OpenCV at the size the network sees, some 10 ms a photo on one core.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from heatmap_locator.geometry import Array, bounds, clockwise, to_cv2

from .cutter import cut_grid, rasterize
from .pictures import PictureSource
from .tables import Rng, colour, draw_hand, draw_table, noise

_CELL = 100.0
_CARDBOARD = np.array([(0.62, 0.6, 0.57), (0.55, 0.45, 0.35), (0.85, 0.83, 0.8), (0.35, 0.4, 0.5)])


@dataclass(frozen=True)
class PhotoSettings:
    """How photos are drawn.

    Attributes:
        size: side of the square photo, in pixels.
        piece: shortest and longest extent of the piece, in sides of the photo.
        close_share: share of photos in which the piece fills half of the side or more.
        empty_share: share of photos without any piece.
        crop_share: share of photos that are nothing but print, as a crop of the picture is; they
            have no outline.
        neighbour_share: share of photos into which other pieces reach, or touch the piece.
        alike_share: share of photos whose table has nearly the colour of the piece or of a spot
            of it.
        hand_share: share of photos with fingers or a palm.
    """

    size: int = 192
    piece: tuple[float, float] = (0.14, 0.97)
    close_share: float = 0.6
    empty_share: float = 0.06
    crop_share: float = 0.0
    neighbour_share: float = 0.3
    alike_share: float = 0.12
    hand_share: float = 0.12


@dataclass(frozen=True)
class Photo:
    """A photo and the truth about it.

    Attributes:
        rgb: (S, S, 3) uint8; what the camera took is padded to a square by its own border.
        mask: (S, S) float32, 0..1, the piece's visible print.
        frame: (x1, y1, x2, y2) of what the camera took, in pixels.
        side: pixels on the side of the square of the cell's area; 0 where there is no piece.
    """

    rgb: np.ndarray
    mask: np.ndarray
    frame: tuple[int, int, int, int]
    side: float


def _outline(rng: Rng) -> Array:
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


def _print(rng: Rng, picture: np.ndarray, h: int, w: int, side: float) -> np.ndarray:
    """(h, w, 3) a part of the picture as printed on pieces of ``side`` pixels, with its tone."""
    high, wide = picture.shape[:2]
    cell = float(np.exp(rng.uniform(np.log(18), np.log(0.45 * min(high, wide)))))
    scale = side / cell
    if scale < 0.7:
        small = max(8, round(wide * scale)), max(8, round(high * scale))
        picture, scale = cv2.resize(picture, small, interpolation=cv2.INTER_AREA), 1.0
        high, wide = picture.shape[:2]
    linear = scale * clockwise(float(rng.uniform(0, 360)))
    at = rng.uniform(0, 1, 2) * (wide, high)
    matrix = np.column_stack([linear, np.array([w / 2, h / 2]) - linear @ at])
    view = cv2.warpAffine(picture, to_cv2(matrix), (w, h), borderMode=cv2.BORDER_REFLECT)
    table = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.2) + rng.normal(0, 0.1, 3))
    lift = rng.uniform(0, 0.22) * (rng.random() < 0.5)
    table = table * np.exp(rng.normal(0, 0.15) + rng.normal(0, 0.1, 3)) * (1 - lift) + lift
    if rng.random() < 0.15:  # faded or of one colour: sky, night, fog
        table = table.mean(0) + rng.uniform(0.05, 0.5) * (table - table.mean(0))
    image: np.ndarray = cv2.LUT(view, table.astype(np.float32)[None])
    return image


def _cover(points: Array, h: int, w: int) -> np.ndarray:
    """(h, w) float32, about the coverage of an outline; quicker than ``rasterize``."""
    mask = np.zeros((h, w), np.uint8)
    fixed = np.rint((points - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def _moved(mask: np.ndarray, dx: float, dy: float) -> np.ndarray:
    h, w = mask.shape
    return cv2.warpAffine(mask, np.array([[1, 0, dx], [0, 1, dy]], np.float64), (w, h))


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian; wide ones on a smaller copy."""
    if sigma < 0.25:
        return image
    if sigma < 5:
        return cv2.GaussianBlur(image, (0, 0), sigma)
    h, w = image.shape[:2]
    small = cv2.resize(image, (max(w // 4, 1), max(h // 4, 1)), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 4), (w, h))


def _surface(rng: Rng, image: np.ndarray, mask: np.ndarray, side: float) -> np.ndarray:
    """Linen, bevel lit from one side, rim of cardboard or shade, gloss."""
    h, w = mask.shape
    if rng.random() < 0.35:
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(2.5, 7)
        ys, xs = np.mgrid[:h, :w].astype(np.float32) * np.float32(2 * np.pi / pitch)
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        linen = np.sin(xs * c + ys * s) * np.sin(ys * c - xs * s)
        image = image * (1 + np.float32(rng.uniform(0.02, 0.2)) * linen[..., None])
    soft = _blur(mask, max(0.6, side * rng.uniform(0.005, 0.025)))
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


def _lie_down(rng: Rng, table: np.ndarray, mask: np.ndarray, side: float) -> np.ndarray:
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
        cast = _blur(cast, side * float(np.exp(rng.uniform(np.log(0.004), np.log(0.09)))))
        table = table * (1 - np.float32(rng.uniform(0.05, 0.75)) * cast[..., None])
    if rng.random() < 0.4:  # where it touches the table
        near = _blur(solid, side * rng.uniform(0.004, 0.02))
        table = table * (1 - np.float32(rng.uniform(0.1, 0.8)) * near[..., None])
    if wall is not None:
        grain = 1 + 0.08 * noise(rng, mask.shape[0], mask.shape[1], max(mask.shape) / 3)[..., None]
        table = table + solid[..., None] * (wall.astype(np.float32) * grain - table)
    return np.asarray(table, np.float32)


def _light(rng: Rng, image: np.ndarray) -> np.ndarray:
    h, w = image.shape[:2]
    image = image * np.exp(rng.uniform(0, 0.18) * noise(rng, h, w, 2))[..., None]
    if rng.random() < 0.3:
        ys, xs = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        image = image * (1 - rng.uniform(0.05, 0.4) * (xs**2 + ys**2) / 2)[..., None]
    if rng.random() < 0.06:  # another thing's shadow falls over it all
        image = image * (1 - rng.uniform(0.1, 0.6) * (noise(rng, h, w, 3) > 0.4))[..., None]
    return np.asarray(image, np.float32)


def _camera(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Exposure, colour, defocus, fewer pixels than here, noise, sharpening, JPEG; uint8."""
    h, w = image.shape[:2]
    gain = np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.06, 3)).astype(np.float32)
    image = image * gain
    fewer = float(np.exp(rng.uniform(0, np.log(2.5)))) if rng.random() < 0.35 else 1.0
    small = max(24, round(w / fewer)), max(24, round(h / fewer))
    if fewer > 1:
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.6:
        image = _blur(image, float(rng.uniform(0.3, 1.0 + 1.2 * (rng.random() < 0.3))))
    if rng.random() < 0.06:
        kernel = np.zeros((7, 7), np.float32)
        tip = tuple(int(v) for v in rng.integers(0, 7, 2))
        cv2.line(kernel, tip, (6 - tip[0], 6 - tip[1]), 1.0)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    size = image.shape[:2]
    strength = rng.exponential(0.012)
    luma = rng.standard_normal(size, np.float32)[..., None]
    tint = noise(rng, size[0], size[1], max(size) / 2)[..., None] * rng.normal(0, 0.6, 3).astype(
        np.float32
    )
    image = image + np.float32(strength) * (luma + tint)
    if rng.random() < 0.3:
        image = image + np.float32(rng.uniform(0.2, 1.5)) * (image - cv2.blur(image, (3, 3)))
    image = image.clip(0, 1) ** np.float32(np.exp(rng.normal(0, 0.15)))
    taken: np.ndarray = (image * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.6:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 97))]
        coded = cv2.imencode(".jpg", taken, quality)[1]
        taken = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    if fewer > 1:
        way = cv2.INTER_LINEAR if rng.random() < 0.5 else cv2.INTER_CUBIC
        taken = cv2.resize(taken, (w, h), interpolation=way)
    return taken


def _place(rng: Rng, settings: PhotoSettings, h: int, w: int) -> tuple[Array, float]:
    """The piece's outline in the frame's pixels, and the side of its cell."""
    shape = _outline(rng)
    x1, y1, x2, y2 = bounds(shape)
    low, high = settings.piece
    close = rng.random() < settings.close_share
    extent = rng.uniform(0.5, high) if close else np.exp(rng.uniform(np.log(low), np.log(0.6)))
    side = float(extent * settings.size / max(x2 - x1, y2 - y1))
    # As much as the frame holds, but for a few whose knob is cut off.
    room = 1.04 if rng.random() < 0.06 else 0.98
    side = min(side, room * w / (x2 - x1), room * h / (y2 - y1))
    off = rng.normal(0, 0.08 if close else 0.13, 2).clip(-0.3, 0.3) * (w, h)
    slack = (np.array([w, h]) - side * np.array([x2 - x1, y2 - y1])) / 2
    off = np.clip(off, -np.abs(slack), np.abs(slack))
    middle = side * np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    return shape * side + np.array([w, h]) / 2 + off - middle, side


def _neighbours(
    rng: Rng, image: np.ndarray, taken: np.ndarray, printed: np.ndarray, points: Array, side: float
) -> np.ndarray:
    """Other pieces at the frame's edge, none over the piece; some lie against it."""
    h, w = taken.shape
    x1, y1, x2, y2 = bounds(points)
    centre, reach = np.array([(x1 + x2) / 2, (y1 + y2) / 2]), max(x2 - x1, y2 - y1) / 2
    middle = np.array([w, h]) / 2
    occupied = taken > 0.02
    near = max(1.05 * reach + 0.45 * side, 0.36 * max(h, w) + 0.2 * side)
    for _ in range(int(rng.integers(1, 6))):
        angle = rng.uniform(0, 2 * np.pi)
        at = centre + near * rng.uniform(0.85, 1.35) * np.array([np.cos(angle), np.sin(angle)])
        cover = _cover(_outline(rng) * side * rng.uniform(0.9, 1.1) + at, h, w)
        if cover.max() < 0.5 or (occupied & (cover > 0.02)).any():
            continue
        if np.linalg.norm(at - middle) < np.linalg.norm(centre - middle) + 0.15 * max(h, w):
            continue  # the piece that is meant is the one nearest the middle
        occupied |= cover > 0.02
        image = _lie_down(rng, image, cover, side)
        shift = [int(v) for v in rng.integers(0, (h, w))]
        other = _surface(rng, np.roll(printed, shift, (0, 1)), cover, side)
        image = image + cover[..., None] * (other - image)
    return image


def draw_photo(source: PictureSource, settings: PhotoSettings, rng: Rng) -> Photo:
    """One photo; everything in it follows from ``rng``."""
    size = settings.size
    h = w = size
    if rng.random() < 0.4:
        short = round(size * rng.uniform(0.55, 1.0))
        h, w = (size, short) if rng.random() < 0.5 else (short, size)
    picture, backdrop = (source[int(i)] for i in rng.integers(len(source), size=2))
    image = draw_table(rng, h, w, picture if rng.random() < 0.15 else backdrop)
    mask, side = np.zeros((h, w), np.float32), 0.0
    kind = rng.random() - settings.empty_share
    if 0 <= kind < settings.crop_share:
        image = _print(rng, picture, h, w, size * float(rng.uniform(0.25, 1)))
    elif kind >= 0:
        points, side = _place(rng, settings, h, w)
        mask = rasterize(points, (h, w))
        printed = _print(rng, picture, h, w, side)
        inside = mask > 0.5
        if rng.random() < settings.alike_share and inside.any():
            spots = printed[inside]
            own = spots.mean(0) if rng.random() < 0.5 else spots[rng.integers(len(spots))]
            image = image + (own - image.mean((0, 1))) * rng.uniform(0.6, 1)
        image = image.clip(0, 1.1)
        hand = rng.random() < settings.hand_share
        over = hand and rng.random() < 0.5
        x1, y1, x2, y2 = bounds(points)
        middle = ((x1 + x2) / 2, (y1 + y2) / 2)
        if hand and not over:  # on fingers or a palm
            skin, where = draw_hand(rng, h, w, middle, -rng.uniform(0, 0.5) * side)
            image = image + where[..., None] * (skin - image)
        if rng.random() < settings.neighbour_share:
            image = _neighbours(rng, image, mask, printed, points, side)
        image = _lie_down(rng, image, mask, side)
        piece = _surface(rng, printed, mask, side)
        image = image + mask[..., None] * (piece - image)
        if over:  # held at its edge
            skin, where = draw_hand(rng, h, w, middle, rng.uniform(0.4, 0.65) * side)
            where *= float((where * mask).sum() < 0.2 * mask.sum())
            image = image + where[..., None] * (skin - image)
            mask = mask * (1 - where)
    taken = _camera(rng, _light(rng, image))
    top, left = (size - h) // 2, (size - w) // 2
    pads = top, size - h - top, left, size - w - left
    square = cv2.copyMakeBorder(taken, *pads, cv2.BORDER_REPLICATE)
    whole = cv2.copyMakeBorder(mask, *pads, cv2.BORDER_CONSTANT, value=0)
    return Photo(square, whole, (left, top, left + w, top + h), side)
