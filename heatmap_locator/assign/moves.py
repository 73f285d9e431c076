"""From what cells may hold to one arrangement: assignment, then exchanges that gain.

Cells of which no two touch do not see each other: while all others stay, who lies in which of them
is an assignment problem, solved to the optimum however many pieces change places (Schaus and
Deville, "Hybridization of CP and VLNS for Eternity II", 2008).  Such sets are drawn again and
again; the sum of the log weights never falls.
"""

from dataclasses import dataclass, replace

import numpy as np

from heatmap_locator.assign.belief import STEPS
from heatmap_locator.assign.fit import Fit

_PATIENCE = 12
"""Sets of cells in a row without a gain, after which no more are drawn."""

_WEAK = 0.1
"""Share of cells that every other set is drawn from first."""

LEAST = 1e-4
"""Probability of a piece in a cell from which an arrangement begins with it there."""

_BLOCK = 64
"""Cells whose gains are reckoned at once, for memory's sake."""


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Which piece lies where.

    Attributes:
        piece: (C,) index of the piece in each cell, -1 where it is empty.
        turn: (C,) which of its sides faces up.
    """

    piece: np.ndarray
    turn: np.ndarray

    def cells(self, count: int) -> np.ndarray:
        """(count,) the cell of each piece, -1 where it has none."""
        found = np.full(count, -1)
        at = np.flatnonzero(self.piece >= 0)
        found[self.piece[at]] = at
        return found

    def renamed(self, pieces: np.ndarray) -> "Arrangement":
        """With (M,) indices of pieces in a longer list instead of 0 to M - 1."""
        return replace(self, piece=np.where(self.piece >= 0, pieces[self.piece], -1))

    def shown(self, cells: np.ndarray) -> np.ndarray:
        """(A, 4) the sides that pieces in some cells show: above, right, below, left."""
        return 4 * self.piece[cells, None] + (self.turn[cells, None] + np.arange(4)) % 4

    def facing(self, grid: tuple[int, int]) -> np.ndarray:
        """(C, 4) the side that meets each side of a cell's upright piece, -1 where there is none.

        Side 4 p + i is the i-th of piece p.
        """
        rows, cols = grid
        piece, turn = self.piece.reshape(rows, cols), self.turn.reshape(rows, cols)
        found = np.full((rows, cols, 4), -1)
        for side, (dr, dc) in enumerate(STEPS):
            near = (slice(max(dr, 0), rows + min(dr, 0)), slice(max(dc, 0), cols + min(dc, 0)))
            own = (slice(max(-dr, 0), rows - max(dr, 0)), slice(max(-dc, 0), cols - max(dc, 0)))
            shown = 4 * piece[near] + (turn[near] + side + 2) % 4
            found[(*own, side)] = np.where(piece[near] >= 0, shown, -1)
        return found.reshape(-1, 4)


def gains(
    unary: np.ndarray, fit: Fit, facing: np.ndarray, cells: np.ndarray, pieces: np.ndarray
) -> np.ndarray:
    """Log weights of pieces in cells, among their neighbours.

    Args:
        unary: (C, N, 4) of pieces in cells.
        fit: of sides.
        facing: (C, 4) as :meth:`Arrangement.facing`.
        cells: (A,) which.
        pieces: (B,) which.

    Returns:
        (A, B, 4).
    """
    own: np.ndarray = unary[np.ix_(cells, pieces)].astype(np.float32)
    for side in range(4):
        at = np.flatnonzero(facing[cells, side] >= 0)
        for start in range(0, len(at), _BLOCK):
            part = at[start : start + _BLOCK]
            own[part] += told(fit, facing[cells[part], side], side, pieces)
    return own


def told(fit: Fit, met: np.ndarray, side: int, pieces: np.ndarray) -> np.ndarray:
    """What those beside one side of cells say of pieces there.

    Args:
        fit: of sides.
        met: (A,) the side that meets each cell's there, -1 where there is none.
        side: which.
        pieces: (B,) which.

    Returns:
        (A, B, 4) float32 log likelihood ratios by turn.
    """
    found = np.zeros((len(met), len(pieces), 4), np.float32)
    at = np.flatnonzero(met >= 0)
    # Turn t shows side t + side there.
    found[at] = fit.logs[np.ix_(met[at], pieces, (np.arange(4) + side) % 4)]
    return found


def seams(
    now: Arrangement, fit: Fit, facing: np.ndarray, cells: np.ndarray, none: float = 0.0
) -> np.ndarray:
    """(A, 4) log likelihood ratios of what each side of pieces in some cells meets.

    Args:
        now: the arrangement.
        fit: of sides.
        facing: of the arrangement.
        cells: (A,) which, all with a piece.
        none: where nothing is met.
    """
    met = facing[cells]
    found: np.ndarray = np.where(met >= 0, fit.of(now.shown(cells), np.maximum(met, 0)), none)
    return found


def worth(
    now: Arrangement, unary: np.ndarray, fit: Fit, form: tuple[int, int], left_out: float
) -> float:
    """Log weight of an arrangement, beside that of no piece in any cell."""
    at = np.flatnonzero(now.piece >= 0)
    piece, turn = now.piece[at], now.turn[at]
    met = seams(now, fit, now.facing(form), at)
    return float(unary[at, piece, turn].sum() + met.sum() / 2 - left_out * len(at))


def first_arrangement(chances: np.ndarray, least: float) -> Arrangement:
    """The likeliest arrangement of (C, N, 4) probabilities, each on its own.

    Args:
        chances: of pieces in cells.
        least: log probability below which a piece is left out.
    """
    from scipy.optimize import linear_sum_assignment  # here: it takes a while to load

    whole = np.log(np.maximum(chances.sum(axis=2), 1e-30))
    value = np.maximum(whole - least, 0.0)
    cells, pieces = linear_sum_assignment(value, maximize=True)
    piece = np.full(len(chances), -1)
    turn = np.zeros(len(chances), int)
    kept = value[cells, pieces] > 0
    piece[cells[kept]] = pieces[kept]
    turn[cells[kept]] = chances[cells[kept], pieces[kept]].argmax(axis=1)
    return Arrangement(piece, turn)


def improved(
    start: Arrangement,
    unary: np.ndarray,
    fit: Fit,
    grid: tuple[int, int],
    left_out: float,
    most: int,
    allowed: np.ndarray | None = None,
) -> Arrangement:
    """An arrangement that no exchange among cells that do not touch makes better.

    Args:
        start: where to begin.
        unary: (C, N, 4) log weights of pieces in cells.
        fit: of their sides.
        grid: (rows, cols).
        left_out: log weight of a piece in no cell.
        most: sets of cells drawn, at most.
        allowed: indices of the pieces that may be used; ``None`` is all.
    """
    rng = np.random.default_rng(0)
    usable = np.arange(unary.shape[1]) if allowed is None else allowed
    now, idle = start, 0
    for done in range(most):
        cells = _apart(grid, done, rng, _weak(now, unary, fit, grid) if done % 2 else None)
        better = _exchanged(now, unary, fit, grid, left_out, cells, usable)
        idle = 0 if better is not None else idle + 1
        now = now if better is None else better
        if idle >= _PATIENCE:
            break
    return now


def _weak(now: Arrangement, unary: np.ndarray, fit: Fit, grid: tuple[int, int]) -> np.ndarray:
    """(C,) bool, the ``_WEAK`` of cells that are empty or whose piece weighs least there: few of
    them would come into one set by chance, and exchanges are among them."""
    value = np.full(len(now.piece), -np.inf)
    at = np.flatnonzero(now.piece >= 0)
    value[at] = unary[at, now.piece[at], now.turn[at]]
    value[at] += seams(now, fit, now.facing(grid), at).sum(axis=1)
    found = np.zeros(len(value), bool)
    found[np.argsort(value, kind="stable")[: max(2, round(_WEAK * len(value)))]] = True
    return found


def _apart(
    grid: tuple[int, int], number: int, rng: np.random.Generator, first: np.ndarray | None = None
) -> np.ndarray:
    """Cells of which no two touch: both colours of a chessboard first, then drawn ones, those of
    ``first``, (C,) bool, before others."""
    rows, cols = grid
    row, col = np.divmod(np.arange(rows * cols), cols)
    if number < 2:
        return np.flatnonzero((row + col) % 2 == number)
    # Each cell draws a number; the largest of its neighbourhood are taken, twice.
    taken, barred = np.zeros((rows, cols), bool), np.zeros((rows, cols), bool)
    for _ in range(3):
        drawn = rng.random((rows, cols))
        if first is not None:
            drawn += first.reshape(rows, cols)
        drawn[barred] = -1.0
        wide = np.pad(drawn, 1, constant_values=-2.0)
        near = np.max(
            [wide[1 + dr : 1 + dr + rows, 1 + dc : 1 + dc + cols] for dr, dc in STEPS], axis=0
        )
        new = (drawn > near) & ~barred
        taken |= new
        wide_new = np.pad(new, 1)
        barred |= new
        for dr, dc in STEPS:
            barred |= wide_new[1 + dr : 1 + dr + rows, 1 + dc : 1 + dc + cols]
    return np.flatnonzero(taken.ravel())


def _exchanged(
    now: Arrangement,
    unary: np.ndarray,
    fit: Fit,
    grid: tuple[int, int],
    left_out: float,
    cells: np.ndarray,
    usable: np.ndarray,
) -> Arrangement | None:
    """The best of all arrangements that differ in those cells; ``None`` where this is."""
    from scipy.optimize import linear_sum_assignment

    inside = now.piece[cells]
    loose = np.setdiff1d(usable, now.piece[now.piece >= 0])
    pieces = np.concatenate([inside[inside >= 0], loose])
    if not len(pieces):
        return None
    found = gains(unary, fit, now.facing(grid), cells, pieces)
    turns = found.argmax(axis=2)
    value = np.maximum(found.max(axis=2) - left_out, 0.0)
    filled = np.flatnonzero(inside >= 0)
    own = found[filled, np.arange(len(filled)), now.turn[cells[filled]]] - left_out
    a, b = linear_sum_assignment(value, maximize=True)
    if value[a, b].sum() <= own.sum() + 1e-3:
        return None
    piece, turn = now.piece.copy(), now.turn.copy()
    piece[cells] = -1
    kept = value[a, b] > 0
    piece[cells[a[kept]]] = pieces[b[kept]]
    turn[cells[a[kept]]] = turns[a[kept], b[kept]]
    return replace(now, piece=piece, turn=turn)
