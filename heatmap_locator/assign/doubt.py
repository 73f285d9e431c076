"""Outlines that fit nothing where their pieces would lie: misread as wholes, not side by side.

Sides of one piece are not wrong independently: where its corners are, all are.  An outline whose
sides speak more against its piece's place than that, or whose piece is left over, is believed no
more, at the price of how rarely that happens; what is laid by print and by others' sides is then
laid again, and kept where it is worth more.
"""

import math
from dataclasses import replace

import numpy as np

from heatmap_locator.assign.belief import neighbours
from heatmap_locator.assign.moves import Arrangement, seams
from heatmap_locator.assign.rebuild import Task, filled

PRICE = math.log(0.01)
"""Log probability that an outline is misread as a whole.  Set by hand: less often than
``MOST_TRUST`` says of sides, so that pieces of other puzzles are not let in by it."""

_ROUNDS, _SETS = 4, 40
"""That outlines are doubted, and sets of exchanges after each."""


def doubted(
    task: Task, outlines: np.ndarray, found: Arrangement, alone: np.ndarray
) -> tuple[Task, Arrangement]:
    """Look again at an arrangement.

    Args:
        task: what is arranged.
        outlines: (C, N, 4) of its weights what the pieces' own outlines say of cells.
        found: the arrangement.
        alone: indices of the pieces that are arranged.

    Returns:
        the task, with outlines that are not believed any more, and the arrangement.
    """
    near = neighbours(task.form)
    best, value = (task, found), task.worth(found)
    seen = np.zeros(task.unary.shape[1], bool)
    seen[alone] = (task.fit.trust.reshape(-1, 4)[alone] > 0).any(axis=1)
    for _ in range(_ROUNDS):
        wrong = np.flatnonzero(seen & (_against(task, outlines, best[1]) < PRICE))
        if not len(wrong):
            break
        other = without(task, outlines, wrong)
        loose = np.isin(best[1].piece, wrong)
        laid = replace(best[1], piece=np.where(loose, -1, best[1].piece))
        new = other.improved(filled(other, laid, near, alone), _SETS, alone)
        if other.worth(new) <= value + 1e-3:
            break
        best, value = (other, new), other.worth(new)
    return best


def _against(task: Task, outlines: np.ndarray, now: Arrangement) -> np.ndarray:
    """(N,) what each piece's outline says of where it lies; for one left over nothing is less."""
    found = np.full(task.unary.shape[1], -np.inf)
    at = np.flatnonzero(now.piece >= 0)
    piece, turn = now.piece[at], now.turn[at]
    met = seams(now, task.fit, now.facing(task.form), at)
    found[piece] = met.sum(axis=1) + outlines[at, piece, turn]
    return found


def without(task: Task, outlines: np.ndarray, wrong: np.ndarray) -> Task:
    """The task with the outlines of some pieces, (M,) indices, not believed, at their price."""
    unary, trust = task.unary.copy(), task.fit.trust.copy()
    unary[:, wrong] += np.float32(PRICE) - outlines[:, wrong]
    trust[(4 * wrong[:, None] + np.arange(4)).ravel()] = 0.0
    return replace(task, unary=unary, fit=replace(task.fit, trust=trust))
