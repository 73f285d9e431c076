"""The cells of a photo of the half-done puzzle, each as a whole: print, or the table.

A cell is done where the photo shows there what the picture does, in grain or at least in colour,
and not the table.
"""

from functools import cached_property

import cv2
import numpy as np

from heatmap_locator.geometry import homography_to_cv2
from heatmap_locator.grid import Grid
from heatmap_locator.picture.colours import Light, Table, lab, log_density

Array = np.ndarray

_SHIFT = 5
"""Pixels that a cell may lie beside where its part's homography says."""

_INNER = 0.24
"""Of a cell's side, from its edges, that is not looked at: neighbours' knobs reach there."""

ROOM = 1.0
"""Cells around the picture in which the table is looked at."""

_SOFT = 1.0
"""Pixels of a blur."""

_FEWEST = 3
"""Cells done for certain from which the light is told."""


def cells_of(photo: Array, picture: Array, part: Array, grid: Grid) -> "Cells":
    """A photo's cells, laid on the picture by one part's homography.

    Args:
        photo: (H, W, 3) uint8.
        picture: (H, W, 3) uint8.
        part: 3x3, from pixels of the photo to pixels of the picture.
        grid: of the puzzle.
    """
    height, width = picture.shape[:2]
    cell = width / grid.cols, height / grid.rows
    room = round(ROOM * max(cell))
    shift = np.array([[1, 0, room], [0, 1, room], [0, 0, 1.0]])
    forward = homography_to_cv2(shift @ part)
    size = width + 2 * room, height + 2 * room
    laid = cv2.warpPerspective(photo, forward, size, flags=cv2.INTER_AREA)
    covered = np.ones(photo.shape[:2], np.uint8)
    there = cv2.warpPerspective(covered, forward, size, flags=cv2.INTER_NEAREST)
    return Cells(lab(laid, _SOFT), lab(picture, _SOFT), there, grid, room)


class Cells:
    """The inner part of every cell, in the photo as it lies on the picture and in the picture.

    Args:
        seen: (H + 2 room, W + 2 room, 3) Lab of the photo.
        wanted: (H, W, 3) of the picture.
        there: of the photo, where there is any.
        grid: of the puzzle.
        room: pixels around the picture.
    """

    def __init__(self, seen: Array, wanted: Array, there: Array, grid: Grid, room: int) -> None:
        self.grid, count = grid, grid.pieces
        self.alike, self.grain = np.zeros(count), np.zeros(count)
        self.seen, self.wanted = np.zeros((count, 4, 3)), np.zeros((count, 4, 3))
        self.shown = np.zeros(count, bool)
        height, width = wanted.shape[:2]
        cell = width / grid.cols, height / grid.rows
        for index in range(count):
            row, col = divmod(index, grid.cols)
            left, right = (round((col + part) * cell[0]) for part in (_INNER, 1 - _INNER))
            top, bottom = (round((row + part) * cell[1]) for part in (_INNER, 1 - _INNER))
            own = wanted[top:bottom, left:right]
            x, y = left + room, top + room
            window = seen[y - _SHIFT : y + len(own) + _SHIFT, x - _SHIFT : right + room + _SHIFT]
            self.shown[index] = bool(there[y : y + len(own), x : right + room].all())
            fits = cv2.matchTemplate(window, own, cv2.TM_CCOEFF_NORMED)
            best = np.unravel_index(int(fits.argmax()), fits.shape)
            self.alike[index] = float(fits.max())
            self.grain[index] = float(own.std(axis=(0, 1)).sum())
            found = window[best[0] : best[0] + own.shape[0], best[1] : best[1] + own.shape[1]]
            self.seen[index], self.wanted[index] = _quarters(found), _quarters(own)
        margin = np.ones(seen.shape[:2], bool)
        margin[room // 2 : -(room // 2), room // 2 : -(room // 2)] = False
        self.table = seen[margin & (there > 0)]

    @cached_property
    def by_grain(self) -> Array:
        """(C,) log odds of being done: alike where the picture has grain; shifts make a little
        likeness of nothing."""
        weight = np.minimum(self.grain / 10.0, 1.0)
        found: Array = (weight * 14.0 * (self.alike - 0.55)).clip(-6.0, 8.0)
        return found

    def by_colour(self) -> Array | None:
        """(C,) log odds of being done, by mean colours; ``None`` where too little is done for
        certain to tell the light by."""
        done = self.shown & (self.by_grain > 2.0)
        if done.sum() < _FEWEST:
            return None
        open_ = self.shown & (self.by_grain < -3.0)
        row, col = np.divmod(np.arange(self.grid.pieces), self.grid.cols)
        where = np.stack([row / self.grid.rows - 0.5, col / self.grid.cols - 0.5], axis=1)
        where = np.repeat(where[:, None], 4, axis=1)
        known = self.seen, self.wanted, where
        light = Light.of(*(values[done].reshape(-1, values.shape[-1]) for values in known))
        table = np.concatenate([self.table[:: max(1, len(self.table) // 2000)], *self.seen[open_]])
        print_ = log_density(self.seen - light(self.wanted, where), light.spread)
        found: Array = (print_ - Table.of(table).log_density(self.seen)).mean(axis=1)
        return found

    def open(self, odds: Array) -> Array:
        """(rows, cols) probabilities by (C,) log odds of being done; what the photo does not show
        is not known to be done."""
        chance = 1 / (1 + np.exp(odds.clip(-30, 30)))
        chance[~self.shown] = 1.0
        found: Array = chance.reshape(self.grid.rows, self.grid.cols)
        return found


def _quarters(part: Array) -> Array:
    """(4, 3) mean colours of the quarters of (h, w, 3)."""
    middle = part.shape[0] // 2, part.shape[1] // 2
    rows = part[: middle[0]], part[middle[0] :]
    halves = [half for row in rows for half in (row[:, : middle[1]], row[:, middle[1] :])]
    return np.stack([half.mean(axis=(0, 1)) for half in halves])
