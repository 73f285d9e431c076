"""One piece a cell by all that is known: print, straight sides, and neighbours that fit.

The weight of an arrangement is the product of likelihood ratios: of each piece's print in its cell
and turn to anywhere, of its straight sides at the border, and of every two sides that meet to two
taken by chance.  What each cell may hold comes from belief propagation; the likeliest arrangement
is then taken apart and assembled again (``rebuild.py``), and made better by exchanges.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from heatmap_locator.assign.answers import TURNED, Assignment, Why, laid_by_sides, moved
from heatmap_locator.assign.belief import ROUNDS, marginals, neighbours
from heatmap_locator.assign.certainty import certainty
from heatmap_locator.assign.doubt import doubted
from heatmap_locator.assign.evidence import (
    Print,
    neighbours_by_print,
    print_evidence,
    proportions_evidence,
    straight_evidence,
)
from heatmap_locator.assign.fit import Fit, fit_sides, scale_of
from heatmap_locator.assign.holes import Holes, hole_evidence
from heatmap_locator.assign.located import SearchLike
from heatmap_locator.assign.moves import LEAST, Arrangement, first_arrangement
from heatmap_locator.assign.odd import find_twice, found_elsewhere, problems
from heatmap_locator.assign.rebuild import Task, rebuilt
from heatmap_locator.assign.shapes import Shapes
from heatmap_locator.geometry import angle_difference
from heatmap_locator.grid import Grid
from heatmap_locator.outline.proportions import nearest_quarter
from heatmap_locator.outline.sides import Sides
from heatmap_locator.picture.done import Done
from heatmap_locator.placement import Placement

FOREIGN = 0.02
"""Probability, before anything is seen, that a piece is none of the puzzle's."""

SURE = 0.99
"""Probability in its cell from which a piece is called sure."""

_SETS = 200
"""Sets of cells among which exchanges are sought, at most."""

_BELIEVED = 0.5
"""Trust in a piece's sides from which its angle is theirs where its print's is another."""

_STRANGE = 0.01
"""Of pieces of other puzzles, those whose print is found for certain, at least."""


def assign_together(
    searches: Sequence[SearchLike],
    sides: Sequence[Sides | None],
    shapes: Shapes,
    grid: Grid,
    size: tuple[int, int],
    progress: Callable[[str], None],
    done: Done | None = None,
) -> list[Assignment]:
    """Give every piece a cell of its own.

    Args:
        searches: with at least one placement each.
        sides: of each piece.
        shapes: the same as numbers.
        grid: of the puzzle.
        size: (width, height) of the picture.
        progress: told, in a few words, what is being done.
        done: what a photo of the half-done puzzle shows; ``None`` where all cells are open.

    Returns:
        One per search, in the same order.
    """
    count, form = len(searches), (grid.rows, grid.cols)
    prints = _prints(searches, shapes, grid, size)
    by_print = np.stack([one.logs for one in prints], axis=1)
    straight = straight_evidence(shapes, grid) + proportions_evidence(shapes, grid, size)
    progress("comparing sides")
    scale = scale_of(shapes, neighbours_by_print(by_print, form))
    fit, twice = fit_sides(shapes, scale), find_twice(shapes, by_print, scale)
    alone = np.setdiff1d(np.arange(count), list(twice))
    chance, holes = _by_done(done, sides, shapes, grid, progress)
    left_out = float(np.log(FOREIGN * (max(chance.sum() - len(alone), 0) + 0.5)))
    whole = Task(_ratios(by_print + straight + holes.logs, searches, chance), fit, form, left_out)
    found, tried = _arranged(whole, alone, progress)
    others = found_elsewhere(found, whole.unary, fit, form, left_out, twice)
    if others:
        for piece in others:
            del twice[piece]
        alone = np.setdiff1d(np.arange(count), list(twice))
        found, tried = whole.improved(found, _SETS, alone), []
    whole, found = doubted(whole, straight + holes.logs, found, alone)
    progress("weighing what else may be")
    chances = certainty(whole, found, tried, alone)
    wrong = problems(found, whole.unary, whole.fit, shapes, grid, left_out, twice, scale)
    whys = _whys(found, by_print, straight, holes, whole.fit, form)
    result = []
    for index, (search, cell) in enumerate(zip(searches, found.cells(count).tolist(), strict=True)):
        if cell < 0:
            left = replace(search.placements[0], cell=None)
            result.append(Assignment(index, None, left, False, problem=wrong.get(index)))
            continue
        turn, at = int(found.turn[cell]), divmod(cell, grid.cols)
        score = float(chances[cell, index, turn])
        rank = int(prints[index].source[cell, turn])
        placement = _placement(search, rank, shapes, index, sides[index], turn, grid, at, size)
        placement = replace(placement, score=score)
        sure = score >= SURE and index not in wrong
        result.append(Assignment(index, at, placement, sure, whys[cell], wrong.get(index)))
    return result


def _prints(
    searches: Sequence[SearchLike], shapes: Shapes, grid: Grid, size: tuple[int, int]
) -> list[Print]:
    """What each piece's print says of every cell and turn."""
    return [
        print_evidence(
            search.placements,
            grid,
            size,
            shapes.outward[index],
            shapes.middle[index] if shapes.trust[index] > 0 else None,
        )
        for index, search in enumerate(searches)
    ]


def _ratios(seen: np.ndarray, searches: Sequence[SearchLike], chance: np.ndarray) -> np.ndarray:
    """What ``(C, N, 4)`` float32 print and sides say, with what is known of pieces and of cells."""
    unary: np.ndarray = seen - np.float32(np.log(4)) + _belonging(searches)[:, None]
    unary += np.log(np.maximum(chance, LEAST)).astype(np.float32)[:, None, None]
    return unary


def _belonging(searches: Sequence[SearchLike]) -> np.ndarray:
    """(N,) float32 log ratios of pieces being the puzzle's, as their print is found in it."""
    best = np.array([max(place.score for place in one.placements) for one in searches])
    found: np.ndarray = -np.log(np.maximum(1.0 - best, _STRANGE)).astype(np.float32)
    return found


def _arranged(
    whole: Task, alone: np.ndarray, progress: Callable[[str], None]
) -> tuple[Arrangement, list[tuple[float, Arrangement]]]:
    """The best arrangement of the pieces that ``alone`` names, and others with their weights."""
    task = whole.of(alone)
    rounds = len(ROUNDS)
    chances = marginals(
        task.unary,
        task.fit,
        neighbours(task.form),
        task.left_out,
        say=lambda n: progress(f"weighing neighbours: round {n} of {rounds}"),
    )
    first = first_arrangement(chances, math.log(LEAST))
    tried = rebuilt(task, first, lambda n: progress(f"moving blocks: {n}"))
    progress("exchanging pieces")
    best = task.improved(tried[0][1], _SETS)
    return best.renamed(alone), [(value, one.renamed(alone)) for value, one in tried]


def _by_done(
    done: Done | None,
    sides: Sequence[Sides | None],
    shapes: Shapes,
    grid: Grid,
    progress: Callable[[str], None],
) -> tuple[np.ndarray, Holes]:
    """(C,) how likely cells are open, and what the edges of holes say of pieces."""
    if done is None:
        nothing = np.zeros((grid.pieces, 1, 1), np.float32)
        return np.ones(grid.pieces), Holes(nothing, np.zeros(grid.pieces, int))
    progress("comparing pieces with holes")
    return done.open.ravel(), hole_evidence(sides, shapes, done, grid)


def _whys(
    found: Arrangement,
    by_print: np.ndarray,
    straight: np.ndarray,
    holes: Holes,
    fit: Fit,
    form: tuple[int, int],
) -> dict[int, Why]:
    """What spoke for the piece in each cell that holds one; what is done there are neighbours."""
    at = np.flatnonzero(found.piece >= 0)
    piece, turn = found.piece[at], found.turn[at]
    facing = found.facing(form)[at]
    met = facing >= 0
    value = np.where(met, fit.of(found.shown(at), np.maximum(facing, 0)), 0.0)
    logs = np.broadcast_to(holes.logs, by_print.shape)
    return {
        int(cell): Why(
            float(by_print[cell, piece[n], turn[n]]),
            float(straight[cell, piece[n], turn[n]]),
            float(value[n].sum() + logs[cell, piece[n], turn[n]]),
            int(met[n].sum() + holes.met[cell]),
        )
        for n, cell in enumerate(at)
    }


def _placement(
    search: SearchLike,
    rank: int,
    shapes: Shapes,
    index: int,
    sides: Sides | None,
    turn: int,
    grid: Grid,
    cell: tuple[int, int],
    size: tuple[int, int],
) -> Placement:
    """A piece in a cell: where print says, or where its corners do, if print says otherwise and is
    believed less."""
    own = None if rank < 0 else replace(search.placements[rank], cell=cell)
    if sides is None:
        return moved(search.placements[0], grid, cell, size, 0.0) if own is None else own
    trust = shapes.trust[index]
    if own is not None and trust < _BELIEVED and trust <= own.score:
        return own
    rotation = nearest_quarter(shapes.outward[index], float(shapes.outward[index][turn]))
    if own is not None and abs(angle_difference(own.rotation, rotation)) <= TURNED:
        return own
    return laid_by_sides(sides, rotation, grid, cell, size, 0.0)
