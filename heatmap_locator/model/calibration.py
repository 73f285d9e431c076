"""From the ranker's logits to the probability that a place is the piece's own."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

WEIGHED = 40
"""Best places that are weighed against each other.  Set by hand: with fewer, prints that repeat
everywhere would look surer than they are (``train/LOG.md``, "score")."""


@dataclass(frozen=True)
class Calibration:
    """A conditional logit (McFadden, 1974) over the places found and one for all that were not.

    However well a piece fits a place, where it fits several as well it is in each of them only so
    likely; and where it fits none well, it is likely elsewhere.  Fitted by
    ``heatmap-eval calibrate``.

    Attributes:
        scale: of the logits, 0 and more; temperature scaling's 1 / T (Guo et al., 2017).
        unseen: logit of the places that were not found, together.
        places: its weight of the natural logarithm of the number of places there are.
    """

    scale: float = 1.0
    unseen: float = 0.0
    places: float = 0.0

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

    def scores(self, logits: Sequence[float] | np.ndarray, places: float) -> np.ndarray:
        """(N,) probabilities, 0..1, of candidates; the ``WEIGHED`` best together make 1 at most.

        Args:
            logits: (N,) of candidates, best first, no place twice.
            places: pieces of the puzzle, or cells of all sizes that were searched.
        """
        return np.exp(self.log_scores(np.asarray(logits, np.float64), places))

    def log_scores(self, logits: np.ndarray, places: float | np.ndarray) -> np.ndarray:
        """(..., N) natural logarithms of ``scores``, of any number of pieces at once.

        Args:
            logits: (..., N), best first; -inf where there is no candidate.
            places: as in ``scores``, (...).
        """
        unseen = self.unseen + self.places * np.log(np.maximum(places, 1.0))
        values = self.scale * logits
        # How many more are asked for changes nothing for the first.
        weighed = values[..., :WEIGHED]
        whole = np.logaddexp(np.logaddexp.reduce(weighed, axis=-1), unseen)
        found: np.ndarray = values - whole[..., None]
        return found


class Uncalibrated(Calibration):
    """The logits themselves for scores: what a calibration is fitted to."""

    def scores(self, logits: Sequence[float] | np.ndarray, places: float) -> np.ndarray:
        """(N,) the logits."""
        return np.asarray(logits, np.float64)
