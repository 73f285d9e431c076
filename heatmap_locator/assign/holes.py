"""How well pieces fill holes: where an open cell is bounded by what is done, its edge is a side.

A piece is laid by its corners into the cell, in four turns, and moved a little, as holes lie beside
where a regular grid has them, until its sides there run along the edge that the photo shows.  What
is left between them makes a likelihood ratio, as of sides that meet: of what is left where a piece
belongs, to what is left of all pieces in all holes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from heatmap_locator.assign.belief import STEPS
from heatmap_locator.assign.shapes import Shapes
from heatmap_locator.geometry import Array, clockwise
from heatmap_locator.grid import Grid
from heatmap_locator.outline.sides import Sides
from heatmap_locator.picture.done import Done
from heatmap_locator.picture.edge import Edge

_OPEN, _DONE = 0.2, 0.5
"""Probability of being open from which a cell is a hole, and below which one bounds it."""

_REACH, _COARSE, _FINE = 0.12, 0.04, 0.01
"""Cells that a hole may lie beside where the grid has it, and steps in which that is tried."""

_POINTS, _FEW = 24, 12
"""Points of a side that are looked at, and of the coarse steps' sides."""

_BEST, _LEAST = 0.2, 40
"""Share of pieces and turns, best by coarse steps, for which fine steps are tried, and how many."""

_FAR = 0.12
"""Cells from the edge from which a point counts as no farther."""

_LEFT, _SPREAD = 0.0095, 0.4
"""Root mean square of what is left between a side and its hole's edge, in cells, and the deviation
of its logarithm."""

_BY_CHANCE, _VARIES, _FEW_LEFT, _NEVER = 0.027, 0.55, 60, 0.01
"""The same of pieces in holes that are not theirs, how many of them it takes to tell that half, and
the least density, as other things happen."""

_BROKEN = 0.05
"""Of sides, those whose hole's edge is not seen for what it is."""

_BESIDE, _BESIDE_UNKNOWN = 0.05, 0.5
"""Of holes, those that lie farther beside where the grid has them, or are none: where rows and
columns are known, and where not.  Set by hand."""

_WIDTH = 0.15
"""Of the kernel by which the density of what is left by chance is told, of the logarithm."""


@dataclass(frozen=True, eq=False)
class Holes:
    """What holes say of pieces.

    Attributes:
        logs: (C, N, 4) float32 log likelihood ratios of pieces in cells, turn t with side t up.
        met: (C,) sides of each cell that what is done bounds.
    """

    logs: np.ndarray
    met: np.ndarray


def hole_evidence(sides: Sequence[Sides | None], shapes: Shapes, done: Done, grid: Grid) -> Holes:
    """Compare pieces with the edge of what is done.

    Args:
        sides: of N pieces.
        shapes: the same as numbers.
        done: what a photo shows.
        grid: of the puzzle.
    """
    logs = np.zeros((grid.pieces, len(shapes), 4), np.float32)
    met = np.zeros(grid.pieces, int)
    known = np.flatnonzero(shapes.trust > 0)
    bounded = dict(_bounded(done.open))
    if done.edge is None or not len(known) or not bounded:
        return Holes(logs, met)
    outlines = np.stack([_laid(sides[index], shapes, index) for index in known.tolist()])
    left = {
        cell: _left(outlines[:, :, open_sides], cell, grid, done.edge)
        for cell, open_sides in bounded.items()
    }
    ratio = _ratio_of(np.concatenate([values.ravel() for values in left.values()]))
    trust = shapes.trust[known][:, None]
    beside = _BESIDE if grid.exact else _BESIDE_UNKNOWN
    for (row, col), values in left.items():
        said = np.logaddexp(np.log1p(-beside) + ratio(values).sum(axis=2), np.log(beside))
        at = row * grid.cols + col
        logs[at, known] = np.log1p(trust * np.expm1(np.minimum(said, 50.0)))
        met[at] = values.shape[2]
    return Holes(logs, met)


def _bounded(chances: Array) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Cells that are open, and their sides that something done bounds."""
    rows, cols = chances.shape
    for row, col in np.argwhere(chances > _OPEN).tolist():
        found = [
            side
            for side, (down, right) in enumerate(STEPS)
            if 0 <= row + down < rows
            and 0 <= col + right < cols
            and chances[row + down, col + right] < _DONE
        ]
        if found:
            yield (row, col), found


def _laid(sides: Sides | None, shapes: Shapes, index: int) -> Array:
    """(4, 4, ``_POINTS``, 2) float32 by turn and side, from above clockwise: points in cells from
    the middle of the corners."""
    assert sides is not None
    corners = np.asarray(sides.corners, np.float64)
    middle = corners.mean(axis=0)
    found = np.zeros((4, 4, _POINTS, 2), np.float32)
    for turn in range(4):
        order = (turn + np.arange(4)) % 4
        off = np.deg2rad(shapes.outward[index][order] - 90.0 * np.arange(4))
        back = np.rad2deg(np.arctan2(np.sin(off).mean(), np.cos(off).mean()))
        matrix = clockwise(-float(back)) / sides.cell
        for place, side in enumerate(order.tolist()):
            start, end = corners[side], corners[(side + 1) % 4]
            along, curve = end - start, sides.sides[side].curve.astype(np.float64)
            out = np.array([along[1], -along[0]])
            at = np.linspace(2, len(curve) - 3, _POINTS).round().astype(int)
            points = start + curve[at, :1] * along + curve[at, 1:] * out
            found[turn, place] = (points - middle) @ matrix.T
    return found


def _left(outlines: Array, cell: tuple[int, int], grid: Grid, edge: Edge) -> Array:
    """(N, 4, S) root mean squares of what is left between N pieces, in four turns, and S sides.

    Args:
        outlines: (N, 4, S, ``_POINTS``, 2) as :func:`_laid`, of those sides.
    """
    every = _POINTS // _FEW
    flat = outlines.reshape(-1, *outlines.shape[2:])
    middle = np.array([cell[1] + 0.5, cell[0] + 0.5], np.float32)
    steps = _steps(_REACH, _COARSE)
    coarse = _squares(flat[:, :, every // 2 :: every], middle + steps, edge)
    best = coarse.sum(axis=2).argmin(axis=1)
    found = np.take_along_axis(coarse, best[:, None, None], 1)[:, 0]
    some = np.argsort(found.sum(axis=1))[: max(_LEAST, round(_BEST * len(flat)))]
    shifts = middle + steps[best[some], None] + _steps(_COARSE * 0.75, _FINE)
    fine = _squares(flat[some], shifts, edge)
    best = fine.sum(axis=2).argmin(axis=1)
    found[some] = np.take_along_axis(fine, best[:, None, None], 1)[:, 0]
    result: Array = np.sqrt(found).reshape(*outlines.shape[:2], -1)
    return result


def _steps(reach: float, step: float) -> Array:
    """(M, 2) float32 shifts up to so many cells along both axes."""
    line = np.arange(-round(reach / step), round(reach / step) + 1) * step
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)


# Pieces compared at once, for memory's sake.
_CHUNK = 128


def _squares(points: Array, shifts: Array, edge: Edge) -> Array:
    """(P, M, S) mean squares of what is left of (P, S, K, 2) sides, shifted by (M, 2) or by
    (P, M, 2)."""
    found = []
    for start in range(0, len(points), _CHUNK):
        own = shifts if shifts.ndim == 2 else shifts[start : start + _CHUNK]
        at = points[start : start + _CHUNK, None] + own[..., None, None, :]
        away = np.minimum(np.abs(edge.at(at)), _FAR)
        found.append((away**2).mean(axis=-1))
    return np.concatenate(found)


@dataclass(frozen=True, eq=False)
class _Ratio:
    """Log likelihood ratios of what is left, by the density of its logarithm by chance.

    Attributes:
        at, chance: (M,) logarithms, and log densities there.
    """

    at: Array
    chance: Array

    def __call__(self, left: Array) -> Array:
        """Of any shape.  What fits better than is usual is no less likely for it."""
        x = np.log(np.maximum(left, 1e-4))
        true = -0.5 * ((np.maximum(x, np.log(_LEFT)) - np.log(_LEFT)) / _SPREAD) ** 2
        true -= np.log(_SPREAD * np.sqrt(2 * np.pi))
        chance = np.interp(np.maximum(x, np.log(_LEFT)), self.at, self.chance)
        found: Array = np.logaddexp(np.log1p(-_BROKEN) + true - chance, np.log(_BROKEN))
        return found


def _ratio_of(left: Array) -> _Ratio:
    """By (M,) of all pieces in all holes, few of which belong there."""
    x = np.log(np.maximum(left, 1e-4))
    at = np.linspace(np.log(_LEFT / 2), np.log(2 * _FAR), 120)
    counts = np.array([np.exp(-0.5 * ((x - one) / _WIDTH) ** 2).sum() for one in at])
    usual = np.exp(-0.5 * ((at - np.log(_BY_CHANCE)) / _VARIES) ** 2) / _VARIES
    density = (counts / _WIDTH + _FEW_LEFT * usual) / np.sqrt(2 * np.pi) / (len(x) + _FEW_LEFT)
    return _Ratio(at, np.log(density + _NEVER))
