"""Where what is done of a puzzle ends, in a photo of it: pixel by pixel print, or the table.

Print is what the picture shows there, in the photo's light; the table is what is seen around the
puzzle and where cells are open for certain.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from heatmap_locator.geometry import homography_to_cv2
from heatmap_locator.grid import Grid
from heatmap_locator.picture.colours import Light, Table, lab, log_density
from heatmap_locator.resample import average, smooth

Array = np.ndarray

RESOLUTION, _MOST = 48.0, 12e6
"""Pixels of a cell's side that a photo is looked at with, and of all of it at most."""

_FINER = 2
"""Times that the edge is drawn finer than that."""

ROOM = 1
"""Cells around the picture in which the table is looked at."""

_SOFT = 0.6
"""Pixels of a blur, of colours before they are compared and of what that says."""

_DONE, _OPEN = 0.05, 0.99
"""Probability of being open below which a cell tells what print looks like, and from which what
the table does."""

_CLIPPED = 4.0
"""Log ratio of a pixel at most."""

_SPECK = 0.05
"""Of a cell's area, below which a speck of print, or of the table, is none: seams are dark."""

INNER = 0.2
"""Of a cell's side, from its edges, that is not looked at to tell whether it is open."""


@dataclass(frozen=True, eq=False)
class Edge:
    """Where what is done ends.

    Attributes:
        away: (H, W) float32, in cells, how far its edge is; above 0 where print is, below 0 where
            the table is.
        scale: its pixels on a cell's sides, across and down; ``ROOM`` cells lie around the picture.
    """

    away: Array
    scale: tuple[float, float]

    def at(self, points: Array) -> Array:
        """(...) float32 how far the edge is, above 0 in print, of (..., 2) in cells from the
        picture's top left; beyond the photo as at its end."""
        height, width = self.away.shape
        x = (points[..., 0] + ROOM) * np.float32(self.scale[0]) - np.float32(0.5)
        y = (points[..., 1] + ROOM) * np.float32(self.scale[1]) - np.float32(0.5)
        left = np.floor(x).astype(np.int32).clip(0, width - 2)
        top = np.floor(y).astype(np.int32).clip(0, height - 2)
        x, y = (x - left).clip(0, 1), (y - top).clip(0, 1)
        flat, start = self.away.ravel(), top * width + left
        upper = flat[start] * (1 - x) + flat[start + 1] * x
        lower = flat[start + width] * (1 - x) + flat[start + width + 1] * x
        found: Array = upper * (1 - y) + lower * y
        return found


@dataclass(frozen=True, eq=False)
class Pixels:
    """What a photo shows, laid on the picture.

    Attributes:
        ratio: (H, W) float32 log likelihood ratios of print to table, 0 where nothing is seen.
        cell: its pixels on a cell's sides, across and down.
        room: its pixels around the picture, across and down.
    """

    ratio: Array
    cell: tuple[float, float]
    room: tuple[int, int]

    def inner(self, row: int, col: int) -> Array:
        """Of the inner part of a cell."""
        return _inner(self.ratio, self.cell, self.room, row, col)


def _inner(
    field: Array, cell: tuple[float, float], room: tuple[int, int], row: int, col: int
) -> Array:
    top, bottom = (round(room[1] + (row + part) * cell[1]) for part in (INNER, 1 - INNER))
    left, right = (round(room[0] + (col + part) * cell[0]) for part in (INNER, 1 - INNER))
    return field[top:bottom, left:right]


def pixels_of(photo: Array, picture: Array, part: Array, grid: Grid, chances: Array) -> Pixels:
    """Print or table, pixel by pixel, as one finished part lies on the picture.

    Args:
        photo: (H, W, 3) uint8.
        picture: (H, W, 3) uint8.
        part: 3x3, from pixels of the photo to pixels of the picture.
        grid: of the puzzle.
        chances: (rows, cols) how likely cells are open.
    """
    height, width = picture.shape[:2]
    side = min(RESOLUTION, math.sqrt(_MOST / grid.pieces))
    scale = side / math.sqrt(width * height / grid.pieces)
    size = max(round(width * scale), 2 * grid.cols), max(round(height * scale), 2 * grid.rows)
    cell = size[0] / grid.cols, size[1] / grid.rows
    room = round(ROOM * cell[0]), round(ROOM * cell[1])
    place = np.array([[size[0] / width, 0, room[0]], [0, size[1] / height, room[1]], [0, 0, 1.0]])
    whole = size[0] + 2 * room[0], size[1] + 2 * room[1]
    forward = homography_to_cv2(place @ part)
    seen = lab(cv2.warpPerspective(photo, forward, whole, flags=cv2.INTER_LINEAR), _SOFT)
    there = cv2.warpPerspective(
        np.ones(photo.shape[:2], np.uint8), forward, whole, flags=cv2.INTER_NEAREST
    )
    resized = average(picture, size)
    bars = room[1], room[1], room[0], room[0]
    wanted = lab(cv2.copyMakeBorder(resized, *bars, cv2.BORDER_REPLICATE), _SOFT)
    kinds = np.zeros(there.shape, np.int8)
    for row, col in np.ndindex(grid.rows, grid.cols):
        chance = float(chances[row, col])
        kind = 1 if chance < _DONE else -1 if chance > _OPEN else 0
        _inner(kinds, cell, room, row, col)[:] = kind
    far = np.ones(there.shape, bool)
    far[room[1] // 2 : -(room[1] // 2), room[0] // 2 : -(room[0] // 2)] = False
    ratio = _ratio(seen, wanted, kinds == 1, (far & (there > 0)) | ((kinds == -1) & (there > 0)))
    ratio[there == 0] = 0.0
    return Pixels(cv2.GaussianBlur(ratio, (0, 0), _SOFT), cell, room)


def _ratio(seen: Array, wanted: Array, print_: Array, table: Array) -> Array:
    """(H, W) float32 log ratios of (H, W, 3) colours, by where print and table are for certain."""
    row, col = np.mgrid[: seen.shape[0], : seen.shape[1]]
    where = np.stack([row / seen.shape[0] - 0.5, col / seen.shape[1] - 0.5], axis=-1)
    light = Light.of(seen[print_], wanted[print_], where[print_])
    off = seen - light(wanted, where)
    found = log_density(off, light.spread) - Table.of(seen[table]).log_density(seen)
    return found.clip(-_CLIPPED, _CLIPPED).astype(np.float32)


def edge_of(parts: Sequence[Pixels]) -> Edge:
    """The edge of what is done by all parts that were found, at least one, of one picture."""
    first = parts[0]
    field = np.max([part.ratio for part in parts], axis=0)
    height, width = field.shape
    size = _FINER * width, _FINER * height
    fine = smooth(field, size)
    scale = _FINER * first.cell[0], _FINER * first.cell[1]
    side = math.sqrt(scale[0] * scale[1])
    solid = _cleaned((fine > 0).astype(np.uint8), _SPECK * side**2)
    inside, outside = (
        cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        for mask in (solid, 1 - solid)
    )
    # Distances count from the next pixel's centre; the edge lies half a pixel before it.
    away = np.where(solid > 0, inside - 0.5, 0.5 - outside) / np.float32(side)
    return Edge(away.astype(np.float32), scale)


def _cleaned(solid: Array, least: float) -> Array:
    """(H, W) uint8 0/1 without parts of either kind that are smaller."""
    for value in (1, 0):
        same = (solid == value).astype(np.uint8)
        _, label, stats, _ = cv2.connectedComponentsWithStats(same, connectivity=4)
        small = stats[:, cv2.CC_STAT_AREA] < least
        small[0] = False  # all of the other kind
        solid = np.where(small[label], 1 - value, solid).astype(np.uint8)
    return solid
