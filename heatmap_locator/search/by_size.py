"""Looking for a piece where the number of pieces is not given: at one size after the other.

Correlating a piece with the picture is cheap, comparing and aligning it at the places found is
not.  So the picture is looked through at many sizes, and only the places that promise most, of all
of them together, are aligned.  Sizes with few pieces cost least and come first; those with many
follow only where the answer is not sure.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
import torch

from heatmap_locator.model.network import HeatmapLocator
from heatmap_locator.model.ranker import FEATURES, Ranker, evidence
from heatmap_locator.search.answer import Ranked, rank_seen
from heatmap_locator.search.levels import Level, cell_sides, encode_level
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.see import Seen, heats_of, see
from heatmap_locator.search.sizes import Sizes, about

CHEAP = (150, 400, 1000)
"""Pieces up to which sizes are looked through together, those of one step after the other's."""

NEAR, NEAR_LOOKS = math.log(5.0), 2
"""Of the log of a number of pieces: no further from the size that others were sure at are those
that are not sure there looked for, so many times; after that at every size."""

PROMISING = 40
"""Places of all sizes together that are aligned, at least."""

OF_EACH = 6
"""The same of each size: flat pieces promise more where they are wrong."""

OF_EACH_AT_LAST = 10
"""Places of each size that are aligned, of all compared, where the answer is not sure by then."""

SAME_LEVEL = math.log(1.04)
"""Of the log of a cell's side: nearer sizes share an encoded picture."""


@dataclass(frozen=True, eq=False)
class Look:
    """What has been found of a piece at the sizes looked through so far.

    Attributes:
        ranked: by picture size.
        heatmaps: of each.
        places: cells of all sizes that the answer was chosen from.
        finest: side of the smallest cells looked for, where smaller ones are to come; else 0.
    """

    ranked: list[Ranked]
    heatmaps: list[np.ndarray]
    places: float
    finest: float = 0.0


class BySize:
    """A picture whose pieces' size is not known.  Threads may share it.

    Args:
        picture: (H, W, 3) uint8.
        model: in evaluation mode, on ``device``.
        device: where the picture is encoded.

    Attributes:
        sizes: what pieces have said of their size.
        levels: the picture at the sizes that were needed so far, by their index.
    """

    def __init__(self, picture: np.ndarray, model: HeatmapLocator, device: torch.device) -> None:
        self._picture, self._model, self._device = picture, model, device
        self._sides = cell_sides(picture.shape[1], picture.shape[0], None)
        self._area = float(picture.shape[0] * picture.shape[1])
        self.sizes = Sizes(self._area, len(self._sides))
        self.levels: list[Level] = []
        self._encoded: list[float] = []
        self._lock = Lock()

    def level(self, side: float) -> Level:
        """The picture for cells of a side, encoded when it is first asked for.

        Args:
            side: picture pixels.
        """
        with self._lock:
            for known, level in zip(self._encoded, self.levels, strict=True):
                if abs(math.log(known / side)) < SAME_LEVEL:
                    return level
            index = len(self.levels)
            level = encode_level(self._picture, side, index, None, self._model, self._device)
            self._encoded.append(side)
            self.levels.append(level)
            return level

    def settled(self) -> list[Level]:
        """The one size that is looked at first and alone, or none."""
        side = self.sizes.settled
        return [] if side is None else [self.level(side)]

    def look(
        self,
        piece: PreparedPiece,
        seen: Sequence[Seen],
        most: int,
        say: Callable[[str], None],
        at_once: bool = False,
    ) -> Iterator[Look]:
        """Look at more and more sizes, for as long as the caller asks.

        Args:
            piece: the piece.
            seen: at the settled size, where there is one.
            most: places wanted.
            say: told what begins.
            at_once: all sizes that are cheap in one step.
        """
        first = list(seen)
        likely, trusted = self.sizes.likely, bool(seen) or self.sizes.trusted
        if first:
            places = sum(self._cells(s.level) for s in first)
        elif likely is not None:
            say(f"trying about {about(self._area / likely**2)} pieces")
            nearest = min(self._sides, key=lambda side: abs(math.log(side / likely)))
            first, places = self._see(piece, [self.level(nearest)]), self._every
        if first:
            (ranked,) = rank_seen([first], [piece], self._model.ranker, self._device)
            yield Look(ranked, heats_of(first), places)
            if trusted and not self.sizes.worth_a_look():
                return
        stages = self._stages(CHEAP[-1:] if at_once else CHEAP)
        if trusted and likely is not None and self.sizes.looks <= NEAR_LOOKS:
            stages = [[s for s in own if 2 * abs(math.log(s / likely)) <= NEAR] for own in stages]
        yield from self._widen(piece, first, most, say, [own for own in stages if own])

    def _widen(
        self,
        piece: PreparedPiece,
        first: list[Seen],
        most: int,
        say: Callable[[str], None],
        stages: list[list[float]],
    ) -> Iterator[Look]:
        """One stage of sizes after the other; at last every place that any of them proposes."""
        seen = list(first)
        ranked: list[Ranked] = []
        done: set[int] = set()
        ranker, device = self._model.ranker, self._device
        for sides in stages:
            fewest, largest = (about(self._area / side**2) for side in (sides[0], sides[-1]))
            say(f"trying {fewest} to {largest} pieces" if sides[1:] else f"trying {largest} pieces")
            known = [s.level for s in seen]
            seen += self._see(piece, [lv for lv in map(self.level, sides) if lv not in known])
            chosen = most_promising(seen, ranker, max(PROMISING, most))
            new = [s for s in chosen if s.level.index not in done]
            ranked += rank_seen([new], [piece], ranker, device)[0]
            done.update(s.level.index for s in chosen)
            finest = 0.0 if sides is stages[-1] else sides[-1]
            yield Look(list(ranked), heats_of(seen), self._every, finest)
        say("no size fits for certain; comparing every place")
        ranked += rank_seen([seen], [piece], ranker, device, OF_EACH_AT_LAST)[0]
        yield Look(ranked, heats_of(seen), self._every)

    def _stages(self, cheap: Sequence[int]) -> list[list[float]]:
        """Sides to look through together: what costs little at once, then one by one."""
        stages, left = [], self._sides
        for most in cheap:
            together = [side for side in left if self._area / side**2 <= most]
            stages.append(together)
            left = left[len(together) :]
        return [*stages, *([side] for side in left)]

    def _see(self, piece: PreparedPiece, levels: list[Level]) -> list[Seen]:
        return see([piece], [levels], self._model, self._device)[0]

    def _cells(self, level: Level) -> float:
        return self._area / self._encoded[level.index] ** 2

    @property
    def _every(self) -> float:
        """Cells of all the sizes."""
        return sum(self._area / side**2 for side in self._sides)


def most_promising(seen: Sequence[Seen], ranker: Ranker, most: int) -> list[Seen]:
    """The places, of all sizes, that head and features say most for.

    Args:
        seen: of one piece; at each size it has some place.
        ranker: whose weights tell what each is worth.
        most: places kept of all sizes together; of each, ``OF_EACH`` at least.

    Returns:
        what is left of each size.
    """
    weights = dict(zip(FEATURES, ranker.weights.tolist(), strict=True))
    worth = []
    for own in seen:
        value = weights["head"] * own.named.logit + weights["feature"] * evidence(own.feature)
        worth.append(value.masked_fill(~own.named.real, -torch.inf)[0].cpu().numpy())
    together = np.sort(np.concatenate(worth))
    least = together[-min(most, len(together))]
    kept = []
    for own, values in zip(seen, worth, strict=True):
        own_least = np.sort(values)[-min(OF_EACH, len(values))]
        wanted = (values >= min(least, own_least)) & (values > -np.inf)
        index = torch.from_numpy(np.flatnonzero(wanted))[None].to(own.feature.device)
        kept.append(replace(own, named=own.named.take(index), feature=own.feature.gather(1, index)))
    return kept
