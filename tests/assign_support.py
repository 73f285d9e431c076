"""Puzzles known without any photo: outlines of a drawn cut, print as it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np

from heatmap_locator.assign import Assignment, Located, assign
from heatmap_locator.geometry import clockwise
from heatmap_locator.grid import Grid
from heatmap_locator.outline.contour import resampled
from heatmap_locator.outline.sides import POINTS, Kind, Side, Sides
from heatmap_locator.placement import Placement
from heatmap_train.draw.cutter import Cut, cut_grid

CELL = 40.0
PHOTO_CELL = 120.0


@dataclass(frozen=True)
class Drawn:
    """A cut puzzle and its pieces as they were located.

    Attributes:
        puzzle: what ``assign`` asks of one.
        cut: its cut.
        cells: of the pieces.
        rotations: of their photos, degrees.
        pieces: what their searches told.
    """

    puzzle: SimpleNamespace
    cut: Cut
    cells: list[tuple[int, int]]
    rotations: list[float]
    pieces: list[Located]

    def assigned(self, pieces: Sequence[Located] | None = None) -> list[Assignment]:
        return assign(self.puzzle, self.pieces if pieces is None else pieces)


def sides_in_photo(
    cut: Cut, cell: tuple[int, int], rotation: float, rng: np.random.Generator, noise: float
) -> Sides:
    """A piece's sides as an outline would tell them, corners and curves off by ``noise`` cells."""
    turn = clockwise(rotation) * (PHOTO_CELL / CELL)
    edges = [edge.astype(float) @ turn.T for edge in cut.sides(*cell)]
    corners = np.stack([edge[0] for edge in edges]) + rng.normal(0, noise * PHOTO_CELL, (4, 2))
    sides = []
    for i, edge in enumerate(edges):
        points = resampled(edge, POINTS)
        bend = rng.normal(0, noise * PHOTO_CELL, (5, 2))
        knots = np.linspace(0, 4, POINTS)
        points = points + np.stack([np.interp(knots, range(5), b) for b in bend.T], 1)
        start, end = corners[i], corners[(i + 1) % 4]
        chord = end - start
        length = float(np.hypot(*chord))
        along, out = chord / length, np.array([chord[1], -chord[0]]) / length
        points[0], points[-1] = start, end
        curve = np.stack([(points - start) @ along, (points - start) @ out], 1) / length
        reach = float(curve[np.abs(curve[:, 1]).argmax(), 1])
        kind: Kind = "straight" if abs(reach) < 0.08 else "knob" if reach > 0 else "blank"
        sides.append(Side(kind, curve.astype(np.float32), 0.999))
    first = int(np.argmax((np.roll(corners, -1, 0) - corners)[:, 0]))
    order = [(first + i) % 4 for i in range(4)]
    one, two, three, four = (sides[i] for i in order)
    return Sides(corners[order], (one, two, three, four), 0.99, True)


def placement(
    cut: Cut, cell: tuple[int, int], rotation: float, score: float, grid: Grid
) -> Placement:
    """A piece laid in the middle of a cell; its matrix is of no matter but for that."""
    x, y = (cell[1] + 0.5) * CELL, (cell[0] + 0.5) * CELL
    box = (x - 0.6 * CELL, y - 0.6 * CELL, x + 0.6 * CELL, y + 0.6 * CELL)
    return Placement(box, (x, y), rotation, score, cell, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))


def laid(place: Placement, sides: Sides) -> Placement:
    """With the matrix that takes the corners' middle to the place."""
    linear = clockwise(-place.rotation) * (CELL / PHOTO_CELL)
    shift = np.array(place.center) - linear @ sides.corners.mean(axis=0)
    matrix = np.column_stack([linear, shift]).ravel().tolist()
    return replace(place, matrix=tuple(matrix))


def drawn_puzzle(rows: int, cols: int, seed: int, flat: float = 0.4, noise: float = 0.006) -> Drawn:
    """A puzzle whose print tells all of the pieces below a row, and nothing of those above it.

    Args:
        rows, cols: of the cut.
        seed: everything follows from it.
        flat: share of rows that are flat.
        noise: how far outlines are off, in cells.
    """
    rng = np.random.default_rng(seed)
    cut = cut_grid(rows, cols, cols * CELL, rows * CELL, rng)
    grid = Grid(rows, cols)
    puzzle = SimpleNamespace(grid=grid, width=int(cols * CELL), height=int(rows * CELL))
    cells = [divmod(int(i), cols) for i in rng.permutation(rows * cols)]
    rotations = rng.uniform(0, 360, len(cells)).tolist()
    horizon = round(flat * rows)
    pieces = []
    for cell, rotation in zip(cells, rotations, strict=True):
        sides = sides_in_photo(cut, cell, rotation, rng, noise)
        if cell[0] >= horizon:
            places = [placement(cut, cell, rotation, 0.99, grid)]
        else:
            wrong = [divmod(int(i), cols) for i in rng.integers(0, horizon * cols, 6)]
            turns = rng.integers(0, 4, 6) * 90.0
            places = [
                placement(cut, at, (rotation + float(turn)) % 360.0, 0.02, grid)
                for at, turn in zip(wrong, turns, strict=True)
            ]
        own = [laid(place, sides) for place in places]
        pieces.append(Located(own, np.zeros((rows, cols)), sides))
    return Drawn(puzzle, cut, cells, rotations, pieces)


def from_behind(sides: Sides) -> Sides:
    """What the outline tells where the photo shows the piece's back: all mirrored."""
    corners = sides.corners * [-1.0, 1.0]
    # The other way round: the side that ended at a corner now begins there.
    turned = [
        Side(side.kind, (side.curve[::-1] * [-1, 1] + [1, 0]).astype(np.float32), side.sure)
        for side in sides.sides
    ]
    order = [0, 3, 2, 1]
    one, two, three, four = (turned[i] for i in order)
    return replace(sides, corners=corners[[1, 0, 3, 2]], sides=(one, two, three, four))
