"""What print and straight sides say of every piece in every cell and turn, before neighbours do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heatmap_locator.assign.fit import STRAY
from heatmap_locator.assign.moves import Arrangement
from heatmap_locator.assign.shapes import STRAIGHT, Shapes
from heatmap_locator.grid import Grid
from heatmap_locator.outline.proportions import (
    proportions_of_cells,
    proportions_of_sides,
    upright_or_not,
)
from heatmap_locator.placement import Placement

_SPILL = 0.15
"""How far, in cells, a piece's middle may lie outside a cell before its place counts for less
there: the grid is often nominal."""

CERTAIN = 0.95
"""Probability of a place from which a piece tells how well sides fit that belong together."""

_UNSEEN, _ALWAYS_UNSEEN = 0.75, 0.002
"""Probability that a piece belongs where none of its places are: of one whose best has a score near
0, with a square of what that is short of 1, and of any.  Of flat pieces of drawn puzzles of 150 and
500 the right place was among them for 65 and 25 in 100, whatever their scores add up to."""


@dataclass(frozen=True, eq=False)
class Print:
    """What the places of a piece say.

    Attributes:
        logs: (cells, 4) float32 log ratios of its probability there, with side t up, to that of
            any cell and turn.
        source: (cells, 4) rank of the place that says so, -1 for none.
    """

    logs: np.ndarray
    source: np.ndarray


def print_evidence(
    places: Sequence[Placement],
    grid: Grid,
    size: tuple[int, int],
    outward: np.ndarray,
    middle: np.ndarray | None,
) -> Print:
    """Read a piece's places.

    Args:
        places: best first, at least one.
        grid: of the puzzle.
        size: (width, height) of the picture.
        outward: (4,) degrees, clockwise from up, that its sides face in the photo.
        middle: (2,) of its corners in the photo; ``None`` takes the middle of the box.
    """
    scores = scores_by_print(places)
    at, turn, shares = _where(places, grid, size, outward, middle)
    rank = np.repeat(np.arange(len(places)), at.shape[1])
    index = (4 * at + turn[:, None]).ravel()
    values = (scores[:, None] * shares / shares.sum(axis=1, keepdims=True)).ravel()
    own = np.bincount(index, values, 4 * grid.pieces)
    source = np.full(own.shape, -1)
    # What is written last stays: of a cell the highest, and of equal ones the first.
    said = np.flatnonzero((shares.ravel() > 1e-3) & (values > 0))
    said = said[np.lexsort((-rank[said], values[said]))]
    source[index[said]] = rank[said]
    best_score = min(float(scores.max()), 1.0)
    seen = 1.0 - max(_UNSEEN * (1.0 - best_score) ** 2, _ALWAYS_UNSEEN, 1.0 - own.sum())
    own *= seen / max(own.sum(), 1e-12)
    unseen = (1.0 - seen) / own.size
    logs = np.log((own + unseen) * own.size)
    return Print(logs.reshape(-1, 4).astype(np.float32), source.reshape(-1, 4))


def _where(
    places: Sequence[Placement],
    grid: Grid,
    size: tuple[int, int],
    outward: np.ndarray,
    middle: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of M places, arguments as of :func:`print_evidence`: (M, 9) cells about each, (M,) the side
    that is up, and (M, 9) what shares of each cell it has, of any sum above 0."""
    middles = np.array([place.center for place in places], np.float64)
    if middle is not None:
        matrices = np.array([place.matrix for place in places], np.float64).reshape(-1, 2, 3)
        middles = matrices @ [*middle, 1.0]
    rotations = np.array([place.rotation for place in places], np.float64)
    off = (rotations[:, None] - outward + 180.0) % 360.0 - 180.0
    turn = np.abs(off).argmin(axis=1)
    col, row = grid.in_cells(middles, *size).T
    near = np.arange(-1, 2)
    r, c = row.astype(int)[:, None, None] + near[:, None], col.astype(int)[:, None, None] + near
    out = np.maximum(np.abs(row[:, None, None] - r - 0.5), np.abs(col[:, None, None] - c - 0.5))
    inside = (r >= 0) & (r < grid.rows) & (c >= 0) & (c < grid.cols)
    shares = inside * np.exp(-((np.maximum(out - 0.5, 0.0) / _SPILL) ** 2))
    at = np.where(inside, r * grid.cols + c, 0).reshape(-1, 9)
    shares = shares.reshape(-1, 9)
    for far in np.flatnonzero(shares.max(axis=1) < 1e-3):
        x, y = middles[far].tolist()
        there = grid.cell_at(x, y, *size)
        at[far], shares[far] = there[0] * grid.cols + there[1], np.eye(9)[0]
    return at, turn, shares


def scores_by_print(places: Sequence[Placement]) -> np.ndarray:
    """(M,) probabilities of a piece's places, without what straight sides say of them and a photo
    of what is done, said of all cells elsewhere: nothing is to count twice.  Nor with colour, of
    which all pieces together say nothing: plain ones err alike."""
    scores = np.array([place.score for place in places], np.float64)
    whys = [place.why for place in places]
    said = np.array([0.0 if why is None else why.sides + why.open + why.colour for why in whys])
    if not said.any():
        return scores
    rest = max(1.0 - float(scores.sum()), 1e-9)
    odds = scores * np.exp(-said)
    found: np.ndarray = odds / (float(odds.sum()) + rest)
    return found


def straight_evidence(shapes: Shapes, grid: Grid) -> np.ndarray:
    """(cells, N, 4) float32 log ratios: straight sides face out, and no others do.

    Args:
        shapes: of N pieces.
        grid: of the puzzle.
    """
    straight = shapes.kinds == STRAIGHT
    border = 2 * (grid.rows + grid.cols) / (4 * grid.pieces)
    # Of a side at the border, and of one inside: seen straight, or not, to how often that is.
    outside = np.where(straight, (1 - STRAY) / border, STRAY / max(1 - border, STRAY))
    inside = np.where(straight, STRAY / border, (1 - STRAY) / max(1 - border, STRAY))
    trust = shapes.trust[:, None]
    ratio_out, ratio_in = (np.log1p(trust * (r - 1)) for r in (outside, inside))
    found = np.zeros((grid.rows, grid.cols, len(shapes), 4), np.float32)
    edges = (found[0], found[:, -1], found[-1], found[:, 0])
    for side, edge in enumerate(edges):
        found += np.roll(ratio_in, -side, axis=1)
        edge += np.roll(ratio_out - ratio_in, -side, axis=1)
    return found.reshape(grid.pieces, len(shapes), 4)


def proportions_evidence(shapes: Shapes, grid: Grid, size: tuple[int, int]) -> np.ndarray:
    """(N, 4) float32 log ratios of pieces with side t up: they are as wide as cells are.

    Args:
        shapes: of N pieces.
        grid: of the puzzle.
        size: (width, height) of the picture.
    """
    cells = proportions_of_cells(grid, *size)
    pieces = proportions_of_sides(np.exp(shapes.waves[:, :, -1].astype(np.float64)))
    said = np.array([upright_or_not(piece, cells) for piece in pieces.tolist()]).reshape(-1, 2)
    found: np.ndarray = np.log1p(shapes.trust[:, None] * np.expm1(said))
    return np.tile(found, 2).astype(np.float32)


def neighbours_by_print(prints: np.ndarray, form: tuple[int, int]) -> np.ndarray:
    """(M, 2) sides that face each other by print alone, without a doubt; side 4 p + i of piece p.

    Args:
        prints: (cells, N, 4) log ratios of pieces in cells and turns.
        form: (rows, cols).
    """
    cells, count, _ = prints.shape
    flat = prints.transpose(1, 0, 2).reshape(count, -1)
    best = flat.argmax(axis=1)
    sure = np.flatnonzero(flat.max(axis=1) > np.log(CERTAIN * flat.shape[1]))
    piece, turn = np.full(cells, -1), np.zeros(cells, int)
    at = best[sure] // 4
    alone = np.bincount(at, minlength=cells)[at] == 1
    piece[at[alone]], turn[at[alone]] = sure[alone], best[sure[alone]] % 4
    facing = Arrangement(piece, turn).facing(form)
    # To the right and below: each pair once.
    found = [
        np.stack([4 * piece[near] + (turn[near] + side) % 4, facing[near, side]], axis=1)
        for side in (1, 2)
        for near in [np.flatnonzero((piece >= 0) & (facing[:, side] >= 0))]
    ]
    return np.concatenate(found)
