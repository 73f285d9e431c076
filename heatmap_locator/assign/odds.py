"""From a score of two sides to how much likelier it makes it that they face each other.

The score's own scale is not to be believed: sides of a cut are alike in more ways than a Gaussian
says, and outlines are off by more in some photos than in others.  But every puzzle has plenty of
pairs that do not belong together, and those pieces whose print leaves no doubt tell of pairs that
do.  A logistic regression on a linear spline of the score, which rises, tells one from the other.
"""

from dataclasses import dataclass

import numpy as np

from heatmap_locator.geometry import Array

_KNOTS = (90.0, 99.0, 99.9)
"""Percentiles of pairs by chance between which the spline is straight."""

_USUAL = (0.1, 0.45, 0.1, 0.1)
"""Slopes, and changes of slope at the knots, where few pairs are known.  Set by hand."""

_TRUST = 0.02
"""Pull towards those, beside the mean log loss."""

_PRIOR = 12
"""Known pairs for which it is half of that."""

_MOST = 20_000
"""Pairs by chance that are looked at, of those that fit and of the others."""


@dataclass(frozen=True, eq=False)
class Odds:
    """Log likelihood ratios of scores.

    Attributes:
        knots: of the spline.
        slopes: before the first, and by how much it changes at each.
        level: at score 0.
        low: of the nine in ten pairs by chance that fit worst, together.
    """

    knots: Array
    slopes: Array
    level: float
    low: float

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Of any shape."""
        found = np.float32(self.level) + np.float32(self.slopes[0]) * scores
        for knot, change in zip(self.knots, self.slopes[1:], strict=True):
            found += np.float32(change) * np.maximum(scores - np.float32(knot), 0)
        result: np.ndarray = found
        return result


def odds_of(true: np.ndarray, chance: np.ndarray) -> Odds:
    """Fit to scores of pairs.

    Args:
        true: (M,) of sides that face each other; may be none.
        chance: (K,) of sides that do not, at least one.
    """
    knots = np.percentile(chance, _KNOTS)
    base = np.array(_USUAL)
    # Few pairs by chance have high scores: of the others a part is enough.
    high = chance > knots[0]
    rng = np.random.default_rng(0)
    low = chance[~high]
    low = low if len(low) <= _MOST else rng.choice(low, _MOST)
    top = chance[high] if high.sum() <= _MOST else rng.choice(chance[high], _MOST)
    share = float(high.mean())
    x = np.concatenate([true, low, top])
    features = np.stack([x, *(np.maximum(x - knot, 0) for knot in knots), np.ones(len(x))], 1)
    told = np.concatenate([np.ones(len(true)), np.zeros(len(low) + len(top))])
    weight = np.concatenate(
        [
            np.full(len(true), 1 / max(len(true), 1)),
            np.full(len(low), (1 - share) / max(len(low), 1)),
            np.full(len(top), share / max(len(top), 1)),
        ]
    )
    pull = _TRUST * _PRIOR / (_PRIOR + len(true))

    def loss(p: Array) -> tuple[float, Array]:
        z = features @ p
        value = float(weight @ (np.logaddexp(0, z) - told * z))
        slope = features.T @ (weight * (1 / (1 + np.exp(-z)) - told))
        off = p[:-1] - base
        slope[:-1] += 2 * pull * off
        return value + pull * float(off @ off), slope

    if len(true):
        from scipy.optimize import minimize  # here: it takes a while to load

        rising = [(0.0, None)] * len(base) + [(None, None)]
        start = np.append(base, -1.5)
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=rising).x
    else:
        found = np.append(base, 0.0)
    slopes, level = found[:-1], float(found[-1])
    means = [_mean(Odds(knots, slopes, level, 0.0)(part)) for part in (low, top)]
    if not len(true):  # with this level pairs by chance have a mean ratio of 1
        shift = float(np.log((1 - share) * np.exp(means[0]) + share * np.exp(means[1])))
        level, means[0] = level - shift, means[0] - shift
    return Odds(knots, slopes, level, means[0])


def _mean(logs: np.ndarray) -> float:
    """Log of the mean of what (M,) are logarithms of."""
    if not len(logs):
        return 0.0
    highest = float(logs.max())
    return highest + float(np.log(np.exp(logs.astype(np.float64) - highest).mean()))
