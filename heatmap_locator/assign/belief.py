"""What every cell holds, by sum-product on the grid: cells tell neighbours what may lie there.

Loopy belief propagation (Pearl, 1988; Murphy, Weiss and Jordan, "Loopy belief propagation for
approximate inference", 1999).  A variable for each cell, whose values are the pieces in four turns,
or nothing; a factor for each pair of neighbours, the likelihood ratio of the sides that meet; and
one for each piece, which lies in one cell at most (as in Huang and Jebara, "Loopy belief
propagation for bipartite maximum weight b-matching", 2007, with sums).
"""

from collections.abc import Callable, Sequence

import numpy as np

from heatmap_locator.assign.fit import Fit

CAUTION = 0.6
"""What neighbours say counts for so much less while little is settled: in loops cells hear their
own words again.  Of a drawn puzzle of 500, hardly any print on most of it, pieces believed in at
.9 and more were right 99 times in 100 at .5, 97 at .7, 88 at 1; but fewer were."""

ROUNDS = (*(CAUTION,) * 12, *(1.0,) * 12)
"""What neighbours' words count for in each round, where nothing is known before."""

_DAMPING = 0.5
"""Part of a new message in what a cell hears, so that loops settle (Murphy, Weiss and Jordan)."""

_SETTLED = 1e-3
"""Change of any probability below which nothing more is told."""

# Values of a cell less likely than this tell its neighbours nothing.
_HEARD = 1e-5
_LOWEST = -60.0

# Rows and columns to the neighbour that faces side 0, 1, 2, 3 of an upright piece.
STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))


def neighbours(form: tuple[int, int]) -> np.ndarray:
    """(C, 4) the cell beside each side of each cell of (rows, cols), -1 where there is none."""
    rows, cols = form
    row, col = np.divmod(np.arange(rows * cols), cols)
    near = [(row + dr, col + dc) for dr, dc in STEPS]
    found = [
        np.where((r >= 0) & (r < rows) & (c >= 0) & (c < cols), r * cols + c, -1) for r, c in near
    ]
    return np.stack(found, axis=1)


def marginals(
    unary: np.ndarray,
    fit: Fit,
    near: np.ndarray,
    left_out: float,
    rounds: Sequence[float] = ROUNDS,
    heard: np.ndarray | None = None,
    say: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """Probabilities of pieces in cells.

    Args:
        unary: (C, N, 4) float32 log weights of pieces in cells, turn t with side t up.
        fit: of their sides.
        near: (C, 4) the cell beside each side of each cell, -1 where there is none.
        left_out: log weight of a piece in no cell.
        rounds: what neighbours' words count for, 0..1, in each.
        heard: (4, C, N, 4) what each cell has heard from beside each side before.
        say: told the rounds done.

    Returns:
        (C, N, 4) float32; what a cell's are short of 1 is that it is empty.
    """
    into = np.zeros((4, *unary.shape), np.float32) if heard is None else heard.copy()
    alone = np.zeros(unary.shape[:2], np.float32)
    q = np.zeros_like(unary)
    for done in range(len(rounds) + 1):
        total = unary + into.sum(axis=0)
        alone = _exclusive(total, left_out, alone, done > 0)
        total += alone[..., None]
        before, q = q, _normalised(total)
        if done == len(rounds):
            break
        if rounds[done] == rounds[-1] and float(np.abs(q - before).max()) < _SETTLED:
            break
        say(done + 1)
        for pair in ((0, 2), (1, 3)):
            # What comes from the neighbour at a side, it sends from the opposite one.
            sent = [_sent(_normalised(total - into[side]), side, fit, near) for side in pair]
            for side, told in zip(pair, sent[::-1], strict=True):
                into[side] += _DAMPING * (rounds[done] * told - into[side])
    return q


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


def _sent(q: np.ndarray, side: int, fit: Fit, near: np.ndarray) -> np.ndarray:
    """(C, N, 4) log messages to the neighbours at a side of all cells, as they receive them."""
    # Turn t shows side t + side there.
    shown = np.roll(q, side, axis=2).reshape(len(q), -1)
    told = fit.heard(shown, _HEARD).reshape(q.shape)
    # They see it at their opposite side.
    opposite = (side + 2) % 4
    told = np.roll(told, -opposite, axis=2)
    source = near[:, opposite]
    found: np.ndarray = np.where((source >= 0)[:, None, None], told[source], np.float32(0))
    return found
