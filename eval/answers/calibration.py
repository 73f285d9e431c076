"""Fits the calibration that travels with the weights, on answers of an uncalibrated run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from heatmap_locator.model.calibration import MOST_LOGIT, MOST_MARGIN, Calibration

from .metrics import Record, both
from .reliability import calibration_error

FOLDS = 5
"""Parts that the pictures are dealt into; each is judged by a fit of the others."""

RIDGE = 1e-3
"""Keeps the weights of perfectly told classes finite; of features in standard deviations."""

CLEARLY = 0.98
"""The larger model is taken where its loss is below this part of the smaller one's."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a fit needs of N pieces.

    Attributes:
        features: (N, 3) logit of the first answer, its lead over the second, log of the places.
        hits: (N,) bool, whether it is right in place and angle.
        pictures: (N,) whole numbers; pieces of one picture are held out together.
    """

    features: np.ndarray
    hits: np.ndarray
    pictures: np.ndarray


def answers(records: Sequence[Record]) -> Answers:
    """Features of records made with the plain sigmoid for a score; unanswered ones are left out.

    Raises:
        ValueError: none was answered.
    """
    kept = [r for r in records if r.answers]
    if not kept:
        raise ValueError("no answers to calibrate on")
    rows = []
    for record in kept:
        logits = [_logit(a.score) for a in record.answers]
        lead = logits[0] - logits[1] if len(logits) > 1 else MOST_MARGIN
        area = record.size[0] * record.size[1] / (record.cell[0] * record.cell[1])
        rows.append((logits[0], min(lead, MOST_MARGIN), np.log(area)))
    order = {name: i for i, name in enumerate(dict.fromkeys(r.picture for r in kept))}
    pictures = np.array([order[r.picture] for r in kept])
    return Answers(np.array(rows, np.float64), np.array([both(r) for r in kept]), pictures)


def _logit(score: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.clip(np.log(score) - np.log1p(-score), -MOST_LOGIT, MOST_LOGIT))


def fit(features: np.ndarray, hits: np.ndarray, use: Sequence[int] = (0, 1, 2)) -> Calibration:
    """Logistic regression by maximum likelihood.

    Args:
        features: (N, 3) as in :class:`Answers`.
        hits: (N,) bool.
        use: columns that may have a weight; the others' stays 0.
    """
    # A rival's lead and a low logit cannot speak for an answer: their weights are not negative,
    # which also keeps scores in the order of the candidates.
    bounds = [[(0.0, None), (0.0, None), (None, None)][c] for c in use]
    chosen = features[:, list(use)]
    middle, spread = chosen.mean(axis=0), chosen.std(axis=0)
    scaled = (chosen - middle) / np.where(spread > 1e-9, spread, 1.0)
    design = np.column_stack([scaled, np.ones(len(scaled))])
    target = hits.astype(np.float64)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        z = design @ weights
        value = np.logaddexp(0.0, z) - target * z
        slope = design.T @ (1 / (1 + np.exp(-z)) - target) / len(z)
        slope[:-1] += 2 * RIDGE * weights[:-1]
        return float(value.mean() + RIDGE * (weights[:-1] ** 2).sum()), slope

    start = np.zeros(design.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)]).x
    weights = np.zeros(3)
    # A feature that never varied says nothing of other values of it.
    weights[list(use)] = np.where(spread > 1e-9, found[:-1] / np.maximum(spread, 1e-9), 0.0)
    intercept = float(found[-1] - weights[list(use)] @ middle)
    logit, margin, places = (float(w) for w in weights)
    return Calibration(logit, margin, places, intercept)


def probabilities(calibration: Calibration, features: np.ndarray) -> np.ndarray:
    """(N,) scores of first answers with features (N, 3), as the library gives them."""
    weights = [calibration.logit, calibration.margin, calibration.places]
    z = features @ weights + calibration.intercept
    scores: np.ndarray = 1 / (1 + np.exp(-np.clip(z, -50, 50)))
    return scores


def log_loss(scores: np.ndarray, hits: np.ndarray) -> float:
    """Mean negative log-likelihood in nats."""
    safe = np.clip(scores, 1e-12, 1 - 1e-12)
    return float(-np.where(hits, np.log(safe), np.log1p(-safe)).mean())


@dataclass(frozen=True)
class Assessment:
    """How a calibration does on pictures that it was not fitted to.

    Attributes:
        name: which.
        loss: log loss in nats.
        error: expected calibration error.
        calibration: fitted to everything.
    """

    name: str
    loss: float
    error: float
    calibration: Calibration


def assess(data: Answers, before: Calibration) -> list[Assessment]:
    """``before``, the logit alone, and all three features, cross-validated by picture."""
    plain = probabilities(before, data.features)
    rows = [Assessment("before", *_quality(plain, data.hits), before)]
    for name, use in (("logit", (0,)), ("logit, margin, places", (0, 1, 2))):
        held_out = np.zeros(len(data.hits))
        # Dealt out at random: neighbours in a folder are often alike.
        deal = np.random.default_rng(0).permutation(int(data.pictures.max()) + 1) % FOLDS
        folds = deal[data.pictures]
        for fold in range(FOLDS):
            test = folds == fold
            if test.any() and not test.all():
                own = fit(data.features[~test], data.hits[~test], use)
                held_out[test] = probabilities(own, data.features[test])
        whole = fit(data.features, data.hits, use)
        rows.append(Assessment(name, *_quality(held_out, data.hits), whole))
    return rows


def _quality(scores: np.ndarray, hits: np.ndarray) -> tuple[float, float]:
    return log_loss(scores, hits), calibration_error(list(scores), list(hits))


def choose(rows: Sequence[Assessment]) -> Assessment:
    """The logit alone unless all features are clearly better; of ``assess``'s rows."""
    _, small, large = rows
    return large if large.loss < CLEARLY * small.loss else small


def rounded(calibration: Calibration) -> Calibration:
    """To six digits, which is more than the data tell."""
    values = {key: float(f"{v:.6g}") for key, v in calibration.to_extra().items()}
    return replace(calibration, **values)
