"""Colours of print in a photo's light, and of the table that it lies on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

Array = np.ndarray

_ROUNDS = 5
"""Of reweighting, by which what is no print counts for less."""

_MOST = 20_000
"""Colours that a light or a table is fitted to at most."""

_RIDGE = 50.0
"""Keeps a light near that of the picture where little is seen of it."""

_CLUSTERS, _ANY = 4, 0.1
"""Of a table's colours, and the share of those that are like none."""

_SPANS = 100.0 * 60.0 * 60.0
"""Of Lab colours that photos have, about."""


def lab(image: Array, soft: float) -> Array:
    """(H, W, 3) float32 Lab of uint8 RGB, blurred by so many pixels."""
    blurred = cv2.GaussianBlur(image, (0, 0), soft).astype(np.float32) / np.float32(255)
    found: Array = cv2.cvtColor(blurred, cv2.COLOR_RGB2LAB)
    return found


def log_density(off: Array, spread: Array) -> Array:
    """(...) of (..., 3) differences: a Student distribution, as light is uneven."""
    squares = ((off / spread) ** 2).sum(axis=-1)
    found: Array = -3.5 * np.log1p(squares / 4) - np.log(spread).sum(axis=-1) - 2.0
    return found


def fitted(x: Array, y: Array, square: Array, weigh: Callable[[Array], Array]) -> Array:
    """Iteratively reweighted ridge regression of colours, about those of the picture.

    Args:
        x: (N, K) what is known, three colours first.
        y: (N, 3) colours seen.
        square: (K, K) the ridge.
        weigh: (N,) weights of (N, 3) residuals.

    Returns:
        (K, 3).
    """
    base = np.eye(x.shape[1], 3)
    weight, matrix = np.ones(len(x)), base
    for _ in range(_ROUNDS):
        own = x * weight[:, None]
        matrix = base + np.linalg.solve(own.T @ x + square, own.T @ (y - x @ base))
        weight = weigh(y - x @ matrix)
    return matrix


@dataclass(frozen=True, eq=False)
class Light:
    """How a picture's colours look in a photo: an affine map and a light that varies across it.

    Attributes:
        matrix: (7, 3) from a colour, (row, col), their distance from the middle squared, and 1.
        spread: (3,) the usual deviation.
    """

    matrix: Array
    spread: Array

    @classmethod
    def of(cls, seen: Array, wanted: Array, where: Array) -> Self:
        """Fit to print.

        Args:
            seen: (N, 3) colours of the photo.
            wanted: (N, 3) of the picture.
            where: (N, 2) in the picture, -0.5..0.5.
        """
        step = max(1, len(seen) // _MOST)
        x, y = _known(wanted[::step], where[::step]), seen[::step].astype(np.float64)

        def weigh(off: Array) -> Array:
            found: Array = 1 / (1 + ((off / _usual(off)) ** 2).mean(axis=1) / 4)
            return found

        matrix = fitted(x, y, _RIDGE * np.eye(7), weigh)
        return cls(matrix, _usual(y - x @ matrix))

    def __call__(self, wanted: Array, where: Array) -> Array:
        """(..., 3) as they look, of (..., 3) and (..., 2)."""
        colour, rest = self.matrix[:3], self.matrix[3:]
        place: Array = _across(where) @ rest
        found: Array = wanted @ colour.astype(wanted.dtype) + place.astype(wanted.dtype)
        return found


def _usual(off: Array) -> Array:
    """(3,) deviation of (N, 3) residuals, those that are far off left out."""
    found: Array = 1.4826 * np.median(np.abs(off), axis=0) + 1.0
    return found


def _known(wanted: Array, where: Array) -> Array:
    """(N, 7) float64 as ``Light.matrix`` takes it."""
    return np.concatenate([wanted, _across(where)], axis=1).astype(np.float64)


def _across(where: Array) -> Array:
    """(..., 4) terms of (..., 2) in -0.5..0.5, each up to about 10: lenses and lamps are darker
    towards the corners."""
    row, col = np.moveaxis(where, -1, 0)
    terms = 20.0 * row, 20.0 * col, 20.0 * (row * row + col * col), np.full_like(row, 10.0)
    found: Array = np.stack(terms, axis=-1)
    return found


@dataclass(frozen=True, eq=False)
class Table:
    """Colours of a table: some clusters, and any.

    Attributes:
        centres, spreads: (K, 3).
        shares: (K,) of all.
    """

    centres: Array
    spreads: Array
    shares: Array

    @classmethod
    def of(cls, seen: Array) -> Self:
        """Fit to (M, 3) colours; where there are few, all are as likely."""
        values = seen[:: max(1, len(seen) // _MOST)].astype(np.float32)
        if len(values) < 3 * _CLUSTERS:
            return cls(np.empty((0, 3)), np.empty((0, 3)), np.empty(0))
        criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.1)
        cv2.setRNGSeed(1)
        first = np.zeros((len(values), 1), np.int32)
        way = cv2.KMEANS_PP_CENTERS
        _, label, centres = cv2.kmeans(values, _CLUSTERS, first, criteria, 2, way)
        own = [values[label.ravel() == index] for index in range(_CLUSTERS)]
        kept = [index for index in range(_CLUSTERS) if len(own[index])]
        spreads = np.array([own[index].std(axis=0) + 2.0 for index in kept])
        shares = np.array([len(own[index]) / len(values) for index in kept])
        return cls(centres[kept], spreads, shares)

    def log_density(self, seen: Array) -> Array:
        """(...) of (..., 3) colours."""
        density = np.full(seen.shape[:-1], _ANY / _SPANS)
        for centre, spread, share in zip(self.centres, self.spreads, self.shares, strict=True):
            own = log_density(seen - centre, spread)
            density += (1 - _ANY) * share * np.exp(own)
        found: Array = np.log(density)
        return found
