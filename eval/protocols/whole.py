"""Whole puzzles, every piece photographed once, at least a third of them with little print."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from heatmap_locator.geometry import Array, transform
from heatmap_locator.grid import Grid
from heatmap_train.draw.capture import Draw, Tone
from heatmap_train.draw.cutter import Cut, cut_grid
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.prints import photograph_picture, photograph_piece, render_print
from heatmap_train.draw.skies import with_sky
from heatmap_train.draw.texture import texture_class, texture_spread

from .synthesis import grid_of

PICTURE_CELL = (30.0, 40.0)
"""Fewest and most picture pixels of a cell's side."""

PHOTO_CELL = (100.0, 160.0)
"""The same of photos; a puzzle's are taken from about the same distance."""

_DISTANCE = 0.04
"""Deviation of a photo's scale about its puzzle's, of the logarithm."""

_MARGIN = (0.35, 0.8)
"""Least and most sides of a cell left around a piece."""

LEAST_FLAT = 1 / 3
"""Share of pieces with low texture, at least."""

_TRIES = 50


@dataclass(frozen=True, eq=False)
class WholePiece:
    """A photographed piece and the truth about it.

    Attributes:
        photo: (H, W, 3) uint8.
        rotation: degrees that the photo is turned clockwise.
        corners: (4, 2) in pixels of the photo, clockwise, from the top left of the upright piece.
        edges: four (K, 2) curves in pixels of the photo, clockwise from the upright piece's top,
            each from its corner to the next.
        texture: ``low``, ``medium`` or ``high``.
    """

    photo: np.ndarray
    rotation: float
    corners: Array
    edges: tuple[Array, Array, Array, Array]
    texture: str


@dataclass(frozen=True, eq=False)
class WholePuzzle:
    """A puzzle.

    Attributes:
        name: tells it from others.
        image: (H, W, 3) uint8, the print.
        picture: (H, W, 3) uint8, the same as its owner has it.
        cut: of the print.
        photo_cell: photo pixels of a cell's side, about.
        seed: of the photos.
        light: that all photos share; ``None`` where each has its own.
    """

    name: str
    image: np.ndarray
    picture: np.ndarray
    cut: Cut
    photo_cell: float
    seed: tuple[int, ...]
    light: Tone | None = None

    @cached_property
    def grid(self) -> Grid:
        return Grid(self.cut.rows, self.cut.cols)

    @property
    def side(self) -> float:
        """Picture pixels on the side of the square of a cell's area."""
        return math.sqrt(self.cut.width * self.cut.height / self.grid.pieces)

    def photograph(self, row: int, col: int) -> WholePiece:
        """A piece photographed, the same each time it is asked for."""
        rng = np.random.default_rng([*self.seed, row, col, 0])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rotation = float(rng.uniform(0, 360))
        pixels = self.photo_cell * float(np.exp(rng.normal(0, _DISTANCE)))
        margin = pixels * float(rng.uniform(*_MARGIN))
        outline = self.cut.outline(row, col)
        taken = photograph_piece(
            self.image,
            outline,
            rotation,
            pixels / self.side,
            margin,
            generator,
            light=self.light,
        )
        edges = self.cut.sides(row, col)
        laid = tuple(transform(taken.forward, edge.astype(np.float64)) for edge in edges)
        return WholePiece(
            taken.photo,
            rotation,
            np.stack([edge[0] for edge in laid]),
            laid,  # type: ignore[arg-type]
            texture_class(texture_spread(taken.clean, taken.mask, pixels)),
        )

    def flat(self) -> np.ndarray:
        """(rows, cols) bool, where the print has low texture."""
        found = np.zeros((self.cut.rows, self.cut.cols), bool)
        for row in range(self.cut.rows):
            for col in range(self.cut.cols):
                clean, mask, _ = render_print(self.image, self.cut.outline(row, col), 0.0, 1.0, 4.0)
                spread = texture_spread(clean, mask, self.side)
                found[row, col] = texture_class(spread) == "low"
        return found


def whole_puzzles(
    folder: Path | None, split: str, seed: int, count: int, puzzles: int, one_light: bool = False
) -> Iterator[WholePuzzle]:
    """Puzzles of about ``count`` pieces.

    Args:
        folder: of pictures, or ``None`` for drawn ones.
        split: of the folder, as in :class:`PictureSource`.
        seed: with the count it decides everything.
        count: of pieces; rows and columns follow from the picture's shape.
        puzzles: how many.
        one_light: all photos of a puzzle are taken by one camera in one light, in which exposure
            and white balance drift a little from photo to photo.
    """
    source = PictureSource(folder, split)
    for index in range(puzzles):
        rng = np.random.default_rng([seed, count, index])
        for _ in range(_TRIES):
            puzzle = _puzzle(source, count, index, seed, rng)
            if puzzle.flat().mean() >= LEAST_FLAT:
                break
        if one_light:
            own = torch.Generator().manual_seed(int(rng.integers(2**62)))
            light = Tone.drawn(Draw(1, own, torch.device("cpu")))
            puzzle = replace(puzzle, name=f"{puzzle.name}-one-light", light=light)
        yield puzzle


def _puzzle(
    source: PictureSource, count: int, index: int, seed: int, rng: np.random.Generator
) -> WholePuzzle:
    cell = float(np.exp(rng.uniform(*np.log(PICTURE_CELL))))
    aspect = float(np.exp(rng.uniform(np.log(1.2), np.log(1.5))))
    high = math.sqrt(count / aspect) * cell
    width, height = round(high * aspect), round(high)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    if index % 2 and source.files is not None and count <= 200:
        # A photograph as it is, taken where it has sky of its own.
        image = source[int(rng.integers(len(source)))]
        height, width = image.shape[:2]
    else:
        side = max(1, math.ceil(max(width, height) / 640 - 0.25))
        image = with_sky(source, (width, height), side, rng)
    grid = grid_of(image, count, "puzzle")
    cut = cut_grid(grid.rows, grid.cols, float(width), float(height), rng)
    picture = photograph_picture(image, generator)
    pixels = float(np.exp(rng.uniform(*np.log(PHOTO_CELL))))
    name = f"{count}-{index}"
    return WholePuzzle(name, image, picture, cut, pixels, (seed, count, index, 7))
