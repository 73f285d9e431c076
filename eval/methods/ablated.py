"""The library with a part of it taken out: what does that part carry?"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from heatmap_locator.errors import InputError
from heatmap_locator.found import Search
from heatmap_locator.grid import Grid
from heatmap_locator.locator import Locator
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.model.network import HeatmapLocator
from heatmap_locator.model.precision import single_precision
from heatmap_locator.model.ranker import FEATURES
from heatmap_locator.placement import Placement
from heatmap_locator.puzzle import Puzzle
from heatmap_locator.search.decode import decode
from heatmap_locator.search.evidence import seen_sides
from heatmap_locator.search.named import Candidate
from heatmap_locator.search.piece import PreparedPiece, prepare_piece
from heatmap_locator.search.place import lay_on_picture, placements_of
from heatmap_locator.search.propose import NAMED_BY_PIXELS, bodies_of, favoured
from heatmap_locator.search.searcher import Searcher
from heatmap_locator.search.see import Seen

from .protocol import Prepared


def _neutral_maps(model: HeatmapLocator) -> None:
    """The maps say: in the middle of the cell, under the bank's angle."""

    def neutral(module: nn.Module, given: tuple[Any, ...], maps: HeadMaps) -> HeadMaps:
        straight = torch.tensor([0.0, 1.0], device=maps.heat.device).view(1, 2, 1, 1)
        return replace(
            maps,
            offset=torch.full_like(maps.offset, 0.5),
            rotation=straight.expand_as(maps.rotation),
        )

    model.head.register_forward_hook(neutral)


def _plain_readout(model: HeatmapLocator) -> None:
    """What the U-Net and its reader add to the readout of the best correlation is nothing."""
    for parameter in model.head.fuse[-1].parameters():
        nn.init.zeros_(parameter)


def _no_head_in_the_ranker(model: HeatmapLocator) -> None:
    with torch.no_grad():
        model.ranker.weights[FEATURES.index("head")] = 0


def _no_second_stage(model: HeatmapLocator) -> None:
    model.ranker.verifier = None


class _PixelSearcher(Searcher):
    def see(self, pieces: Sequence[PreparedPiece]) -> list[list[Seen]]:
        return [[_by_pixels(one) for one in own] for own in super().see(pieces)]


class _ByPixels(Puzzle):
    """Without the places that the head names."""

    _searcher_kind = _PixelSearcher


def _by_pixels(seen: Seen) -> Seen:
    """Those that the pixels name come last."""
    index = torch.arange(seen.named.real.shape[1], device=seen.feature.device)[-NAMED_BY_PIXELS:]
    return replace(seen, named=seen.named.take(index[None]), feature=seen.feature[:, index])


class _WithoutSides(PreparedPiece):
    """A piece whose corners and sides are not looked at."""

    sides = None


class _SidelessSearcher(Searcher):
    def answers(
        self, pieces: Sequence[PreparedPiece], *args: Any, **kwargs: Any
    ) -> list[Search | InputError]:
        own = [{f.name: getattr(piece, f.name) for f in fields(piece)} for piece in pieces]
        return super().answers([_WithoutSides(**values) for values in own], *args, **kwargs)


class Sideless(Puzzle):
    """A puzzle that looks at no piece's sides."""

    _searcher_kind = _SidelessSearcher


class _Alone:
    """Heat, peaks, decoding, and nothing after it: no pixels' own places, no alignment, no ranker.

    Args:
        puzzle: of the locator.
        cut: whether places are decoded in view of the cut, as a search does it.
    """

    def __init__(self, puzzle: Puzzle, cut: bool) -> None:
        self.puzzle, self.cut = puzzle, cut

    @single_precision()
    @torch.inference_mode()
    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        puzzle, maps = self.puzzle, list[HeadMaps]()
        prepared = prepare_piece(piece, puzzle.outlines, piece.shape[2] == 4)
        hook = puzzle.model.head.register_forward_hook(
            lambda module, given, made: maps.append(made)
        )
        try:
            (seen,) = puzzle._searcher.see([prepared])
        finally:
            hook.remove()
        laid = [
            lay_on_picture(candidate, prepared, one.level)
            for one, own in zip(seen, maps, strict=True)
            for candidate in self._decoded(own, one, prepared, top)
        ]
        laid.sort(key=lambda one: -one.logit)
        size = puzzle.width, puzzle.height
        found = placements_of(laid[:top], prepared, size, puzzle.grid)
        return [
            replace(place, score=1 / (1 + float(np.exp(-one.logit))))
            for one, place in zip(laid[:top], found, strict=True)
        ]

    def _decoded(
        self, maps: HeadMaps, seen: Seen, piece: PreparedPiece, top: int
    ) -> Sequence[Candidate]:
        """Places with the logits by which they are ordered."""
        head, field, favour = self.puzzle.model.head, seen.level.field, None
        if self.cut:
            sides = seen_sides([piece], field.grid, field.size)
            own = bodies_of([piece], maps.heat.device)
            favour = favoured(*own, sides, field.grid, field.size)
        named = decode(maps, head.rotations, head.rotation_gain, top, favour)
        if favour is not None:
            named = replace(named, logit=named.logit + favour(named))
        return named.candidates()[0]


class Ablated:
    """A locator's model changed, or its puzzles.

    Args:
        locator: stays as it is.
        change: what is done to a copy of its model.
        kind: of puzzles that it makes.
        alone: only the head's own decoding answers.
        cut: and that in view of the cut.
    """

    def __init__(
        self,
        locator: Locator,
        change: Callable[[HeatmapLocator], None] | None = None,
        kind: type[Puzzle] = Puzzle,
        alone: bool = False,
        cut: bool = False,
    ) -> None:
        model = locator.model
        if change is not None:
            model = copy.deepcopy(model)
            change(model)
        self._made = model, locator.device, locator.calibration
        self._outlines, self._kind = locator.outlines, kind
        self._alone, self._cut = alone, cut

    def encode(self, picture: np.ndarray, grid: Grid) -> Puzzle:
        """As ``Locator.encode``."""
        with single_precision():
            return self._kind(*self._made, picture, grid, self._outlines)

    def prepare(self, picture: np.ndarray, grid: Grid) -> Prepared:
        puzzle = self.encode(picture, grid)
        return _Alone(puzzle, self._cut) if self._alone else _Whole(puzzle)


class _Whole:
    def __init__(self, puzzle: Puzzle) -> None:
        self.puzzle = puzzle

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        return self.puzzle.locate(piece, top, piece.shape[2] == 4)


def ablations(locator: Locator) -> Mapping[str, Ablated]:
    """By the names of :data:`heatmap_eval.options.ABLATIONS`."""
    return {
        "shipped": Ablated(locator),
        "maps": Ablated(locator, _neutral_maps),
        "unet": Ablated(locator, _plain_readout),
        "alone": Ablated(locator, alone=True),
        "cut": Ablated(locator, alone=True, cut=True),
        "readout": Ablated(locator, _plain_readout, alone=True, cut=True),
        "pixels": Ablated(locator, kind=_ByPixels),
        "head": Ablated(locator, _no_head_in_the_ranker),
        "second": Ablated(locator, _no_second_stage),
        "sides": Ablated(locator, kind=Sideless),
    }
