"""Fits what a photo's measures say: whether it misleads, and whether it is of another picture.

Logistic regressions on few measures (``heatmap_locator.model.calibration.MEASURES``), by maximum
likelihood with a ridge; judged on pictures that they were not fitted to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from heatmap_locator.model.calibration import Calibration
from heatmap_locator.search.remarks import CLOSE

from .foreign import FOREIGN, FOREIGN_CELLS, fit_foreign
from .logistic import FOLDS, Photos, Weights, fit_weights, photos
from .outcomes import Outcome

TRUST = ("unclear", "cut_off", "hidden", "step", "detail", "local", "mirror", "texture")
"""Measures that tell whether a photo misleads."""

SIGNS = {
    "unclear": -1,
    "cut_off": -1,
    "hidden": -1,
    "step": -1,
    "detail": 1,
    "local": 1,
    "mirror": -1,
}
"""Which way a measure may move trust: less is never trusted more.  They go together, and without
this a few photos decide which of them takes the other's place."""


def fit_trust(data: Photos, chosen: np.ndarray) -> Weights:
    """Weights for a photo's not misleading.

    Args:
        data: the photos.
        chosen: (N,) bool, those to fit to.
    """
    logs, hits = data.logs[chosen], data.hits[chosen]

    def loss(logits: np.ndarray) -> float:
        # The score is the share among places times the trust.
        log = np.minimum(logs - np.logaddexp(0, -logits), -1e-9)
        return float(-np.where(hits, log, np.log(-np.expm1(log))).mean())

    return {"trust": fit_weights(data.column(TRUST)[chosen], TRUST, loss, SIGNS)}


@dataclass(frozen=True, eq=False)
class Fit:
    """A fit and how it does.

    Attributes:
        calibration: fitted to all photos.
        held_out: of all photos, scored by fits to other pictures.
    """

    calibration: Calibration
    held_out: list[Outcome]


FITS: Mapping[str, Callable[[Photos, np.ndarray], Weights]] = {
    "trust": fit_trust,
    "foreign": fit_foreign,
}
"""What can be fitted, and by what."""


def fit(
    outcomes: Sequence[Outcome],
    base: Calibration,
    most_cut_off: float,
    fitted: Sequence[str] = tuple(FITS),
) -> Fit:
    """Fit trust and foreign to outcomes.

    Args:
        outcomes: with evidence.
        base: scale and the logits of places not found, which stay, and what is not fitted.
        most_cut_off: score at most where the outline runs off the photo.
        fitted: of ``FITS``.
    """
    names = tuple(dict.fromkeys((*TRUST, *FOREIGN)))
    data = photos(outcomes, base, names, [name for name in FOREIGN_CELLS if name not in names])

    def fitted_to(chosen: np.ndarray) -> Calibration:
        own = {name: w for which in fitted for name, w in FITS[which](data, chosen).items()}
        fields: dict[str, Any] = {name: _rounded(weights) for name, weights in own.items()}
        return replace(base, **fields)

    everything = np.ones(len(data.hits), bool)
    held_out = {o.key: o for o in outcomes}
    for fold in range(FOLDS):
        test = data.folds == fold
        if not test.any() or test.all():
            continue
        own = fitted_to(~test)
        for index in np.flatnonzero(test):
            outcome = data.outcomes[index]
            held_out[outcome.key] = scored(outcome, own, most_cut_off)
    return Fit(fitted_to(everything), list(held_out.values()))


def scored(outcome: Outcome, calibration: Calibration, most_cut_off: float) -> Outcome:
    """An outcome with what another calibration makes of its evidence."""
    evidence = outcome.evidence
    assert evidence is not None
    measures = evidence["measures"]
    logits = np.array(evidence["logits"])
    score = float(calibration.scores(logits, evidence["places"], measures)[0])
    if measures["cut_off"] or measures.get("rival", CLOSE) < CLOSE:
        score = min(score, most_cut_off)
    return replace(outcome, score=score, foreign=calibration.probability_foreign(measures))


def _rounded(weights: dict[str, float]) -> dict[str, float]:
    """To six digits, which is more than the data tell."""
    return {name: float(f"{value:.6g}") for name, value in weights.items()}
