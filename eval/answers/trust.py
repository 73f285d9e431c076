"""Fits what a photo's measures say: whether it misleads, and whether it is of another picture.

Logistic regressions on few measures (``heatmap_locator.model.calibration.MEASURES``), by maximum
likelihood with a ridge; judged on pictures that they were not fitted to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from heatmap_locator.model.calibration import BIAS, Calibration, sigmoid, weighed

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

FOREIGN = (
    *("logit", "chance", "lead", "places"),
    *("pixel", "colour", "detail", "local", "mirror", "texture"),
    *("unclear", "hidden", "step"),
)
"""Measures that tell whether it is of another picture: how well the best place fits, by how much
better than others, and how well the photo could be read at all."""

FOLDS = 5
RIDGE = 0.001
"""Of squared weights, of measures brought to unit deviation."""

PRIOR = 0.2
"""Share of photos that are assumed to show no piece of the picture; what is drawn has more.  Of 0.1
to 0.4 the one that names 95 in 100 backs, foreign pieces and tables without one (630 photos, fits
to other pictures)."""


@dataclass(frozen=True, eq=False)
class Photos:
    """What a fit needs of N photos.

    Attributes:
        outcomes: of those that were answered with measures.
        measures: (N, M) by the names of ``names``.
        names: of the measures.
        logs: (N,) natural logarithm of the first answer's score before trust.
        hits: (N,) bool, right.
        foreign: (N,) bool, shows no piece of the picture.
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


def photos(outcomes: Sequence[Outcome], base: Calibration) -> Photos:
    """What was measured, of outcomes that have everything.

    Raises:
        ValueError: none has.
    """
    names = tuple(dict.fromkeys((*TRUST, *FOREIGN)))
    kept = [
        o
        for o in outcomes
        if o.evidence is not None and o.box is not None and names_in(o.evidence, names)
    ]
    if not kept:
        raise ValueError("no photo was answered with measures")
    plain = replace(base, trust={}, foreign={})
    logs = []
    rows = []
    for outcome in kept:
        evidence = outcome.evidence
        assert evidence is not None
        logits = np.array(evidence["logits"])
        logs.append(float(plain.log_scores(logits, evidence["places"])[0]))
        rows.append([evidence["measures"][name] for name in names])
    pictures = {name: i for i, name in enumerate(dict.fromkeys(o.picture for o in kept))}
    deal = np.random.default_rng(0).permutation(len(pictures)) % FOLDS
    return Photos(
        kept,
        np.array(rows, float),
        names,
        np.array(logs),
        np.array([o.right for o in kept]),
        np.array([o.truth is None for o in kept]),
        np.array([deal[pictures[o.picture]] for o in kept]),
    )


def names_in(evidence: Mapping[str, object], names: Sequence[str]) -> bool:
    """Whether evidence has all measures of some names."""
    measures = evidence["measures"]
    assert isinstance(measures, Mapping)
    return set(names) <= measures.keys()


def _fit(
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


def fit_trust(data: Photos, chosen: np.ndarray) -> dict[str, float]:
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

    return _fit(data.column(TRUST)[chosen], TRUST, loss, SIGNS)


def fit_foreign(data: Photos, chosen: np.ndarray) -> dict[str, float]:
    """Weights for a photo's showing no piece of the picture, at the prior of ``PRIOR``.

    Against those that are placed right: of pieces that are not, flat ones for the most part,
    nothing tells whether they are of the picture.

    Args:
        data: the photos.
        chosen: (N,) bool, those to fit to.
    """
    chosen = chosen & (data.foreign | data.hits)
    own = data.foreign[chosen]
    weight = np.where(own, PRIOR / max(own.sum(), 1), (1 - PRIOR) / max((~own).sum(), 1))

    def loss(logits: np.ndarray) -> float:
        return float((weight * np.logaddexp(0, np.where(own, -logits, logits))).sum())

    return _fit(data.column(FOREIGN)[chosen], FOREIGN, loss)


@dataclass(frozen=True, eq=False)
class Fit:
    """A fit and how it does.

    Attributes:
        calibration: fitted to all photos.
        held_out: of all photos, scored by fits to other pictures.
    """

    calibration: Calibration
    held_out: list[Outcome]


FITS: Mapping[str, Callable[[Photos, np.ndarray], dict[str, float]]] = {
    "trust": fit_trust,
    "foreign": fit_foreign,
}
"""What can be fitted, by the calibration's names."""


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
    data = photos(outcomes, base)

    def fitted_to(chosen: np.ndarray) -> Calibration:
        own = {"trust": base.trust, "foreign": base.foreign}
        own |= {name: _rounded(FITS[name](data, chosen)) for name in fitted}
        return replace(base, trust=own["trust"], foreign=own["foreign"])

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
    if measures["cut_off"]:
        score = min(score, most_cut_off)
    logit = weighed(calibration.foreign, measures)
    foreign = None if logit is None else sigmoid(logit)
    return replace(outcome, score=score, foreign=foreign)


def named_shares(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Shares, 0..1, refused or named as not of the picture: of right answers to plain photos, of
    right answers that were likelier right than not, of all right answers, of pieces of the picture
    that were not placed right, of foreign photos."""
    named = np.array([o.named for o in outcomes], bool)
    right = np.array([o.right for o in outcomes], bool)
    own = np.array([o.truth is not None for o in outcomes], bool)
    plain = np.array([o.kind == "plain" for o in outcomes], bool)
    likely = np.array([o.score > 0.5 for o in outcomes], bool)
    groups = {
        "plain_right_named": plain & right,
        "likely_right_named": right & likely,
        "right_named": right,
        "own_wrong_named": own & ~right,
        "foreign_named": ~own,
    }
    return {
        name: float(named[group].mean()) if group.any() else 0.0 for name, group in groups.items()
    }


def _rounded(weights: dict[str, float]) -> dict[str, float]:
    """To six digits, which is more than the data tell."""
    return {name: float(f"{value:.6g}") for name, value in weights.items()}
