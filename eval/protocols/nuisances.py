"""Photos that go wrong, by kind, beside the plain photo of the same piece."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from heatmap_locator.geometry import bounds
from heatmap_locator.grid import Grid
from heatmap_train.draw.cutter import Cut, cut_grid
from heatmap_train.draw.names import PLACED
from heatmap_train.draw.nuisances import Subject, draw_nuisance
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.prints import photograph_picture, render_print
from heatmap_train.draw.texture import texture_class, texture_spread

from .synthesis import PRINT_CELL, grid_of, names_of
from .tasks import PER_PICTURE, Box

WRONG_COUNT = (math.log(1.6), math.log(10.0))
"""Least and most of the log of the factor that a wrong number of pieces is off by, either way."""


@dataclass(frozen=True, eq=False)
class NuisanceTask:
    """One photo.

    Attributes:
        kind: of ``heatmap_train.draw.names.PHOTOS``.
        piece: names the piece; photos of all its kinds share it.
        image: (H, W, 3) uint8.
        box: true box in picture pixels; ``None`` where it shows no piece of the picture as it is.
        rotation: degrees that the photo is turned clockwise.
        texture: of the piece, as in ``PieceTask``.
        given: rows and columns that are told.
        beside: true box and rotation of the second piece of photos of two.
    """

    kind: str
    piece: str
    image: np.ndarray
    box: Box | None
    rotation: float
    texture: str
    given: Grid
    beside: tuple[Box, float] | None = None


@dataclass(frozen=True, eq=False)
class NuisanceGroup:
    """A picture and photos of its pieces.

    Attributes:
        picture: its name.
        image: (H, W, 3) uint8, as its owner has it.
        grid: true rows and columns.
        count: pieces as asked for.
        tasks: by piece, then by kind.
    """

    picture: str
    image: np.ndarray
    grid: Grid
    count: int
    tasks: list[NuisanceTask]


def picture_names(folder: Path | None, split: str) -> list[str]:
    """Names of the pictures that groups are made of, in order."""
    return names_of(PictureSource(folder, split), folder)


def piece_ids(picture: str, count: int) -> list[str]:
    """Names of a picture's pieces, as tasks have them."""
    return [f"{count}/{picture}/{number}" for number in range(PER_PICTURE)]


def nuisance_group(
    folder: Path | None, split: str, seed: int, index: int, count: int, kinds: Sequence[str]
) -> NuisanceGroup:
    """The photos of one picture.

    Args:
        folder: of pictures, or ``None`` for drawn ones.
        split: of the folder, as in ``PictureSource``.
        seed: with the picture's index and the count it decides everything.
        index: of the picture.
        count: pieces of the puzzle; its grid follows from the picture's shape.
        kinds: of photos.
    """
    source = PictureSource(folder, split)
    names = names_of(source, folder)
    rng = np.random.default_rng([seed, index, count])
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    image, stranger = source[index], source[_another(index, len(names), rng)]
    grid, cut = _cut(image, count, rng)
    picture = photograph_picture(image, generator)
    cells = rng.permutation(grid.pieces)
    tasks: list[NuisanceTask] = []
    for number, label in enumerate(piece_ids(names[index], count)):
        pixels = float(np.exp(rng.uniform(*np.log(PRINT_CELL))))
        subject = _subject(image, grid, cut, int(cells[number % len(cells)]), pixels, rng)
        other = _subject(image, grid, cut, int(cells[-1 - number % len(cells)]), pixels, rng)
        own_grid, own_cut = _cut(stranger, count, rng)
        cell = int(rng.integers(own_grid.pieces))
        foreign = _subject(stranger, own_grid, own_cut, cell, pixels, rng)
        seed_of_photo, given = int(rng.integers(2**31)), _wrong(grid, image, count, rng)
        texture = _texture(subject)
        tasks += [
            NuisanceTask(
                kind=kind,
                piece=label,
                image=draw_nuisance(kind, subject, other, foreign, seed_of_photo),
                box=bounds(subject.outline) if kind in PLACED else None,
                rotation=subject.rotation,
                texture=texture,
                given=given if kind == "count" else grid,
                beside=(bounds(other.outline), other.rotation) if kind == "two" else None,
            )
            for kind in kinds
        ]
    return NuisanceGroup(names[index], picture, grid, count, tasks)


def groups_of(
    folder: Path | None, split: str, counts: Sequence[int], pieces: int
) -> Iterator[tuple[int, int]]:
    """(index, count) of groups that have so many pieces of each count, pictures spread evenly."""
    names = picture_names(folder, split)
    # Counts begin at pictures of their own, so that a small run sees many.
    starts = [turn * len(names) // len(counts) for turn in range(len(counts))]
    for step in range(min(-(-pieces // PER_PICTURE), len(names))):
        for start, count in zip(starts, counts, strict=True):
            yield (start + step) % len(names), count


def _another(index: int, length: int, rng: np.random.Generator) -> int:
    """The index of another picture, any of them."""
    return int(index + rng.integers(1, max(length, 2))) % length


def _cut(image: np.ndarray, count: int, rng: np.random.Generator) -> tuple[Grid, Cut]:
    height, width = image.shape[:2]
    grid = grid_of(image, count, "picture")
    return grid, cut_grid(grid.rows, grid.cols, float(width), float(height), rng)


def _subject(
    image: np.ndarray, grid: Grid, cut: Cut, cell: int, pixels: float, rng: np.random.Generator
) -> Subject:
    row, col = divmod(cell, grid.cols)
    side = math.sqrt(image.shape[0] * image.shape[1] / grid.pieces)
    outline = cut.outline(row, col).astype(np.float64)
    return Subject(image, outline, float(rng.uniform(0, 360)), pixels, pixels / side)


def _texture(subject: Subject) -> str:
    clean, mask, _ = render_print(
        subject.picture, subject.outline, 0.0, subject.scale, 0.15 * subject.side
    )
    return texture_class(texture_spread(clean, mask, subject.side))


def _wrong(grid: Grid, image: np.ndarray, count: int, rng: np.random.Generator) -> Grid:
    """What a number of pieces that is far from the truth leads to."""
    factor = math.exp(float(rng.uniform(*WRONG_COUNT)))
    told = max(2, round(count * factor if rng.random() < 0.5 else count / factor))
    size = image.shape[1], image.shape[0]
    given = Grid.make(size=size, name="picture", pieces=min(told, 5000))
    assert given is not None
    return given
