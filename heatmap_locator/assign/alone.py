"""One piece a cell by print alone: for pieces whose sides are not known.

Piece by piece, look-alikes are sent to the same cell.  Here the sum of the log scores over all
pieces is maximised under one piece a cell (Kuhn, "The Hungarian method", 1955; solved by
``scipy.optimize.linear_sum_assignment``).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from heatmap_locator.assign.answers import (
    SURE_MARGIN,
    SURE_SCORE,
    Assignment,
    moved,
)
from heatmap_locator.assign.located import SearchLike, highest_in_cells
from heatmap_locator.assign.odd import NO_CELL
from heatmap_locator.grid import Grid

# Of a score, so that its logarithm stays finite.
_FLOOR = 1e-4
# Of a cell's being open, below that of a score: print alone does not lay a piece on another.
_CLOSED = 1e-6
# How far, in cells, a box's middle may lie outside a cell before the placement counts for less
# there: knobs on one side move it by up to 0.14, and the grid is often nominal.
_SPILL = 0.15


def assign_by_print(
    searches: Sequence[SearchLike],
    grid: Grid,
    size: tuple[int, int],
    open_cells: np.ndarray | None = None,
) -> list[Assignment]:
    """Give every piece a cell of its own.

    A piece's score in a cell is that of its best placement there; in cells that none of its
    placements fall into it is the heatmap's, but never more than its worst placement's.  With
    more pieces than cells (a piece photographed twice, a wrong count) those that fit worst are
    left over.

    Args:
        searches: at least one, with at least one placement each.
        grid: of the puzzle.
        size: (width, height) of the picture.
        open_cells: (rows, cols) how likely cells are open; ``None`` where all are.

    Returns:
        One per search, in the same order.
    """
    from scipy.optimize import linear_sum_assignment  # here: it takes a while to load

    tables = [_scores(search, grid, size) for search in searches]
    logs = np.log(np.maximum(np.stack([scores for scores, _ in tables]), _FLOOR))
    if open_cells is not None:
        logs = logs + np.log(np.maximum(open_cells.ravel(), _CLOSED))
    pieces, cells = linear_sum_assignment(logs, maximize=True)
    chosen = dict(zip(pieces.tolist(), cells.tolist(), strict=True))
    margins = _margins(logs, pieces, cells)
    result = []
    for index, (scores, source) in enumerate(tables):
        best = searches[index].placements[0]
        if index not in chosen:
            left = replace(best, cell=None)
            result.append(Assignment(index, None, left, False, problem=NO_CELL))
            continue
        flat = chosen[index]
        row, col = divmod(flat, grid.cols)
        score, rank = float(scores[flat]), int(source[flat])
        if rank < 0:
            there = moved(best, grid, (row, col), size, score)
            result.append(Assignment(index, (row, col), there, False))
            continue
        placement = replace(searches[index].placements[rank], cell=(row, col))
        sure = score >= SURE_SCORE and margins[index] >= np.log(SURE_MARGIN)
        result.append(Assignment(index, (row, col), placement, bool(sure)))
    return result


def _scores(search: SearchLike, grid: Grid, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A piece's score in every cell, and the rank of the placement it came from, -1 for none.

    Both (cells,), rows first.
    """
    scores = np.minimum(
        highest_in_cells(search.heatmap, grid), min(p.score for p in search.placements)
    ).reshape(grid.rows, grid.cols)
    source = np.full(scores.shape, -1)
    middles = grid.in_cells(np.array([place.center for place in search.placements]), *size)
    for rank, (place, (col, row)) in enumerate(
        zip(search.placements, middles.tolist(), strict=True)
    ):
        for r in {int(np.clip(np.floor(row) + d, 0, grid.rows - 1)) for d in (-1, 0, 1)}:
            for c in {int(np.clip(np.floor(col) + d, 0, grid.cols - 1)) for d in (-1, 0, 1)}:
                out = max(abs(row - r - 0.5), abs(col - c - 0.5)) - 0.5
                if (r, c) == grid.cell_at(*place.center, *size):
                    out = 0.0  # also for middles outside the picture
                score = place.score * float(np.exp(-((max(out, 0.0) / _SPILL) ** 2)))
                if out < 3 * _SPILL and (source[r, c] < 0 or score > scores[r, c]):
                    scores[r, c], source[r, c] = score, rank
    return scores.ravel(), source.ravel()


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
