"""Examples for the second stage: where searches of whole puzzles went, right and wrong."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from heatmap_locator.geometry import (
    CELL,
    RIGHT_ANGLE,
    Array,
    angle_difference,
    compose,
    invert,
    transform,
)
from heatmap_locator.locator import Locator
from heatmap_locator.model.bank import OVERSAMPLE
from heatmap_locator.model.comparison import compare_pairs
from heatmap_locator.model.precision import single_precision
from heatmap_locator.search.levels import Level, encode_levels
from heatmap_locator.search.measure import measure_shortlist
from heatmap_locator.search.named import Named
from heatmap_locator.search.pairs import pair
from heatmap_locator.search.piece import PreparedPiece, prepare_piece
from heatmap_locator.search.pose import pose_pieces
from heatmap_locator.search.see import see

from ..draw.puzzles import CutPuzzle, Photographed
from .kept import Example

TOGETHER = 10
"""Pieces that a GPU searches for at once: those of a large puzzle have volumes of some 2 GB."""


class Miner:
    """Looks for pieces.

    Args:
        locator: whose first stage is searched with.
        places: as in ``MiningSettings``.
    """

    def __init__(self, locator: Locator, places: int) -> None:
        self.locator, self.places = locator, places

    @single_precision()
    @torch.inference_mode()
    def examples(self, puzzle: CutPuzzle, rng: np.random.Generator) -> list[Example]:
        """Of the pieces chosen of a puzzle, a photo each."""
        model, device = self.locator.model, self.locator.device
        (level,) = encode_levels(puzzle.picture, puzzle.grid, model, device)
        photos = [puzzle.photograph(number, rng) for number in puzzle.chosen(rng)]
        # A CPU gains nothing by more than one.
        together = 1 if device.type == "cpu" else TOGETHER
        return [
            example
            for start in range(0, len(photos), together)
            for example in self._search(photos[start : start + together], level, puzzle)
        ]

    def _search(
        self, photos: Sequence[Photographed], level: Level, puzzle: CutPuzzle
    ) -> list[Example]:
        """Photos of a piece each, which go through the network together."""
        model, device = self.locator.model, self.locator.device
        pieces = [prepare_piece(taken.image, cutout=True) for taken in photos]
        seen = [own[0] for own in see(pieces, [[level]] * len(pieces), model, device)]
        poses = pose_pieces(pieces, device)
        named = Named.joined([one.named for one in seen], 0)
        feature = torch.cat([one.feature for one in seen])
        found = measure_shortlist(named, poses, level.field, feature)
        logits = model.ranker(found.features).masked_fill(~found.real, -torch.inf)
        logits, order = logits.sort(dim=1, descending=True, stable=True)
        at, real = order[..., None], found.real.gather(1, order)
        warp = found.warp.gather(1, at[..., None].expand(-1, -1, 2, 3))
        kept = slice(0, self.places)
        features = found.features.gather(1, at.expand(-1, -1, found.features.shape[2]))
        views = pair(warp[:, kept], poses, level.field.picture)
        images = views.prints, views.insides, views.windows
        own = features[:, kept], logits[:, kept], real[:, kept]
        scalars = compare_pairs(*images, *own).cpu().numpy()
        logits, real, warp = logits.cpu(), real.cpu(), warp.cpu()
        examples = []
        for n, (piece, taken) in enumerate(zip(pieces, photos, strict=True)):
            laid = warp[n, real[n]].double().numpy()
            right = is_right(compose(laid, _to_print(piece, taken)), taken, level)
            few = right[kept]
            examples.append(
                Example(
                    scalars[n, : len(few)],
                    logits[n, : len(few)].numpy(),
                    few,
                    int(np.argmax(right)) if right.any() else -1,
                    taken.spread,
                    puzzle.grid.pieces,
                    puzzle.kind,
                )
            )
        return examples


def _to_print(piece: PreparedPiece, taken: Photographed) -> Array:
    """From pixels of the puzzle's picture to those of ``Poses.prints``, 0 at the reference."""
    to_print = piece.to_resized / OVERSAMPLE
    to_print[:, 2] -= piece.reference[0].double().numpy() / OVERSAMPLE
    return compose(to_print, taken.forward)


def is_right(laid: Array, taken: Photographed, level: Level) -> np.ndarray:
    """(N,) bool, which of ``(N, 2, 3)`` maps from the picture to working pixels lay a piece within
    half a cell of its place, and straight."""
    x1, y1, x2, y2 = taken.box
    middle = np.array([[(x1 + x2) / 2, (y1 + y2) / 2]])
    truth = transform(invert(level.to_picture), middle)[0]
    found = []
    for pose in laid:
        away = float(np.linalg.norm(transform(pose, middle)[0] - truth))
        turn = math.degrees(math.atan2(pose[1, 0] - pose[0, 1], pose[0, 0] + pose[1, 1]))
        found.append(away < CELL / 2 and abs(angle_difference(turn, 0.0)) <= RIGHT_ANGLE)
    return np.array(found, bool)
