"""What is the matter with pieces: photographed twice or from behind, damaged, of another puzzle."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from heatmap_locator.assign.evidence import straight_evidence
from heatmap_locator.assign.fit import Fit, Scale, fit_sides
from heatmap_locator.assign.moves import Arrangement, gains, seams
from heatmap_locator.assign.shapes import Shapes
from heatmap_locator.assign.twins import same_pieces
from heatmap_locator.grid import Grid
from heatmap_locator.placement import counted

TWICE = 4.0
"""Log likelihood ratio of two outlines, less that of the number of pairs of pieces, from which they
are one piece's.  Set by hand, with two drawn puzzles at hand of which it should not be passed by
chance."""

BEHIND = 8.0
"""The same of how a piece turned over fits its neighbours, from which its photo shows its back."""

_ANOTHER = 6.0
"""By how much more a piece must weigh in a cell than what lies there, for its outline to be like
another's by chance.  Set by hand."""

_FITS, _FITS_NOT = 2.0, -1.5
"""Log likelihood ratios of sides that meet: those that belong together, and those that do not."""


_BELIEVED, _ODD = 0.5, 0.1
"""Trust in an outline from which its sides are looked at; share of it in a side that is odd."""


@dataclass(frozen=True)
class Problem:
    """What is the matter with a piece.

    Attributes:
        kind: ``twice``, ``behind``, ``foreign``, ``no-cell`` or ``damaged``.
        text: in a few words.
        other: index of the piece that it is the same as.
        cell: (row, col) where it would fit turned over, or of the neighbour it does not fit.
    """

    kind: str
    text: str
    other: int | None = None
    cell: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """What of it there is, by name, JSON-ready."""
        found: dict[str, Any] = {"kind": self.kind, "text": self.text}
        if self.other is not None:
            found["other"] = self.other
        if self.cell is not None:
            found["cell"] = list(self.cell)
        return found


NO_CELL = Problem("no-cell", "no cell left for it; more pieces than cells")
FOREIGN = Problem("foreign", "fits no open cell; of another puzzle, or photograph it again")


def find_twice(shapes: Shapes, prints: np.ndarray, scale: Scale | None) -> dict[int, int]:
    """Pieces photographed twice, and the one of each that is kept: that with the surer outline.

    Args:
        shapes: of all pieces.
        prints, scale: as ``same_pieces`` takes them.
    """
    found: dict[int, int] = {}
    least = TWICE + 2.0 * math.log(max(len(shapes), 90))
    for a, b, _ in same_pieces(shapes, prints, scale, least):
        keep, drop = (a, b) if shapes.trust[a] >= shapes.trust[b] else (b, a)
        while keep in found:
            keep = found[keep]
        if drop not in found and drop != keep:
            found[drop] = keep
    return found


def found_elsewhere(
    now: Arrangement,
    unary: np.ndarray,
    fit: Fit,
    form: tuple[int, int],
    left_out: float,
    twice: Mapping[int, int],
) -> list[int]:
    """Of pieces taken for photographed twice those that fit a cell other than their twin's.

    Args:
        now: the arrangement without them.
        unary, fit, form, left_out: of all pieces, as ``moves.improved`` takes them.
        twice: as :func:`find_twice`.
    """
    if not twice:
        return []
    cells, pieces, facing = np.arange(len(unary)), np.array(sorted(twice)), now.facing(form)
    value = gains(unary, fit, facing, cells, pieces).max(axis=2)
    filled = np.flatnonzero(now.piece >= 0)
    held = np.full(len(unary), left_out)
    held[filled] = unary[filled, now.piece[filled], now.turn[filled]]
    held[filled] += seams(now, fit, facing, filled).sum(axis=1)
    value -= np.maximum(held, left_out)[:, None]
    own = now.cells(unary.shape[1])
    for n, piece in enumerate(pieces.tolist()):
        at = own[twice[piece]]
        value[at if at >= 0 else slice(0, 0), n] = -np.inf
    return pieces[value.max(axis=0) > _ANOTHER].tolist()


def problems(
    now: Arrangement,
    unary: np.ndarray,
    fit: Fit,
    shapes: Shapes,
    grid: Grid,
    left_out: float,
    twice: Mapping[int, int],
    scale: Scale | None,
) -> dict[int, Problem]:
    """What is the matter, by index of piece.

    Args:
        now: the arrangement.
        unary: (C, N, 4) log weights of pieces in cells.
        fit: of their sides.
        shapes: the sides.
        grid: of the puzzle.
        left_out: log weight of a piece in no cell.
        twice: as :func:`find_twice`.
        scale: as ``fit_sides`` takes it.
    """
    count = unary.shape[1]
    found = {
        index: Problem("twice", "the same piece as another", other=first)
        for index, first in twice.items()
    }
    left = np.flatnonzero(now.cells(count) < 0)
    left = np.array([index for index in left if index not in found], int)
    found |= _left_over(now, unary, fit, grid, left_out, left)
    found |= _from_behind(now, shapes, grid, left, scale)
    return found | _damaged(now, fit, shapes, grid)


def _left_over(
    now: Arrangement,
    unary: np.ndarray,
    fit: Fit,
    grid: Grid,
    left_out: float,
    left: np.ndarray,
) -> dict[int, Problem]:
    if not len(left):
        return {}
    if (now.piece < 0).any():
        return dict.fromkeys(left.tolist(), FOREIGN)
    facing = now.facing((grid.rows, grid.cols))
    best = gains(unary, fit, facing, np.arange(grid.pieces), left).max(axis=(0, 2))
    return {
        int(index): NO_CELL if value > left_out else FOREIGN
        for index, value in zip(left, best, strict=True)
    }


def _from_behind(
    now: Arrangement, shapes: Shapes, grid: Grid, left: np.ndarray, scale: Scale | None
) -> dict[int, Problem]:
    """Pieces left over that would fit an empty cell if they were turned over."""
    left = left[shapes.trust[left] > 0]
    empty = np.flatnonzero(now.piece < 0)
    if not len(left) or not len(empty):
        return {}
    turned = shapes.take(left).from_behind()
    both = shapes.joined(turned)
    fit, count = fit_sides(both, scale), len(shapes)
    own = np.arange(count, count + len(left))
    facing = now.facing((grid.rows, grid.cols))
    none = np.zeros((grid.pieces, len(both), 4), np.float32)
    none[:, own] = straight_evidence(turned, grid)
    value = gains(none, fit, facing, empty, own).max(axis=2)
    found = {}
    for n, index in enumerate(left.tolist()):
        at = int(value[:, n].argmax())
        if value[at, n] < BEHIND:
            continue
        cell = divmod(int(empty[at]), grid.cols)
        row, column = counted(cell)
        text = f"photographed from behind; turned over it fits row {row}, column {column}"
        found[index] = Problem("behind", text, cell=cell)
    return found


def _damaged(now: Arrangement, fit: Fit, shapes: Shapes, grid: Grid) -> dict[int, Problem]:
    """Pieces in their cells of which one side does not fit where others do."""
    facing, found = now.facing((grid.rows, grid.cols)), {}
    plain = replace(fit, trust=np.ones_like(fit.trust))
    ways = ("above", "on the right", "below", "on the left")
    for cell in np.flatnonzero(now.piece >= 0).tolist():
        own = now.shown(np.array([cell]))[0]
        met = np.flatnonzero(facing[cell] >= 0)
        believed = float(shapes.trust[now.piece[cell]])
        if len(met) < 2 or believed < _BELIEVED:
            continue
        values = fit.of(own[met], facing[cell][met])
        # A side like none of the cut's is not believed, and says nothing of its neighbours.
        values[fit.trust[own[met]] < _ODD * believed] = -np.inf
        worst = int(values.argmin())
        # How far it does not fit, however far the rest of both outlines is believed.
        alone = plain.of(own[met[worst]], facing[cell][met[worst]])
        misfit = not np.isfinite(values[worst]) or float(alone) < _FITS_NOT
        if misfit and np.delete(values, worst).min() > _FITS:
            text = f"does not fit its neighbour {ways[met[worst]]}: one is damaged, or badly seen"
            found[int(now.piece[cell])] = Problem("damaged", text)
    return found
