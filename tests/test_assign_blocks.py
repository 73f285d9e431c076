"""Parts of a puzzle that fit together and lie in the wrong place."""

import numpy as np
import pytest
from assign_support import Drawn, drawn_puzzle
from scipy.sparse import csr_matrix

from heatmap_locator.assign import together
from heatmap_locator.assign.belief import neighbours
from heatmap_locator.assign.blocks import Block, Poses, likeliest
from heatmap_locator.assign.fit import Fit
from heatmap_locator.assign.moves import Arrangement, first_arrangement
from heatmap_locator.assign.odd import found_elsewhere
from heatmap_locator.assign.rebuild import Task


def _cells(drawn: Drawn) -> list[bool]:
    found = drawn.assigned()
    return [one.cell == cell for one, cell in zip(found, drawn.cells, strict=True)]


def _moved(start: Arrangement, cols: int) -> Arrangement:
    """Two blocks of the sky, three cells by four, have changed places, each turned upside down."""
    piece, turn = start.piece.reshape(-1, cols).copy(), start.turn.reshape(-1, cols).copy()
    one, other = (slice(1, 4), slice(1, 5)), (slice(1, 4), slice(7, 11))
    for held in (piece, turn):
        kept = held[one].copy()
        held[one], held[other] = held[other][::-1, ::-1], kept[::-1, ::-1]
    for at in (one, other):
        turn[at] = (turn[at] + 2) % 4
    return Arrangement(piece.ravel(), turn.ravel())


def test_blocks_that_changed_places_are_brought_back(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = drawn_puzzle(9, 12, seed=4)
    monkeypatch.setattr(
        together, "first_arrangement", lambda *given: _moved(first_arrangement(*given), 12)
    )
    with monkeypatch.context() as without:
        without.setattr(together, "rebuilt", lambda task, start, say: [(task.worth(start), start)])
        assert np.mean(_cells(drawn)) < 0.85  # exchanges of single pieces do not bring them back
    assert np.mean(_cells(drawn)) > 0.97


def test_neighbours_of_cells() -> None:
    near = neighbours((2, 3))
    assert near.tolist() == [
        [-1, 1, 3, -1],
        [-1, 2, 4, 0],
        [-1, -1, 5, 1],
        [0, 4, -1, -1],
        [1, 5, -1, 3],
        [2, -1, -1, 4],
    ]


def test_a_block_is_turned_with_its_pieces() -> None:
    # One beside the other; turned clockwise the second lies below, each with another side up.
    outer = np.array([[True, False, True, True], [True, True, True, False]])
    block = Block(np.array([5, 7]), np.array([1, 0]), np.array([[0, 0], [0, 1]]), outer, 4)
    form = (3, 4)
    now = Arrangement(np.full(12, -1), np.zeros(12, int))
    block.put(now, 1, 2, form)
    assert np.flatnonzero(now.piece >= 0).tolist() == [2, 6]
    assert now.piece[[2, 6]].tolist() == [5, 7]
    assert now.turn[[2, 6]].tolist() == [0, 3]
    # The side that faced right faces down: the fifth's is what the seventh met before.
    assert now.facing(form)[2].tolist() == [-1, -1, 4 * 7 + 3, -1]


def test_poses_are_inside_and_free() -> None:
    form = (3, 4)
    unary = np.zeros((12, 8, 4), np.float32)
    unary[6, 7, 3] = 9.0
    outer = np.array([[True, False, True, True], [True, True, True, False]])
    block = Block(np.array([5, 7]), np.array([1, 0]), np.array([[0, 0], [0, 1]]), outer, 4)
    poses = Poses(block, unary, form)
    assert np.isfinite(poses.alone).sum(axis=1).tolist() == [9, 8, 9, 8]
    quarters, home, margin = likeliest(poses.alone)
    assert (quarters, home) == (1, 2)
    assert margin == pytest.approx(9.0 - np.log(33))
    laid = Arrangement(np.full(12, -1), np.zeros(12, int))
    laid.piece[6] = 0
    among = poses.among(laid, _unseen(8))
    assert among[1, 2] == -np.inf
    assert np.isfinite(among[1]).sum() == 6


def test_the_worth_of_an_arrangement_is_what_exchanges_raise() -> None:
    unary = np.zeros((4, 2, 4), np.float32)
    unary[1, 0, 2], unary[3, 1, 0] = 3.0, 1.0
    task = Task(unary, _unseen(2), (2, 2), -2.0)
    start = Arrangement(np.array([1, 0, -1, -1]), np.zeros(4, int))
    assert task.worth(start) == pytest.approx(4.0)
    better = task.improved(start, 20)
    assert task.worth(better) == pytest.approx(8.0)
    assert better.piece.tolist() == [-1, 0, -1, 1]
    assert better.turn[[1, 3]].tolist() == [2, 0]
    loose = Arrangement(np.array([-1, 0, -1, -1]), np.zeros(4, int))
    assert task.improved(loose, 20).piece.tolist() == [-1, 0, -1, 1]
    assert task.improved(loose, 20, np.array([0])).piece.tolist() == [-1, 0, -1, -1]


def test_outlines_that_are_alike_by_chance_are_two_pieces() -> None:
    now = Arrangement(np.array([0, -1, -1, 1]), np.zeros(4, int))
    for cell, expected in ((3, [2]), (1, [2]), (0, [])):
        unary = np.zeros((4, 3, 4), np.float32)
        unary[cell, 2, 1] = 9.0
        found = found_elsewhere(now, unary, _unseen(3), (2, 2), -2.0, {2: 0})
        assert found == expected, cell  # in its twin's own cell it tells nothing


def _unseen(count: int) -> Fit:
    """Of pieces without sides."""
    nothing = csr_matrix((4 * count, 4 * count), dtype=np.float32)
    kinds, trust = np.ones(4 * count, np.int8), np.zeros(4 * count, np.float32)
    return Fit(nothing, kinds, trust, 0.04, 1.0)
