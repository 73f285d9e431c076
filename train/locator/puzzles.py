"""Batches of whole puzzles: what a search correlates, and not scenes that are drawn to be like it.

Pieces are photographed, cut out and brought to size as a search does it, so that errors of outlines
and sizes are those that it meets; every place of the puzzle's picture is a rival.
"""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from heatmap_locator.errors import NoPieceError
from heatmap_locator.geometry import Array, compose, invert, transform
from heatmap_locator.search.levels import cell_sides, working_picture
from heatmap_locator.search.piece import PreparedPiece, prepare_piece

from ..draw.pictures import PictureSource
from ..draw.puzzles import Photographed, cut_puzzle
from ..draw.scenes import Scenes
from ..shared.batches import STREAMS
from .recipe import Recipe


class PuzzleBatches(Dataset[Scenes]):
    """A puzzle a step, captured, with pieces of it; with its mirror image where a batch is 2.

    Sizes differ from step to step.
    """

    def __init__(self, source: PictureSource, recipe: Recipe, stream: str) -> None:
        assert recipe.puzzles is not None
        self.source, self.recipe, self.settings = source, recipe, recipe.puzzles
        self.stream = STREAMS[stream]

    @torch.no_grad()
    def __getitem__(self, step: int) -> Scenes:
        rng = np.random.default_rng([self.recipe.run.seed, self.stream, step])
        prepared: list[tuple[PreparedPiece, Photographed]] = []
        while not prepared:
            puzzle = cut_puzzle(self.source, self.settings, rng)
            for number in puzzle.chosen(rng):
                taken = puzzle.photograph(number, rng)
                try:
                    prepared.append((prepare_piece(taken.image, cutout=True), taken))
                except NoPieceError:  # as a search would say
                    continue
        (side,) = cell_sides(puzzle.picture.shape[1], puzzle.picture.shape[0], puzzle.grid)
        picture, to_picture = working_picture(puzzle.picture, side, torch.device("cpu"))
        scenes = _scenes(picture, to_picture, prepared)
        return mirrored_too(scenes) if self.recipe.run.batch == 2 else scenes


def _scenes(
    picture: Tensor, to_picture: Array, prepared: list[tuple[PreparedPiece, Photographed]]
) -> Scenes:
    """A batch of one picture."""
    height, width = (max(piece.photo.shape[axis] for piece, _ in prepared) for axis in (2, 3))
    count, from_picture = len(prepared), invert(to_picture)
    photos = torch.zeros(1, count, 3, height, width)
    masks = torch.zeros(1, count, 1, height, width)
    homographies = torch.zeros(1, count, 3, 3)
    boxes = torch.zeros(1, count, 4)
    for n, (piece, taken) in enumerate(prepared):
        h, w = piece.photo.shape[2:]
        photos[0, n, :, :h, :w], masks[0, n, :, :h, :w] = piece.photo[0], piece.weight[0]
        forward = compose(piece.to_resized, compose(taken.forward, to_picture))
        homographies[0, n] = torch.eye(3)
        homographies[0, n, :2] = torch.from_numpy(invert(forward))
        corners = transform(from_picture, np.reshape(taken.box, (2, 2)))
        boxes[0, n] = torch.from_numpy(corners.ravel())
    rotation = torch.tensor([[taken.rotation for _, taken in prepared]])
    exact = torch.zeros(1, dtype=torch.bool)
    return Scenes(picture, photos, masks, homographies, rotation, boxes, exact)


def mirrored_too(scenes: Scenes) -> Scenes:
    """A batch and after it its mirror image, left to right."""
    width, own = scenes.pictures.shape[3], scenes.photos.shape[4]
    x1, y1, x2, y2 = scenes.box.unbind(2)
    parts = [
        (scenes.pictures, scenes.pictures.flip(3)),
        (scenes.photos, scenes.photos.flip(4)),
        (scenes.masks, scenes.masks.flip(4)),
        (scenes.homographies, _flip(width) @ scenes.homographies @ _flip(own)),
        (scenes.rotation, -scenes.rotation % 360),
        (scenes.box, torch.stack([width - x2, y1, width - x1, y2], 2)),
        (scenes.exact, scenes.exact),
    ]
    return Scenes(*(torch.cat(both) for both in parts))


def _flip(width: int) -> Tensor:
    """What mirrors points of an image so wide."""
    return torch.tensor([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]])
