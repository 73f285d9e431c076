"""One photo, many pieces: cut a photo or scan of loose pieces into one cut-out each."""

import os
from dataclasses import dataclass

import cv2
import numpy as np

from heatmap_locator.errors import NoPieceError, display_name
from heatmap_locator.outline.background import find_background
from heatmap_locator.outline.by_colour import outline_by_colour
from heatmap_locator.outline.find import (
    CONTOUR_INSET,
    find_outline,
    outline_points,
)
from heatmap_locator.outline.shape import disc, fill_holes, is_piece_shaped
from heatmap_locator.picture.read import ImageSource, read_piece

MARGIN = 4
"""Transparent pixels around a cut-out."""

# Pieces are told apart on a copy no larger than this; their outlines come from the photo itself.
_WORK_SIDE = 1200
# Parts of the photo's area: less is a speck.
_SPECK = 0.0004
# Areas, in parts of the usual piece's: less is debris, more is several pieces in one.
_SMALLEST, _LARGEST = 0.3, 1.6
# Pieces that the photo's edge cuts off by more than so much of their side are left out.
_CUT_OFF = 0.35
# Of all that lies on the background, in parts of its area, pieces are so much at least.
_PIECES = 0.4
# Levels at which touching pieces are told apart, in parts of the deepest point inside them.
_LEVELS = np.arange(0.9, 0.35, -0.05)
# Around a piece, in parts of its longer side, where its outline is looked for.
_PAD = 0.25


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


@dataclass(frozen=True)
class _Part:
    """A region of the work copy, (h, w) uint8 0/1."""

    mask: np.ndarray
    touching: bool

    @property
    def area(self) -> float:
        return float(self.mask.sum())


def cut_pieces(photo: ImageSource) -> list[FoundPiece]:
    """Cuts a photo of loose pieces on one background into its pieces.

    What is much smaller than the usual piece, is not piece-shaped, or is cut off by the photo's
    edge is left out.  Pieces that touch are parted at their necks (watershed of the distance
    transform) where that leaves piece-shaped parts; otherwise they stay one, flagged.

    Args:
        photo: path, PIL image or uint8 array, as for ``Puzzle.locate``; with an alpha channel,
            its opaque parts are the pieces.

    Returns:
        The pieces in reading order, at least one.

    Raises:
        NoPieceError: there is none, or no background to tell them from.
        InputError: the photo cannot be read.
    """
    rgb, alpha = read_piece(photo)
    name = display_name(photo) if isinstance(photo, str | os.PathLike) else "photo"
    height, width = rgb.shape[:2]
    scale = min(1.0, _WORK_SIDE / max(height, width))
    size = max(round(width * scale), 8), max(round(height * scale), 8)
    if alpha is not None:
        given = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
        parts = _parts((given >= 128).astype(np.uint8), trusted=True)
    else:
        small = rgb if scale == 1.0 else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        small = cv2.medianBlur(small, 3)
        background = find_background(small)
        parts = [] if background is None else _parts(background.apart(), trusted=False)
    if not parts and alpha is None:
        # One piece that nearly fills the photo, its neighbours looking in at the edge.
        mask = find_outline(rgb, None, name)
        if not (mask > 0.5).all():
            return [_piece(rgb, mask, (0, 0), False)]
    if not parts:
        raise NoPieceError(
            f"{name}: no piece found; lay pieces apart on a plain background, all in the photo"
        )
    if alpha is not None:
        found = [_by_alpha(rgb, alpha, part) for part in parts]
    else:
        plain = cv2.cvtColor(background.nearest, cv2.COLOR_Lab2RGB)  # type: ignore[union-attr]
        others = np.zeros(parts[0].mask.shape, np.uint8)
        for part in parts:
            others |= part.mask
        found = [_by_outline(rgb, part, others, plain) for part in parts]
    return _in_reading_order(found)


def _parts(mask: np.ndarray, trusted: bool) -> list[_Part]:
    """The pieces in (h, w) uint8 0/1; ``trusted``: of any shape, and cut off by the edge or not."""
    if not trusted:
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, disc(1))
        mask = cv2.morphologyEx(fill_holes(mask), cv2.MORPH_OPEN, disc(2))
    labels, stats = cv2.connectedComponentsWithStats(mask, connectivity=4)[1:3]
    areas = stats[1:, cv2.CC_STAT_AREA]
    whole = [
        fill_holes((labels == 1 + i).astype(np.uint8))
        for i in np.flatnonzero(areas >= max(_SPECK * mask.size, 30))
    ]
    if not trusted:
        whole = [m for m in whole if not _is_cut_off(m)]
    single = [float(m.sum()) for m in whole if is_piece_shaped(m)]
    usual = float(np.median(single)) if single else None
    parts: list[_Part] = []
    for m in whole:
        area = float(m.sum())
        if usual is not None and area < _SMALLEST * usual:
            continue
        shaped = is_piece_shaped(m)
        if shaped and (usual is None or area <= _LARGEST * usual):
            parts.append(_Part(m, False))
            continue
        split = _split(m, usual)
        if split:
            parts += [_Part(s, True) for s in split]
        elif shaped or trusted or (usual is not None and area > _LARGEST * usual):
            parts.append(_Part(m, not trusted or usual is None or area > _LARGEST * usual))
    if not trusted and sum(part.area for part in parts) < _PIECES * float(mask.sum()):
        return []  # shapes in a scene, not pieces on a table
    return parts


def _is_cut_off(mask: np.ndarray) -> bool:
    """Whether the photo's edge runs through the piece."""
    edge = sum(int(line.sum()) for line in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    return edge > _CUT_OFF * float(np.sqrt(mask.sum()))


def _split(mask: np.ndarray, usual: float | None) -> list[np.ndarray]:
    """Parts touching pieces, (h, w) uint8 0/1, at their necks.

    Args:
        mask: several pieces in one.
        usual: area of a piece in pixels, if any is known.

    Returns:
        Two piece-shaped masks or more of like area, or none if there is no such cut.
    """
    x, y, w, h = cv2.boundingRect(mask)
    part = cv2.copyMakeBorder(mask[y : y + h, x : x + w], 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    depth = cv2.GaussianBlur(cv2.distanceTransform(part, cv2.DIST_L2, 5), (0, 0), 1.0)
    best: list[np.ndarray] = []
    best_cost = np.inf
    tried = {1}
    for level in _LEVELS:
        count, markers = cv2.connectedComponents((depth > level * depth.max()).astype(np.uint8))
        count -= 1
        if count in tried:
            continue
        tried.add(count)
        flooded = _flood(depth, markers)
        pieces = [((flooded == i + 1) & (part > 0)).astype(np.uint8) for i in range(count)]
        areas = np.array([float(p.sum()) for p in pieces])
        like = usual if usual is not None else float(np.median(areas))
        if areas.min() < 0.5 * like or areas.max() > 1.8 * like:
            continue
        if not all(is_piece_shaped(p) for p in pieces):
            continue
        cost = abs(float(np.log(areas.mean() / like))) + float(np.log(areas.max() / areas.min()))
        if cost < best_cost:
            best, best_cost = pieces, cost
    result = []
    for piece in best:
        full = np.zeros_like(mask)
        full[y : y + h, x : x + w] = piece[1:-1, 1:-1]
        result.append(full)
    return result


def _flood(depth: np.ndarray, markers: np.ndarray) -> np.ndarray:
    """Watershed of (h, w) depth from (h, w) int markers, 0 for none, from the deepest level up.

    OpenCV's and SciPy's go by differences between neighbours, which are alike all over a distance
    transform.
    """
    from scipy import ndimage  # here: it takes a while to load

    labels = markers.copy()
    for level in np.linspace(float(depth[labels > 0].min()), 0.0, 24):
        rows, cols = ndimage.distance_transform_edt(
            labels == 0, return_distances=False, return_indices=True
        )
        labels = np.where((labels == 0) & (depth > level), labels[rows, cols], labels)
    return labels


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


def _by_outline(rgb: np.ndarray, part: _Part, others: np.ndarray, plain: np.ndarray) -> FoundPiece:
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
    reach = disc(3)
    away = cv2.dilate(others * (1 - part.mask), reach) * (1 - cv2.dilate(part.mask, disc(1)))
    weight = _enlarged(away, rgb.shape, window)[..., None]
    cover = 255.0 * _enlarged(plain, rgb.shape, window)
    alone = np.rint(view * (1.0 - weight) + cover.clip(0, 255) * weight).astype(np.uint8)
    mask = outline_by_colour(alone)
    if mask is None or _overlap(mask, rough) < 0.7:
        mask = rough
    return _piece(view, mask, (left, top), False)


def _by_alpha(rgb: np.ndarray, alpha: np.ndarray, part: _Part) -> FoundPiece:
    """A part with the alpha that the photo came with."""
    window = _window(part.mask, rgb.shape)
    left, top, right, bottom = window
    near = cv2.dilate(part.mask, disc(2))
    inside = (_enlarged(near, rgb.shape, window) > 0.5).astype(np.float32)
    mask = alpha[top:bottom, left:right] / 255.0 * inside
    return _piece(rgb[top:bottom, left:right], mask, (left, top), part.touching)


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks, 0..1."""
    first, second = a > 0.5, b > 0.5
    return float((first & second).sum() / max(int((first | second).sum()), 1))


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
