"""Whether scores mean what they say, and how many answers can be trusted; pure functions.

``scores`` and ``hits`` are one number and one truth a piece; a piece without an answer has the
score ``-inf`` and is no hit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 10
"""Of equal width; Guo et al. (2017) take 15, for many more answers."""


@dataclass(frozen=True)
class Bin:
    """Pieces whose score is in ``low`` to ``high``.

    Attributes:
        low, high: the bin's bounds, 0..1; the upper belongs to it only where it is 1.
        n: how many.
        confidence: their mean score.
        share: of them right.
    """

    low: float
    high: float
    n: int
    confidence: float
    share: float


def reliability(scores: Sequence[float], hits: Sequence[bool], bins: int = BINS) -> list[Bin]:
    """Bins of equal width that hold any piece; pieces without an answer count with score 0."""
    values = np.clip(np.asarray(scores, np.float64), 0.0, 1.0)
    right = np.asarray(hits, bool)
    index = np.minimum((values * bins).astype(int), bins - 1)
    return [
        Bin(
            b / bins,
            (b + 1) / bins,
            int((index == b).sum()),
            float(values[index == b].mean()),
            float(right[index == b].mean()),
        )
        for b in range(bins)
        if (index == b).any()
    ]


def calibration_error(scores: Sequence[float], hits: Sequence[bool], bins: int = BINS) -> float:
    """Expected calibration error: mean distance of confidence and share right, 0..1.

    Guo et al., "On Calibration of Modern Neural Networks", 2017.
    """
    found = reliability(scores, hits, bins)
    return sum(b.n * abs(b.confidence - b.share) for b in found) / max(sum(b.n for b in found), 1)


def precision_at(scores: Sequence[float], hits: Sequence[bool], coverage: float) -> float:
    """Share right among the pieces of the highest scores.

    Args:
        scores: of the first answers.
        hits: whether they are right.
        coverage: part of all pieces that is answered, 0..1; at least one piece is.
    """
    ordered = _ordered(scores, hits)
    return float(ordered[: max(1, math.ceil(coverage * len(ordered) - 1e-9))].mean())


def coverage_at(scores: Sequence[float], hits: Sequence[bool], precision: float) -> float:
    """Largest part of all pieces, best scores first, of which this share is right; 0 if none."""
    ordered = _ordered(scores, hits)
    shares = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    enough = np.nonzero(shares >= precision - 1e-9)[0]
    return float((enough[-1] + 1) / len(ordered)) if len(enough) else 0.0


def _ordered(scores: Sequence[float], hits: Sequence[bool]) -> np.ndarray:
    """Hits by falling score; of equal scores the wrong ones come first, so luck does not help."""
    right = np.asarray(hits, np.float64)
    order = np.lexsort((right, -np.asarray(scores, np.float64)))
    ordered: np.ndarray = right[order]
    return ordered
