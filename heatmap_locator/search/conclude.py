"""From ranked places to the answer: laid on the picture, told apart, with scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from heatmap_locator.found import Evidence, Search
from heatmap_locator.grid import Grid
from heatmap_locator.model.calibration import WEIGHED, Calibration, logit_measures
from heatmap_locator.model.ranker import Ranker
from heatmap_locator.placement import Placement, Why
from heatmap_locator.search.answer import highest, lay_best, recognise
from heatmap_locator.search.by_size import Look
from heatmap_locator.search.decode import best_apart
from heatmap_locator.search.doubt import photo_measures, place_measures
from heatmap_locator.search.edges import weighed
from heatmap_locator.search.identical import CANDIDATES
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.place import Laid, placements_of, squared
from heatmap_locator.search.presence import require_piece

TOGETHER = 0.9
"""Probability that a few places have to hold for an answer to be one of these."""

SEVERAL = 6
"""Places that are a few, at most.  More are no answer that anybody tries out."""


@dataclass(frozen=True, eq=False)
class Judge:
    """What takes the places found of pieces to answers.

    Attributes:
        picture: (H, W, 3) uint8.
        grid: of the puzzle, ``None`` where it is not known.
        calibration: from the ranker's logits to scores.
        ranker: with the model's weights.
    """

    picture: np.ndarray
    grid: Grid | None
    calibration: Calibration
    ranker: Ranker

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture."""
        return int(self.picture.shape[1]), int(self.picture.shape[0])

    def conclude(
        self, look: Look, piece: PreparedPiece, top: int, name: str
    ) -> tuple[Search, float]:
        """The answer, and the logit of its best place; ``-inf`` where there is none.

        Args:
            look: what has been found of the piece.
            piece: the piece.
            top: placements wanted.
            name: what errors call the piece.

        Raises:
            NoPieceError: the photo shows no piece of this picture.
        """
        ranked = weighed(look.ranked, piece, self.calibration.scale)
        laid = lay_best(ranked, piece, max(top, CANDIDATES))
        laid = recognise(laid, piece, self.picture, self.grid)
        placed = zip(laid, placements_of(laid, piece, self.size, self.grid), strict=True)
        # A piece that reaches out of the picture by half of itself is nowhere.
        inside = [(one, place) for one, place in placed if self._holds(*place.center)]
        every, evidence = self._scored(inside, look, piece)
        placements = every[:top]
        require_piece(piece, placements, self.picture, name)
        foreign = None
        if evidence is not None:
            foreign = self.calibration.probability_foreign(evidence.measures)
        found = Search(
            placements,
            highest(look.heatmaps),
            piece.rgb,
            piece.mask,
            foreign=foreign,
            evidence=evidence,
            sides=None if self.grid is None else piece.sides,
            picture=self.picture,
            one_of=several([place.score for place in every]),
        )
        # How well the print fits: what sides say is no measure of that.
        return found, inside[0][0].by_print if inside else -math.inf

    def _holds(self, x: float, y: float) -> bool:
        """Whether a place is in the picture."""
        return 0 <= x <= self.size[0] and 0 <= y <= self.size[1]

    def _scored(
        self, places: Sequence[tuple[Laid, Placement]], look: Look, piece: PreparedPiece
    ) -> tuple[list[Placement], Evidence | None]:
        """Places, best first, with scores, why, and what these are made of."""
        if not places:
            return [], None
        laid, found = zip(*places, strict=True)
        centres = np.array([p.center for p in found]).reshape(-1, 2)
        reaches = {level.index: level.reach for level, _ in look.ranked}
        reach = np.array([reaches.get(one.level, min(reaches.values())) for one in laid])
        logits = np.array([one.logit for one in laid])
        # Two sizes of one place may only now turn out to be one.
        kept = best_apart(centres, reach, logits)
        measures = {
            **logit_measures(logits[kept]),
            "places": math.log(max(look.places, 1.0)),
            **photo_measures(piece),
        }
        levels = [level for level, _ in look.ranked]
        measures |= place_measures(piece, laid[kept[0]], levels, self.ranker) or {}
        scores = self.calibration.scores(logits[kept], look.places, measures)
        placements = [
            replace(
                squared(replace(found[i], score=float(score)), piece, self.size, self.grid),
                why=self._why(laid[i], look.places),
            )
            for i, score in zip(kept, scores, strict=True)
        ]
        kept_logits = tuple(logits[kept][:WEIGHED].tolist())
        return placements, Evidence(kept_logits, look.places, measures)

    def _why(self, laid: Laid, places: float) -> Why:
        """What speaks for a place: its logit, by where it came from, against none of these."""
        own = self.calibration
        unseen = own.unseen + own.places * math.log(max(places, 1.0))
        scaled = own.scale * np.array([laid.by_print, laid.sides, laid.open, laid.colour])
        by_print, *others = scaled.tolist()
        return Why(by_print - unseen, *others)


def several(scores: Sequence[float]) -> int | None:
    """How many of the first places hold ``TOGETHER``, where it takes 2 to ``SEVERAL`` of them.

    Args:
        scores: best first.
    """
    for count, together in enumerate(accumulate(scores[:SEVERAL]), 1):
        if together >= TOGETHER:
            return count if count > 1 else None
    return None
