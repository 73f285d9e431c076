"""Photos as a logistic regression takes them, and the regression itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from scipy.optimize import minimize

from heatmap_locator.model.calibration import BIAS, Calibration
from heatmap_train.draw.names import FOREIGN

from .outcomes import Outcome

FOLDS = 5
RIDGE = 0.001
"""Of squared weights, of measures brought to unit deviation."""


Weights: TypeAlias = dict[str, dict[str, float]]
"""Of measures and the bias, by the calibration's fields."""


@dataclass(frozen=True, eq=False)
class Photos:
    """What a fit needs of N photos.

    Attributes:
        outcomes: of those that were answered with measures.
        measures: (N, M) by the names of ``names``; NaN where one was not measured.
        names: of the measures.
        logs: (N,) natural logarithm of the first answer's score before trust.
        hits: (N,) bool, right.
        foreign: (N,) bool, shows no piece of the picture, not even mirrored: such photos are told
            by their mirror image's place.
        folds: (N,) whole numbers from 0; photos of one picture are held out together.
    """

    outcomes: list[Outcome]
    measures: np.ndarray
    names: tuple[str, ...]
    logs: np.ndarray
    hits: np.ndarray
    foreign: np.ndarray
    folds: np.ndarray

    def column(self, names: Sequence[str]) -> np.ndarray:
        """(N, K) measures of some names."""
        return self.measures[:, [self.names.index(name) for name in names]]


def photos(
    outcomes: Sequence[Outcome], base: Calibration, names: Sequence[str], more: Sequence[str]
) -> Photos:
    """What was measured, of outcomes that have all of ``names``.

    Args:
        outcomes: of a run.
        base: whose scores go without trust.
        names: of measures that all have.
        more: of those that some have.

    Raises:
        ValueError: none has.
    """
    every = (*names, *more)
    kept = [
        o
        for o in outcomes
        if o.evidence is not None and o.box is not None and names_in(o.evidence, names)
    ]
    if not kept:
        raise ValueError("no photo was answered with measures")
    plain = replace(base, trust={})
    logs = []
    rows = []
    for outcome in kept:
        evidence = outcome.evidence
        assert evidence is not None
        logits = np.array(evidence["logits"])
        logs.append(float(plain.log_scores(logits, evidence["places"])[0]))
        rows.append([evidence["measures"].get(name, np.nan) for name in every])
    pictures = {name: i for i, name in enumerate(dict.fromkeys(o.picture for o in kept))}
    deal = np.random.default_rng(0).permutation(len(pictures)) % FOLDS
    return Photos(
        kept,
        np.array(rows, float),
        every,
        np.array(logs),
        np.array([o.right for o in kept]),
        np.array([o.kind in FOREIGN for o in kept]),
        np.array([deal[pictures[o.picture]] for o in kept]),
    )


def names_in(evidence: Mapping[str, object], names: Sequence[str]) -> bool:
    """Whether evidence has all measures of some names."""
    measures = evidence["measures"]
    assert isinstance(measures, Mapping)
    return set(names) <= measures.keys()


def fit_weights(
    values: np.ndarray,
    names: Sequence[str],
    loss: Callable[[np.ndarray], float],
    signs: Mapping[str, int] | None = None,
) -> dict[str, float]:
    """Weights of measures and of the bias that make a loss of (N,) logits least.

    Those that ``signs`` names have that sign, or are 0.
    """
    mean, deviation = values.mean(axis=0), values.std(axis=0) + 1e-9
    known = (values - mean) / deviation

    def ridged(w: np.ndarray) -> float:
        return loss(known @ w[1:] + w[0]) + RIDGE * float((w[1:] ** 2).mean())

    own_signs = [(signs or {}).get(name, 0) for name in names]
    bounds = [(0 if sign > 0 else None, 0 if sign < 0 else None) for sign in (0, *own_signs)]
    found = minimize(ridged, np.zeros(len(names) + 1), method="L-BFGS-B", bounds=bounds).x
    own = found[1:] / deviation
    weights = {name: float(w) for name, w in zip(names, own, strict=True)}
    return {BIAS: float(found[0] - own @ mean), **weights}
