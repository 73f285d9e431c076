"""Outlines of pieces whose cells are known."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from heatmap_locator.geometry import similarity
from heatmap_train.draw.cutter import cut_grid, rasterize

Rng = np.random.Generator


@dataclass(frozen=True)
class DrawnPiece:
    """A piece in its photo.

    Attributes:
        mask: (S, S) float32, 0..1.
        middle: (x, y) of its cell, in pixels.
        side: of the square of its cell's area, in pixels.
        rotation: degrees clockwise by which its cell is turned.
    """

    mask: np.ndarray
    middle: tuple[float, float]
    side: float
    rotation: float


def draw_shape(side: int, angle: float, size: int, knobs: tuple[int, int, int, int]) -> np.ndarray:
    """(size, size) uint8 0/1: a square cell, with a knob (1), a blank (-1) or neither per edge."""
    scale = 8
    mask = np.zeros((size * scale, size * scale), np.uint8)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])

    def at(x: float, y: float) -> np.ndarray:
        return np.rint((turn @ [x * side, y * side] + size / 2) * scale).astype(np.int32)

    corners = np.array([at(x, y) for x, y in [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]])
    cv2.fillPoly(mask, [corners], 1)
    for (x, y), kind in zip([(0, -1), (1, 0), (0, 1), (-1, 0)], knobs, strict=True):
        if kind:
            off = 0.5 + 0.09 * kind
            centre = at(x * off, y * off).tolist()
            cv2.circle(mask, centre, round(0.13 * side * scale), int(kind > 0), -1)
    return (
        cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA) > 0.5
    ).astype(np.uint8)


def draw_piece(
    rng: Rng, elongation: float = 1.0, waist: float | None = None, inside: bool = False
) -> DrawnPiece:
    """A piece of a drawn cut, turned and sized anyhow.

    Args:
        rng: all of it follows from this.
        elongation: longer side of its cell over the shorter.
        waist: blanks reach in from both long sides until so much of the shorter side is left.
        inside: no side is straight.
    """
    width, height = 100 * math.sqrt(elongation), 100 / math.sqrt(elongation)
    while True:
        cut = cut_grid(4, 4, 4 * width, 4 * height, rng)
        row, col = (int(v) for v in rng.integers((1, int(inside)), (3, 4 - int(inside))))
        (top, bottom), (left, right) = (
            cut.edges[0][row : row + 2, col],
            cut.edges[1][row, col : col + 2],
        )
        deepest = [_off(top).max(), -_off(bottom).min()]
        if waist is None:
            break
        if min(deepest) > 15 and 1 <= (deeper := (1 - waist) * height / sum(deepest)) < 1.6:
            top, bottom = (
                edge + (deeper - 1) * np.outer(_off(edge), _normal(edge)) for edge in (top, bottom)
            )
            break
    outline = np.concatenate((top[:-1], right[:-1], bottom[:0:-1], left[:0:-1]))
    side, rotation = float(rng.uniform(40, 150)), float(rng.uniform(0, 360))
    middle = (1.8 * side, 1.8 * side)
    photo = similarity(cut.cell_center(row, col), middle, rotation, side / 100)
    mask = rasterize(outline, (math.ceil(3.6 * side),) * 2, photo)
    return DrawnPiece(mask, middle, side, rotation)


def _normal(edge: np.ndarray) -> np.ndarray:
    along = (edge[-1] - edge[0]) / np.linalg.norm(edge[-1] - edge[0])
    return np.array([-along[1], along[0]])


def _off(edge: np.ndarray) -> np.ndarray:
    """(K,) how far its points lie clockwise of the line between its ends."""
    return (edge - edge[0]) @ _normal(edge)
