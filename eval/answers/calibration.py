"""Fits the calibration that travels with the weights, on answers of an uncalibrated run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from heatmap_locator.model.calibration import Calibration

from .metrics import Record, both
from .reliability import calibration_error

FOLDS = 5
"""Parts that the pictures are dealt into; each is judged by a fit of the others."""

RIDGE = 1e-4
"""Keeps the scale finite where the first answer is always right."""

CLEARLY = 0.98
"""The larger model is taken where its loss is below this part of the smaller one's."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What a fit needs of N pieces.

    Attributes:
        logits: (N, K) of the answers, best first; -inf where there are fewer.
        places: (N,) how many places there are.
        hits: (N,) bool, whether the first answer is right in place and angle.
        pictures: (N,) whole numbers; pieces of one picture are held out together.
    """

    logits: np.ndarray
    places: np.ndarray
    hits: np.ndarray
    pictures: np.ndarray

    def of(self, chosen: np.ndarray) -> "Answers":
        """Those of some pieces, (N,) bool."""
        return Answers(*(a[chosen] for a in (self.logits, self.places, self.hits, self.pictures)))


def answers(records: Sequence[Record]) -> Answers:
    """What was answered, of records whose scores are logits; unanswered ones are left out.

    Raises:
        ValueError: none was answered.
    """
    kept = [r for r in records if r.answers]
    if not kept:
        raise ValueError("no answers to calibrate on")
    logits = np.full((len(kept), max(len(r.answers) for r in kept)), -np.inf)
    for row, record in zip(logits, kept, strict=True):
        row[: len(record.answers)] = [a.score for a in record.answers]
    places = [r.size[0] * r.size[1] / (r.cell[0] * r.cell[1]) for r in kept]
    order = {name: i for i, name in enumerate(dict.fromkeys(r.picture for r in kept))}
    pictures = np.array([order[r.picture] for r in kept])
    return Answers(logits, np.array(places), np.array([both(r) for r in kept]), pictures)


def log_probabilities(calibration: Calibration, data: Answers) -> np.ndarray:
    """(N,) logarithms of the first answers' scores, as the library gives them."""
    return calibration.log_scores(data.logits, data.places)[:, 0]


def fit(data: Answers, by_places: bool = True) -> Calibration:
    """By maximum likelihood of which first answers are right.

    Args:
        data: of N pieces.
        by_places: whether the number of places may have a weight.
    """

    def loss(values: np.ndarray) -> float:
        calibration = _of(values)
        return mean_loss(log_probabilities(calibration, data), data.hits) + RIDGE * values[0] ** 2

    bounds = [(1e-3, None), (None, None), (None, None) if by_places else (0.0, 0.0)]
    starts = [np.array([scale, 0.0, 0.0]) for scale in (0.3, 1.0)]
    fits = [minimize(loss, start, method="L-BFGS-B", bounds=bounds) for start in starts]
    best = min(fits, key=lambda found: float(found.fun)).x
    return _of(best)


def _of(values: np.ndarray) -> Calibration:
    """(3,) of a calibration's numbers."""
    scale, unseen, places = (float(v) for v in values)
    return Calibration(scale, unseen, places)


def mean_loss(logs: np.ndarray, hits: np.ndarray) -> float:
    """Mean negative log-likelihood in nats.

    Args:
        logs: (N,) logarithms of the scores.
        hits: (N,) bool.
    """
    safe = np.clip(logs, -27.6, -1e-12)
    return float(-np.where(hits, safe, np.log(-np.expm1(safe))).mean())


@dataclass(frozen=True, eq=False)
class Assessment:
    """How a calibration does on pictures that it was not fitted to.

    Attributes:
        name: which.
        loss: log loss in nats.
        error: expected calibration error.
        calibration: fitted to everything.
        scores: (N,) of the first answers, by fits to other pictures.
    """

    name: str
    loss: float
    error: float
    calibration: Calibration
    scores: np.ndarray


def assess(data: Answers, before: Calibration) -> list[Assessment]:
    """``before``, without and with the number of places, cross-validated by picture."""
    rows = [_assessment("before", log_probabilities(before, data), data, before)]
    # Dealt out at random: neighbours in a folder are often alike.
    deal = np.random.default_rng(0).permutation(int(data.pictures.max()) + 1) % FOLDS
    folds = deal[data.pictures]
    for name, by_places in (("logits", False), ("logits, places", True)):
        held_out = np.zeros(len(data.hits))
        for fold in range(FOLDS):
            test = folds == fold
            if test.any() and not test.all():
                own = fit(data.of(~test), by_places)
                held_out[test] = log_probabilities(own, data.of(test))
        rows.append(_assessment(name, held_out, data, fit(data, by_places)))
    return rows


def _assessment(name: str, logs: np.ndarray, data: Answers, calibration: Calibration) -> Assessment:
    scores, loss = np.exp(logs), mean_loss(logs, data.hits)
    error = calibration_error(list(scores), list(data.hits))
    return Assessment(name, loss, error, calibration, scores)


def choose(rows: Sequence[Assessment]) -> Assessment:
    """The logits alone unless the number of places helps clearly; of ``assess``'s rows."""
    _, small, large = rows
    return large if large.loss < CLEARLY * small.loss else small


def rounded(calibration: Calibration) -> Calibration:
    """To six digits, which is more than the data tell."""
    scale, unseen, places = (
        float(f"{v:.6g}") for v in (calibration.scale, calibration.unseen, calibration.places)
    )
    return replace(calibration, scale=scale, unseen=unseen, places=places)
