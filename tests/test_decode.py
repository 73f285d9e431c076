"""From maps made by hand back to the places and angles they were made from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from heatmap_locator.geometry import STRIDE, angle_difference
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.search.decode import (
    best_apart,
    decode,
    decode_pixels,
    find_peaks,
    first_apart,
    heatmaps,
    suppress,
)
from heatmap_locator.search.named import Candidate, Named
from heatmap_train.locator.losses import splat_centers

ROTATIONS, GAIN = 36, 9.0
SIZE = (14, 17)


def maps_of(
    places: list[tuple[float, float]],
    degrees: float = 0.0,
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
    return HeadMaps(
        10 * heat - 5, offset, rotation, torch.full((1, height, width), best % ROTATIONS)
    )


def decoded(maps: HeadMaps, top: int) -> list[Candidate]:
    (found,) = decode(maps, ROTATIONS, GAIN, top).candidates(3)
    return found


def peaks_of(heat: np.ndarray) -> list[tuple[int, int]]:
    values, index = find_peaks(torch.from_numpy(heat)[None], 3, 30)
    return [divmod(i, heat.shape[1]) for i in index[values > -torch.inf].tolist()]


@pytest.mark.parametrize("place", [(20.0, 32.0), (13.1, 7.9), (66.9, 55.2), (0.4, 0.2)])
def test_a_centre_comes_back(place: tuple[float, float]) -> None:
    (found,) = decoded(maps_of([place]), 1)
    assert (found.x, found.y) == pytest.approx(place, abs=1e-4)
    assert found.logit == pytest.approx(5)
    assert found.level == 3


@pytest.mark.parametrize("degrees", [*np.arange(0, 360, 7.3), 359.99, 4.999, 5.001])
def test_an_angle_comes_back(degrees: float) -> None:
    (found,) = decoded(maps_of([(30.0, 30.0)], degrees), 1)
    assert 0 <= found.rotation < 360
    assert abs(angle_difference(found.rotation, degrees)) < 1e-3


def test_an_angle_a_hair_below_zero_is_below_360() -> None:
    maps = maps_of([(30.0, 30.0)])
    maps.rotation[:, 0], maps.rotation[:, 1] = -1e-20, 1.0
    assert decoded(maps, 1)[0].rotation == 0


def test_a_residual_of_up_to_two_steps_is_read() -> None:
    maps = maps_of([(30.0, 30.0)])
    turn = np.deg2rad(-17.0 * GAIN)
    maps.rotation[:, 0], maps.rotation[:, 1] = float(np.sin(turn)), float(np.cos(turn))
    assert decoded(maps, 1)[0].rotation == pytest.approx(343, abs=1e-3)


def test_an_offset_stays_within_its_cell() -> None:
    maps = maps_of([(22.0, 30.0)])
    maps.offset[:] = torch.tensor([7.0, -3.0]).view(1, 2, 1, 1)
    (found,) = decoded(maps, 1)
    assert (found.x, found.y) == (24, 28)


def test_candidates_are_best_first_and_no_more_than_asked() -> None:
    places = [(6.0, 6.0), (40.0, 10.0), (10.0, 46.0), (58.0, 46.0)]
    maps = maps_of(places, heights=[0.6, 0.9, 1.0, 0.8])
    found = decoded(maps, 3)
    assert [(round(c.x), round(c.y)) for c in found] == [(10, 46), (40, 10), (58, 46)]
    assert [c.logit for c in found] == sorted((c.logit for c in found), reverse=True)


def test_a_near_second_peak_is_dropped_and_a_far_one_kept() -> None:
    near = decoded(maps_of([(20.0, 20.0), (28.5, 20.0)], heights=[1.0, 0.9]), 5)
    assert [round(c.x) for c in near if c.logit > 0] == [20]
    far = decoded(maps_of([(20.0, 20.0), (40.5, 20.0)], heights=[1.0, 0.9]), 5)
    assert [round(c.x) for c in far if c.logit > 0] == [20, 40]


def test_peaks_may_lie_on_the_border() -> None:
    heat = np.zeros((5, 6), np.float32)
    heat[0, 0], heat[4, 5], heat[2, 2] = 1, 3, 2
    assert peaks_of(heat)[:3] == [(4, 5), (2, 2), (0, 0)]


def test_cells_without_a_number_are_no_peaks_and_hide_none() -> None:
    heat = np.zeros((5, 6), np.float32)
    heat[2, 2], heat[2, 3], heat[0, 5] = 2, np.nan, np.nan
    assert peaks_of(heat)[0] == (2, 2)
    assert (2, 3) not in peaks_of(heat)
    assert peaks_of(np.full((5, 6), np.nan, np.float32)) == []


def test_maps_without_a_number_name_no_place() -> None:
    maps = maps_of([(20.0, 20.0)])
    pixel, bias = torch.rand(1, ROTATIONS, *SIZE), torch.zeros(1, ROTATIONS)
    nowhere = replace(maps, heat=maps.heat * torch.nan)
    assert decoded(nowhere, 5) == []
    for found, correlations in (
        decode_pixels(nowhere, pixel, 5, bias),
        decode_pixels(maps, pixel * torch.nan, 5, bias),
    ):
        assert found.candidates() == [[]]
        assert correlations.shape == found.real.shape


def test_one_rotation_without_a_number_leaves_the_others() -> None:
    pixel = torch.zeros(1, ROTATIONS, *SIZE)
    pixel[0, 3, 5, 6], pixel[0, 4] = 0.9, torch.nan
    found, correlations = decode_pixels(maps_of([]), pixel, 1, torch.zeros(1, ROTATIONS))
    ((place,),) = found.candidates()
    assert (place.x, place.y, place.rotation) == (26, 22, 30)
    assert float(correlations) == pytest.approx(0.9)


def named(places: list[tuple[float, float]], logits: list[float], real: list[bool]) -> Named:
    """Of one piece."""
    at, own = torch.tensor([places]).float(), torch.tensor([logits])
    return Named(at, 0 * own, own, torch.tensor([real]))


def test_suppress_keeps_the_best_of_near_ones() -> None:
    logits = [1.0, 2.0, 0.0, 3.0, 9.0]
    given = named([(0, 0), (9, 0), (18, 0), (20, 0), (9, 1)], logits, [True] * 4 + [False])
    (kept,) = suppress(given, 10, given.logit, 5).candidates()
    assert [c.x for c in kept] == [20, 9]
    (kept,) = suppress(given, 10, -given.logit, 1).candidates()
    assert [c.x for c in kept] == [18]


def test_near_places_in_a_row_are_kept_in_turn_however_many() -> None:
    """As one after the other would be: every second one."""
    at = torch.arange(101.0)
    near = (at[:, None] - at).abs() < 1.5
    first, kept = first_apart(near[None], 101)
    assert first[kept].tolist() == list(range(0, 101, 2))
    assert first_apart(near[None], 3)[0].tolist() == [[0, 2, 4]]


def test_of_two_places_the_larger_reach_counts() -> None:
    places = np.array([(0.0, 0.0), (6.0, 0.0), (30.0, 0.0), (42.0, 0.0)])
    reach, scores = np.array([5.0, 5.0, 20.0, 5.0]), np.array([3.0, 2.0, 1.0, 0.0])
    assert best_apart(places, reach, scores) == [0, 1, 2]
    assert best_apart(places, reach, -scores) == [3, 1, 0]
    assert best_apart(places, 0.0, scores, 2) == [0, 1]
    assert best_apart(np.zeros((0, 2)), np.zeros(0), np.zeros(0)) == []


def test_heatmap_is_a_probability() -> None:
    values = heatmaps(maps_of([(30.0, 30.0)]))[0].numpy()
    assert values.shape == SIZE
    assert values.dtype == np.float32
    assert values.max() == pytest.approx(1 / (1 + np.exp(-5)))
    assert values.min() == pytest.approx(1 / (1 + np.exp(5)), rel=1e-3)
