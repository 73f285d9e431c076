"""Fits what measures say of a photo's showing no piece of the picture."""

from collections.abc import Sequence

import numpy as np

from .logistic import Photos, Weights, fit_weights

FOREIGN = (
    *("logit", "chance", "lead", "places"),
    *("pixel", "colour", "detail", "local", "mirror", "texture", "cast"),
)
"""Measures that tell whether it is of another picture: how well the best place fits, and by how
much better than others.  Not how well the photo could be read: fingers and shadows are drawn over
pieces of the picture alone, and a foreign one may lie under them as well."""

FOREIGN_CELLS = (*FOREIGN, "cell")
"""The same where rows and columns are known."""

PRIOR = 0.2
"""Share of photos that are assumed to show no piece of the picture; what is drawn has more.  Of 0.1
to 0.4 the one that names 95 in 100 backs, foreign pieces and tables without one (630 photos, fits
to other pictures)."""


def fit_foreign(data: Photos, chosen: np.ndarray) -> Weights:
    """Weights for a photo's showing no piece of the picture, at the prior of ``PRIOR``.

    Against those that are placed right: of pieces that are not, flat ones for the most part,
    nothing tells whether they are of the picture.

    Args:
        data: the photos.
        chosen: (N,) bool, those to fit to.
    """
    chosen = chosen & (data.foreign | data.hits)
    fields = ("foreign", FOREIGN), ("foreign_cells", FOREIGN_CELLS)
    return {field: _fit_to(data, chosen, names) for field, names in fields}


def _fit_to(data: Photos, chosen: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """The same by some measures; none where no photo, or no foreign one, has them."""
    values = data.column(names)
    chosen = chosen & ~np.isnan(values).any(axis=1)
    own = data.foreign[chosen]
    if own.all() or not own.any():
        return {}
    weight = np.where(own, PRIOR / own.sum(), (1 - PRIOR) / (~own).sum())

    def loss(logits: np.ndarray) -> float:
        return float((weight * np.logaddexp(0, np.where(own, -logits, logits))).sum())

    return fit_weights(values[chosen], names, loss)
