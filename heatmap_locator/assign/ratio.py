"""Whether two sides are one line of the cut, seen from its two ends: densities of their numbers.

A side is what the cutter made of it and an error of the outline found.  Two sides that face each
other share the first; so, with the axes in which both are independent, one tells the other as in
probabilistic linear discriminant analysis (Prince and Elder, "Probabilistic linear discriminant
analysis for inferences about identity", 2007).  Outlines are off a little or a lot, so errors have
a Student distribution.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from heatmap_locator.assign.shapes import SIZE
from heatmap_locator.errors import WeightsError
from heatmap_locator.geometry import Array

FORMAT = "heatmap-sides/1"
SHIPPED = "sides.safetensors"

_PRIOR_SIDES = 60
"""Sides that the variety expected of a cut counts for, against those at hand."""

_PRIOR_PAIRS = 50
"""Pairs of sides that what was measured of errors counts for, against those at hand."""

FREEDOM, _COMMON_FREEDOM = 4.0, 12.0
"""Of errors, and of sides of a cut."""

_USUAL, _ODD = 2.5, 4.0
"""Mean squared deviations of a side's numbers, in those of its cut, up to which it is one of it for
certain, and from which it is none: its corners are wrong."""


@dataclass(frozen=True, eq=False)
class SideModel:
    """What is known of sides before any is seen.

    Attributes:
        error: (SIZE, SIZE) scale of what an outline found is off by, of one side.
        mean: (SIZE,) of knobs.
        variety: (SIZE, SIZE) covariance of sides of one cut about their mean, as they are found.
    """

    error: Array
    mean: Array
    variety: Array

    def told_by(self, differences: Array) -> "SideModel":
        """With the errors of (M, SIZE) differences of sides that do face each other."""
        off, error = differences / math.sqrt(2), self.error
        for _ in range(5):
            squares = np.einsum("ni,ij,nj->n", off, np.linalg.inv(error), off)
            weight = (FREEDOM + SIZE) / (FREEDOM + squares)
            seen = (off * weight[:, None]).T @ off
            error = (_PRIOR_PAIRS * self.error + seen) / (_PRIOR_PAIRS + len(off))
        return replace(self, error=error)


def save_side_model(model: SideModel, path: str | Path, extra: Mapping[str, Any]) -> None:
    """Write a model with ``extra``, which is how it was fitted; whole or not at all."""
    import torch

    from heatmap_locator.model.files import write_weights

    own = {"error": model.error, "mean": model.mean, "variety": model.variety}
    tensors = {key: torch.from_numpy(value.astype(np.float32)) for key, value in own.items()}
    write_weights(path, FORMAT, tensors, {"extra": extra})


def load_side_model(path: str | Path | None = None) -> SideModel:
    """Read a model that ``heatmap-eval fit-sides`` wrote; ``None`` is the one that ships.

    Raises:
        WeightsError: missing, damaged, of another kind or version.
    """
    # The service tells bad input before torch is loaded, and knows of assigning by then.
    from heatmap_locator.model.files import read_weights

    source, _, tensors = read_weights(path, SHIPPED, FORMAT, "a model of sides")
    shapes = {"error": (SIZE, SIZE), "mean": (SIZE,), "variety": (SIZE, SIZE)}
    if {key: tuple(value.shape) for key, value in tensors.items()} != shapes:
        raise WeightsError(f"{source}: not of {SIZE} numbers a side; fit it again")
    own = {key: value.double().numpy() for key, value in tensors.items()}
    return SideModel(own["error"], own["mean"], own["variety"])


@cache
def shipped_model() -> SideModel:
    """What was measured on drawn photos; ``MODEL_CARD.md`` says of which."""
    return load_side_model()


@dataclass(frozen=True, eq=False)
class Ratio:
    """Log ratios of densities, in axes along which error and variety are both independent.

    Attributes:
        mean: (SIZE,).
        axes: (SIZE, SIZE) whose columns take sides less the mean to errors of scale 1.
        spread: (SIZE,) variances of sides there, 1 and more.
    """

    mean: Array
    axes: Array
    spread: Array

    @classmethod
    def of(cls, sides: Array, model: SideModel) -> "Ratio":
        """From (M, SIZE) sides of a cut, blanks as what faces them."""
        weight = len(sides) / (len(sides) + _PRIOR_SIDES)
        mean = model.mean
        if len(sides):
            mean = weight * np.median(sides, axis=0) + (1 - weight) * mean
        off = sides - mean
        # A few sides whose corners are wrong tell nothing of the cut.
        far = np.abs(off) / np.maximum(1.4826 * np.median(np.abs(off), axis=0), 1e-6)
        kept = off[(far < 8).all(axis=1)]
        own = kept.T @ kept / max(len(kept), 1)
        import scipy.linalg  # here: it takes a while to load

        spread, axes = scipy.linalg.eigh(weight * own + (1 - weight) * model.variety, model.error)
        return cls(mean, axes, np.maximum(spread, 1.0 + 1e-3))

    def project(self, sides: Array) -> np.ndarray:
        """(M, SIZE) float32 along the axes."""
        return ((sides - self.mean) @ self.axes).astype(np.float32)

    def usual(self, x: np.ndarray) -> np.ndarray:
        """(M,) 0..1, whether (M, SIZE), projected, may be sides of this cut at all."""
        far = (x**2 / self.spread.astype(np.float32)).sum(axis=1) / SIZE
        found: np.ndarray = ((_ODD - far) / (_ODD - _USUAL)).clip(0, 1)
        return found

    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(A, B) of (A, SIZE) with (B, SIZE), both projected; the worse of either way round."""
        found: np.ndarray = np.minimum(self._given(x, y), self._given(y, x).T)
        return found

    def _given(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(A, B) log density of y if it faces x, to that of any side."""
        known = (self.spread - 1) / self.spread
        width = (2 * self.spread - 1) / self.spread
        weight = (1 / width).astype(np.float32)
        drawn = x * known.astype(np.float32)
        off = (drawn**2 @ weight)[:, None] + (y**2 @ weight)[None] - 2 * ((drawn * weight) @ y.T)
        common = (y**2 @ (1 / self.spread).astype(np.float32))[None]
        found = _density(np.maximum(off, 0), FREEDOM) - _density(common, _COMMON_FREEDOM)
        found += np.float32(0.5 * np.log(self.spread / width).sum())
        return found


def _density(squares: np.ndarray, freedom: float) -> np.ndarray:
    """Log density of a Student distribution in SIZE dimensions, beside what all have alike."""
    half = (freedom + SIZE) / 2
    constant = math.lgamma(half) - math.lgamma(freedom / 2) - SIZE / 2 * math.log(freedom)
    found: np.ndarray = np.float32(constant) - np.float32(half) * np.log1p(squares / freedom)
    return found
