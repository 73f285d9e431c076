"""Many pieces, one puzzle: a consistent answer in which no two pieces share a cell.

Piece by piece, look-alikes are sent to the same cell.  Here the sum of the log scores over all
pieces is maximised under one piece a cell (Kuhn, "The Hungarian method", 1955; solved by
``scipy.optimize.linear_sum_assignment``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.grid import Grid
from heatmap_locator.placement import Placement

ASSIGN_TOP = 40
"""Placements to ask for per piece, so that a piece which has to give way has where to go."""

SURE_SCORE = 0.8
"""Least score, a calibrated probability, of a piece in its cell to be called sure."""

SURE_MARGIN = 3.0
"""How many times better than the next best arrangement without it, to be called sure."""

# Of a score, so that its logarithm stays finite.
_FLOOR = 1e-4
# How far, in cells, a box's middle may lie outside a cell before the placement counts for less
# there: knobs on one side move it by up to 0.14, and the grid is often nominal.
_SPILL = 0.15


class _Puzzle(Protocol):
    """What is read of a :class:`heatmap_locator.locator.Puzzle`."""

    grid: Grid | None

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


class _Search(Protocol):
    """What is read of a :class:`heatmap_locator.locator.Search`."""

    @property
    def placements(self) -> list[Placement]: ...
    @property
    def heatmap(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Assignment:
    """Where one piece goes when all pieces are looked at together.

    Attributes:
        index: of its search in the list given.
        cell: (row, col) from 0, no other piece's; ``None`` where more pieces than cells were
            given and this is one of those left over.
        placement: the one that stands for the cell.  Where the search had none there, its best
            one moved to the middle of the cell, rotation and size as they were; for a piece left
            over its own best one, unchanged.
        sure: whether to swear to it: the search itself had a placement there, its score is at
            least ``SURE_SCORE``, and no move of the piece to a free cell, nor swap with another
            piece, comes within a factor ``SURE_MARGIN`` of the arrangement.
    """

    index: int
    cell: tuple[int, int] | None
    placement: Placement
    sure: bool


def assign(puzzle: _Puzzle, searches: Sequence[_Search]) -> list[Assignment]:
    """Give every piece a cell of its own.

    A piece's score in a cell is that of its best placement there; in cells that none of its
    placements fall into it is the heatmap's, but never more than its worst placement's.  With
    more pieces than cells (a piece photographed twice, a wrong count) those that fit worst are
    left over.

    Args:
        puzzle: encoded with its grid.
        searches: one per piece, with at least one placement each; ``ASSIGN_TOP`` leave room to
            give way.

    Returns:
        One per search, in the same order.

    Raises:
        InputError: the puzzle's grid is not known, or a search has no placement.
    """
    if puzzle.grid is None:
        raise InputError("assigning pieces to cells needs the grid; give pieces or grid")
    for index, search in enumerate(searches):
        if not search.placements:
            raise InputError(
                "its search holds no placement; search with top=1", name=f"piece {index}"
            )
    if not searches:
        return []
    from scipy.optimize import linear_sum_assignment  # here: it takes a while to load

    size = puzzle.width, puzzle.height
    tables = [_scores(search, puzzle.grid, size) for search in searches]
    logs = np.log(np.maximum(np.stack([scores for scores, _ in tables]), _FLOOR))
    pieces, cells = linear_sum_assignment(logs, maximize=True)
    chosen = dict(zip(pieces.tolist(), cells.tolist(), strict=True))
    margins = _margins(logs, pieces, cells)
    result = []
    for index, (scores, source) in enumerate(tables):
        best = searches[index].placements[0]
        if index not in chosen:
            result.append(Assignment(index, None, replace(best, cell=None), False))
            continue
        flat = chosen[index]
        row, col = divmod(flat, puzzle.grid.cols)
        score, rank = float(scores[flat]), int(source[flat])
        if rank < 0:
            moved = _moved(best, puzzle.grid, (row, col), size, score)
            result.append(Assignment(index, (row, col), moved, False))
            continue
        placement = replace(searches[index].placements[rank], cell=(row, col))
        sure = score >= SURE_SCORE and margins[index] >= np.log(SURE_MARGIN)
        result.append(Assignment(index, (row, col), placement, bool(sure)))
    return result


def _scores(search: _Search, grid: Grid, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A piece's score in every cell, and the rank of the placement it came from, -1 for none.

    Both (cells,), rows first.
    """
    scores = np.minimum(
        _cell_maxima(search.heatmap, grid), min(p.score for p in search.placements)
    ).reshape(grid.rows, grid.cols)
    source = np.full(scores.shape, -1)
    cell = grid.cell_size(*size)
    for rank, place in enumerate(search.placements):
        col, row = place.center[0] / cell[0], place.center[1] / cell[1]
        for r in {int(np.clip(np.floor(row) + d, 0, grid.rows - 1)) for d in (-1, 0, 1)}:
            for c in {int(np.clip(np.floor(col) + d, 0, grid.cols - 1)) for d in (-1, 0, 1)}:
                out = max(abs(row - r - 0.5), abs(col - c - 0.5)) - 0.5
                if (r, c) == grid.cell_at(*place.center, *size):
                    out = 0.0  # also for middles outside the picture
                score = place.score * float(np.exp(-((max(out, 0.0) / _SPILL) ** 2)))
                if out < 3 * _SPILL and (source[r, c] < 0 or score > scores[r, c]):
                    scores[r, c], source[r, c] = score, rank
    return scores.ravel(), source.ravel()


def _cell_maxima(heatmap: np.ndarray, grid: Grid) -> np.ndarray:
    """(cells,) highest value of an (h, w) heatmap over each cell of the grid."""
    height, width = heatmap.shape
    # The map's cells are often coarser than the grid's edges; every cell reads at least one.
    top = np.floor(np.arange(grid.rows) * height / grid.rows).astype(int)
    left = np.floor(np.arange(grid.cols) * width / grid.cols).astype(int)
    bottom = np.ceil((np.arange(grid.rows) + 1) * height / grid.rows).astype(int)
    right = np.ceil((np.arange(grid.cols) + 1) * width / grid.cols).astype(int)
    by_row = np.stack([heatmap[a:b].max(axis=0) for a, b in zip(top, bottom, strict=True)])
    values = np.stack([by_row[:, a:b].max(axis=1) for a, b in zip(left, right, strict=True)], 1)
    return values.astype(np.float64).ravel()


def _margins(logs: np.ndarray, pieces: np.ndarray, cells: np.ndarray) -> dict[int, float]:
    """By how much the total would fall at least if a piece had another cell, for each piece.

    Args:
        logs: (N, cells) log scores.
        pieces, cells: (M,) the assignment.

    Returns:
        For each of the pieces, the least loss over its moves to a free cell and its swaps with
        another piece, which may go on to a free cell instead.  A piece left over can take its
        place.  Longer exchanges are not looked at.
    """
    own = logs[pieces, cells]
    free = np.setdiff1d(np.arange(logs.shape[1]), cells)
    spare = np.setdiff1d(np.arange(logs.shape[0]), pieces)
    to_free = logs[np.ix_(pieces, free)].max(axis=1, initial=-np.inf)
    between = logs[np.ix_(pieces, cells)]  # between[i, k]: piece i in the cell of piece k
    onward = np.maximum(between.T, to_free[None, :])  # [i, k]: k gives way to i
    swapped = between + onward - own[None, :]
    np.fill_diagonal(swapped, -np.inf)
    loss = own - np.maximum(to_free, swapped.max(axis=1, initial=-np.inf))
    if len(spare):
        loss = np.minimum(loss, own - logs[np.ix_(spare, cells)].max(axis=0))
    return dict(zip(pieces.tolist(), loss.tolist(), strict=True))


def _moved(
    best: Placement, grid: Grid, cell: tuple[int, int], size: tuple[int, int], score: float
) -> Placement:
    """The placement with its box's middle in the middle of a cell."""
    width, height = grid.cell_size(*size)
    center = (cell[1] + 0.5) * width, (cell[0] + 0.5) * height
    dx, dy = center[0] - best.center[0], center[1] - best.center[1]
    x1, y1, x2, y2 = best.box
    a, b, tx, c, d, ty = best.matrix
    return replace(
        best,
        box=(x1 + dx, y1 + dy, x2 + dx, y2 + dy),
        center=center,
        score=score,
        cell=cell,
        matrix=(a, b, tx + dx, c, d, ty + dy),
    )
