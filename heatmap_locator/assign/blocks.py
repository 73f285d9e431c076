"""Parts of an arrangement that hold together, and where else in the grid they could lie.

Where print says little, pieces find each other before they find their place: whole parts of a sky
fit together and lie shifted or turned.  Parts are assembled as such, as in Gallagher, "Jigsaw
puzzles with pieces of unknown orientation" (2012), and Son, Hays and Cooper, "Solving square jigsaw
puzzles with loop constraints" (2014).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from heatmap_locator.assign.fit import Fit
from heatmap_locator.assign.moves import Arrangement, seams
from heatmap_locator.geometry import Array


@dataclass(frozen=True, eq=False)
class Block:
    """M pieces that lie together.

    Attributes:
        piece, turn: (M,) as in an :class:`Arrangement`.
        away: (M, 2) rows and columns from its first piece.
        outer: (M, 4) bool, the sides that meet none of its own.
        home: the cell of its first piece.
    """

    piece: np.ndarray
    turn: np.ndarray
    away: np.ndarray
    outer: np.ndarray
    home: int

    def turned(self, quarters: int) -> np.ndarray:
        """(M, 2) rows and columns from its first piece, with the block turned clockwise."""
        rows, cols = self.away.T
        for _ in range(quarters):
            rows, cols = cols, -rows
        return np.stack([rows, cols], axis=1)

    def cells(self, quarters: int, home: int, form: tuple[int, int]) -> np.ndarray:
        """(M,) cells of a pose that is inside the grid."""
        row, col = self.turned(quarters).T
        found: np.ndarray = (home // form[1] + row) * form[1] + home % form[1] + col
        return found

    def put(self, now: Arrangement, quarters: int, home: int, form: tuple[int, int]) -> None:
        """Lay it into an arrangement."""
        at = self.cells(quarters, home, form)
        now.piece[at], now.turn[at] = self.piece, (self.turn - quarters) % 4


def blocks_of(
    now: Arrangement, fit: Fit, near: np.ndarray, form: tuple[int, int], least: float
) -> list[Block]:
    """An arrangement taken apart wherever sides fit no better than so.

    Args:
        now: the arrangement.
        fit: of sides.
        near: (C, 4) as ``belief.neighbours``.
        form: (rows, cols).
        least: log likelihood ratio above which two sides hold together.
    """
    from scipy.sparse import coo_matrix  # here: it takes a while to load
    from scipy.sparse.csgraph import connected_components

    filled = np.flatnonzero(now.piece >= 0)
    met = seams(now, fit, now.facing(form), filled, -np.inf)
    at, side = np.nonzero(met > least)
    pairs = filled[at], near[filled[at], side]
    joined = coo_matrix((np.ones(len(at)), pairs), (len(near), len(near)))
    _, label = connected_components(joined, directed=False)
    found = []
    for name in np.unique(label[filled]):
        cells = np.flatnonzero(label == name)
        row, col = np.divmod(cells, form[1])
        inside = (near[cells] >= 0) & (label[near[cells]] == name)
        away = np.stack([row - row[0], col - col[0]], axis=1)
        found.append(Block(now.piece[cells], now.turn[cells], away, ~inside, int(cells[0])))
    return found


class Poses:
    """What speaks for every pose of a block: of print and straight sides once, then of neighbours
    that have been laid.

    Args:
        block: which.
        unary: (C, N, 4) log weights of pieces in cells.
        form: (rows, cols).
    """

    def __init__(self, block: Block, unary: np.ndarray, form: tuple[int, int]) -> None:
        self.block, self.form = block, form
        self.alone: Array = np.full((4, form[0] * form[1]), -np.inf)
        self._shown = 4 * block.piece[:, None] + (block.turn[:, None] + np.arange(4)) % 4
        for quarters, homes, at in self._inside():
            turn = (block.turn - quarters) % 4
            self.alone[quarters, homes] = unary[at, block.piece, turn].sum(axis=1)

    def _inside(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """By quarter turns: homes (P,) of poses inside the grid, and cells (P, M)."""
        rows, cols = self.form
        for quarters in range(4):
            away = self.block.turned(quarters)
            low, high = away.min(axis=0), away.max(axis=0)
            row = np.arange(-low[0], rows - high[0])
            col = np.arange(-low[1], cols - high[1])
            homes = (row[:, None] * cols + col).ravel()
            yield quarters, homes, homes[:, None] + away @ np.array([cols, 1])

    def among(self, now: Arrangement, fit: Fit) -> Array:
        """(4, C) log weights by quarter turns and home, -inf where it does not lie free.

        Args:
            now: what has been laid.
            fit: of sides.
        """
        block, facing = self.block, now.facing(self.form)
        found: Array = np.full_like(self.alone, -np.inf)
        for quarters, homes, at in self._inside():
            free = (now.piece[at] < 0).all(axis=1)
            homes, at = homes[free], at[free]
            value = self.alone[quarters, homes]
            for side in range(4):
                some = np.flatnonzero(block.outer[:, side])
                met = facing[at[:, some], (side + quarters) % 4]
                # Where nothing is met it is of no matter which side is read.
                said = fit.logs[self._shown[some, side], met // 4, met % 4]
                value = value + np.where(met >= 0, said, 0.0).sum(axis=1)
            found[quarters, homes] = value
        return found


def likeliest(values: Array) -> tuple[int, int, float]:
    """Of (4, C) log weights: quarter turns and home of the highest, and by how much it outweighs
    all others together; infinite where there are none, and below 0 where nothing is finite."""
    from scipy.special import logsumexp

    if not np.isfinite(values).any():
        return 0, 0, -np.inf
    quarters, home = divmod(int(values.argmax()), values.shape[1])
    rest = np.delete(values.ravel(), values.argmax())
    rest = rest[np.isfinite(rest)]
    margin = float(values[quarters, home] - logsumexp(rest)) if len(rest) else np.inf
    return quarters, home, margin
