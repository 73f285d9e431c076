"""Crops of the very file: found to the pixel, and told from places that only look alike."""

import cv2
import numpy as np
import pytest

from heatmap_locator.geometry import transform
from heatmap_locator.grid import Grid
from heatmap_locator.search.identical import EQUALS, GAIN, find_identical
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
    found = find_identical(prepare_piece(_opaque(crop)), sky, None)
    assert len(found) == 1
    assert _middle(found[0], crop) == (225.0, 120.0)
    assert found[0].rotation == 90.0 * quarter
    assert found[0].logit == pytest.approx(GAIN)


def test_what_is_not_in_the_file_is_not_found(sky: np.ndarray) -> None:
    other = cv2.GaussianBlur(sky[100:140, 200:250], (0, 0), 2) // 2
    assert find_identical(prepare_piece(_opaque(other)), sky, None) == []


def test_a_recompressed_crop_earns_less(sky: np.ndarray) -> None:
    crop = np.ascontiguousarray(sky[100:140, 200:250])
    coded = cv2.imdecode(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, 90])[1], 1)
    found = find_identical(prepare_piece(_opaque(coded)), sky, None)
    assert 0 < found[0].logit < GAIN


def test_of_places_that_are_the_same_the_middle_of_a_cell_is_taken() -> None:
    wall = np.full((240, 320, 3), 90, np.uint8)
    wall[:, :60] = 140
    crop = wall[80:120, 200:250]
    found = find_identical(prepare_piece(_opaque(crop)), wall, Grid(6, 6))
    x, y = _middle(found[0], crop)
    # Cells are 53.3 x 40; the crop is rounded down by more than a pixel.
    assert x % (320 / 6) == pytest.approx(320 / 12, abs=2)
    assert y % 40 == pytest.approx(20, abs=2)
    assert x > 60


def test_of_many_places_that_are_the_same_each_earns_less() -> None:
    wall = np.full((240, 320, 3), 90, np.uint8)
    crop = wall[80:120, 200:253]
    found = find_identical(prepare_piece(_opaque(crop)), wall, Grid(6, 6))
    cells = {(int(y // 40), int(x // (320 / 6))) for x, y in (_middle(m, crop) for m in found)}
    assert len(cells) == len(found) == EQUALS
    # 36 cells, upright and upside down; on its side it fits in more places still.
    assert found[0].logit <= GAIN - np.log(2 * 36)


def test_one_grain_tells_the_place_where_squares_are_lost_in_rounding() -> None:
    wall = np.full((1200, 1600, 3), 250, np.uint8)
    wall[:600] = 251
    wall[700, 900, 2] = 249
    crop = wall[640:720, 880:960]
    found = find_identical(prepare_piece(_opaque(crop)), wall, Grid(15, 20))
    assert _middle(found[0], crop) == (920.0, 680.0)
    assert found[0].rotation == 0.0
    assert found[0].logit == pytest.approx(GAIN)


def test_a_crop_of_another_size_than_a_cell_may_lie_anywhere(sky: np.ndarray) -> None:
    crop = np.ascontiguousarray(sky[101:141, 203:233])
    found = find_identical(prepare_piece(_opaque(crop)), sky, Grid(6, 6))
    assert _middle(found[0], crop) == (218.0, 121.0)


def _middle(found: Laid, crop: np.ndarray) -> tuple[float, float]:
    """Where the middle of a crop lies in the picture."""
    height, width = crop.shape[:2]
    x, y = transform(found.matrix, np.array([[width / 2, height / 2]]))[0]
    return float(x), float(y)


def _opaque(crop: np.ndarray) -> np.ndarray:
    return np.dstack([crop, np.full(crop.shape[:2], 255, np.uint8)])
