"""Whole puzzles, photographed, with loose pieces of them: what the ranker learns from.

Training scenes are small pictures with few places.  Here a picture has as many as a puzzle has,
pasted together of several where one is not large enough, so that every piece meets the rivals it
meets in use.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
import torch
from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass as settings_dataclass

from heatmap_locator.geometry import Array, bounds
from heatmap_locator.grid import Grid
from heatmap_locator.outline.shape import disc
from heatmap_locator.resample import resize

from ..settings import SETTINGS, Count, Share, rising
from .cutter import Cut, cut_grid
from .kinds import as_kind
from .pictures import PictureSource
from .prints import photograph_picture, photograph_piece
from .texture import texture_spread

_MARGIN = 0.15
"""Of a cell's side, left around a piece's box in its photo."""


# Smaller cells show nothing to go by.
CellRange = Annotated[tuple[float, float], AfterValidator(rising(8))]


@settings_dataclass(frozen=True, config=SETTINGS)
class PuzzleSettings:
    """How puzzles are drawn.

    Attributes:
        collage: largest number of pictures pasted side by side, in each direction.
        picture_cell: fewest and most picture pixels of a cell's side.
        photo_cell: fewest and most photo pixels of it.
        pieces: pieces taken of each puzzle.
        mildest: strength of the mildest capture.
        harsh_share: share of puzzles captured at full strength.
        outline_error: most that an outline is found too wide or too narrow by on every side, in
            sides of a cell.
        crop_error: deviation of how far each edge of the puzzle lies from the picture's, in shares
            of its width or height: boxes and shops crop.
        repeating_share, smooth_share: share of puzzles whose picture is made to repeat itself, or
            smooth, as ``kinds.as_kind`` does.
        most: about the largest number of pieces.
    """

    collage: Count = 3
    picture_cell: CellRange = (20.0, 48.0)
    photo_cell: CellRange = (64.0, 160.0)
    pieces: Count = 6
    mildest: Share = 0.0
    harsh_share: Share = 0.2
    outline_error: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    crop_error: Annotated[float, Field(ge=0, le=0.05)] = 0.0
    repeating_share: Share = 0.0
    smooth_share: Share = 0.0
    most: Annotated[int, Field(ge=4)] = 10_000

    @model_validator(mode="after")
    def _shares_fit(self) -> "PuzzleSettings":
        if self.repeating_share + self.smooth_share > 1:
            raise ValueError("puzzles.repeating_share and puzzles.smooth_share exceed 1 together")
        return self


@dataclass(frozen=True)
class LoosePiece:
    """A piece of a puzzle and where it belongs.

    Attributes:
        image: (H, W, 4) uint8, the outline as alpha.
        box: (x1, y1, x2, y2) in pixels of the puzzle's picture.
        rotation: degrees that the photo is turned clockwise.
    """

    image: np.ndarray
    box: tuple[float, float, float, float]
    rotation: float


@dataclass(frozen=True)
class Photographed(LoosePiece):
    """A piece of a puzzle, with what is known of its photo.

    Attributes:
        forward: 2x3 matrix from pixels of the picture to the photo's.
        spread: of ``texture.texture_spread``.
    """

    forward: Array
    spread: float


@dataclass(frozen=True)
class PhotographedPuzzle:
    """A puzzle's picture, (H, W, 3) uint8, its grid and loose pieces of it."""

    picture: np.ndarray
    grid: Grid
    pieces: list[LoosePiece]


@dataclass(frozen=True, eq=False)
class CutPuzzle:
    """A puzzle whose pieces may be photographed, each any number of times.

    Attributes:
        image: (H, W, 3) uint8, what was printed.
        picture: (H, W, 3) uint8, a capture of it, as its owner has it.
        grid: rows and columns.
        kind: of the picture, as in ``kinds.as_kind``.
    """

    image: np.ndarray
    picture: np.ndarray
    grid: Grid
    kind: str
    settings: PuzzleSettings
    cut: Cut
    origin: Array
    mildest: float
    generator: torch.Generator

    def chosen(self, rng: np.random.Generator) -> list[int]:
        """Numbers of ``settings.pieces`` of its pieces."""
        order = rng.permutation(self.grid.pieces)[: self.settings.pieces]
        return [int(index) for index in order]

    def photograph(self, index: int, rng: np.random.Generator) -> Photographed:
        """One capture of a piece by its number, row by row."""
        image, settings = self.image, self.settings
        row, col = divmod(index, self.grid.cols)
        cell = math.sqrt(image.shape[0] * image.shape[1] / self.grid.pieces)
        rotation = float(rng.uniform(0, 360))
        pixels = float(np.exp(rng.uniform(*np.log(settings.photo_cell))))
        outline, margin = self.cut.outline(row, col) + self.origin, _MARGIN * pixels
        taken = photograph_piece(
            image, outline, rotation, pixels / cell, margin, self.generator, self.mildest
        )
        alpha = taken.alpha
        if settings.outline_error:
            alpha = widened(alpha, pixels * float(rng.uniform(-1, 1)) * settings.outline_error)
        return Photographed(
            np.dstack([taken.photo, alpha]),
            bounds(outline),
            rotation,
            taken.forward,
            texture_spread(taken.clean, taken.mask, pixels),
        )


def paste(tiles: Sequence[np.ndarray], side: int) -> np.ndarray:
    """``side * side`` pictures, (H, W, 3) uint8, as one, each filling the size of the first."""
    height, width = tiles[0].shape[:2]
    fitted = []
    for tile in tiles:
        scale = max(height / tile.shape[0], width / tile.shape[1])
        size = max(width, round(tile.shape[1] * scale)), max(height, round(tile.shape[0] * scale))
        fitted.append(resize(tile, size, scale)[:height, :width])
    rows = [np.concatenate(fitted[i : i + side], axis=1) for i in range(0, side * side, side)]
    return np.concatenate(rows, axis=0)


def widened(alpha: np.ndarray, pixels: float) -> np.ndarray:
    """(H, W) uint8 outline, wider on every side by so many pixels, narrower where negative."""
    if abs(pixels) < 0.5:
        return alpha
    change = cv2.dilate if pixels > 0 else cv2.erode
    wider: np.ndarray = change(alpha, disc(abs(pixels)))
    return wider


def cut_puzzle(
    source: PictureSource, settings: PuzzleSettings, rng: np.random.Generator
) -> CutPuzzle:
    """One puzzle, its picture captured, no piece photographed yet."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    side = int(rng.integers(1, settings.collage + 1))
    image = paste([source[int(i)] for i in rng.integers(len(source), size=side**2)], side)
    kind = _kind(settings, rng)
    image = as_kind(image, kind, rng)
    height, width = image.shape[:2]
    wanted = float(np.exp(rng.uniform(*np.log(settings.picture_cell))))
    count = min(max(4, round(height * width / wanted**2)), settings.most)
    fitting = Grid.from_pieces(count, width, height)
    grid = Grid(fitting.rows, fitting.cols)
    left, right, top, bottom = rng.normal(0, 1, 4) * settings.crop_error
    cut = cut_grid(
        grid.rows, grid.cols, width * (1 + right - left), height * (1 + bottom - top), rng
    )
    origin = np.array([left * width, top * height])
    mildest = 1.0 if rng.random() < settings.harsh_share else settings.mildest
    picture = photograph_picture(image, generator, mildest)
    return CutPuzzle(image, picture, grid, kind, settings, cut, origin, mildest, generator)


def _kind(settings: PuzzleSettings, rng: np.random.Generator) -> str:
    """Of a puzzle's picture; nothing is drawn where all are plain."""
    misleading = settings.repeating_share + settings.smooth_share
    drawn = rng.random() if misleading else 1.0
    if drawn < settings.repeating_share:
        return "repeating"
    return "smooth" if drawn < misleading else "plain"


def make_puzzle(
    source: PictureSource, settings: PuzzleSettings, rng: np.random.Generator
) -> PhotographedPuzzle:
    """One puzzle; picture and pieces are captures of their own."""
    puzzle = cut_puzzle(source, settings, rng)
    pieces: list[LoosePiece] = [puzzle.photograph(n, rng) for n in puzzle.chosen(rng)]
    return PhotographedPuzzle(puzzle.picture, puzzle.grid, pieces)
