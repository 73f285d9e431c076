"""Examples for the second stage: where searches of whole puzzles went, right and wrong.

Which places look like a piece's own belongs to the picture: they are searched for once, and other
photos of the piece are laid where the first one's places were.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

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
from heatmap_locator.model.precision import single_precision
from heatmap_locator.search.align import rotation_of
from heatmap_locator.search.compare import Compared
from heatmap_locator.search.levels import Level, encode_levels
from heatmap_locator.search.measure import measure, measure_shortlist
from heatmap_locator.search.pairs import Pairs, pair
from heatmap_locator.search.piece import PreparedPiece, prepare_piece
from heatmap_locator.search.pose import ROTATIONS, SCALES, pose_pieces
from heatmap_locator.search.see import see

from ..draw.puzzles import CutPuzzle, Photographed
from .kept import Example

EASY = 12.0
"""Logits by which the ranker has the right place before all others where other captures of a piece
would teach nothing.  Set by hand."""

HEAD_DEVIATION = 0.3
"""Of the head's logit at a place from one capture of a piece to the next.  Set by hand."""


@dataclass(frozen=True, eq=False)
class _Found:
    """Where a piece was looked for, and what is kept of it for other captures.

    Attributes:
        poses: ``(N, 2, 3)`` from pixels of the puzzle's picture to working pixels.
        known: ``head`` and ``feature`` there, ``(1, N)`` each.
        rank: (N,) by the ranker, from 0.
        right: (N,) bool.
        first: the rank of the first right place of all, -1 where there is none.
        easy: whether the ranker has the right one before all others by ``EASY``.
    """

    poses: Array
    known: dict[str, Tensor]
    rank: np.ndarray
    right: np.ndarray
    first: int
    easy: bool


class Miner:
    """Looks for pieces, and for other captures of them.

    Args:
        locator: whose first stage is searched with.
        captures, places: as in ``MiningSettings``.
    """

    def __init__(self, locator: Locator, captures: int, places: int) -> None:
        self.locator, self.captures, self.places = locator, captures, places

    @single_precision()
    @torch.inference_mode()
    def examples(self, puzzle: CutPuzzle, rng: np.random.Generator) -> list[Example]:
        """Of the pieces chosen of a puzzle, capture after capture."""
        model, device = self.locator.model, self.locator.device
        (level,) = encode_levels(puzzle.picture, puzzle.grid, model, device)
        found = []
        for number in puzzle.chosen(rng):
            taken = puzzle.photograph(number, rng)
            own, places = self._search(taken, level)
            found.append(_example(own, places, puzzle, number, taken))
            for _ in range(0 if places.easy else self.captures - 1):
                taken = puzzle.photograph(number, rng)
                again = self._lay(taken, level, places, rng)
                found.append(_example(again, places, puzzle, number, taken))
        return found

    def _search(self, taken: Photographed, level: Level) -> tuple["_Laid", _Found]:
        device = self.locator.device
        piece = prepare_piece(taken.image, cutout=True)
        ((seen,),) = see([piece], [[level]], self.locator.model, device)
        poses = pose_pieces([piece], device)
        measured = measure_shortlist(seen.named, poses, level.field, seen.feature)
        real = measured.real[0]
        features, warp = measured.features[0, real], measured.warp[0, real]
        logits = self.locator.model.ranker(features)
        order = logits.argsort(descending=True, stable=True)
        features, warp = features[order], warp[order]
        laid = compose(warp.double().numpy(), _to_print(piece, taken))
        right = is_right(laid, taken, level)
        kept = np.arange(min(self.places, len(right)))
        first = int(np.argmax(right)) if right.any() else -1
        wrong = logits[order][torch.from_numpy(~right)]
        easy = first == 0 and (not len(wrong) or float(logits.max() - wrong[0]) > EASY)
        if first >= self.places:
            kept[-1] = first
        at = torch.from_numpy(kept)
        known = {"head": features[at, 0][None], "feature": features[at, 1][None]}
        places = _Found(laid[kept], known, kept, right[kept], first, easy)
        return _Laid(pair(warp[at][None], poses, level.field.picture), features[at]), places

    def _lay(
        self, taken: Photographed, level: Level, places: _Found, rng: np.random.Generator
    ) -> "_Laid":
        """Another capture where the first one's places were, from where a search begins."""
        piece = prepare_piece(taken.image, cutout=True)
        poses = pose_pieces([piece], self.locator.device)
        warp = compose(places.poses, invert(_to_print(piece, taken)))
        head = places.known["head"]
        noise = torch.from_numpy(rng.normal(0, HEAD_DEVIATION, head.shape)).to(head)
        known = {**places.known, "head": head + noise}
        begun = compared(torch.from_numpy(warp).float()[None])
        aligned, features = measure(begun, poses, level.field, known)
        return _Laid(pair(aligned, poses, level.field.picture), features[0])


@dataclass(frozen=True)
class _Laid:
    """A piece at N places: what is seen there, and what was measured, ``(N, F)``."""

    pairs: Pairs
    features: Tensor


def _to_print(piece: PreparedPiece, taken: Photographed) -> Array:
    """From pixels of the puzzle's picture to those of ``Poses.prints``, 0 at the reference."""
    to_print = piece.to_resized / OVERSAMPLE
    to_print[:, 2] -= piece.reference[0].double().numpy() / OVERSAMPLE
    return compose(to_print, taken.forward)


def compared(warp: Tensor) -> Compared:
    """What ``compare`` would find near warps, ``(B, M, 2, 3)``: poses as coarse as its own."""
    step = 360 / ROTATIONS
    degrees = (rotation_of(warp) / step).round() * step
    scale = warp[..., :2].det().abs().sqrt()
    sizes = torch.tensor(SCALES, device=warp.device)
    nearest = (scale[..., None] - sizes).abs().argmin(-1)
    middle = (warp[..., 2] / 2).round().long() * 2
    return Compared(torch.zeros_like(scale), degrees, sizes[nearest], middle)


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


def _example(
    laid: _Laid, places: _Found, puzzle: CutPuzzle, number: int, taken: Photographed
) -> Example:
    pairs = laid.pairs
    return Example(
        prints=pairs.prints[0].numpy(),
        insides=pairs.insides[0].numpy(),
        windows=pairs.windows[0].numpy(),
        features=laid.features.numpy(),
        right=places.right,
        rank=places.rank,
        first=places.first,
        piece=number,
        spread=taken.spread,
        pieces=puzzle.grid.pieces,
        kind=puzzle.kind,
    )
