"""From the ranker's logits to the probability that an answer is right (Platt, 1999)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

MOST_LOGIT = 34.0
"""A logit counts for at most +-this: photographs give hardly more, and beyond it a probability
cannot be told from 1."""

MOST_MARGIN = 10.0
"""Logits that a lead over the next best counts for at most, and what a lone candidate has."""


@dataclass(frozen=True)
class Calibration:
    """A logistic regression on what a search found.

    Attributes:
        logit: weight of the candidate's own logit.
        margin: weight of its lead over the best other candidate, in logits.
        places: weight of the natural logarithm of the number of places there are.
        intercept: added.
    """

    logit: float = 1.0
    margin: float = 0.0
    places: float = 0.0
    intercept: float = 0.0

    @classmethod
    def from_extra(cls, value: Any) -> "Calibration":
        """What a weights file holds: a mapping, as ``to_extra`` returns it.

        Raises:
            ValueError: none, of other names, or no finite numbers.
        """
        if not isinstance(value, dict) or value.keys() - {f.name for f in fields(cls)}:
            raise ValueError(f"no calibration: {value!r}")
        try:
            numbers = {key: float(number) for key, number in value.items()}
        except TypeError:
            raise ValueError(f"no calibration: {value!r}") from None
        if not np.isfinite(list(numbers.values())).all():
            raise ValueError(f"no calibration: {value!r}")
        return cls(**numbers)

    def to_extra(self) -> dict[str, float]:
        """JSON-ready, for a weights file."""
        return asdict(self)

    def scores(self, logits: Sequence[float], places: float) -> list[float]:
        """Probabilities, 0..1, of candidates.

        Args:
            logits: of all candidates found, best first.
            places: pieces of the puzzle, or cells of all sizes that were searched.
        """
        if not len(logits):
            return []
        values = np.asarray(logits, np.float64)
        own = np.clip(values, -MOST_LOGIT, MOST_LOGIT)
        features = np.column_stack([own, margins(values)])
        total = features @ [self.logit, self.margin]
        total += self.places * np.log(max(places, 1.0)) + self.intercept
        return [float(p) for p in 1 / (1 + np.exp(-np.clip(total, -50, 50)))]

    def probabilities(
        self, logits: Sequence[float], places: float, distinct: Sequence[int]
    ) -> np.ndarray:
        """``scores``, (N,), each at most what the other candidates leave it.

        Args:
            logits, places: as in ``scores``.
            distinct: as in :func:`shares`.
        """
        found: np.ndarray = np.minimum(
            np.array(self.scores(logits, places)), shares(np.asarray(logits), distinct)
        )
        return found


class Uncalibrated(Calibration):
    """The plain sigmoid of each logit, whatever the others are: logits can be read back from it."""

    def probabilities(
        self, logits: Sequence[float], places: float, distinct: Sequence[int]
    ) -> np.ndarray:
        return np.array(self.scores(logits, places))


def shares(logits: np.ndarray, distinct: Sequence[int]) -> np.ndarray:
    """(N,) what is left for each candidate by the others: the conditional logit's probability.

    However well a piece fits a place, where it fits several as well it is in each of them only so
    likely; print that repeats is hardly seen by what ``Calibration`` is fitted to.

    Args:
        logits: (N,) the ranker's, best first.
        distinct: indices of those that are different places, the first among them.
    """
    off = np.asarray(logits, np.float64) - np.max(logits, initial=-np.inf)
    found: np.ndarray = np.exp(off) / np.exp(off[list(distinct)]).sum()
    return found


def margins(logits: np.ndarray) -> np.ndarray:
    """(N,) lead of each candidate over the best other one, within +-MOST_MARGIN.

    Args:
        logits: (N,), best first.
    """
    if len(logits) < 2:
        return np.full(len(logits), MOST_MARGIN)
    rival = np.full(len(logits), logits[0])
    rival[0] = logits[1]
    return np.clip(logits - rival, -MOST_MARGIN, MOST_MARGIN)
