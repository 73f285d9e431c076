"""Pieces of known place: cut from the picture itself, or printed, turned and photographed."""

import math
from collections.abc import Container, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from heatmap_locator.geometry import bounds
from heatmap_locator.grid import Grid
from heatmap_train.draw.cutter import cut_grid, rasterize
from heatmap_train.draw.kinds import as_kind
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.prints import photograph_picture, photograph_piece
from heatmap_train.draw.procedural import draw_picture
from heatmap_train.draw.texture import texture_class, texture_spread

from .tasks import PictureTask, PieceTask

EXACT_SIZE = (3000, 2000)
EXACT_GRID = Grid(25, 38)

TINY_SIDE = 256
TINY_GRID = Grid(4, 4)
TINY_PADDING = 20
"""Pixels of black around a piece."""

PROCEDURAL_PICTURES = 20
"""Pictures drawn where no folder is given."""

PRINT_CELL = (64.0, 160.0)
"""Fewest and most photo pixels of a cell's side; drawn per piece, evenly in the logarithm."""

_CUT_MARGIN = 0.15
_PHOTO_MARGIN = (0.35, 0.8)
"""Sides of a cell left around a piece: cut out, and least and most on a background."""


def grid_of(image: np.ndarray, count: int, name: str) -> Grid:
    """Rows and columns of a puzzle of about ``count`` pieces, which its picture is then cut into.

    Args:
        image: (H, W, 3), the puzzle's picture.
        count: of pieces.
        name: what errors call the picture.

    Raises:
        InputError: the picture is too small.
    """
    fitting = Grid.make(size=(image.shape[1], image.shape[0]), name=name, pieces=count)
    assert fitting is not None
    return Grid(fitting.rows, fitting.cols)


def names_of(source: PictureSource, folder: Path | None) -> list[str]:
    """Names of a source's pictures, in order."""
    if source.files is None or folder is None:
        return [f"procedural-{index:03d}" for index in range(PROCEDURAL_PICTURES)]
    return [file.relative_to(folder).as_posix() for file in source.files]


def dataset_name(folder: Path | None) -> str:
    """What tables call a folder of pictures."""
    return "procedural" if folder is None else folder.resolve().name


def _wanted(
    source: PictureSource, folder: Path | None, only: Container[str] | None
) -> Iterator[tuple[int, str]]:
    """Numbers and names of the pictures of a source, those of the names given or all."""
    for index, name in enumerate(names_of(source, folder)):
        if only is None or name in only:
            yield index, name


def _middle(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle of a picture, (H, W, 3) uint8, at ``size`` (width, height)."""
    height, width = picture.shape[:2]
    aspect = size[0] / size[1]
    w, h = min(width, round(height * aspect)), min(height, round(width / aspect))
    left, top = (width - w) // 2, (height - h) // 2
    crop = Image.fromarray(picture[top : top + h, left : left + w])
    return np.asarray(crop.resize(size, Image.Resampling.LANCZOS))


def exact_tasks(
    folder: Path | None, seed: int, per_picture: int, only: Container[str] | None = None
) -> Iterator[PictureTask]:
    """Rectangles out of the picture's own pixels, in quarter turns, all opaque.

    Args:
        folder: of pictures, or ``None`` for drawn ones.
        seed: with the picture's index it decides everything.
        per_picture: pieces taken from each picture.
        only: names of the pictures wanted; ``None`` is all.
    """
    source = PictureSource(folder, "all")
    (width, height), grid = EXACT_SIZE, EXACT_GRID
    for index, name in _wanted(source, folder, only):
        rng = np.random.default_rng([seed, index])
        if folder is None:
            picture = draw_picture(width, height, rng)
        else:
            picture = _middle(source[index], EXACT_SIZE)
        pieces = []
        for cell in rng.permutation(grid.pieces)[:per_picture]:
            row, col = divmod(int(cell), grid.cols)
            x1, x2 = (round(c * width / grid.cols) for c in (col, col + 1))
            y1, y2 = (round(r * height / grid.rows) for r in (row, row + 1))
            crop, quarters = picture[y1:y2, x1:x2], int(rng.integers(4))
            opaque = np.full(crop.shape[:2], 255, np.uint8)
            texture = texture_class(texture_spread(crop, opaque, math.sqrt(opaque.size)))
            # rot90 turns counter-clockwise, a rotation is clockwise.
            image = np.ascontiguousarray(np.rot90(np.dstack([crop, opaque]), -quarters))
            box = (float(x1), float(y1), float(x2), float(y2))
            pieces.append(PieceTask(f"{row},{col}", image, box, 90.0 * quarters, texture))
        yield PictureTask(dataset_name(folder), name, picture, grid, grid.pieces, pieces)


def tiny_tasks(
    folder: Path | None, seed: int, per_picture: int, only: Container[str] | None = None
) -> Iterator[PictureTask]:
    """Interlocking pieces of small pictures, out of the picture's own pixels, on black.

    As in the classical baselines of github.com/claust/pussel (experiment 23): 4 x 4 pieces, a
    black background without alpha, 20 pixels of it on every side, and every piece in all four
    quarter turns.  There a turned photo keeps its frame, which clips some tabs; here none are.

    Args:
        folder: of pictures, or ``None`` for drawn ones.
        seed: with the picture's index it decides everything.
        per_picture: pieces taken from each picture, each asked four times; at most 16.
        only: names of the pictures wanted; ``None`` is all.
    """
    source = PictureSource(folder, "all")
    side, grid, pad = TINY_SIDE, TINY_GRID, TINY_PADDING
    for index, name in _wanted(source, folder, only):
        rng = np.random.default_rng([seed, index])
        picture = (
            draw_picture(side, side, rng)
            if folder is None
            else _middle(source[index], (side, side))
        )
        cut = cut_grid(grid.rows, grid.cols, side, side, rng)
        padded = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)))
        pieces = []
        for cell in rng.permutation(grid.pieces)[:per_picture]:
            row, col = divmod(int(cell), grid.cols)
            box = cut.box(row, col)
            left, top = (math.floor(v) - pad for v in box[:2])
            right, bottom = (math.ceil(v) + pad for v in box[2:])
            # On whole pixels: the piece's are the picture's, but for the rim's cover.
            shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top]])
            mask = rasterize(cut.outline(row, col), (bottom - top, right - left), shift)
            crop = padded[top + pad : bottom + pad, left + pad : right + pad]
            texture = texture_class(texture_spread(crop, mask, side / grid.cols))
            photo = (crop * mask[..., None]).round().astype(np.uint8)
            for quarter in range(4):
                # rot90 turns counter-clockwise, a rotation is clockwise.
                image = np.ascontiguousarray(np.rot90(photo, -quarter))
                label = f"{row},{col},{90 * quarter}"
                pieces.append(PieceTask(label, image, box, 90.0 * quarter, texture))
        yield PictureTask(dataset_name(folder), name, picture, grid, grid.pieces, pieces)


def captured_tasks(
    folder: Path | None,
    split: str,
    seed: int,
    count: int,
    per_picture: int,
    photos: bool = False,
    only: Container[str] | None = None,
    kind: str = "plain",
    crop_error: float = 0.0,
) -> Iterator[PictureTask]:
    """Interlocking pieces at any angle; picture and pieces each captured on their own.

    Args:
        folder: of pictures, or ``None`` for drawn ones.
        split: of the folder, as in :class:`PictureSource`.
        seed: with the picture's index and the count it decides everything.
        count: pieces of the puzzle; its grid follows from the picture's shape.
        per_picture: pieces taken from each picture.
        photos: on a background wide enough to be found, instead of with the outline as alpha.
        only: names of the pictures wanted; ``None`` is all.
        kind: of ``heatmap_train.draw.names.PICTURES``, what is made of each picture.
        crop_error: deviation of how far each edge of the puzzle lies from the picture's, in shares
            of its width or height: boxes and shops crop.
    """
    source = PictureSource(folder, split)
    dataset = dataset_name(folder) + ("" if kind == "plain" else f", {kind}")
    dataset += f", edges {crop_error:g} off" if crop_error else ""
    for index, name in _wanted(source, folder, only):
        rng = np.random.default_rng([seed, index, count])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        image = as_kind(source[index], kind, rng)
        height, width = image.shape[:2]
        grid = grid_of(image, count, name)
        edges = rng.normal(0, crop_error, (2, 2)) if crop_error else np.zeros((2, 2))
        wide, high = np.array([width, height]) * (1 + edges[1] - edges[0])
        cut = cut_grid(grid.rows, grid.cols, float(wide), float(high), rng)
        origin = edges[0] * [width, height]
        side = math.sqrt(width * height / grid.pieces)
        picture = photograph_picture(image, generator)
        pieces = []
        for cell in rng.permutation(grid.pieces)[:per_picture]:
            row, col = divmod(int(cell), grid.cols)
            rotation, pixels = float(rng.uniform(0, 360)), np.exp(rng.uniform(*np.log(PRINT_CELL)))
            # Drawn either way, so that the same pieces are asked with a background and without.
            wide = float(rng.uniform(*_PHOTO_MARGIN))
            margin = pixels * (wide if photos else _CUT_MARGIN)
            outline = cut.outline(row, col) + origin
            taken = photograph_piece(image, outline, rotation, pixels / side, margin, generator)
            shown = taken.photo if photos else np.dstack([taken.photo, taken.alpha])
            texture = texture_class(texture_spread(taken.clean, taken.mask, float(pixels)))
            pieces.append(PieceTask(f"{row},{col}", shown, bounds(outline), rotation, texture))
        yield PictureTask(dataset, name, picture, grid, count, pieces)
