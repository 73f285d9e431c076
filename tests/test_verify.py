"""Crops of the very file: found to the pixel, and told from places that only look alike."""

import cv2
import numpy as np
import pytest

from heatmap_locator.geometry import transform
from heatmap_locator.grid import Grid
from heatmap_locator.search.answer import recognise
from heatmap_locator.search.identical import EQUALS, GAIN, find_identical, verify
from heatmap_locator.search.piece import prepare_piece
from heatmap_locator.search.place import Laid


@pytest.fixture(scope="module")
def sky() -> np.ndarray:
    """(240, 320, 3) a soft gradient with a grain of two levels, nearly flat."""
    rng = np.random.default_rng(3)
    slope = np.linspace(120, 150, 320)[None, :, None] + np.linspace(0, 9, 240)[:, None, None]
    return (slope + rng.integers(0, 3, (240, 320, 3))).astype(np.uint8)


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_a_flat_crop_is_found_by_its_grain(sky: np.ndarray, quarter: int) -> None:
    crop = np.ascontiguousarray(np.rot90(sky[100:140, 200:250], -quarter))
    found = find_identical(prepare_piece(_opaque(crop), cutout=True), sky, None)
    assert len(found) == 1
    assert _middle(found[0], crop) == (225.0, 120.0)
    assert found[0].rotation == 90.0 * quarter
    assert found[0].logit == pytest.approx(GAIN)


def test_where_sums_leave_a_place_the_whole_picture_is_not_correlated(
    sky: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "matchTemplate", None)
    crop = sky[100:140, 200:250]
    for grid in (None, Grid(6, 6), Grid(6, 6, exact=False)):
        found = find_identical(prepare_piece(_opaque(crop), cutout=True), sky, grid)
        assert [(_middle(one, crop), one.rotation) for one in found] == [((225.0, 120.0), 0.0)]


@pytest.mark.slow
def test_sums_beyond_32_bits_are_still_told_apart() -> None:
    rng = np.random.default_rng(1)
    white = (255 - rng.integers(0, 2, (3000, 3200, 3))).astype(np.uint8)
    crop = white[2940:2960, 3100:3130]
    found = find_identical(prepare_piece(_opaque(crop), cutout=True), white, None)
    assert [_middle(one, crop) for one in found] == [(3115.0, 2950.0)]


@pytest.mark.parametrize("seed", range(6))
def test_pixels_that_are_equal_earn_all_there_is(seed: int) -> None:
    """Correlation of nearly flat print loses in rounding, which sent every such crop searching."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(180, 215, 320)[None, :, None] + np.linspace(0, 9, 240)[:, None, None]
    picture = (slope + rng.integers(0, 5, (240, 320, 3))).astype(np.uint8)
    piece = prepare_piece(_opaque(picture[100:140, 200:250]), cutout=True)
    place = np.array([[1.0, 0.0, 203.0], [0.0, 1.0, 98.0]])
    found = verify(Laid(place, 0.0, 1.5), piece, picture)
    assert found.logit == 1.5 + GAIN
    np.testing.assert_array_equal(found.matrix[:, 2], [200, 100])


def test_of_equal_places_none_is_sure_though_one_was_recognised() -> None:
    wall = np.full((240, 320, 3), 90, np.uint8)
    wall[:, :60] = np.random.default_rng(0).integers(0, 255, (240, 60, 3))
    piece = prepare_piece(_opaque(wall[80:120, 200:253]), cutout=True)
    laid = Laid(np.array([[1.0, 0.0, 200.0], [0.0, 1.0, 80.0]]), 0.0, 1.5)
    first, second = recognise([laid], piece, wall, Grid(6, 6))[:2]
    assert first.logit == pytest.approx(second.logit)
    assert first.logit < 1.5 + GAIN - np.log(4)


def test_what_is_not_in_the_file_is_not_found(sky: np.ndarray) -> None:
    other = cv2.GaussianBlur(sky[100:140, 200:250], (0, 0), 2) // 2
    assert find_identical(prepare_piece(_opaque(other), cutout=True), sky, None) == []


def test_a_recompressed_crop_earns_less(sky: np.ndarray) -> None:
    crop = np.ascontiguousarray(sky[100:140, 200:250])
    coded = cv2.imdecode(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], 1)
    found = find_identical(prepare_piece(_opaque(coded), cutout=True), sky, None)
    assert 0 < found[0].logit < GAIN


def test_of_places_that_are_the_same_the_middle_of_a_cell_is_taken() -> None:
    wall = np.full((240, 320, 3), 90, np.uint8)
    wall[:, :60] = 140
    crop = wall[80:120, 200:250]
    found = find_identical(prepare_piece(_opaque(crop), cutout=True), wall, Grid(6, 6))
    x, y = _middle(found[0], crop)
    # Cells are 53.3 x 40; the crop is rounded down by more than a pixel.
    assert x % (320 / 6) == pytest.approx(320 / 12, abs=2)
    assert y % 40 == pytest.approx(20, abs=2)
    assert x > 60


def test_of_many_places_that_are_the_same_each_earns_less() -> None:
    wall = np.full((240, 320, 3), 90, np.uint8)
    crop = wall[80:120, 200:253]
    found = find_identical(prepare_piece(_opaque(crop), cutout=True), wall, Grid(6, 6))
    cells = {(int(y // 40), int(x // (320 / 6))) for x, y in (_middle(m, crop) for m in found)}
    assert len(cells) == len(found) == EQUALS
    # 36 cells, upright and upside down; on its side it fits in more places still.
    assert found[0].logit <= GAIN - np.log(2 * 36)


def test_one_grain_tells_the_place_where_squares_are_lost_in_rounding() -> None:
    wall = np.full((1200, 1600, 3), 250, np.uint8)
    wall[:600] = 251
    wall[700, 900, 2] = 249
    crop = wall[640:720, 880:960]
    found = find_identical(prepare_piece(_opaque(crop), cutout=True), wall, Grid(15, 20))
    assert _middle(found[0], crop) == (920.0, 680.0)
    assert found[0].rotation == 0.0
    assert found[0].logit == pytest.approx(GAIN)


def test_a_crop_of_another_size_than_a_cell_may_lie_anywhere(sky: np.ndarray) -> None:
    crop = np.ascontiguousarray(sky[101:141, 203:233])
    found = find_identical(prepare_piece(_opaque(crop), cutout=True), sky, Grid(6, 6))
    assert _middle(found[0], crop) == (218.0, 121.0)


def _middle(found: Laid, crop: np.ndarray) -> tuple[float, float]:
    """Where the middle of a crop lies in the picture."""
    height, width = crop.shape[:2]
    x, y = transform(found.matrix, np.array([[width / 2, height / 2]]))[0]
    return float(x), float(y)


def _opaque(crop: np.ndarray) -> np.ndarray:
    return np.dstack([crop, np.full(crop.shape[:2], 255, np.uint8)])
