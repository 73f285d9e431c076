"""From the ranker's logits to the probability that a place is the piece's own."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

WEIGHED = 40
"""Best places that are weighed against each other.  Set by hand: with fewer, prints that repeat
everywhere would look surer than they are (``train/LOG.md``, "score")."""


BIAS = "bias"

MEASURES = (
    "logit",
    "chance",
    "lead",
    "places",
    "unclear",
    "cut_off",
    "hidden",
    "step",
    "pixel",
    "colour",
    "detail",
    "local",
    "mirror",
    "texture",
    "cast",
    "cell",
    "rival",
)
"""What is measured of a photo and its best place.

``logit``: the ranker's.  ``chance``: its mean over places 6 to 15, which fit by chance alone.
``lead``: by how much the second best place has less, ``MOST_LEAD`` at most.
``places``: natural logarithm of how many there are.  Of the photo:
``unclear``, 0..1, how unsurely its outline was seen; ``cut_off``, 1 where that runs into the
photo's edge; ``hidden``, 0..1, the share of the piece that shows no print; ``step``, the logarithm
of the factor by which light changes at a shadow's edge across it.  Of the print at the place:
``pixel``, ``colour``, ``detail``, ``local`` as in ``ranker.FEATURES``; ``mirror``, by how much the
ranker would prefer the piece's mirror image there; ``texture``, the logarithm of how much detail
the print has; ``cast``, how far its colours are from the picture's there, the deviation of the
logarithms of their ratio by channel from their mean.  ``cell`` as in ``ranker.FEATURES``, where
rows and columns are known.  ``rival``, where the photo's mirror image was looked for as well: by
how much its best place has a lower logit.
"""


MOST_LEAD = 8.0
"""What ``lead`` is at most, and where there is no other place.  Set by hand: more tells no more."""


def logit_measures(logits: Sequence[float] | np.ndarray) -> dict[str, float]:
    """``logit``, ``chance`` and ``lead`` of (N,) logits, best first, N at least 1."""
    values = np.asarray(logits, np.float64)
    lead = values[0] - values[1] if len(values) > 1 else MOST_LEAD
    return {
        "logit": float(values[0]),
        "chance": float(values[min(5, len(values) - 1) : 15].mean()),
        "lead": float(min(lead, MOST_LEAD)),
    }


def weighed(weights: Mapping[str, float], measures: Mapping[str, float] | None) -> float | None:
    """Sum of measures by their weights and of ``BIAS``.

    Returns:
        ``None`` where there are no weights, or a measure is missing.
    """
    if not weights or measures is None or weights.keys() - {BIAS} - measures.keys():
        return None
    return sum(w * (1.0 if name == BIAS else measures[name]) for name, w in weights.items())


def sigmoid(logit: float) -> float:
    """0..1."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else 1 - 1 / (1 + math.exp(logit))


@dataclass(frozen=True)
class Calibration:
    """A conditional logit (McFadden, 1974) over the places found and one for all that were not.

    However well a piece fits a place, where it fits several as well it is in each of them only so
    likely; and where it fits none well, it is likely elsewhere.  Beside that a photo may mislead:
    a finger in the outline, glare, a piece of another puzzle.  How likely it does not, a logistic
    regression on what is measured of it says, by which all scores are multiplied; another says how
    likely it is of another picture.  Fitted by ``heatmap-eval calibrate``.

    Attributes:
        scale: of the logits, 0 and more; temperature scaling's 1 / T (Guo et al., 2017).
        unseen: logit of the places that were not found, together.
        places: its weight of the natural logarithm of the number of places there are.
        trust: weights of ``MEASURES`` and ``BIAS`` for the photo's not misleading; none where it
            was not fitted.
        foreign: the same for its showing no piece of the picture.
        foreign_cells: the same with ``cell``, where that was measured.
    """

    scale: float = 1.0
    unseen: float = 0.0
    places: float = 0.0
    trust: Mapping[str, float] = field(default_factory=dict)
    foreign: Mapping[str, float] = field(default_factory=dict)
    foreign_cells: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_extra(cls, value: Any) -> "Calibration":
        """What a weights file holds: a mapping, as ``to_extra`` returns it.

        Raises:
            ValueError: none, of other names, or no finite numbers.
        """
        if not isinstance(value, dict) or value.keys() - {f.name for f in fields(cls)}:
            raise ValueError(f"no calibration: {value!r}")
        try:
            own = {key: _numbers(key, given) for key, given in value.items()}
        except (TypeError, ValueError):
            raise ValueError(f"no calibration: {value!r}") from None
        return cls(**own)

    def to_extra(self) -> dict[str, Any]:
        """JSON-ready, for a weights file; what was not fitted is left out."""
        return {key: value for key, value in asdict(self).items() if value != {}}

    def scores(
        self,
        logits: Sequence[float] | np.ndarray,
        places: float,
        measures: Mapping[str, float] | None = None,
    ) -> np.ndarray:
        """(N,) probabilities, 0..1, of candidates, which together make 1 at most.

        Args:
            logits: (N,) of candidates, best first, no place twice.
            places: pieces of the puzzle, or cells of all sizes that were searched.
            measures: of the photo and its best place; without, it is trusted.
        """
        found = np.exp(self.log_scores(np.asarray(logits, np.float64), places))
        trust = weighed(self.trust, measures)
        return found if trust is None else found * sigmoid(trust)

    def probability_foreign(self, measures: Mapping[str, float] | None) -> float | None:
        """How likely, 0..1, a photo shows no piece of the picture; ``None`` where it cannot tell.

        Args:
            measures: of the photo and its best place.
        """
        logit = weighed(self.foreign_cells, measures)
        if logit is None:
            logit = weighed(self.foreign, measures)
        return None if logit is None else sigmoid(logit)

    def log_scores(self, logits: np.ndarray, places: float | np.ndarray) -> np.ndarray:
        """(..., N) natural logarithms of ``scores``, of any number of pieces at once.

        Args:
            logits: (..., N), best first; -inf where there is no candidate.
            places: as in ``scores``, (...).
        """
        unseen = np.asarray(self.unseen + self.places * np.log(np.maximum(places, 1.0)))
        values = self.scale * logits
        # How many more are asked for changes nothing for the first.
        weighed, rest = values[..., :WEIGHED], values[..., WEIGHED:]
        whole = np.logaddexp(np.logaddexp.reduce(weighed, axis=-1), unseen)
        # What is left to all others they share, one after the other: each takes of what those
        # before it leave as much as it is worth beside all that were not found.
        others = unseen[..., None]
        left = np.cumsum(others - np.logaddexp(rest, others), axis=-1)
        further = rest - whole[..., None] + left
        return np.concatenate([weighed - whole[..., None], further], axis=-1)


class Uncalibrated(Calibration):
    """The logits themselves for scores: what a calibration is fitted to."""

    def scores(
        self,
        logits: Sequence[float] | np.ndarray,
        places: float,
        measures: Mapping[str, float] | None = None,
    ) -> np.ndarray:
        """(N,) the logits."""
        return np.asarray(logits, np.float64)


def _numbers(key: str, given: Any) -> Any:
    """A field of a calibration as a weights file has it: a number, or numbers by measure."""
    if key not in ("trust", "foreign", "foreign_cells"):
        return _finite(given)
    if not isinstance(given, dict) or given.keys() - {*MEASURES, BIAS}:
        raise ValueError(key)
    return {name: _finite(number) for name, number in given.items()}


def _finite(number: Any) -> float:
    found = float(number)
    if not math.isfinite(found):
        raise ValueError(number)
    return found
