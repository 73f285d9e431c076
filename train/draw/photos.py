"""Photos of a loose piece to learn its outline from: print, table, shadow, hand, camera.

Drawn in numpy and OpenCV at the size the network sees, some 10 ms a photo on one core.
"""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass as settings_dataclass

from heatmap_locator.geometry import Array, bounds

from ..settings import SETTINGS, Share, rising
from .camera import light, photograph
from .cutter import rasterize
from .loose import coverage, lie_down, loose_outline, printed_part, surfaced
from .noise import Rng
from .pictures import PictureSource
from .tables import draw_hand, draw_table


@settings_dataclass(frozen=True, config=SETTINGS)
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

    size: Annotated[int, Field(ge=32)] = 192
    piece: Annotated[tuple[float, float], AfterValidator(rising(0.01, 1))] = (0.14, 0.97)
    close_share: Share = 0.6
    empty_share: Share = 0.06
    crop_share: Share = 0.0
    neighbour_share: Share = 0.3
    alike_share: Share = 0.12
    hand_share: Share = 0.12

    @model_validator(mode="after")
    def _shares_fit(self) -> "PhotoSettings":
        if self.empty_share + self.crop_share > 1:
            raise ValueError("photos.empty_share and photos.crop_share exceed 1 together")
        return self


@dataclass(frozen=True)
class Photo:
    """A photo and the truth about it.

    Attributes:
        rgb: (S, S, 3) uint8; what the camera took is padded to a square by its own border.
        mask: (S, S) float32, 0..1, the piece's visible print.
        frame: (x1, y1, x2, y2) of what the camera took, in pixels.
        side: pixels on the side of the square of the cell's area; 0 where there is no piece.
        outline: (N, 2) in pixels, clockwise, a quarter of its points from each corner on; empty
            where there is no piece, and where the photo was turned since.
    """

    rgb: np.ndarray
    mask: np.ndarray
    frame: tuple[int, int, int, int]
    side: float
    outline: Array


def _place(
    rng: Rng, settings: PhotoSettings, h: int, w: int, cell: float | None
) -> tuple[Array, float]:
    """The piece's outline in the frame's pixels, and the side of its cell, ``cell`` if it fits."""
    shape = loose_outline(rng)
    x1, y1, x2, y2 = bounds(shape)
    low, high = settings.piece
    close = rng.random() < settings.close_share
    extent = rng.uniform(0.5, high) if close else np.exp(rng.uniform(np.log(low), np.log(0.6)))
    side = cell or float(extent * settings.size / max(x2 - x1, y2 - y1))
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
        cover = coverage(loose_outline(rng) * side * rng.uniform(0.9, 1.1) + at, h, w)
        if cover.max() < 0.5 or (occupied & (cover > 0.02)).any():
            continue
        if np.linalg.norm(at - middle) < np.linalg.norm(centre - middle) + 0.15 * max(h, w):
            continue  # the piece that is meant is the one nearest the middle
        occupied |= cover > 0.02
        image = lie_down(rng, image, cover, side)
        shift = [int(v) for v in rng.integers(0, (h, w))]
        other = surfaced(rng, np.roll(printed, shift, (0, 1)), cover, side)
        image = image + cover[..., None] * (other - image)
    return image


def _with_piece(
    rng: Rng,
    settings: PhotoSettings,
    image: np.ndarray,
    picture: np.ndarray,
    points: Array,
    side: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The table with a piece of the picture on it, hands and neighbours, and the piece's mask."""
    h, w = image.shape[:2]
    mask = rasterize(points, (h, w))
    printed = printed_part(rng, picture, h, w, side)
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
    image = lie_down(rng, image, mask, side)
    piece = surfaced(rng, printed, mask, side)
    image = image + mask[..., None] * (piece - image)
    if over:  # held at its edge
        skin, where = draw_hand(rng, h, w, middle, rng.uniform(0.4, 0.65) * side)
        where *= float((where * mask).sum() < 0.2 * mask.sum())
        image = image + where[..., None] * (skin - image)
        mask = mask * (1 - where)
    return image, mask


def draw_photo(
    source: PictureSource, settings: PhotoSettings, rng: Rng, cell: float | None = None
) -> Photo:
    """One photo; everything in it follows from ``rng``.

    Args:
        source: of the print, and of tables.
        settings: how it is drawn.
        rng: decides.
        cell: pixels on the side of the piece's cell, instead of what ``settings.piece`` leads to;
            less where the frame holds no piece of that size.
    """
    size = settings.size
    h = w = size
    if rng.random() < 0.4:
        short = round(size * rng.uniform(0.55, 1.0))
        h, w = (size, short) if rng.random() < 0.5 else (short, size)
    picture, backdrop = (source[int(i)] for i in rng.integers(len(source), size=2))
    image = draw_table(rng, h, w, picture if rng.random() < 0.15 else backdrop)
    mask, side = np.zeros((h, w), np.float32), 0.0
    points: Array = np.zeros((0, 2))
    kind = rng.random() - settings.empty_share
    if 0 <= kind < settings.crop_share:
        image = printed_part(rng, picture, h, w, size * float(rng.uniform(0.25, 1)))
    elif kind >= 0:
        points, side = _place(rng, settings, h, w, cell)
        image, mask = _with_piece(rng, settings, image, picture, points, side)
    taken = photograph(rng, light(rng, image))
    top, left = (size - h) // 2, (size - w) // 2
    pads = top, size - h - top, left, size - w - left
    square = cv2.copyMakeBorder(taken, *pads, cv2.BORDER_REPLICATE)
    whole = cv2.copyMakeBorder(mask, *pads, cv2.BORDER_CONSTANT, value=0)
    return Photo(
        square, whole, (left, top, left + w, top + h), side, points + np.array([left, top])
    )
