"""Many pieces, one puzzle: a consistent answer in which no two pieces share a cell."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from heatmap_locator.assign.alone import assign_by_print
from heatmap_locator.assign.answers import SURE_MARGIN as SURE_MARGIN
from heatmap_locator.assign.answers import SURE_SCORE as SURE_SCORE
from heatmap_locator.assign.answers import Assignment as Assignment
from heatmap_locator.assign.answers import Why as Why
from heatmap_locator.assign.located import Located as Located
from heatmap_locator.assign.located import SearchLike, all_sides, sides_of
from heatmap_locator.assign.located import keep as keep
from heatmap_locator.assign.shapes import shapes_of
from heatmap_locator.assign.together import assign_together
from heatmap_locator.errors import InputError
from heatmap_locator.fitted_grid import HEARD, Told, fit_grid, told_by
from heatmap_locator.grid import Grid
from heatmap_locator.picture.done import Done

ASSIGN_TOP = 60
"""Placements to ask for per piece: all that are looked at closely."""


def _told(size: tuple[int, int], search: SearchLike) -> Told | None:
    """What a piece tells of where cells lie, if its place is sure and its sides are known."""
    sides, place = sides_of(search), search.placements[0]
    if sides is None or not sides.tell or place.score < HEARD:
        return None
    return told_by(place, sides.corners.mean(axis=0), size, sides)


class _Puzzle(Protocol):
    """What is read of a :class:`heatmap_locator.puzzle.Puzzle`."""

    grid: Grid | None

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


def assign(
    puzzle: _Puzzle,
    searches: Sequence[SearchLike],
    by_print: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Assignment]:
    """Give every piece a cell of its own.

    Print, straight sides and how sides fit those of the neighbours are weighed together
    (``together.py``); where no piece's sides are known, print alone (``alone.py``).

    Args:
        puzzle: encoded with its grid.
        searches: one per piece, or what ``keep`` keeps of them, with at least one placement each;
            ``ASSIGN_TOP`` leave room to give way.
        by_print: look at nothing but print.
        progress: told, in a few words, what is being done.

    Returns:
        One per search, in the same order.

    Raises:
        InputError: the puzzle's grid is not known, or a search has no placement.
    """
    grid, size = puzzle.grid, (puzzle.width, puzzle.height)
    done: Done | None = getattr(puzzle, "done", None)
    told = None if done is None else done.open
    if grid is None:
        raise InputError("assigning pieces to cells needs the grid; give pieces or grid")
    for index, search in enumerate(searches):
        if not search.placements:
            raise InputError(
                "its search holds no placement; search with top=1", name=f"piece {index}"
            )
    if not searches:
        return []
    if done is None:  # else its cells are those of the grid that the photo was read with
        grid = fit_grid(grid, [one for one in map(partial(_told, size), searches) if one])
    if not by_print:
        progress("looking at the sides of pieces")
        sides = all_sides(searches)
        shapes = shapes_of(sides)
        if (shapes.trust > 0).any():
            return assign_together(searches, sides, shapes, grid, size, progress, done)
    return assign_by_print(searches, grid, size, told)
