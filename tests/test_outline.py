"""Outlines on scenes made here: a drawn piece on a table of one colour."""

import cv2
import numpy as np
import pytest
from drawn_pieces import draw_shape

from heatmap_locator.errors import InputError
from heatmap_locator.outline.find import find_outline

_BACKGROUNDS = {
    "black": (28, 28, 30),
    "white": (246, 246, 242),
    "green": (90, 190, 95),
    "red": (215, 60, 85),
    "wood": (165, 125, 85),
}


def _scene(background: tuple[int, int, int], shadow: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A photo (260, 260, 3) uint8 of a blue and ochre piece, and its mask (260, 260) uint8."""
    rng = np.random.default_rng(5)
    mask = draw_shape(120, 0.4, 260, (1, -1, 1, -1))
    photo = np.ones((260, 260, 3)) * background
    if shadow:
        dark = cv2.warpAffine(
            mask.astype(np.float32), np.float32([[1, 0, 5], [0, 1, 7]]), (260, 260)
        )
        photo *= 1.0 - shadow * cv2.GaussianBlur(dark, (0, 0), 3.0)[..., None]
    photo *= np.linspace(0.93, 1.05, 260)[:, None, None]  # light that falls off
    left = (np.arange(260) < 125)[None, :, None]
    printed = np.where(left, (60, 110, 190), (200, 150, 40)) * np.ones((260, 260, 1))
    photo = np.where(mask[..., None] > 0, printed, photo)
    photo = cv2.GaussianBlur(photo, (0, 0), 0.8) + rng.normal(0, 2.0, photo.shape)
    return np.clip(photo, 0, 255).astype(np.uint8), mask


def _iou(found: np.ndarray, truth: np.ndarray) -> float:
    a, b = found > 0.5, truth > 0.5
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("name", _BACKGROUNDS)
@pytest.mark.parametrize("shadow", [0.0, 0.45])
def test_piece_on_a_plain_background(name: str, shadow: float) -> None:
    photo, truth = _scene(_BACKGROUNDS[name], shadow)
    found = find_outline(photo, None)
    assert found.shape == truth.shape
    assert found.dtype == np.float32
    assert 0.0 <= found.min() <= found.max() <= 1.0
    assert _iou(found, truth) >= 0.93


def test_same_photo_same_outline() -> None:
    photo, _ = _scene(_BACKGROUNDS["green"], 0.4)
    np.testing.assert_array_equal(find_outline(photo, None), find_outline(photo.copy(), None))


def test_large_photo_of_a_small_piece() -> None:
    photo, truth = _scene(_BACKGROUNDS["green"])
    large = np.ones((1500, 2000, 3), np.uint8) * np.array(_BACKGROUNDS["green"], np.uint8)
    rng = np.random.default_rng(1)
    large = np.clip(large + rng.normal(0, 2.0, large.shape), 0, 255).astype(np.uint8)
    view = large[400:660, 700:960]
    view[truth > 0] = photo[truth > 0]
    expected = np.zeros((1500, 2000), np.uint8)
    expected[400:660, 700:960] = truth
    found = find_outline(large, None)
    assert found.shape == (1500, 2000)
    assert _iou(found, expected) >= 0.93


def test_neighbour_at_the_edge_is_left_out() -> None:
    photo, truth = _scene(_BACKGROUNDS["white"])
    photo[:40, :60] = (90, 40, 120)
    assert _iou(find_outline(photo, None), truth) >= 0.93


def test_crop_of_the_picture_is_all_piece() -> None:
    rng = np.random.default_rng(2)
    small = rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)
    crop = cv2.resize(small, (150, 130), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(find_outline(crop, None), np.ones((130, 150), np.float32))


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 400, 3), (60, 60, 3)])
def test_one_colour_is_all_piece(shape: tuple[int, int, int]) -> None:
    assert find_outline(np.full(shape, 130, np.uint8), None).min() == 1.0


def test_alpha_wins_and_only_its_biggest_part_counts() -> None:
    truth = draw_shape(120, 0.2, 260, (1, 1, -1, 0))
    alpha = truth * 255
    alpha[130, 130] = 0  # a pinhole
    alpha[5:12, 5:12] = 255  # a crumb
    found = find_outline(np.full((260, 260, 3), 99, np.uint8), alpha)
    np.testing.assert_array_equal(found > 0.5, truth > 0)
    assert found[130, 130] == 1.0


def test_soft_alpha_stays_soft() -> None:
    alpha = np.zeros((40, 40), np.uint8)
    alpha[10:30, 10:30] = 255
    alpha[9, 10:30] = 64
    found = find_outline(np.zeros((40, 40, 3), np.uint8), alpha)
    assert found[9, 20] == pytest.approx(64 / 255)


def test_transparent_alpha_is_refused() -> None:
    with pytest.raises(InputError, match=r"ghost: .*transparent"):
        find_outline(np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.uint8), "ghost")


def _cut_out(fill: int, dark: bool) -> tuple[np.ndarray, np.ndarray]:
    """A print, a third of it hardly lighter than black, cut out and laid on one flat colour."""
    rng = np.random.default_rng(3)
    mask = draw_shape(80, 0.3, 140, (1, -1, -1, 1))
    printed = rng.integers(60, 200, (140, 140, 3))
    if dark:
        printed[:, :70] = rng.integers(3, 9, (140, 70, 3))
    cover = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.5)[..., None]
    return (printed * cover + fill * (1 - cover)).round().astype(np.uint8), mask


@pytest.mark.parametrize("fill", [0, 255])
def test_a_cut_out_on_one_colour_is_found_to_the_pixel_dark_print_included(fill: int) -> None:
    photo, mask = _cut_out(fill, dark=fill == 0)
    assert _iou(find_outline(photo, None), mask) > 0.94


def test_the_faint_halo_that_jpeg_leaves_on_a_fill_is_not_the_outline() -> None:
    photo, mask = _cut_out(255, dark=False)
    coded = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
    assert _iou(find_outline(cv2.imdecode(coded, cv2.IMREAD_COLOR), None), mask) > 0.9


def test_a_motif_on_a_flat_border_is_no_cut_out() -> None:
    photo = np.full((120, 120, 3), 250, np.uint8)
    cv2.line(photo, (20, 30), (100, 80), (20, 40, 90), 3)
    assert (find_outline(photo, None) == 1).all()
