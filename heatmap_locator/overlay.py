"""The answer as a picture: where the piece goes, and whether it looks right there."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from heatmap_locator.placement import Placement, counted
from heatmap_locator.resample import resize, stretch
from heatmap_locator.warp import warp_piece

# Pixels: the picture's longest side, the same where all pieces are drawn into it, a tile's side in
# the panel, and what is left between them; then colours, in RGB.
_SIDE = 1120
_ASSEMBLY_SIDE = 1600
_TILE = 208
_GAP = 16
_PAPER = (24, 26, 31)
_TEXT = (236, 238, 242)
_FAINT = (150, 156, 168)
_FIRST = (255, 196, 0)
_OTHER = (255, 255, 255)
_WARM = np.array([[90, 10, 40], [214, 48, 24], [255, 140, 20], [255, 230, 130]], np.float32)

_LINE = 44
"""Letters that fit under two tiles."""


def draw_overlay(
    picture: np.ndarray,
    heatmap: np.ndarray | None,
    placements: list[Placement],
    piece_rgb: np.ndarray,
    piece_mask: np.ndarray,
    doubts: Sequence[str] = (),
) -> np.ndarray:
    """Draw the places of a piece into the picture, with a panel of close-ups to the right.

    Args:
        picture: (H, W, 3) uint8 RGB, the whole puzzle.
        heatmap: (h, w) float, 0..1, over the whole picture, or None.
        placements: best first; may be empty.
        piece_rgb: (h', w', 3) uint8 RGB, the photo of the piece.
        piece_mask: (h', w') float, 0..1, where the piece is in it.
        doubts: what is odd about the photo, printed under the answer.

    Returns:
        (H', W', 3) uint8 RGB, at most 1600 pixels on a side.
    """
    main = _draw_main(picture, heatmap, placements, piece_rgb, piece_mask)
    panel = _draw_panel(picture, placements, piece_rgb, piece_mask, doubts)
    height = max(main.shape[0], panel.shape[0])
    width = main.shape[1] + panel.shape[1]
    sheet = np.empty((height + 2 * _GAP, width + 3 * _GAP, 3), np.uint8)
    sheet[:] = _PAPER
    top = _GAP + (height - main.shape[0]) // 2
    sheet[top : top + main.shape[0], _GAP : _GAP + main.shape[1]] = main
    left = main.shape[1] + 2 * _GAP
    sheet[_GAP : _GAP + panel.shape[0], left : left + panel.shape[1]] = panel
    return sheet


@dataclass(frozen=True)
class LaidPiece:
    """A piece in a drawing of all pieces.

    Attributes:
        rgb: (h, w, 3) uint8, its photo, made smaller or not.
        mask: (h, w) float, 0..1.
        pixel: (width, height) of a pixel of ``rgb`` in pixels of the photo.
        placement: where it goes.
        label: short, printed at its box.
        sure: whether to swear to it; None where nobody asked.
    """

    rgb: np.ndarray
    mask: np.ndarray
    pixel: tuple[float, float]
    placement: Placement
    label: str
    sure: bool | None = None


def draw_assembly(picture: np.ndarray, pieces: list[LaidPiece]) -> np.ndarray:
    """Draw all pieces in their places; boxes of those that are not sure are white.

    Args:
        picture: (H, W, 3) uint8 RGB, the whole puzzle.

    Returns:
        (H', W', 3) uint8 RGB, ``_ASSEMBLY_SIDE`` on the longer side.
    """
    scale = _ASSEMBLY_SIDE / max(picture.shape[:2])
    size = tuple(max(round(n * scale), 1) for n in picture.shape[1::-1])
    sx, sy = size[0] / picture.shape[1], size[1] / picture.shape[0]
    canvas = 0.45 * resize(picture, size, scale).astype(np.float32)
    for piece in pieces:
        matrix = np.diag([sx, sy]) @ np.reshape(piece.placement.matrix, (2, 3))
        matrix[:, :2] = matrix[:, :2] @ np.diag(piece.pixel)
        # Within its box alone: a piece is small and there may be hundreds.
        x1, y1, x2, y2 = piece.placement.box
        left, top = max(int(x1 * sx) - 2, 0), max(int(y1 * sy) - 2, 0)
        right, bottom = min(int(x2 * sx) + 3, size[0]), min(int(y2 * sy) + 3, size[1])
        if right <= left or bottom <= top:
            continue
        matrix[:, 2] -= [left, top]
        warped = warp_piece(piece.rgb, piece.mask, matrix, (right - left, bottom - top))
        canvas[top:bottom, left:right] = _paste(canvas[top:bottom, left:right], *warped)
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for piece in pieces:
        x1, y1, x2, y2 = piece.placement.box
        colour = _OTHER if piece.sure is False else _FIRST
        box = (x1 * sx, y1 * sy, x2 * sx, y2 * sy)
        draw.rectangle(box, outline=colour, width=2)
        draw.text(
            (box[0] + 5, box[1] + 3),
            piece.label,
            fill=colour,
            font=_font(16),
            stroke_width=2,
            stroke_fill=(0, 0, 0),
        )
    return np.asarray(image)


def _draw_main(
    picture: np.ndarray,
    heatmap: np.ndarray | None,
    placements: list[Placement],
    rgb: np.ndarray,
    mask: np.ndarray,
) -> np.ndarray:
    scale = _SIDE / max(picture.shape[:2])
    size = tuple(max(round(n * scale), 1) for n in picture.shape[1::-1])
    canvas = resize(picture, size, scale).astype(np.float32)
    grey = canvas.mean(axis=2, keepdims=True)
    canvas = 0.62 * (0.75 * canvas + 0.25 * grey)
    if heatmap is not None and float(np.max(heatmap, initial=0.0)) > 0.0:
        heat = stretch(heatmap.astype(np.float32), size)
        heat = np.clip(heat / heat.max(), 0.0, 1.0) if heat.max() > 0 else heat
        stops = np.linspace(0.0, 1.0, len(_WARM))
        warm = np.stack([np.interp(heat, stops, _WARM[:, c]) for c in range(3)], axis=2)
        weight = 0.7 * np.sqrt(heat)[..., None]
        canvas = canvas * (1.0 - weight) + warm * weight
    sx, sy = size[0] / picture.shape[1], size[1] / picture.shape[0]
    if placements:
        matrix = np.diag([sx, sy]) @ np.reshape(placements[0].matrix, (2, 3))
        canvas = _paste(canvas, *warp_piece(rgb, mask, matrix, size))
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for rank, place in reversed(list(enumerate(placements, 1))):
        x1, y1, x2, y2 = place.box
        box = (x1 * sx, y1 * sy, x2 * sx, y2 * sy)
        _draw_box(draw, box, rank, numbered=len(placements) > 1, size=size)
    return np.asarray(image)


def _paste(canvas: np.ndarray, rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32 with the piece laid on it."""
    weight = mask[..., None]
    return canvas * (1.0 - weight) + rgb.astype(np.float32) * weight


def _draw_box(
    draw: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    rank: int,
    numbered: bool,
    size: tuple[int, ...],
) -> None:
    thick, colour = (4, _FIRST) if rank == 1 else (2, _OTHER)
    # The line runs outside the box, so that it does not cover the piece.
    x1, y1 = max(round(box[0]) - thick, 0), max(round(box[1]) - thick, 0)
    x2 = min(max(round(box[2]) + thick - 1, x1 + 2 * thick), size[0] - 1)
    y2 = min(max(round(box[3]) + thick - 1, y1 + 2 * thick), size[1] - 1)
    if x2 <= x1 or y2 <= y1:
        return
    draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=(0, 0, 0), width=thick + 1)
    draw.rectangle((x1, y1, x2, y2), outline=colour, width=thick)
    if numbered:
        font = _font(20 if rank == 1 else 16)
        left, top, right, bottom = draw.textbbox((0, 0), str(rank), font=font)
        w, h = right - left + 10, bottom - top + 8
        tx = min(max(x1, 0), size[0] - int(w) - 1)
        ty = y1 - h if y1 - h >= 0 else min(y2, size[1] - h - 1)
        draw.rectangle((tx, ty, tx + w, ty + h), fill=colour, outline=(0, 0, 0))
        draw.text((tx + 5 - left, ty + 4 - top), str(rank), fill=(0, 0, 0), font=font)


def _draw_panel(
    picture: np.ndarray,
    placements: list[Placement],
    rgb: np.ndarray,
    mask: np.ndarray,
    doubts: Sequence[str],
) -> np.ndarray:
    """Tiles two by two, and the first answer in words below."""
    tiles = [("piece as photographed", _fit(rgb, np.ones(mask.shape, np.float32), np.eye(2)))]
    lines = ["no place found"]
    if placements:
        first = placements[0]
        turn = np.reshape(first.matrix, (2, 3))[:, :2]
        turn = turn / np.sqrt(max(abs(float(np.linalg.det(turn))), 1e-12))
        tiles.append(("set upright", _fit(rgb, mask, turn)))
        without, inside = _close_up(picture, first, rgb, mask)
        tiles += [("its place", without), ("in its place", inside)]
        x1, y1, x2, y2 = first.box
        lines = [
            f"box  {x1:.0f}, {y1:.0f} to {x2:.0f}, {y2:.0f}",
            f"turned  {first.rotation:.0f}\u00b0 clockwise in its photo",
            f"sure  {_percent(first.score)}",
        ]
        if first.cell is not None:
            row, column = counted(first.cell)
            lines.insert(0, f"row {row}, column {column}")
    for doubt in doubts:
        lines += textwrap.wrap(doubt, _LINE)
    label = 24
    step = _TILE + label + _GAP // 2
    rows = (len(tiles) + 1) // 2
    image = Image.new("RGB", (2 * _TILE + _GAP, rows * step + 26 * len(lines) + 4), _PAPER)
    draw = ImageDraw.Draw(image)
    for index, (title, tile) in enumerate(tiles):
        x, y = (index % 2) * (_TILE + _GAP), (index // 2) * step
        draw.text((x, y + 2), title, fill=_FAINT, font=_font(15))
        image.paste(Image.fromarray(tile), (x, y + label))
    for index, line in enumerate(lines):
        draw.text((0, rows * step + 26 * index), line, fill=_TEXT, font=_font(18))
    return np.asarray(image)


def _percent(score: float) -> str:
    """A score as people read it: neither impossible nor certain, however it rounds."""
    if score < 0.005:
        return "<1%"
    return ">99%" if score >= 0.995 else f"{score:.0%}"


def _fit(rgb: np.ndarray, mask: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """The masked part, turned by the 2x2 ``turn``, as large as a tile holds it."""
    ys, xs = np.nonzero(mask > 0.5)
    if len(xs) == 0:
        ys, xs = np.nonzero(np.ones(mask.shape))
    corners = np.array([[x, y] for x in (xs.min(), xs.max() + 1) for y in (ys.min(), ys.max() + 1)])
    if not np.allclose(turn, np.eye(2)):
        corners = np.stack([xs, ys], axis=1) + 0.5
    turned = corners @ turn.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    scale = (_TILE - 12.0) / max(float((high - low).max()), 1.0)
    matrix = np.c_[turn * scale, _TILE / 2.0 - scale * (low + high) / 2.0]
    paper = np.empty((_TILE, _TILE, 3), np.float32)
    paper[:] = np.array(_PAPER) + 14.0
    return _paste(paper, *warp_piece(rgb, mask, matrix, (_TILE, _TILE))).astype(np.uint8)


def _close_up(
    picture: np.ndarray, place: Placement, rgb: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The neighbourhood of a place, without and with the piece, each the size of a tile."""
    x1, y1, x2, y2 = place.box
    side = max(1.9 * max(x2 - x1, y2 - y1), 12.0)
    scale = _TILE / side
    cx, cy = (x1 + x2) / 2.0, (y1 + y2) / 2.0
    view = np.array([[scale, 0, _TILE / 2 - scale * cx], [0, scale, _TILE / 2 - scale * cy]])
    full = np.ones(picture.shape[:2], np.float32)
    paper = np.empty((_TILE, _TILE, 3), np.float32)
    paper[:] = np.array(_PAPER) + 14.0
    without = _paste(paper, *warp_piece(picture, full, view, (_TILE, _TILE)))
    matrix = np.reshape(place.matrix, (2, 3))
    matrix = np.c_[view[:, :2] @ matrix[:, :2], view[:, :2] @ matrix[:, 2] + view[:, 2]]
    piece, shape = warp_piece(rgb, mask, matrix, (_TILE, _TILE))
    inside = _paste(0.8 * without, piece, shape)
    result = []
    # The thinner line leaves to see whether the print goes on across it.
    for tile, thick in ((without, 2), (inside, 1)):
        tile = np.ascontiguousarray(np.clip(tile, 0, 255).astype(np.uint8))
        edges = cv2.findContours(
            (shape > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )[0]
        cv2.drawContours(tile, edges, -1, _FIRST, thick, cv2.LINE_AA)
        result.append(tile)
    return result[0], result[1]


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
