"""From maps made by hand back to the places and angles they were made from."""

import numpy as np
import pytest
import torch

from heatmap_locator.geometry import STRIDE, angle_difference
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.search.decode import (
    Candidate,
    best_apart,
    decode,
    find_peaks,
    heatmap,
    suppress,
)
from heatmap_train.locator.losses import splat_centers

ROTATIONS, GAIN = 36, 9.0
SIZE = (14, 17)


def maps_of(
    places: list[tuple[float, float]],
    degrees: float = 0.0,
    log_size: tuple[float, float] = (0.0, 0.0),
    heights: list[float] | None = None,
) -> HeadMaps:
    """What a perfect head would say of pieces at (x, y) working pixels."""
    height, width = SIZE
    heights = heights or [1.0] * len(places)
    heat = torch.zeros(1, 1, height, width)
    offset = torch.full((1, 2, height, width), 0.5)
    for (x, y), value in zip(places, heights, strict=True):
        peak = value * splat_centers(torch.tensor([[x, y]]), height, width)
        heat = torch.maximum(heat, peak)
        cell = int(y // STRIDE), int(x // STRIDE)
        offset[0, :, cell[0], cell[1]] = torch.tensor([x / STRIDE % 1, y / STRIDE % 1])
    step = 360 / ROTATIONS
    best = round(degrees / step)
    turn = np.deg2rad((degrees - best * step) * GAIN)
    rotation = torch.empty(1, 2, height, width)
    rotation[:, 0], rotation[:, 1] = float(np.sin(turn)), float(np.cos(turn))
    size = torch.empty(1, 2, height, width)
    size[:, 0], size[:, 1] = log_size
    return HeadMaps(
        10 * heat - 5, size, offset, rotation, torch.full((1, height, width), best % ROTATIONS)
    )


@pytest.mark.parametrize("place", [(20.0, 32.0), (13.1, 7.9), (66.9, 55.2), (0.4, 0.2)])
def test_a_centre_comes_back(place: tuple[float, float]) -> None:
    (found,) = decode(maps_of([place], log_size=(0.1, -0.2)), ROTATIONS, GAIN, 1, level=3)
    assert (found.x, found.y) == pytest.approx(place, abs=1e-4)
    assert found.log_size == pytest.approx((0.1, -0.2))
    assert found.logit == pytest.approx(5)
    assert found.level == 3


@pytest.mark.parametrize("degrees", [*np.arange(0, 360, 7.3), 359.99, 4.999, 5.001])
def test_an_angle_comes_back(degrees: float) -> None:
    (found,) = decode(maps_of([(30.0, 30.0)], degrees), ROTATIONS, GAIN, 1)
    assert 0 <= found.rotation < 360
    assert abs(angle_difference(found.rotation, degrees)) < 1e-3


def test_an_angle_a_hair_below_zero_is_below_360() -> None:
    maps = maps_of([(30.0, 30.0)])
    maps.rotation[:, 0], maps.rotation[:, 1] = -1e-20, 1.0
    assert decode(maps, ROTATIONS, GAIN, 1)[0].rotation == 0


def test_a_residual_of_up_to_two_steps_is_read() -> None:
    maps = maps_of([(30.0, 30.0)])
    turn = np.deg2rad(-17.0 * GAIN)
    maps.rotation[:, 0], maps.rotation[:, 1] = float(np.sin(turn)), float(np.cos(turn))
    assert decode(maps, ROTATIONS, GAIN, 1)[0].rotation == pytest.approx(343, abs=1e-3)


def test_an_offset_stays_within_its_cell() -> None:
    maps = maps_of([(22.0, 30.0)])
    maps.offset[:] = torch.tensor([7.0, -3.0]).view(1, 2, 1, 1)
    (found,) = decode(maps, ROTATIONS, GAIN, 1)
    assert (found.x, found.y) == (24, 28)


def test_candidates_are_best_first_and_no_more_than_asked() -> None:
    places = [(6.0, 6.0), (40.0, 10.0), (10.0, 46.0), (58.0, 46.0)]
    maps = maps_of(places, heights=[0.6, 0.9, 1.0, 0.8])
    found = decode(maps, ROTATIONS, GAIN, 3)
    assert [(round(c.x), round(c.y)) for c in found] == [(10, 46), (40, 10), (58, 46)]
    assert [c.logit for c in found] == sorted((c.logit for c in found), reverse=True)


def test_a_near_second_peak_is_dropped_and_a_far_one_kept() -> None:
    near = decode(maps_of([(20.0, 20.0), (28.5, 20.0)], heights=[1.0, 0.9]), ROTATIONS, GAIN, 5)
    assert [round(c.x) for c in near if c.logit > 0] == [20]
    far = decode(maps_of([(20.0, 20.0), (40.5, 20.0)], heights=[1.0, 0.9]), ROTATIONS, GAIN, 5)
    assert [round(c.x) for c in far if c.logit > 0] == [20, 40]


def test_peaks_may_lie_on_the_border() -> None:
    heat = np.zeros((5, 6), np.float32)
    heat[0, 0], heat[4, 5], heat[2, 2] = 1, 3, 2
    assert find_peaks(heat)[:3] == [(4, 5), (2, 2), (0, 0)]


def test_suppress_keeps_the_best_of_near_ones() -> None:
    def at(x: float, logit: float) -> Candidate:
        return Candidate(x, 0.0, 0.0, (0.0, 0.0), logit, 0)

    kept = suppress([at(0, 1), at(9, 2), at(18, 0), at(20, 3)], 10)
    assert [c.x for c in kept] == [20, 9]


def test_of_two_places_the_larger_reach_counts() -> None:
    places = np.array([(0.0, 0.0), (6.0, 0.0), (30.0, 0.0), (42.0, 0.0)])
    reach, scores = np.array([5.0, 5.0, 20.0, 5.0]), np.array([3.0, 2.0, 1.0, 0.0])
    assert best_apart(places, reach, scores) == [0, 1, 2]
    assert best_apart(places, reach, -scores) == [3, 1, 0]
    assert best_apart(places, 0.0, scores, 2) == [0, 1]
    assert best_apart(np.zeros((0, 2)), np.zeros(0), np.zeros(0)) == []


def test_heatmap_is_a_probability() -> None:
    values = heatmap(maps_of([(30.0, 30.0)]))
    assert values.shape == SIZE
    assert values.dtype == np.float32
    assert values.max() == pytest.approx(1 / (1 + np.exp(-5)))
    assert values.min() == pytest.approx(1 / (1 + np.exp(5)), rel=1e-3)
