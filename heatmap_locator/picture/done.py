"""A photo of the half-done puzzle, laid on the picture: which cells are still open.

The finished parts are found by features (Lowe, "Distinctive image features from scale-invariant
keypoints", 2004) and a homography for each (Barath et al., "MAGSAC++", 2020).  A cell is done where
the photo shows there what the picture does, in grain or at least in colour, and not the table.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np

from heatmap_locator.errors import InputError, display_name
from heatmap_locator.geometry import homography_to_cv2
from heatmap_locator.grid import Grid
from heatmap_locator.picture.read import ImageSource, read_picture
from heatmap_locator.resample import shrunk

Array = np.ndarray

_CELL, _MOST = 36.0, 2000
"""Pixels of a cell's side that photo and picture are compared at, and of a side at most."""

_RATIO = 0.8
"""Of the distances of the nearest and the next feature, below which two are a pair (Lowe)."""

_PARTS, _FEWEST, _OFF = 5, 14, 4.0
"""Parts that are looked for, pairs of features that make one, and pixels that a pair may be off."""

_SHIFT = 5
"""Pixels that a cell may lie beside where its part's homography says."""

_INNER = 0.24
"""Of a cell's side, from its edges, that is not looked at: neighbours' knobs reach there."""

_SPARE = 1.0
"""Cells around the picture in which the table is looked at."""


@dataclass(frozen=True, eq=False)
class Done:
    """What a photo says of the puzzle's cells.

    Attributes:
        open: (rows, cols) float64, 0..1, how likely each is open.
        parts: 3x3 matrices from pixels of the photo to pixels of the picture, one for each part
            that was found, that with most features first.
    """

    open: Array
    parts: tuple[Array, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, probabilities to 0.0001."""
        return {"open": self.open.round(4).tolist(), "parts": [p.tolist() for p in self.parts]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What ``to_dict`` was called on."""
        return cls(np.array(values["open"], float), tuple(map(np.array, values["parts"])))

    @property
    def open_cells(self) -> list[tuple[int, int]]:
        """(row, col) of those that are rather open than not, in reading order."""
        return [(int(row), int(col)) for row, col in np.argwhere(self.open > 0.5)]


def read_done(photo: ImageSource, picture: Array, grid: Grid | None) -> Done:
    """:func:`find_done` of a photo as ``Puzzle.locate`` takes it.

    Raises:
        InputError: the grid is not known, the photo cannot be read, or no finished part of this
            picture is seen in it.
    """
    if grid is None:
        raise InputError("what is open needs the cells; encode the picture with pieces or grid")
    name = display_name(photo) if isinstance(photo, str | os.PathLike) else "photo"
    return find_done(read_picture(photo), picture, grid, name)


def find_done(photo: Array, picture: Array, grid: Grid, name: str = "photo") -> Done:
    """Lay a photo of the half-done puzzle on the picture.

    Args:
        photo: (H, W, 3) uint8.
        picture: (H, W, 3) uint8.
        grid: of the puzzle.
        name: what errors call the photo.

    Raises:
        InputError: no finished part of this picture is seen in it.
    """
    height, width = picture.shape[:2]
    side = math.sqrt(width * height / grid.pieces)
    small, scale = _reduced(picture, min(_CELL / side, 1.0))
    seen, shown = _reduced(photo, 1.0)
    parts = _parts(seen, small)
    if not parts:
        raise InputError(
            "no finished part of the picture found in it; photograph it from above, well lit",
            name=name,
        )
    chances = [_open_cells(seen, small, part, grid) for part in parts]
    from_photo, to_picture = np.diag([*shown, 1.0]), np.diag([*(1 / scale), 1.0])
    return Done(np.min(chances, axis=0), tuple(to_picture @ part @ from_photo for part in parts))


def _reduced(image: Array, scale: float) -> tuple[Array, Array]:
    """A copy no larger than ``_MOST``, and what x and y were multiplied by."""
    small, _ = shrunk(image, min(scale * max(image.shape[:2]), _MOST), 16)
    return small, np.array(small.shape[1::-1]) / image.shape[1::-1]


def _parts(photo: Array, picture: Array) -> list[Array]:
    """Homographies from the photo's pixels to the picture's."""
    one, first = _features(photo)
    other, second = _features(picture)
    if min(len(one), len(other)) < _FEWEST:
        return []
    near = cv2.BFMatcher().knnMatch(first, second, k=2)
    pairs = [best for best, *rest in near if rest and best.distance < _RATIO * rest[0].distance]
    source = np.array([one[pair.queryIdx] for pair in pairs], np.float32).reshape(-1, 2)
    target = np.array([other[pair.trainIdx] for pair in pairs], np.float32).reshape(-1, 2)
    found: list[Array] = []
    while len(found) < _PARTS and len(source) >= _FEWEST:
        matrix, kept = cv2.findHomography(
            source, target, cv2.USAC_MAGSAC, _OFF, maxIters=5000, confidence=0.999
        )
        if matrix is None or kept.sum() < _FEWEST:
            break
        inside = kept.ravel().astype(bool)
        if _sane(matrix, source[inside]):
            found.append(matrix)
        source, target = source[~inside], target[~inside]
    return found


def _features(image: Array) -> tuple[Array, Array]:
    """(N, 2) places, corners at whole numbers, and (N, 128) float32 RootSIFT descriptors."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    points, found = cv2.SIFT.create(12_000, contrastThreshold=0.02).detectAndCompute(gray, None)
    if found is None:
        return np.empty((0, 2)), np.empty((0, 128), np.float32)
    root = np.sqrt(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-6))
    return np.array([point.pt for point in points]) + 0.5, root.astype(np.float32)


def _sane(matrix: Array, points: Array) -> bool:
    """Whether a homography is of a camera above a table: no mirror, little change of scale."""
    x, y = points.T
    w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    areas = float(np.linalg.det(matrix)) / w**3
    return bool((areas > 0).all() and areas.max() < 9.0 * areas.min())


def _open_cells(photo: Array, picture: Array, part: Array, grid: Grid) -> Array:
    """(rows, cols) probabilities that cells are open, by one part's homography."""
    height, width = picture.shape[:2]
    cell = width / grid.cols, height / grid.rows
    room = round(_SPARE * max(cell))
    shift = np.array([[1, 0, room], [0, 1, room], [0, 0, 1.0]])
    forward = homography_to_cv2(shift @ part)
    size = width + 2 * room, height + 2 * room
    laid = cv2.warpPerspective(photo, forward, size, flags=cv2.INTER_AREA)
    covered = np.ones(photo.shape[:2], np.uint8)
    there = cv2.warpPerspective(covered, forward, size, flags=cv2.INTER_NEAREST)
    seen, wanted = _colours(laid), _colours(picture)
    cells = _Cells(seen, wanted, there, grid, room)
    return cells.open()


def _colours(image: Array) -> Array:
    """(H, W, 3) float32 Lab, a little soft."""
    soft = cv2.GaussianBlur(image, (0, 0), 1.0).astype(np.float32) / np.float32(255)
    found: Array = cv2.cvtColor(soft, cv2.COLOR_RGB2LAB)
    return found


class _Cells:
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

    def open(self) -> Array:
        """(rows, cols) probabilities."""
        # Grain: alike where the picture has any; shifts make a little likeness of nothing.
        weight = np.minimum(self.grain / 10.0, 1.0)
        by_grain = (weight * 14.0 * (self.alike - 0.55)).clip(-6.0, 8.0)
        done = self.shown & (by_grain > 2.0)
        if done.sum() < 3:
            return np.ones((self.grid.rows, self.grid.cols))
        open_ = self.shown & (by_grain < -3.0)
        off, spread = self._toned(done)
        table = np.concatenate([self.table[:: max(1, len(self.table) // 2000)], *self.seen[open_]])
        by_colour = _log_density(off, spread) - _of_table(self.seen, table)
        total = by_grain + 2.0 * by_colour.mean(axis=1).clip(-4.0, 4.0)
        chance = 1 / (1 + np.exp(total.clip(-30, 30)))
        chance[~self.shown] = 1.0  # what the photo does not show is not known to be done
        found: Array = chance.reshape(self.grid.rows, self.grid.cols)
        return found

    def _toned(self, done: Array) -> tuple[Array, Array]:
        """(C, 4, 3) by how much colours differ from those that the picture's become in the photo's
        light, and (3,) the usual deviation."""
        row, col = np.divmod(np.arange(self.grid.pieces), self.grid.cols)
        where = np.stack([row / self.grid.rows - 0.5, col / self.grid.cols - 0.5], axis=1) * 20
        known = np.concatenate(
            [
                self.wanted,
                np.repeat(where[:, None], 4, axis=1),
                np.full((len(row), 4, 1), 10.0),
            ],
            axis=2,
        )
        x, y = known[done].reshape(-1, 6), self.seen[done].reshape(-1, 3)
        base = np.zeros((6, 3))
        base[:3] = np.eye(3)
        weight = np.ones(len(x))
        for _ in range(5):
            square = (x * weight[:, None]).T @ x + 50.0 * np.eye(6)
            fitted = base + np.linalg.solve(square, (x * weight[:, None]).T @ (y - x @ base))
            off = y - x @ fitted
            spread = 1.4826 * np.median(np.abs(off), axis=0) + 1.0
            weight = 1 / (1 + ((off / spread) ** 2).mean(axis=1) / 4)
        return self.seen - known @ fitted, spread


def _quarters(part: Array) -> Array:
    """(4, 3) mean colours of the quarters of (h, w, 3)."""
    middle = part.shape[0] // 2, part.shape[1] // 2
    rows = part[: middle[0]], part[middle[0] :]
    halves = [half for row in rows for half in (row[:, : middle[1]], row[:, middle[1] :])]
    return np.stack([half.mean(axis=(0, 1)) for half in halves])


def _log_density(off: Array, spread: Array) -> Array:
    """(...) of (..., 3) differences: a Student distribution, as light is uneven."""
    squares = ((off / spread) ** 2).sum(axis=-1)
    found: Array = -3.5 * np.log1p(squares / 4) - np.log(spread).sum() - 2.0
    return found


def _of_table(seen: Array, table: Array) -> Array:
    """(C, 4) log densities of colours on a table that (M, 3) are seen of: some clusters, or any."""
    spans = 100.0 * 60.0 * 60.0  # of Lab colours that photos have, about
    density = np.full(seen.shape[:2], 0.1 / spans)
    if len(table) >= 12:
        criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.1)
        values = table.astype(np.float32)
        cv2.setRNGSeed(1)
        first = np.zeros((len(values), 1), np.int32)
        way = cv2.KMEANS_PP_CENTERS
        _, label, centres = cv2.kmeans(values, 4, first, criteria, 2, way)
        for index, centre in enumerate(centres):
            own = values[label.ravel() == index]
            if not len(own):
                continue
            spread = own.std(axis=0) + 2.0
            density += 0.9 * len(own) / len(values) * np.exp(_log_density(seen - centre, spread))
    found: Array = np.log(density)
    return found
