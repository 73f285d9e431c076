"""What every cell holds, by sum-product on the grid: cells tell neighbours what may lie there.

Loopy belief propagation (Pearl, 1988; Murphy, Weiss and Jordan, "Loopy belief propagation for
approximate inference", 1999).  A variable for each cell, whose values are the pieces in four turns,
or nothing; a factor for each pair of neighbours, the likelihood ratio of the sides that meet; and
one for each piece, which lies in one cell at most (as in Huang and Jebara, "Loopy belief
propagation for bipartite maximum weight b-matching", 2007, with sums).
"""

from collections.abc import Callable

import numpy as np

from heatmap_locator.assign.fit import Fit

ROUNDS = 32
"""Times that every cell tells its neighbours."""

CAUTIOUS_ROUNDS, CAUTION = 12, 0.6
"""The first of them, in which what neighbours say counts for so much less: in loops cells hear
their own words again.  Of a drawn puzzle of 500, hardly any print on most of it, pieces believed
in at .9 and more were right 99 times in 100 at .5, 97 at .7, 88 at 1; but fewer were."""

_DAMPING = 0.5
"""Part of a new message in what a cell hears, so that loops settle (Murphy, Weiss and Jordan)."""

_SETTLED = 1e-3
"""Change of any probability below which nothing more is told."""

# Values of a cell less likely than this tell its neighbours nothing.
_HEARD = 1e-5
_LOWEST = -60.0

# Rows and columns to the neighbour that faces side 0, 1, 2, 3 of an upright piece.
STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))


def marginals(
    unary: np.ndarray,
    fit: Fit,
    grid: tuple[int, int],
    left_out: float,
    say: Callable[[int], None] = lambda done: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of pieces in cells.

    Args:
        unary: (rows * cols, N, 4) float32 log weights of pieces in cells, turn t with side t up.
        fit: of their sides.
        grid: (rows, cols).
        left_out: log weight of a piece in no cell.
        say: told the rounds done.

    Returns:
        (rows * cols, N, 4) float32; what a cell's are short of 1 is that it is empty.  And the
        same after the cautious rounds.
    """
    count = unary.shape[1]
    into = [np.zeros_like(unary) for _ in range(4)]
    alone = np.zeros(unary.shape[:2], np.float32)
    q = cautious = np.zeros_like(unary)
    for done in range(ROUNDS):
        total = unary + alone[..., None]
        for message in into:
            total += message
        alone = _exclusive(total - alone[..., None], left_out, alone, done > 0)
        total = unary + alone[..., None]
        for message in into:
            total += message
        before, q = q, _normalised(total)
        say(done + 1)
        if done <= CAUTIOUS_ROUNDS:
            cautious = q
        elif float(np.abs(q - before).max()) < _SETTLED:
            break
        weight = CAUTION if done < CAUTIOUS_ROUNDS else 1.0
        sent = [_sent(_normalised(total - into[side]), side, fit, grid, count) for side in range(4)]
        for side in range(4):
            # What comes from the neighbour at a side, it sends from the opposite one.
            into[side] += _DAMPING * (weight * sent[(side + 2) % 4] - into[side])
    return q, cautious


def _normalised(logs: np.ndarray) -> np.ndarray:
    """Probabilities of (C, N, 4) log weights of a cell beside a weight of 1 of being empty."""
    highest = np.maximum(logs.max(axis=(1, 2), keepdims=True), 0.0)
    values: np.ndarray = np.exp(logs - highest)
    values /= values.sum(axis=(1, 2), keepdims=True) + np.exp(-highest)
    return values


def _exclusive(total: np.ndarray, left_out: float, before: np.ndarray, damped: bool) -> np.ndarray:
    """(C, N) what pieces tell cells: how much they are wanted nowhere else."""
    odds = total.max(axis=2)
    odds = odds + np.log(np.exp(total - odds[..., None]).sum(axis=2))
    # Against all else that the cell may hold, this piece left out, as it is told of now.
    weight = odds + before
    highest = np.maximum(weight.max(axis=1, keepdims=True), 0.0)
    held = np.exp(weight - highest)
    rest = np.exp(-highest) + held.sum(axis=1, keepdims=True) - held
    asked = odds - (np.log(np.maximum(rest, 1e-30)) + highest)
    peak = np.maximum(asked.max(axis=0, keepdims=True), left_out)
    share = np.exp(asked - peak)
    others = np.exp(left_out - peak) + share.sum(axis=0, keepdims=True) - share
    told = -(np.log(np.maximum(others, 1e-30)) + peak)
    told = np.clip(told, _LOWEST, -_LOWEST)
    found: np.ndarray = before + _DAMPING * (told - before) if damped else told
    return found.astype(np.float32)


def _sent(q: np.ndarray, side: int, fit: Fit, grid: tuple[int, int], count: int) -> np.ndarray:
    """(C, N, 4) log messages to the neighbours at a side of all cells, as they receive them."""
    rows, cols = grid
    # Turn t shows side t + side there.
    shown = np.roll(q, side, axis=2).reshape(len(q), -1)
    told = fit.heard(shown, _HEARD).reshape(rows, cols, count, 4)
    # They see it at their opposite side.
    told = np.roll(told, -((side + 2) % 4), axis=3)
    moved = np.zeros_like(told)
    dr, dc = STEPS[side]
    source = told[max(-dr, 0) : rows - max(dr, 0), max(-dc, 0) : cols - max(dc, 0)]
    moved[max(dr, 0) : rows - max(-dr, 0), max(dc, 0) : cols - max(-dc, 0)] = source
    result: np.ndarray = moved.reshape(q.shape)
    return result
