"""Where a piece's body lies, and what the cut says of places."""

import math

import numpy as np
import pytest

from heatmap_locator.geometry import similarity
from heatmap_locator.grid import Grid
from heatmap_locator.search.lattice import cell_evidence, find_body, turn_evidence
from heatmap_train.draw.cutter import cut_grid, rasterize

CELL_SIDE = 90.0


@pytest.mark.parametrize("rotation", [0.0, 31.0, 90.0, 207.0])
def test_bodies_of_cut_pieces_lie_in_their_cells_and_square(rotation: float) -> None:
    rng = np.random.default_rng(int(rotation))
    cut = cut_grid(5, 5, 5 * CELL_SIDE, 5 * CELL_SIDE, rng)
    off, turn = [], []
    for index in range(25):
        row, col = divmod(index, 5)
        photo = similarity(cut.cell_center(row, col), (110.0, 110.0), rotation, 1.0)
        body = find_body(rasterize(cut.outline(row, col), (220, 220), photo))
        off.append(math.dist(body.middle, (110.0, 110.0)) / CELL_SIDE)
        turn.append(abs((body.direction - rotation + 45) % 90 - 45))
    assert np.median(off) < 0.03
    assert max(off) < 0.1
    assert np.median(turn) < 1.5


def test_a_rectangle_s_body_is_itself() -> None:
    mask = np.zeros((60, 90), np.float32)
    mask[10:40, 20:70] = 1
    body = find_body(mask)
    assert body.middle == pytest.approx((45.0, 25.0), abs=0.3)
    assert min(body.direction, 90 - body.direction) < 0.5


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (1, 40)])
def test_specks_have_a_body_too(shape: tuple[int, int]) -> None:
    body = find_body(np.ones(shape, np.float32))
    assert body.middle == pytest.approx((shape[1] / 2, shape[0] / 2), abs=1.0)
    assert 0 <= body.direction < 90


def test_the_middle_of_every_cell_is_likely_and_its_corner_is_not() -> None:
    grid = Grid(4, 6)
    middles = np.array([[50.0, 50.0], [550.0, 350.0], [58.0, 50.0], [100.0, 100.0], [100.0, 50.0]])
    found = cell_evidence(middles, grid, 600, 400)
    assert found[0] > 2
    assert found[1] == pytest.approx(found[0], abs=0.5)
    assert found[0] > found[2] > found[4]
    assert found[3] == pytest.approx(found[4], abs=0.05)
    assert found[3] < -1


def test_evidence_is_a_likelihood_ratio() -> None:
    """Its exponential is 1 in the mean over anywhere, or it would favour some puzzles."""
    along = (np.arange(200) + 0.5) / 200
    xs, ys = np.meshgrid(along, along)
    middles = np.column_stack([xs.ravel(), ys.ravel()]) * 40 + [80, 120]
    assert np.exp(cell_evidence(middles, Grid(6, 6), 240, 240)).mean() == pytest.approx(1, abs=0.02)
    angles = np.arange(0, 360, 0.1)
    assert np.exp(turn_evidence(angles, 37.0)).mean() == pytest.approx(1, abs=0.02)


def test_trust_in_the_lattice_fades_towards_the_edge_of_a_large_puzzle() -> None:
    grid = Grid(60, 60)
    near = cell_evidence(np.array([[610.0, 610.0], [1190.0, 610.0]]), grid, 1200, 1200)
    assert near[0] > 3 > near[1] > 1


def test_quarter_turns_of_the_right_angle_are_alike() -> None:
    found = turn_evidence(np.array([10.0, 100.0, 190.0, 280.0, 55.0]), 10.0)
    assert found[:4] == pytest.approx([found[0]] * 4)
    assert found[0] > 1.5
    assert found[4] < -1
