"""How well every side fits every other: likelihood ratios of facing each other against chance."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from heatmap_locator.assign.odds import Odds, odds_of
from heatmap_locator.assign.ratio import Ratio, SideModel, shipped_model
from heatmap_locator.assign.shapes import BLANK, KNOB, SIZE, Shapes

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

STRAY = 0.02
"""Probability that a side's kind is misread.  Set by hand."""

NEAREST = 100
"""Sides that are told apart for each, best first; any other of its kind fits no better than one
that does not fit."""

LARGEST, _LARGEST_OF = 1e6, 100.0
"""Ratio at most, whatever is known; and for each pair of sides known to belong together, and one:
other things happen than are modelled, and few pairs tell little of that."""

_KEPT = 0.05
"""Of a ratio, above that of sides that do not fit, to be kept."""

_SOME = 800
"""Knobs, and blanks, of which all pairs tell how sides fit by chance."""

_FEW = 60
"""Knobs, or blanks, of which fewer tell too little of that."""

_ROWS = 512
"""Sides compared at once with all others, for memory's sake."""


@dataclass(frozen=True, eq=False)
class Fit:
    """How well sides of N pieces fit: what two sides' ratio is short of 1, or above.

    Attributes:
        ratios: (4 N, 4 N) sparse, symmetric: likelihood ratios of sides that fit, less ``unfit``.
        kinds: (4 N,) of sides.
        trust: (4 N,) of each, 0..1.
        clash: ratio of sides of which no two may meet.
        unfit: the same of a knob and a blank that do not fit.
    """

    ratios: "csr_matrix"
    kinds: np.ndarray
    trust: np.ndarray
    clash: float
    unfit: float

    @cached_property
    def logs(self) -> np.ndarray:
        """(4 N, N, 4) float32 log likelihood ratios of every side with every."""
        found = np.empty((len(self.kinds),) * 2, np.float32)
        trust = self.trust.astype(np.float32)
        for start in range(0, len(found), _ROWS):
            part = slice(start, start + _ROWS)
            here = self.ratios[part].toarray()
            here += np.float32(self.clash - 1.0)
            facing = self.kinds[part, None] * self.kinds[None] == KNOB * BLANK
            here += np.float32(self.unfit - self.clash) * facing
            here *= trust
            here *= trust[part, None]
            np.log1p(here, out=found[part])
        return found.reshape(len(found), -1, 4)

    def of(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Log likelihood ratios of pairs of sides, index arrays of the same shape."""
        if not first.size:
            return np.zeros(first.shape)
        found = np.asarray(self.ratios[first.ravel(), second.ravel()]).reshape(first.shape)
        facing = self.kinds[first] * self.kinds[second] == KNOB * BLANK
        found = found + np.where(facing, self.unfit, self.clash)
        result: np.ndarray = np.log1p(self.trust[first] * self.trust[second] * (found - 1.0))
        return result

    def take(self, pieces: np.ndarray) -> "Fit":
        """Of some pieces."""
        at = (4 * pieces[:, None] + np.arange(4)).ravel()
        return Fit(self.ratios[at][:, at], self.kinds[at], self.trust[at], self.clash, self.unfit)


@dataclass(frozen=True, eq=False)
class Scale:
    """What scores of two sides are worth in a puzzle.

    Attributes:
        ratio: scores them.
        odds: makes log likelihood ratios of scores.
        opposite: ratio of sides that face each other of which one is a knob, the other a blank.
        clash: the same of others.
        largest: ratio at most.
    """

    ratio: Ratio
    odds: Odds
    opposite: float
    clash: float
    largest: float

    @property
    def unfit(self) -> float:
        """Ratio of a knob and a blank that do not fit."""
        return self.opposite * math.exp(self.odds.low)


def scale_of(shapes: Shapes, known: np.ndarray, model: SideModel | None = None) -> Scale | None:
    """Learn from a puzzle's pieces how sides fit.

    Args:
        shapes: of N pieces.
        known: (M, 2) of sides that face each other for certain; may be none.
        model: ``None`` for what ships.

    Returns:
        ``None`` where there are no two that may face each other.
    """
    model = shipped_model() if model is None else model
    kinds, trust, waves, facing = _flat(shapes)
    knobs = np.flatnonzero((kinds == KNOB) & (trust > 0))
    blanks = np.flatnonzero((kinds == BLANK) & (trust > 0))
    if not len(knobs) or not len(blanks):
        return None
    known = np.where((kinds[known[:, :1]] == KNOB), known, known[:, ::-1])
    pairs = known[(kinds[known] == (KNOB, BLANK)).all(axis=1) & (trust[known] > 0.5).all(axis=1)]
    if len(pairs):
        model = model.told_by(waves[pairs[:, 0]] - facing[pairs[:, 1]])
    ratio = Ratio.of(np.concatenate([waves[knobs], facing[blanks]]), model)
    x, y = ratio.project(waves[knobs]), ratio.project(facing[blanks])
    place = np.full(len(kinds), -1)
    place[knobs], place[blanks] = np.arange(len(knobs)), np.arange(len(blanks))
    # Before curves are looked at, one in so many sides is of the other's kind.
    sides = 2 * int((trust > 0).sum()) / (len(knobs) + len(blanks))
    odds = _odds(ratio, model, x, y, place[pairs])
    largest = min(LARGEST, _LARGEST_OF * (1 + len(pairs)))
    return Scale(ratio, odds, (1 - STRAY) * sides, STRAY * sides, largest)


def _flat(shapes: Shapes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Kinds, trust, numbers and those of what faces them, of all 4 N sides."""
    waves = shapes.waves.reshape(-1, SIZE).astype(np.float64)
    facing = shapes.facing.reshape(-1, SIZE).astype(np.float64)
    return shapes.kinds.reshape(-1), np.repeat(shapes.trust, 4), waves, facing


def fit_sides(shapes: Shapes, scale: Scale | None) -> Fit:
    """Compare all sides of pieces.

    Args:
        shapes: of N pieces.
        scale: of their puzzle; ``None`` where no side may face another.
    """
    from scipy.sparse import csr_matrix  # here: it takes a while to load

    kinds, trust, waves, facing = _flat(shapes)
    if scale is None:
        none = csr_matrix((len(kinds), len(kinds)), dtype=np.float32)
        return Fit(none, kinds, trust, 2 * STRAY, 1.0)
    knobs = np.flatnonzero((kinds == KNOB) & (trust > 0))
    blanks = np.flatnonzero((kinds == BLANK) & (trust > 0))
    x, y = scale.ratio.project(waves[knobs]), scale.ratio.project(facing[blanks])
    trust[knobs] *= scale.ratio.usual(x)
    trust[blanks] *= scale.ratio.usual(y)
    near = [np.zeros((3, 0))]
    for own, other, first, second in ((x, y, knobs, blanks), (y, x, blanks, knobs)):
        near += _nearest(scale, own, other, first, second)
    sparse = _symmetric(np.concatenate(near, axis=1), len(kinds), scale.unfit)
    return Fit(sparse, kinds, trust, scale.clash, scale.unfit)


def _odds(ratio: Ratio, model: SideModel, x: np.ndarray, y: np.ndarray, known: np.ndarray) -> Odds:
    """From scores of knobs, (A, SIZE) projected, and blanks, (B, SIZE), and pairs of them known."""
    rng = np.random.default_rng(0)
    some = [sides[rng.permutation(len(sides))[:_SOME]] for sides in (x, y)]
    scores = ratio(*some)
    # Each has one that it belongs to, most likely its best.
    belongs = np.zeros(scores.shape, bool)
    belongs[np.arange(len(scores)), scores.argmax(axis=1)] = True
    belongs[scores.argmax(axis=0), np.arange(scores.shape[1])] = True
    chance = scores[~belongs]
    if min(len(x), len(y)) < _FEW:  # they tell too little: drawn ones stand beside them
        drawn = rng.multivariate_normal(model.mean, model.variety, 2 * _FEW)
        own = ratio.project(drawn)
        chance = np.concatenate([chance, ratio(own[:_FEW], own[_FEW:]).ravel()])
    true = np.array([float(ratio(x[a : a + 1], y[b : b + 1])[0, 0]) for a, b in known])
    return odds_of(true.astype(np.float32), chance)


def _nearest(
    scale: Scale, own: np.ndarray, other: np.ndarray, first: np.ndarray, second: np.ndarray
) -> list[np.ndarray]:
    """(3, M) each: sides of ``first``, those of ``second`` that fit them best, and the ratios."""
    most, found = min(NEAREST, len(other)), []
    if not most:
        return []
    for start in range(0, len(own), _ROWS):
        scores = scale.ratio(own[start : start + _ROWS], other)
        at = np.argpartition(-scores, most - 1, axis=1)[:, :most]
        logs = scale.odds(np.take_along_axis(scores, at, axis=1)).astype(np.float64)
        values = np.minimum(scale.opposite * np.exp(np.minimum(logs, 50.0)), scale.largest)
        rows = np.repeat(first[start : start + len(scores)], most)
        found.append(np.stack([rows, second[at].ravel(), values.ravel()]))
    return found


def _symmetric(near: np.ndarray, count: int, less: float) -> "csr_matrix":
    """(count, count), both ways round, each pair once; those of more than ``less``, less that."""
    from scipy.sparse import csr_matrix  # here: it takes a while to load

    rows, cols = near[:2].astype(np.int64)
    rows, cols = np.concatenate([rows, cols]), np.concatenate([cols, rows])
    values = np.concatenate([near[2], near[2]]) - less
    _, first = np.unique(rows * count + cols, return_index=True)
    # No piece meets itself.
    first = first[(values[first] > _KEPT) & (rows[first] // 4 != cols[first] // 4)]
    at = rows[first], cols[first]
    return csr_matrix((values[first].astype(np.float32), at), shape=(count, count))
