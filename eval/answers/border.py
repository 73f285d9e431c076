"""Pieces of the border, each located alone, and those of the inside that are sent there."""

from collections.abc import Sequence

from heatmap_locator.geometry import RIGHT_ANGLE, angle_difference
from heatmap_locator.grid import Grid

from .whole import Answered, Share


def is_outermost(cell: tuple[int, int], grid: Grid) -> bool:
    """Whether a cell lies on the picture's edge."""
    return cell[0] in (0, grid.rows - 1) or cell[1] in (0, grid.cols - 1)


def border_and_inside(grid: Grid) -> list[tuple[int, int]]:
    """All cells on the edge, and as many of the others, spread over them, in reading order."""
    every = [divmod(i, grid.cols) for i in range(grid.pieces)]
    border = [cell for cell in every if is_outermost(cell, grid)]
    inside = [cell for cell in every if not is_outermost(cell, grid)]
    count = min(len(border), len(inside))
    return sorted(border + [inside[i * len(inside) // count] for i in range(count)])


def border_shares(answers: Sequence[Answered], grid: Grid) -> dict[str, Share]:
    """What first places say.

    Args:
        answers: of some pieces; one without a place is wrong, and sent nowhere.
        grid: of the puzzle.

    Returns:
        ``border``, of its pieces those with cell and angle right; ``angle``, those with the angle
        right; ``sent``, of the others those whose first place is on the edge.
    """
    border = [answer for answer in answers if is_outermost(answer.cell, grid)]
    inside = [answer for answer in answers if not is_outermost(answer.cell, grid)]
    right = turned = sent = 0
    for answer in answers:
        if answer.located is None:
            continue
        first = answer.located.placements[0]
        if is_outermost(answer.cell, grid):
            right += answer.is_right(first.cell, first.rotation)
            off = abs(angle_difference(first.rotation, answer.rotation))
            turned += off <= RIGHT_ANGLE
        else:
            sent += first.cell is not None and is_outermost(first.cell, grid)
    return {
        "border": Share(right, len(border)),
        "angle": Share(turned, len(border)),
        "sent": Share(sent, len(inside)),
    }
