"""One photo, many pieces: cut a photo or scan of loose pieces into one cut-out each."""

import os
from dataclasses import dataclass, replace

import cv2
import numpy as np

from heatmap_locator.errors import NoPieceError, display_name
from heatmap_locator.outline.background import find_background
from heatmap_locator.outline.by_colour import outline_by_colour
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.outline.find import (
    CONTOUR_INSET,
    find_outline,
    outline_on_background,
    outline_points,
)
from heatmap_locator.outline.given import photo_in, runs_off
from heatmap_locator.outline.parts import Part, find_parts
from heatmap_locator.outline.shape import disc, overlap
from heatmap_locator.picture.read import ImageSource, read_piece
from heatmap_locator.resample import resize

MARGIN = 4
"""Transparent pixels around a cut-out."""

# Pieces are told apart on a copy no larger than this; their outlines come from the photo itself.
_WORK_SIDE = 1200
# Around a piece, in parts of its longer side, where its outline is looked for.
_PAD = 0.25
# What the network sees where a part has not a piece's shape is the piece if it holds so much of the
# part, and is as large as the others but for this factor.
_INSIDE, _AREAS = 0.8, 1.6


@dataclass(frozen=True, eq=False)
class FoundPiece:
    """One of the pieces in a photo.

    Attributes:
        image: (h, w, 4) uint8 RGBA, its cut-out, ``MARGIN`` transparent pixels around it where
            the photo goes on.
        outline: (N, 2) float32, points along its outline, in pixels of the photo.
        box: (x1, y1, x2, y2) of the outline, in pixels of the photo.
        touching: it touches another piece, so that its outline is a guess there, or it is still
            several pieces in one.
    """

    image: np.ndarray
    outline: np.ndarray
    box: tuple[float, float, float, float]
    touching: bool


def cut_pieces(
    photo: ImageSource, finder: OutlineFinder | None = None, cutout: bool = False
) -> list[FoundPiece]:
    """Cut a photo of loose pieces on one background into its pieces.

    What is much smaller than the usual piece, is not piece-shaped, or is cut off by the photo's
    edge is left out.  Pieces that touch are parted at their necks (watershed of the distance
    transform) where that leaves piece-shaped parts; otherwise they stay one, flagged.

    Args:
        photo: path, PIL image or uint8 array, as for ``Puzzle.locate``; with an alpha channel,
            its opaque parts are the pieces, unless they are a plain rectangle: that is a photo.
        finder: asked where one piece nearly fills the photo; None reads the network that ships,
            anew, where it is needed.
        cutout: the opaque parts are the pieces even then.

    Returns:
        The pieces in reading order, at least one.

    Raises:
        NoPieceError: there is none, or no background to tell them from.
        InputError: the photo cannot be read.
    """
    rgb, alpha = read_piece(photo)
    name = display_name(photo) if isinstance(photo, str | os.PathLike) else "photo"
    shown = None if alpha is None or cutout else photo_in(rgb, alpha)
    if shown is None or shown.turned:
        return _cut(rgb, alpha, name, finder)
    x, y = shown.corner
    return [
        replace(
            piece,
            outline=piece.outline + np.array(shown.corner, np.float32),
            box=(piece.box[0] + x, piece.box[1] + y, piece.box[2] + x, piece.box[3] + y),
        )
        for piece in _cut(shown.rgb, None, name, finder)
    ]


def _cut(
    rgb: np.ndarray, alpha: np.ndarray | None, name: str, finder: OutlineFinder | None
) -> list[FoundPiece]:
    """:func:`cut_pieces` of (H, W, 3) uint8, with the (H, W) alpha whose opaque parts they are."""
    height, width = rgb.shape[:2]
    scale = min(1.0, _WORK_SIDE / max(height, width))
    size = max(round(width * scale), 8), max(round(height * scale), 8)
    if alpha is not None:
        given = resize(alpha, size, scale, soft=True)
        parts = find_parts((given >= 128).astype(np.uint8), trusted=True)
    else:
        small = rgb if scale == 1.0 else resize(rgb, size, scale)
        small = cv2.medianBlur(small, 3)
        background = find_background(small)
        parts = [] if background is None else find_parts(background.apart(), trusted=False)
    if not parts and alpha is None:
        # One piece that nearly fills the photo, its neighbours looking in at the edge.
        mask = find_outline(rgb, None, name, finder)
        if not (mask > 0.5).all():
            return [_piece(rgb, mask, (0, 0), False)]
    if not parts:
        raise NoPieceError(
            "no piece found; lay pieces apart on a plain background, all in the photo", name=name
        )
    if alpha is not None:
        found = [_by_alpha(rgb, alpha, part) for part in parts]
    else:
        plain = cv2.cvtColor(background.nearest, cv2.COLOR_Lab2RGB)  # type: ignore[union-attr]
        others = np.zeros(parts[0].mask.shape, np.uint8)
        for part in parts:
            others |= part.mask
        shaped = [part for part in parts if not part.odd]
        usual = float(np.median([part.area for part in shaped]))
        found = [_by_outline(rgb, part, others, plain) for part in shaped]
        for part in parts:
            piece = _by_network(rgb, part, others, plain, usual, finder) if part.odd else None
            found += [] if piece is None else [piece]
    return _in_reading_order(found)


def _window(part: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) in the photo around a part of the work copy."""
    height, width = shape[:2]
    sx, sy = width / part.shape[1], height / part.shape[0]
    x, y, w, h = cv2.boundingRect(part)
    pad = _PAD * max(w * sx, h * sy) + MARGIN
    return (
        max(int(x * sx - pad), 0),
        max(int(y * sy - pad), 0),
        min(int((x + w) * sx + pad) + 1, width),
        min(int((y + h) * sy + pad) + 1, height),
    )


def _enlarged(small: np.ndarray, shape: tuple[int, ...], window: tuple[int, ...]) -> np.ndarray:
    """A window of the work copy's (h, w) or (h, w, 3), at the photo's resolution, float32."""
    left, top, right, bottom = window
    sx, sy = shape[1] / small.shape[1], shape[0] / small.shape[0]
    # OpenCV counts from pixel centres on both sides.
    back = np.array(
        [[1 / sx, 0, (left + 0.5) / sx - 0.5], [0, 1 / sy, (top + 0.5) / sy - 0.5]], np.float64
    )
    return cv2.warpAffine(
        small.astype(np.float32),
        back,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _by_outline(rgb: np.ndarray, part: Part, others: np.ndarray, plain: np.ndarray) -> FoundPiece:
    """A part with the outline that the photo itself shows, neighbours painted over.

    Args:
        rgb: (H, W, 3) uint8, the photo.
        part: of the work copy.
        others: (h, w) uint8 0/1, all parts.
        plain: (h, w, 3) float32, 0..1, the background's colours.
    """
    window = _window(part.mask, rgb.shape)
    left, top, right, bottom = window
    rough = _enlarged(part.mask, rgb.shape, window)
    view = rgb[top:bottom, left:right]
    if part.touching:
        return _piece(view, rough, (left, top), True)
    alone = _alone(rgb, part, others, plain)
    mask = outline_by_colour(alone)
    if mask is None or overlap(mask, rough) < 0.7:
        mask = rough
    return _piece(view, mask, (left, top), False)


def _by_network(
    rgb: np.ndarray,
    part: Part,
    others: np.ndarray,
    plain: np.ndarray,
    usual: float,
    finder: OutlineFinder | None,
) -> FoundPiece | None:
    """The piece whose print is in part of the table's colour, of which an odd part shows the rest.

    Args:
        rgb, part, others, plain: as in :func:`_by_outline`.
        usual: area of a piece, in pixels of the work copy.
        finder: as in :func:`cut_pieces`.

    Returns:
        ``None`` where the network sees none for certain there, of a piece's size.
    """
    left, top, right, bottom = window = _window(part.mask, rgb.shape)
    view, rough = rgb[top:bottom, left:right], _enlarged(part.mask, rgb.shape, window)
    seen = outline_on_background(_alone(rgb, part, others, plain), finder or OutlineFinder())
    if seen is None or not seen.sure or runs_off(seen.mask):
        return None
    area = float((seen.mask > 0.5).sum()) * part.mask.size / rgb[..., 0].size
    inside = float(seen.mask[rough > 0.5].mean())
    if inside < _INSIDE or not usual / _AREAS <= area <= usual * _AREAS:
        return None
    return _piece(view, seen.mask, (left, top), False)


def _alone(rgb: np.ndarray, part: Part, others: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """The window around a part, neighbours painted over; arguments as in :func:`_by_outline`."""
    left, top, right, bottom = window = _window(part.mask, rgb.shape)
    view = rgb[top:bottom, left:right]
    reach = disc(3)
    away = cv2.dilate(others * (1 - part.mask), reach) * (1 - cv2.dilate(part.mask, disc(1)))
    weight = _enlarged(away, rgb.shape, window)[..., None]
    cover = 255.0 * _enlarged(plain, rgb.shape, window)
    alone: np.ndarray = np.rint(view * (1.0 - weight) + cover.clip(0, 255) * weight)
    return alone.astype(np.uint8)


def _by_alpha(rgb: np.ndarray, alpha: np.ndarray, part: Part) -> FoundPiece:
    """A part with the alpha that the photo came with."""
    window = _window(part.mask, rgb.shape)
    left, top, right, bottom = window
    near = cv2.dilate(part.mask, disc(2))
    inside = (_enlarged(near, rgb.shape, window) > 0.5).astype(np.float32)
    mask = alpha[top:bottom, left:right] / 255.0 * inside
    return _piece(rgb[top:bottom, left:right], mask, (left, top), part.touching)


def _piece(
    view: np.ndarray, mask: np.ndarray, corner: tuple[int, int], touching: bool
) -> FoundPiece:
    """The cut-out of a mask in a part of the photo whose top left pixel is ``corner``."""
    x, y, w, h = cv2.boundingRect((mask > 0.02).astype(np.uint8))
    x1, y1 = max(x - MARGIN, 0), max(y - MARGIN, 0)
    x2, y2 = min(x + w + MARGIN, mask.shape[1]), min(y + h + MARGIN, mask.shape[0])
    alpha = np.rint(255.0 * np.clip(mask[y1:y2, x1:x2], 0.0, 1.0)).astype(np.uint8)
    image = np.dstack([view[y1:y2, x1:x2], alpha])
    points = outline_points(mask) + np.asarray(corner, np.float64)
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    box = (
        float(left) - CONTOUR_INSET,
        float(top) - CONTOUR_INSET,
        float(right) + CONTOUR_INSET,
        float(bottom) + CONTOUR_INSET,
    )
    return FoundPiece(image, points.astype(np.float32), box, touching)


def _in_reading_order(pieces: list[FoundPiece]) -> list[FoundPiece]:
    """Row by row from the top, left to right in each."""
    rest = sorted(pieces, key=lambda p: p.box[1] + p.box[3])
    result: list[FoundPiece] = []
    while rest:
        # A row: all whose middle lies above the lower edge of the first.
        row = [p for p in rest if (p.box[1] + p.box[3]) / 2 < rest[0].box[3]]
        result += sorted(row, key=lambda p: p.box[0] + p.box[2])
        rest = [p for p in rest if p not in row]
    return result
