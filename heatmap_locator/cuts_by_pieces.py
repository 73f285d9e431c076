"""Cuts that are likely by a few pieces that were placed, where nothing was given.

Middles of pieces lie in the middles of cells.  Of a picture that shows just the puzzle three or
four of them, and the size of a cell, leave one cut or two; lines that lie otherwise in the picture
(``cell_lines.py``) take more.
"""

import math

import numpy as np

from heatmap_locator.cell_lines import AS_GUESSED, middle_in_cell
from heatmap_locator.geometry import Array
from heatmap_locator.likely_cuts import CELL_ASPECT, LEAST, Cut

FITTING = 0.75
"""Probability, of all cuts together, from which they are told."""

_SIDE = 0.05
"""Deviation of the logarithm of a cell's side as pieces agree on it.  Set by hand, as the next:
outlines are found 3% too wide or narrow."""

_USUAL = 3.0
"""What a cut of about a usual number of pieces is worth against another."""

_MORE, _FEWER = 0.04, 0.012
"""Logarithms of the ratio of a cut's pieces to a usual number up to which it is about that."""

_FARTHEST = 3.0
"""Deviations of the side and from square from which on cuts are left out."""


def cuts_by_pieces(
    middles: Array, scores: Array, side: float, size: tuple[int, int], fitting: float = FITTING
) -> tuple[Cut, ...]:
    """The likely cuts, likeliest first; their probabilities add up to less than 1.

    Args:
        middles: (N, 2) of bodies, in shares of the picture's width and height.
        scores: (N,) of their places.
        side: of the square of a cell's area, picture pixels, as the pieces agree on it.
        size: (width, height) of the picture.
        fitting: probability of all cuts together, from which they are told.

    Returns:
        those of ``LEAST`` and more; none where it is not likely enough that any is right.
    """
    rows, cols, prior = _every(side, size)
    if not len(rows):
        return ()
    counts = np.stack([cols, rows], axis=1)  # x, y
    fits = middle_in_cell(middles * counts[:, None], scores[:, None])
    logs = fits.sum(axis=(1, 2)) + np.log(AS_GUESSED * prior)
    # Of any other cut a middle is as likely anywhere in a cell of these.
    others = math.log(1 - AS_GUESSED)
    chances = np.exp(logs - np.logaddexp(np.logaddexp.reduce(logs), others))
    if chances.sum() < fitting:
        return ()
    best = [i for i in np.argsort(-chances, kind="stable") if chances[i] >= LEAST]
    return tuple(Cut(int(rows[i]), int(cols[i]), float(chances[i])) for i in best)


def _every(side: float, size: tuple[int, int]) -> tuple[Array, Array, Array]:
    """(M,) rows, columns and probabilities, by size and proportions of a cell, of all cuts."""
    width, height = size
    reach = math.exp(_FARTHEST * (_SIDE + CELL_ASPECT / 2))
    ranges = [
        np.arange(max(1, math.floor(length / side / reach)), math.ceil(length / side * reach) + 1)
        for length in (height, width)
    ]
    rows, cols = (axis.ravel().astype(float) for axis in np.meshgrid(*ranges, indexing="ij"))
    size_off = np.log(width * height / (rows * cols) / side**2) / 2 / _SIDE
    aspect = np.log(width * rows / (height * cols)) / CELL_ASPECT
    near = np.maximum(np.abs(size_off), np.abs(aspect)) <= _FARTHEST
    rows, cols, size_off, aspect = (value[near] for value in (rows, cols, size_off, aspect))
    weights = np.exp(-(size_off**2 + aspect**2) / 2) * np.where(_usual(rows * cols), _USUAL, 1.0)
    return rows, cols, weights / max(weights.sum(), math.ulp(1.0))


def _usual(pieces: Array) -> Array:
    """(M,) bool, which numbers of pieces are about what boxes have: 50, 100, ... 500, 1000, ..."""
    unit = np.where(pieces < 475, 50, 500)
    nearest = np.maximum(np.round(pieces / unit), 1) * unit
    off = np.log(pieces / nearest)
    found: Array = (off <= _MORE) & (off >= -_FEWER)
    return found
