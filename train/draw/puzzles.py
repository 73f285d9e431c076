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
from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass as settings_dataclass

from heatmap_locator.geometry import bounds
from heatmap_locator.grid import Grid
from heatmap_locator.outline.shape import disc
from heatmap_locator.resample import resize

from ..settings import SETTINGS, Count, Share, rising
from .cutter import cut_grid
from .pictures import PictureSource
from .prints import photograph_picture, photograph_piece

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
    """

    collage: Count = 3
    picture_cell: CellRange = (20.0, 48.0)
    photo_cell: CellRange = (64.0, 160.0)
    pieces: Count = 6
    mildest: Share = 0.0
    harsh_share: Share = 0.2
    outline_error: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    crop_error: Annotated[float, Field(ge=0, le=0.05)] = 0.0


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
class PhotographedPuzzle:
    """A puzzle's picture, (H, W, 3) uint8, its grid and loose pieces of it."""

    picture: np.ndarray
    grid: Grid
    pieces: list[LoosePiece]


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


def make_puzzle(
    source: PictureSource, settings: PuzzleSettings, rng: np.random.Generator
) -> PhotographedPuzzle:
    """One puzzle; picture and pieces are captures of their own."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    side = int(rng.integers(1, settings.collage + 1))
    image = paste([source[int(i)] for i in rng.integers(len(source), size=side**2)], side)
    height, width = image.shape[:2]
    wanted = float(np.exp(rng.uniform(*np.log(settings.picture_cell))))
    fitting = Grid.from_pieces(max(4, round(height * width / wanted**2)), width, height)
    grid = Grid(fitting.rows, fitting.cols)
    left, right, top, bottom = rng.normal(0, 1, 4) * settings.crop_error
    cut = cut_grid(
        grid.rows, grid.cols, width * (1 + right - left), height * (1 + bottom - top), rng
    )
    origin = np.array([left * width, top * height])
    cell = math.sqrt(height * width / grid.pieces)
    mildest = 1.0 if rng.random() < settings.harsh_share else settings.mildest
    picture = photograph_picture(image, generator, mildest)
    pieces = []
    for index in rng.permutation(grid.pieces)[: settings.pieces]:
        row, col = divmod(int(index), grid.cols)
        rotation = float(rng.uniform(0, 360))
        pixels = float(np.exp(rng.uniform(*np.log(settings.photo_cell))))
        outline, margin = cut.outline(row, col) + origin, _MARGIN * pixels
        taken = photograph_piece(
            image, outline, rotation, pixels / cell, margin, generator, mildest
        )
        alpha = taken.alpha
        if settings.outline_error:
            alpha = widened(alpha, pixels * float(rng.uniform(-1, 1)) * settings.outline_error)
        pieces.append(LoosePiece(np.dstack([taken.photo, alpha]), bounds(outline), rotation))
    return PhotographedPuzzle(picture, grid, pieces)
