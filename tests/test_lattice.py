"""What the cut says of places."""

import numpy as np
import pytest
import torch

from heatmap_locator.grid import Grid
from heatmap_locator.search.lattice import cell_evidence, turn_evidence


def test_the_middle_of_every_cell_is_likely_and_its_corner_is_not() -> None:
    grid = Grid(4, 6)
    middles = torch.tensor(
        [[50.0, 50.0], [550.0, 350.0], [58.0, 50.0], [100.0, 100.0], [100.0, 50.0]]
    )
    found = cell_evidence(middles, grid, 600, 400)
    assert found[0] > 2
    assert float(found[1]) == pytest.approx(float(found[0]), abs=0.5)
    assert found[0] > found[2] > found[4]
    assert float(found[3]) == pytest.approx(float(found[4]), abs=0.05)
    assert found[3] < -1


def test_evidence_is_a_likelihood_ratio() -> None:
    """Its exponential is 1 in the mean over anywhere, or it would favour some puzzles."""
    along = (np.arange(200) + 0.5) / 200
    xs, ys = np.meshgrid(along, along)
    middles = np.column_stack([xs.ravel(), ys.ravel()]) * 40 + [80, 120]
    assert float(
        cell_evidence(torch.from_numpy(middles), Grid(6, 6), 240, 240).exp().mean()
    ) == pytest.approx(1, abs=0.02)
    angles = torch.arange(0, 360, 0.1)
    assert float(turn_evidence(angles, 37.0).exp().mean()) == pytest.approx(1, abs=0.02)


def test_trust_in_the_lattice_fades_towards_the_edge_of_a_large_puzzle() -> None:
    grid = Grid(60, 60)
    near = cell_evidence(torch.tensor([[610.0, 610.0], [1190.0, 610.0]]), grid, 1200, 1200)
    assert near[0] > 3 > near[1] > 1


def test_quarter_turns_of_the_right_angle_are_alike() -> None:
    found = turn_evidence(torch.tensor([10.0, 100.0, 190.0, 280.0, 55.0]), 10.0)
    assert found[:4].tolist() == pytest.approx([float(found[0])] * 4)
    assert found[0] > 1.5
    assert found[4] < -1
