"""The answer for each piece when all are looked at together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from heatmap_locator.assign.located import outline_in_photo
from heatmap_locator.assign.odd import Problem
from heatmap_locator.geometry import bounds, similarity, transform
from heatmap_locator.grid import Grid
from heatmap_locator.outline.sides import Sides
from heatmap_locator.placement import Placement

SURE_SCORE = 0.8
"""Least score, a calibrated probability, of a piece in its cell to be called sure, where its sides
are not known."""

SURE_MARGIN = 3.0
"""The same for how many times better than the next best arrangement without it."""


@dataclass(frozen=True)
class Why:
    """What spoke for a piece in its cell: natural logarithms of likelihood ratios, 0 for nothing.

    Attributes:
        print: to any cell and turn.
        straight: of its straight sides, or their absence, and of its proportions.
        neighbours: of how well its sides fit those that they meet, to how sides fit by chance; of
            a half-done puzzle those that are done too, by the edge that its photo shows.
        met: sides that meet a neighbour's.
    """

    print: float
    straight: float
    neighbours: float
    met: int

    def to_dict(self) -> dict[str, float | int]:
        """The fields by name, JSON-ready."""
        return {
            "print": round(self.print, 2),
            "straight": round(self.straight, 2),
            "neighbours": round(self.neighbours, 2),
            "met": self.met,
        }


@dataclass(frozen=True)
class Assignment:
    """Where one piece goes when all pieces are looked at together.

    Attributes:
        index: of its search in the list given.
        cell: (row, col) from 0, no other piece's; ``None`` for a piece left over, of which
            ``problem`` says why.
        placement: the one that stands for the cell, its score the probability that the piece lies
            there.  Where the search had none there, its best one moved to the cell; for a piece
            left over its own best one, unchanged.
        sure: whether to swear to it.
        why: what spoke for it; ``None`` where only print was looked at, or for a piece left over.
        problem: what is the matter with the piece; ``None`` where nothing is.
    """

    index: int
    cell: tuple[int, int] | None
    placement: Placement
    sure: bool
    why: Why | None = None
    problem: Problem | None = None

    def renumbered(self, numbers: Sequence[int]) -> Self:
        """The same in a longer list: of every search given, its index there."""
        problem = self.problem
        if problem is not None and problem.other is not None:
            problem = replace(problem, other=numbers[problem.other])
        return replace(self, index=numbers[self.index], problem=problem)


def moved(
    best: Placement, grid: Grid, cell: tuple[int, int], size: tuple[int, int], score: float
) -> Placement:
    """The placement with its box's middle in the middle of a cell."""
    center = grid.middle_of(cell, *size)
    dx, dy = center[0] - best.center[0], center[1] - best.center[1]
    x1, y1, x2, y2 = best.box
    a, b, tx, c, d, ty = best.matrix
    return replace(
        best,
        box=(x1 + dx, y1 + dy, x2 + dx, y2 + dy),
        center=center,
        score=score,
        cell=cell,
        matrix=(a, b, tx + dx, c, d, ty + dy),
    )


TURNED = 8.0
"""Degrees between what print and sides say of the angle, from which print does not tell it."""


def laid_by_sides(
    sides: Sides,
    rotation: float,
    grid: Grid,
    cell: tuple[int, int],
    size: tuple[int, int],
    score: float,
) -> Placement:
    """A piece laid by its corners, their middle in the middle of a cell.

    Args:
        sides: of the piece.
        rotation: degrees that its photo is turned clockwise from there.
        grid: of the puzzle.
        cell: (row, col).
        size: (width, height) of the picture.
        score: 0..1.
    """
    width, height = grid.cell_size(*size)
    outline = outline_in_photo(sides)
    x, y = sides.corners.mean(axis=0)
    target = grid.middle_of(cell, *size)
    scale = (width * height) ** 0.5 / sides.cell
    matrix = similarity((float(x), float(y)), target, -rotation, scale)
    x1, y1, x2, y2 = bounds(transform(matrix, outline))
    return Placement(
        box=(x1, y1, x2, y2),
        center=((x1 + x2) / 2, (y1 + y2) / 2),
        rotation=rotation % 360.0 % 360.0,
        score=score,
        cell=cell,
        matrix=tuple(float(v) for v in matrix.ravel()),  # type: ignore[arg-type]
    )
