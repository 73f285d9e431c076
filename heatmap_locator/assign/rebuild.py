"""An arrangement taken apart and assembled again, block by block, until nothing is gained.

What is anchored by print stays; of the other blocks that one is laid next whose best pose, among
what has been laid, most outweighs its others.  What is left open is filled by belief propagation.
How readily an arrangement comes apart is drawn anew each time.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from heatmap_locator.assign.belief import CAUTION, marginals, neighbours
from heatmap_locator.assign.blocks import Poses, blocks_of, likeliest
from heatmap_locator.assign.fit import Fit
from heatmap_locator.assign.moves import (
    LEAST,
    Arrangement,
    first_arrangement,
    gains,
    improved,
    worth,
)

TRIES, PATIENCE = 60, 20
"""Times that it is taken apart at most, and in a row without a gain."""

# Drawn anew each time: the log likelihood ratio of sides that hold together, what a block's pose
# must outweigh all others by to be anchored by print, or to be laid, and how readily a block whose
# pose is not anchored is kept from where it lay.
_HOLD, _ANCHORED, _LAID, _BARRED = (1.0, 7.0), (4.0, 16.0), (0.0, 5.0), (0.0, 0.0, 0.3, 1.0)

_FILLING = (*np.linspace(CAUTION, 1.0, 16).tolist(), *(1.0,) * 6)
"""What neighbours' words count for in each round of filling what is open."""

_NEAR, _SETS = 15.0, 8
"""An arrangement worth so much less than the best is made better by exchanges of so many sets."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is arranged: ``unary`` (C, N, 4), ``fit``, ``form`` (rows, cols) and ``left_out``, as
    :func:`heatmap_locator.assign.moves.improved` takes them."""

    unary: np.ndarray
    fit: Fit
    form: tuple[int, int]
    left_out: float

    def worth(self, now: Arrangement) -> float:
        """Log weight of an arrangement."""
        return worth(now, self.unary, self.fit, self.form, self.left_out)

    def improved(
        self, now: Arrangement, most: int, allowed: np.ndarray | None = None
    ) -> Arrangement:
        """By exchanges, as :func:`heatmap_locator.assign.moves.improved`."""
        return improved(now, self.unary, self.fit, self.form, self.left_out, most, allowed)

    def of(self, pieces: np.ndarray) -> "Task":
        """Of some pieces."""
        return Task(self.unary[:, pieces], self.fit.take(pieces), self.form, self.left_out)


def rebuilt(
    task: Task, start: Arrangement, say: Callable[[int], None] = lambda done: None
) -> list[tuple[float, Arrangement]]:
    """Arrangements and their log weights, the best first.

    Args:
        task: what is arranged.
        start: where to begin.
        say: told how many times it was taken apart.
    """
    rng = np.random.default_rng(0)
    near = neighbours(task.form)
    best, idle = (task.worth(start), start), 0
    found = [best]
    for done in range(TRIES):
        say(done + 1)
        laid = _assembled(task, best[1], near, rng)
        new = filled(task, laid, near)
        value = task.worth(new)
        if value > best[0] - _NEAR and not _same(new, best[1]):
            new = task.improved(new, _SETS)
            value = task.worth(new)
        idle += 1
        if value > best[0] + 1e-3:
            idle = 0 if value > best[0] + 1.0 else idle
            best = value, new
        found.append((value, new))
        if idle >= PATIENCE:
            break
    return sorted(found, key=lambda one: -one[0])


def _same(one: Arrangement, other: Arrangement) -> bool:
    turns = (one.turn == other.turn) | (one.piece < 0)
    return bool(((one.piece == other.piece) & turns).all())


def _assembled(
    task: Task, now: Arrangement, near: np.ndarray, rng: np.random.Generator
) -> Arrangement:
    """Of an arrangement the blocks that are anchored, and others where they fit best."""
    hold, anchored, least = (float(rng.uniform(*span)) for span in (_HOLD, _ANCHORED, _LAID))
    barred = float(rng.choice(_BARRED))
    laid = Arrangement(np.full_like(now.piece, -1), np.zeros_like(now.turn))
    loose = []
    for block in blocks_of(now, task.fit, near, task.form, hold):
        poses = Poses(block, task.unary, task.form)
        quarters, home, margin = likeliest(poses.alone)
        if (quarters, home) == (0, block.home) and margin > anchored:
            block.put(laid, 0, block.home, task.form)
        elif len(block.piece) > 1:
            if rng.random() < barred:
                poses.alone[0, block.home] = -np.inf
            loose.append(poses)
    while loose:
        ways = [likeliest(poses.among(laid, task.fit)) for poses in loose]
        first = max(range(len(loose)), key=lambda n: ways[n][2])
        quarters, home, margin = ways[first]
        if margin < least:
            break
        loose.pop(first).block.put(laid, quarters, home, task.form)
    return laid


def filled(
    task: Task, laid: Arrangement, near: np.ndarray, allowed: np.ndarray | None = None
) -> Arrangement:
    """An arrangement with the pieces, of those that are allowed, that are not laid in the cells
    that are open."""
    open_cells = np.flatnonzero(laid.piece < 0)
    usable = np.arange(task.unary.shape[1]) if allowed is None else allowed
    pieces = np.setdiff1d(usable, laid.piece)
    if not len(open_cells) or not len(pieces):
        return laid
    own = gains(task.unary, task.fit, laid.facing(task.form), open_cells, pieces)
    place = np.full(len(near), -1)
    place[open_cells] = np.arange(len(open_cells))
    beside = np.where(near[open_cells] >= 0, place[near[open_cells]], -1)
    chances = marginals(own, task.fit.take(pieces), beside, task.left_out, _FILLING)
    return _with(laid, open_cells, pieces, chances)


def _with(
    laid: Arrangement, cells: np.ndarray, pieces: np.ndarray, chances: np.ndarray
) -> Arrangement:
    """The likeliest of (A, B, 4) probabilities of pieces in cells, beside what is laid."""
    new = first_arrangement(chances, float(np.log(LEAST)))
    piece, turn = laid.piece.copy(), laid.turn.copy()
    piece[cells] = np.where(new.piece >= 0, pieces[new.piece], -1)
    turn[cells] = new.turn
    return Arrangement(piece, turn)
