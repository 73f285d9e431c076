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
from heatmap_locator.assign.words import Words, parts

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

_LOWEST = -60.0
"""Logarithm of what is told, up or down, at most: beyond it single precision loses the rest."""

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
        heard: (4, C, N, 4) what each cell has heard from beside each side before; it counts for as
            much as in the first round.
        say: told the rounds done.

    Returns:
        (C, N, 4) float32; what a cell's are short of 1 is that it is empty.
    """
    cells, pieces = unary.shape[:2]
    own, words = np.ascontiguousarray(unary.transpose(0, 2, 1)), Words(fit)
    into = np.zeros((4, *own.shape), np.float32)
    if heard is not None:
        for side in range(4):
            into[side] = np.roll(heard[side], side, axis=2).transpose(0, 2, 1)
        into *= np.float32(rounds[0])
    told = np.empty_like(into[:2])
    alone = np.zeros((cells, pieces), np.float32)
    q = np.zeros_like(own)
    for done in range(len(rounds) + 1):
        total, odds = _heard(own, into)
        alone = _exclusive(odds, left_out, alone, done > 0)
        total += alone[:, None]
        last = done == len(rounds)
        # Only towards the end is it of interest what is known.
        if last or rounds[min(done + 1, len(rounds) - 1)] == rounds[-1]:
            change = _known(total, q)
            if last or (rounds[done] == rounds[-1] and change < _SETTLED):
                break
        say(done + 1)
        for pair in ((0, 2), (1, 3)):
            for part in parts(cells, pieces):
                for side, says in zip(pair, told, strict=True):
                    shown = _turned(total[part], side)
                    shown -= into[side, part]
                    says[part] = words.said(_normalised(shown))
            # What comes from the neighbour at a side, it sends from the opposite one.
            for side, says in zip(pair, told[::-1], strict=True):
                _hear(into[side], says, near[:, side], rounds[done])
    return np.ascontiguousarray(q.transpose(0, 2, 1))


def _hear(into: np.ndarray, says: np.ndarray, beside: np.ndarray, weight: float) -> None:
    """Put what the cells beside say, (C, 4, N), into what cells have heard there, in place."""
    there = np.flatnonzero(beside >= 0)
    for part in parts(len(there), says.shape[2]):
        at = there[part]
        new = says[beside[at]]
        new *= np.float32(weight)
        old = into[at]
        new -= old
        new *= np.float32(_DAMPING)
        new += old
        into[at] = new


def _turned(values: np.ndarray, side: int) -> np.ndarray:
    """(A, 4, N) by turn, as by the side that pieces show at a side: turn t shows t + side."""
    return np.concatenate([values[:, 4 - side :], values[:, : 4 - side]], axis=1)


def _heard(own: np.ndarray, into: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C, 4, N) log weights by turn with what neighbours say, and (C, N) of any turn."""
    total, odds = np.empty_like(own), np.empty((len(own), own.shape[2]), np.float32)
    for part in parts(len(own), own.shape[2]):
        here = own[part] + into[0, part]
        for side in (1, 2, 3):
            here[:, : 4 - side] += into[side, part, side:]
            here[:, 4 - side :] += into[side, part, :side]
        total[part] = here
        highest = here.max(axis=1)
        here -= highest[:, None]
        odds[part] = highest + np.log(np.exp(here, out=here).sum(axis=1))
    return total, odds


def _known(total: np.ndarray, q: np.ndarray) -> float:
    """Put the probabilities of (C, 4, N) log weights into ``q``; the largest change."""
    change = 0.0
    for part in parts(len(q), q.shape[2]):
        new = _normalised(total[part].copy())
        change = max(change, float(np.abs(new - q[part]).max(initial=0.0)))
        q[part] = new
    return change


def _normalised(logs: np.ndarray) -> np.ndarray:
    """Probabilities of (A, 4, N) log weights of a cell beside a weight of 1 of being empty; in
    place."""
    highest = np.maximum(logs.max(axis=(1, 2), keepdims=True), 0.0)
    logs -= highest
    values: np.ndarray = np.exp(logs, out=logs)
    values /= values.sum(axis=(1, 2), keepdims=True) + np.exp(-highest)
    return values


def _exclusive(odds: np.ndarray, left_out: float, before: np.ndarray, damped: bool) -> np.ndarray:
    """(C, N) what pieces tell cells: how much they are wanted nowhere else.

    Args:
        odds: (C, N) log weights, without this, of pieces in cells.
        left_out: log weight of a piece in no cell.
        before: what was told before.
        damped: whether to move half of the way from there.
    """
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
