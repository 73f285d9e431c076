"""Lines between the cells along an axis, by pieces that were placed.

Lines are equally far apart, and middles of pieces lie halfway between them.  Every distance and
shift of the lines is weighed by how well it fits the middles, and how likely it is before; straight
sides tell which line is the puzzle's edge.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from heatmap_locator.geometry import Array

SETTLED, ENDS_KNOWN = 0.99, 0.95
"""Probability from which lines are taken to be known, and the given ones to be wrong; and from
which it is known which of them are the puzzle's edges."""

_DEVIATION, _REGULAR = 0.06, 0.9
"""Of a body's middle about its cell's, in cells, as ``search/lattice.py`` has it; share of pieces
placed right of which this holds, the others lie anyhow.  Set by hand."""

_CROP, _MOST_CROPPED = 0.015, 0.08
"""How far the puzzle's edges lie from the picture's, in shares of it: scale of a Laplace
distribution, and the most that is looked for.  ``calibrate`` draws 2% of a side."""

_AS_GIVEN, AS_GUESSED = 0.5, 0.3
"""Probability that the picture shows just the puzzle: where rows and columns were given, and where
they follow from a number of pieces, so that they have to be the right ones as well."""

_NO_LINES = 0.05
"""The same of pieces that lie along no lines: of another cut, or placed wrong."""

_COUNTS = 0.1
"""Share by which rows or columns are off a guess at most, each count as likely as another."""

_STEP, _APART = 0.1, 0.15
"""Cells from one shift of the lines to the next that is tried, and by which lines differ that count
as the same."""

_WRONG_SIDE = 0.02
"""Likelihood ratio of a straight side off the edge, and of an outermost piece without one."""


@dataclass(frozen=True)
class Axis:
    """How many cells there are along an axis, where in the picture the first begins and the last
    ends, in shares of its side, and whether that is known, not only where lines lie."""

    count: int
    start: float = 0.0
    end: float = 1.0
    ends_known: bool = True


def fit_axis(middles: Array, scores: Array, ends: Array, count: int, exact: bool) -> Axis | None:
    """What pieces tell of an axis.

    Args:
        middles: (N,) of bodies, in shares of the picture's side.
        scores: (N,) of their places.
        ends: (N, 2) whether the side that faces the axis's beginning, its end, is straight; NaN
            where that is not known.
        count: of cells, as given.
        exact: whether that is the puzzle's own.

    Returns:
        ``None`` where that is left open, or it is as given.
    """
    lines = _lines(count, exact)
    at = lines.in_cells(middles)
    logs = middle_in_cell(at, scores).sum(axis=2) + lines.prior
    anyhow = math.log(_NO_LINES)  # and no middle is likelier anywhere than elsewhere
    chances = np.exp(logs - np.logaddexp(np.logaddexp.reduce(logs, axis=None), anyhow))
    best = divmod(int(chances.argmax()), chances.shape[1])
    same = lines.same_as(best)
    if chances[same].sum() < SETTLED:
        return None
    if same[lines.given]:
        return None if exact else Axis(count)
    cells, first, ends_known = lines.numbered(best, at[best], scores, ends)
    # The lines tried are a tenth of a cell apart: those in between follow from the middles.
    cell = np.floor(at[best])
    near = np.abs(at[best] - cell - 0.5) < 3 * _DEVIATION
    known = np.stack([np.ones(near.sum()), cell[near] + first + 0.5], axis=1)
    start, pitch = np.linalg.lstsq(known, middles[near], rcond=None)[0].tolist()
    return Axis(cells, start, start + cells * pitch, ends_known)


def middle_in_cell(at: Array, scores: Array) -> Array:
    """Log density of where middles lie along an axis, against anywhere alike.

    Args:
        at: in cells from some line between them.
        scores: of the pieces' places, of the same shape or broadcast to it.
    """
    off = (at - np.floor(at) - 0.5) / _DEVIATION
    density = np.exp(-(off**2) / 2) / (_DEVIATION * math.sqrt(2 * math.pi))
    regular = _REGULAR * scores
    found: Array = np.log(regular * density + 1 - regular)
    return found


class _Lines:
    """Lines between the cells along an axis: P distances from one to the next, S shifts.

    Args:
        count: of cells, as given.
        exact: whether that is the puzzle's own.

    Attributes:
        given: which distance and shift are those of a picture that shows just the puzzle.
    """

    def __init__(self, count: int, exact: bool) -> None:
        off = 0 if exact else max(1, round(_COUNTS * count))
        self._share = _AS_GIVEN if exact else AS_GUESSED
        self._counts = np.arange(max(1, count - off), count + off + 1)
        # From one distance to the next lines move by a shift at the picture's edges.
        most = off + 2 * _MOST_CROPPED * count
        steps = math.ceil(most / (2 * _STEP))
        across = count + 2 * _STEP * np.arange(-steps, steps + 1)
        self._pitches = 1.0 / across[across >= 1]
        self._shifts = (count / 2 + np.arange(round(1 / _STEP)) * _STEP) % 1.0
        self.given = int(np.abs(self._pitches - 1 / count).argmin()), 0
        reach = math.ceil(off / 2 + _MOST_CROPPED * (count + off)) + 1
        self._firsts = np.arange(count // 2 - reach, count // 2 + reach + 1)

    def in_cells(self, middles: Array) -> Array:
        """(P, S, N) places, in shares of the picture's side, in cells from one near its middle."""
        found: Array = (middles - 0.5) / self._pitches[:, None, None] + self._shifts[:, None]
        return found

    def same_as(self, line: tuple[int, int]) -> Array:
        """(P, S) bool, which lines lie where some do all over the picture."""
        where = self.in_cells(np.linspace(0.0, 1.0, 5))
        apart = where - where[line]
        found: Array = (np.abs(apart - np.round(apart)) < _APART).all(axis=2)
        return found

    @cached_property
    def prior(self) -> Array:
        """(P, S) log probabilities, whichever of the lines are the puzzle's edges."""
        logs = [self._cropped(pitch, self._shifts[:, None, None]) for pitch in self._pitches]
        chances = np.exp(np.stack(logs) - np.max(logs)).sum(axis=(2, 3))
        chances *= (1 - self._share) / chances.sum()
        chances[self.given] += self._share
        found: Array = np.log(np.maximum(chances, 1e-300))
        return found

    def numbered(
        self, line: tuple[int, int], at: Array, scores: Array, ends: Array
    ) -> tuple[int, int, bool]:
        """How many cells there are, what is added to places so that the first is 0, and whether
        there is little doubt about both.

        Args:
            line: distance and shift, which lines.
            at: (N,) places of pieces by those.
            scores, ends: as ``fit_axis`` takes them.
        """
        logs = self._cropped(self._pitches[line[0]], self._shifts[line[1]])
        cell = np.floor(at) + self._firsts[:, None]
        last = self._counts[:, None, None] - 1
        against = np.log1p(scores * (_WRONG_SIDE - 1))
        for end, outermost in zip(ends.T, (cell[None] == 0, cell == last), strict=True):
            wrong = (outermost != (end == 1)) & ~np.isnan(end)
            logs = logs + wrong @ against
        logs = logs + ((cell < 0) | (cell > last)) @ against
        chances = np.exp(logs - np.logaddexp.reduce(logs, axis=None))
        count, first = divmod(int(chances.argmax()), len(self._firsts))
        known = bool(chances[count, first] >= ENDS_KNOWN)
        return int(self._counts[count]), int(self._firsts[first]), known

    def _cropped(self, pitch: float, shift: Array | float) -> Array:
        """(..., counts, firsts) log densities of where the edges lie, by the line that is first."""
        start = 0.5 - (shift + self._firsts) * pitch
        off = np.abs(start), np.abs(start + self._counts[:, None] * pitch - 1.0)
        logs = -(off[0] + off[1]) / _CROP
        found: Array = np.where(np.maximum(*off) <= _MOST_CROPPED, logs, -math.inf)
        return found


_lines = lru_cache(maxsize=8)(_Lines)
"""The same for every piece of a session."""
