"""What a protocol asks: pictures, and pieces of them whose place and rotation are known."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from heatmap_locator.grid import Grid

Box = tuple[float, float, float, float]

PER_PICTURE = 2
"""Pieces asked of each picture where scores are fitted: many pictures tell more than many pieces
of few."""

VERSION = 2
"""Raised whenever a protocol or the record of an answer changes: predictions of different versions
do not compare."""


@dataclass(frozen=True, eq=False)
class PieceTask:
    """One piece.

    Attributes:
        name: tells it from others of its picture.
        image: (H, W, 3) uint8 RGB, or (H, W, 4) with alpha as its outline.
        box: true box in picture pixels.
        rotation: degrees that the photo is turned clockwise.
        texture: ``low``, ``medium``, ``high``, or ``None`` where it is not known.
    """

    name: str
    image: np.ndarray
    box: Box
    rotation: float
    texture: str | None


@dataclass(frozen=True, eq=False)
class PictureTask:
    """A picture and pieces of it.

    Attributes:
        dataset: name of its folder, or ``procedural``.
        name: tells it from others of the dataset.
        image: (H, W, 3) uint8, as its owner has it.
        grid: rows and columns.
        count: pieces as asked for; the grid may hold a few more or less.
        pieces: those to locate.
    """

    dataset: str
    name: str
    image: np.ndarray
    grid: Grid
    count: int
    pieces: list[PieceTask]

    def piece_id(self, piece: PieceTask) -> str:
        """What tells the piece from all others of a run."""
        return f"{self.dataset}/{self.count}/{self.name}/{piece.name}"


def limited(tasks: Iterable[PictureTask], limit: int | None) -> Iterator[PictureTask]:
    """The first ``limit`` pieces; pictures after them are not drawn."""
    left = limit
    for task in tasks:
        if left is not None:
            task = replace(task, pieces=task.pieces[:left])
            left -= len(task.pieces)
        yield task
        if left == 0:
            return
