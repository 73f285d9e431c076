"""Holes of a half-done puzzle: their edges say which pieces belong there."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from assign_support import CELL, Drawn, drawn_puzzle
from conftest import draw_texture
from done_support import OPEN, half_done_photo
from locator_support import COLS, HEIGHT, ROWS, WIDTH

from heatmap_locator.assign import assign
from heatmap_locator.assign.holes import hole_evidence
from heatmap_locator.assign.shapes import shapes_of
from heatmap_locator.geometry import angle_difference
from heatmap_locator.grid import Grid
from heatmap_locator.picture.done import Done, edge_again, find_done
from heatmap_locator.picture.edge import ROOM, Pixels, edge_of
from heatmap_locator.search.edges import holes_of
from heatmap_train.draw.cutter import rasterize

HOLE = [(2, 2), (2, 3), (3, 2), (3, 4), (4, 4), (5, 1), (5, 5), (6, 6), (1, 6), (6, 2)]


@pytest.fixture(scope="module")
def puzzle() -> Drawn:
    """Flat all over: print tells nothing."""
    return drawn_puzzle(8, 9, seed=4, flat=1.0)


@pytest.fixture(scope="module")
def done(puzzle: Drawn) -> Done:
    """All pieces are done but those of ``HOLE``, as a photo without a fault shows it."""
    cut, side = puzzle.cut, 48
    size = (cut.rows + 2 * ROOM) * side, (cut.cols + 2 * ROOM) * side
    matrix = np.array([[side / CELL, 0, side * ROOM], [0, side / CELL, side * ROOM]])
    open_cells = np.zeros((cut.rows, cut.cols))
    solid = np.zeros(size, np.float32)
    for row, col in np.ndindex(cut.rows, cut.cols):
        open_cells[row, col] = (row, col) in HOLE
        if (row, col) not in HOLE:
            solid += rasterize(cut.outline(row, col), size, matrix)
    ratio = 8.0 * solid.clip(0, 1) - 4.0
    pixels = Pixels(ratio.astype(np.float32), (side, side), (side * ROOM, side * ROOM))
    return Done(open_cells.clip(1e-3, 1 - 1e-3), (), edge_of([pixels]))


def loose(puzzle: Drawn) -> list[int]:
    return [index for index, cell in enumerate(puzzle.cells) if cell in HOLE]


def assigned_right(puzzle: Drawn, done: Done) -> int:
    puzzle.puzzle.done = done
    pieces = loose(puzzle)
    found = assign(puzzle.puzzle, [puzzle.pieces[index] for index in pieces])
    return sum(
        one.cell == puzzle.cells[index]
        and abs(angle_difference(one.placement.rotation, puzzle.rotations[index])) < 15
        for one, index in zip(found, pieces, strict=True)
    )


def test_a_piece_fits_its_own_hole_best(puzzle: Drawn, done: Done) -> None:
    pieces = loose(puzzle)
    sides = [puzzle.pieces[index].sides for index in pieces]
    shapes, grid = shapes_of(sides), Grid(puzzle.cut.rows, puzzle.cut.cols)
    found = hole_evidence(sides, shapes, done, grid)
    assert found.logs.shape == (grid.pieces, len(HOLE), 4)
    first = []
    for number, index in enumerate(pieces):
        row, col = puzzle.cells[index]
        own = found.logs[row * grid.cols + col]
        ways = [angle_difference(a, puzzle.rotations[index]) for a in shapes.outward[number]]
        turn = int(np.abs(ways).argmin())
        assert own[number, turn] > 1
        first.append(own[number, turn] == own.max())
    assert np.mean(first) > 0.8
    bounded = {(row, col): found.met[row * grid.cols + col] for row, col in HOLE}
    assert bounded[2, 2] == 2
    assert bounded[6, 6] == 4
    # Holes may be none, sooner where rows and columns are a guess.
    assert np.log(0.05) < found.logs.min() < -2
    guess = replace(grid, exact=False)
    assert hole_evidence(sides, shapes, done, guess).logs.min() > np.log(0.5)
    whole = np.ones((grid.rows, grid.cols), bool)
    whole[tuple(np.transpose(HOLE))] = False
    assert not found.logs[whole.ravel()].any()
    assert not found.met[whole.ravel()].any()


def test_pieces_without_print_find_their_holes(puzzle: Drawn, done: Done) -> None:
    assert assigned_right(puzzle, done) >= len(HOLE) - 1
    blind = replace(done, edge=None)
    assert assigned_right(puzzle, blind) <= len(HOLE) // 2


def test_nothing_is_said_without_outlines_or_edge(puzzle: Drawn, done: Done) -> None:
    grid = Grid(puzzle.cut.rows, puzzle.cut.cols)
    assert not hole_evidence([None], shapes_of([None]), done, grid).logs.any()
    sides = [puzzle.pieces[0].sides]
    unseen = replace(done, edge=None)
    assert not hole_evidence(sides, shapes_of(sides), unseen, grid).logs.any()


def test_the_edge_is_where_the_photo_shows_it() -> None:
    picture = draw_texture(HEIGHT, WIDTH, 5)
    photo, grid = half_done_photo(picture), Grid(ROWS, COLS)
    found = find_done(photo, picture, grid)
    assert found.edge is not None
    middles = np.array([[c + 0.5, r + 0.5] for r, c in np.ndindex(ROWS, COLS)], np.float32)
    away = found.edge.at(middles).reshape(ROWS, COLS)
    is_open = np.zeros((ROWS, COLS), bool)
    is_open[tuple(np.transpose(OPEN))] = True
    assert (away[is_open] < -0.4).all()
    assert (away[~is_open] > 0.4).all()
    row, col = OPEN[0]
    below = np.array([[col + part, row + 1.0] for part in np.linspace(0.2, 0.8, 7)], np.float32)
    np.testing.assert_allclose(found.edge.at(below), 0, atol=0.04)
    kept = Done.from_dict(found.to_dict())
    assert kept.edge is None
    again = edge_again(photo, picture, grid, kept).edge
    assert again is not None
    assert np.mean(np.abs(again.away - found.edge.away) < 0.05) > 0.98


def test_an_outline_misread_as_a_whole_is_not_believed() -> None:
    """Its print is sure: it lies there, whatever its outline, which fits nothing, says."""
    puzzle, other = drawn_puzzle(7, 8, seed=2), drawn_puzzle(7, 8, seed=9)
    index = next(i for i, cell in enumerate(puzzle.cells) if cell == (4, 4))
    strange = next(i for i, cell in enumerate(other.cells) if cell == (3, 3))
    own, shown = puzzle.pieces[index].sides, other.pieces[strange].sides
    assert own is not None
    assert shown is not None
    there = shown.corners + own.corners.mean(axis=0) - shown.corners.mean(axis=0)
    piece = replace(puzzle.pieces[index], sides=replace(shown, corners=there))
    pieces = [piece if i == index else one for i, one in enumerate(puzzle.pieces)]
    found = puzzle.assigned(pieces)
    assert found[index].cell == (4, 4)
    assert found[index].why is not None
    assert found[index].why.neighbours == 0
    right = [one.cell == cell for one, cell in zip(found, puzzle.cells, strict=True)]
    assert np.mean(right) > 0.95


def test_a_single_piece_is_told_its_hole(puzzle: Drawn, done: Done) -> None:
    """As a search asks it, of places with their middles and rotations."""
    grid = Grid(puzzle.cut.rows, puzzle.cut.cols)
    first = []
    for index in loose(puzzle):
        piece: Any = SimpleNamespace(sides=puzzle.pieces[index].sides)
        places = [(cell, turn) for cell in HOLE for turn in range(4)]
        middles = np.array([[col + 0.55, row + 0.45] for (row, col), _ in places])
        turned = np.array([puzzle.rotations[index] + 90.0 * turn for _, turn in places]) % 360.0
        said = holes_of(piece, done, grid, middles, turned)
        own = places.index((puzzle.cells[index], 0))
        assert said[own] > 0.5
        first.append(said.argmax() == own)
        outside = np.array([[-0.1, 20.0], [0.5, 0.5]])
        assert holes_of(piece, done, grid, outside, np.zeros(2))[1] == 0
    assert np.mean(first) >= 0.7
    nothing: Any = SimpleNamespace(sides=None)
    assert not holes_of(nothing, done, grid, middles, turned).any()
