"""A photo of the half-done puzzle, laid on the picture: which cells are still open.

The finished parts are found by features (Lowe, "Distinctive image features from scale-invariant
keypoints", 2004) and a homography for each (Barath et al., "MAGSAC++", 2020).  A cell is done where
the photo shows there what the picture does (``cells.py``, ``edge.py``).
"""

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import cv2
import numpy as np

from heatmap_locator.errors import InputError, display_name
from heatmap_locator.grid import Grid
from heatmap_locator.picture.cells import cells_of
from heatmap_locator.picture.edge import Edge, Pixels, edge_of, pixels_of
from heatmap_locator.picture.read import ImageSource, read_picture
from heatmap_locator.resample import shrunk

Array = np.ndarray

_CELL, _MOST = 36.0, 2000
"""Pixels of a cell's side that photo and picture are compared at, and of a side at most."""

_ROUNDS = 3
"""That pixels are looked at."""

_TILES, _OF_TILE = 16, 50
"""Tiles along each side of an image, and features of one at most."""

_RATIO = 0.8
"""Of the distances of the nearest and the next feature, below which two are a pair (Lowe)."""

_COLOUR, _CLIPPED = 2.0, 4.0
"""What mean colours of a cell's quarters count for beside its grain, and their log odds at most."""

_PIXELS, _TOWARDS, _UNLIKE = 4.0, 1.0, 2.0
"""The same of its pixels, once those say what colours are of print and table, by how much done is
likelier than they say, as what is no usual print is no table yet, and what grain may say against
it, as the photo may lie beside the picture.  Of 5 drawn photos of 150 cells, done ones had means of
-1.1 and more but for one, open ones -2 and less."""

_PARTS, _FEWEST, _OFF = 5, 14, 4.0
"""Parts that are looked for, pairs of features that make one, and pixels that a pair may be off."""


@dataclass(frozen=True, eq=False)
class Done:
    """What a photo says of the puzzle's cells.

    Attributes:
        open: (rows, cols) float64, 0..1, how likely each is open.
        parts: 3x3 matrices from pixels of the photo to pixels of the picture, one for each part
            that was found, that with most features first.
        edge: of what is done; ``None`` where it was not looked at.
    """

    open: Array
    parts: tuple[Array, ...]
    edge: Edge | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, probabilities to 0.0001; without the edge, see :func:`edge_again`."""
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
            picture, or all of it, is seen in it.
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
        InputError: no finished part of this picture is seen in it, or all of it is.
    """
    (seen, shown), (small, scale) = _compared(photo, picture, grid)
    parts = _parts(seen, small)
    if not parts:
        raise InputError(
            "no finished part of the picture found in it; photograph it from above, well lit",
            name=name,
        )
    looks = [_look(seen, small, part, grid) for part in parts]
    from_photo, to_picture = np.diag([*shown, 1.0]), np.diag([*(1 / scale), 1.0])
    found = Done(
        np.min([chances for chances, _ in looks], axis=0),
        tuple(to_picture @ part @ from_photo for part in parts),
        edge_of([pixels for _, pixels in looks]),
    )
    if not found.open_cells:
        raise InputError(
            "shows every cell done and none open; give a photo of the puzzle half done", name=name
        )
    return found


def _look(photo: Array, picture: Array, part: Array, grid: Grid) -> tuple[Array, Pixels]:
    """(rows, cols) how likely cells are open, by one part, and its pixels."""
    cells = cells_of(photo, picture, part, grid)
    colour = cells.by_colour()
    if colour is None:
        chances = np.ones((grid.rows, grid.cols))
        return chances, pixels_of(photo, picture, part, grid, chances)
    chances = cells.open(cells.by_grain + _COLOUR * colour.clip(-_CLIPPED, _CLIPPED))
    for _ in range(_ROUNDS):  # the more is known, the better the light
        pixels = pixels_of(photo, picture, part, grid, chances)
        means = [float(pixels.inner(*cell).mean()) for cell in np.ndindex(grid.rows, grid.cols)]
        odds = _PIXELS * (np.array(means) + _TOWARDS)
        chances = cells.open(odds + cells.by_grain.clip(-_UNLIKE, None))
    return chances, pixels


def _compared(
    photo: Array, picture: Array, grid: Grid
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Copies of photo and picture that are compared, each with what x and y were multiplied by."""
    height, width = picture.shape[:2]
    side = math.sqrt(width * height / grid.pieces)
    return _reduced(photo, 1.0), _reduced(picture, min(_CELL / side, 1.0))


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
    sift = cv2.SIFT.create(contrastThreshold=0.02)
    points, found = sift.compute(gray, _spread_out(sift.detect(gray, None), gray.shape))
    if found is None:
        return np.empty((0, 2)), np.empty((0, 128), np.float32)
    root = np.sqrt(found / np.maximum(found.sum(axis=1, keepdims=True), 1e-6))
    return np.array([point.pt for point in points]) + 0.5, root.astype(np.float32)


def _spread_out(points: Sequence[cv2.KeyPoint], size: tuple[int, ...]) -> list[cv2.KeyPoint]:
    """The strongest in each tile of an image: a coarse table has more than all print."""
    kept: list[cv2.KeyPoint] = []
    count: Counter[tuple[int, int]] = Counter()
    for point in sorted(points, key=lambda one: -one.response):
        x, y = point.pt
        tile = int(y * _TILES / size[0]), int(x * _TILES / size[1])
        count[tile] += 1
        if count[tile] <= _OF_TILE:
            kept.append(point)
    return kept


def _sane(matrix: Array, points: Array) -> bool:
    """Whether a homography is of a camera above a table: no mirror, little change of scale."""
    x, y = points.T
    w = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]
    areas = float(np.linalg.det(matrix)) / w**3
    return bool((areas > 0).all() and areas.max() < 9.0 * areas.min())


def edge_again(photo: Array, picture: Array, grid: Grid, done: Done) -> Done:
    """What was kept of a photo without its edge, with it."""
    (seen, shown), (small, scale) = _compared(photo, picture, grid)
    to_seen, to_small = np.diag([*(1 / shown), 1.0]), np.diag([*scale, 1.0])
    parts = [to_small @ part @ to_seen for part in done.parts]
    pixels = [pixels_of(seen, small, part, grid, done.open) for part in parts]
    return replace(done, edge=edge_of(pixels))
