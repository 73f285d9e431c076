"""Glare on a glossy piece, the hard edge of a shadow across it, and little light."""

import json
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from reports_support import EXAMPLES, is_right, piece

from heatmap_locator.outline.dim import brightened
from heatmap_locator.outline.light import Light, look_at_light, look_for_own_shadow
from heatmap_locator.puzzle import Puzzle
from heatmap_locator.search.piece import prepare_pieces

SIDE = 240


@pytest.fixture(scope="module")
def truth() -> dict[str, dict[str, Any]]:
    """The examples' true places by file."""
    found: dict[str, dict[str, Any]] = json.loads((EXAMPLES / "truth.json").read_text())
    return found


def scene(print_level: float = 120.0) -> tuple[np.ndarray, np.ndarray]:
    """A grey table with a square of checked print, and the square's mask."""
    rng = np.random.default_rng(0)
    photo = np.full((SIDE, SIDE, 3), 150.0) + rng.normal(0, 2, (SIDE, SIDE, 3))
    ys, xs = np.mgrid[:SIDE, :SIDE]
    checks = print_level + 40 * (((xs // 9) + (ys // 9)) % 2)
    mask = np.zeros((SIDE, SIDE), np.float32)
    mask[70:170, 70:170] = 1
    return np.where(mask[..., None] > 0, checks[..., None], photo), mask


def shaded(photo: np.ndarray, factor: float) -> np.ndarray:
    """The photo with a shadow over all that lies right of a slanted line through its middle."""
    ys, xs = np.mgrid[:SIDE, :SIDE]
    beyond = (xs - 120) + 0.3 * (ys - 120) > 0
    return np.where(beyond[..., None], photo * factor, photo)


def test_a_burnt_out_part_is_found_with_its_veil() -> None:
    photo, mask = scene()
    cv2.circle(photo, (110, 110), 20, (255.0,) * 3, -1)
    light = look_at_light(photo.clip(0, 255).astype(np.uint8), mask)
    assert light.lost is not None
    assert light.lost[110, 110] > 0.9
    assert light.lost[110, 134] > 0.5
    assert light.lost[160, 160] < 0.1


def test_what_a_highlight_lights_around_it_is_hidden_as_well() -> None:
    photo, mask = scene(20.0)
    ys, xs = np.mgrid[:SIDE, :SIDE]
    away = np.hypot(xs - 110, ys - 110)
    hard = np.where((away < 20)[..., None], 255.0, photo)
    soft = photo + 300 * np.exp(-(((away - 12).clip(0, None) / 16) ** 2))[..., None]
    sharp, lit = (look_at_light(p.clip(0, 255).astype(np.uint8), mask).lost for p in (hard, soft))
    assert sharp is not None
    assert lit is not None
    inside = mask > 0
    assert sharp[inside & (away > 27.5)].max() < 0.5
    assert lit[inside & (away < 30)].min() > 0.5
    assert lit[inside & (away > 45)].max() < 0.5


def test_white_print_on_a_white_lid_is_no_glare() -> None:
    photo, mask = scene()
    photo[mask == 0] = 254
    photo[80:120, 80:120] = 255
    assert look_at_light(photo.clip(0, 255).astype(np.uint8), mask).lost is None


@pytest.mark.parametrize("factor", [0.35, 0.55])
def test_light_is_made_even_across_a_shadows_edge(factor: float) -> None:
    photo, mask = scene()
    taken = shaded(photo, factor).clip(0, 255).astype(np.uint8)
    light = look_at_light(taken, mask)
    assert light.step == pytest.approx(-np.log(factor), abs=0.15)
    even = light.levelled(taken).astype(float)
    inside = (mask > 0) & (light.lost < 0.1)
    assert np.abs(even - photo)[inside].mean() < 12
    assert light.lost[120, 120] > 0.5  # the edge itself is neither


def test_a_table_of_two_colours_is_no_shadow_on_the_piece() -> None:
    photo, mask = scene()
    taken = np.where(mask[..., None] > 0, photo, shaded(photo, 0.4))
    light = look_at_light(taken.clip(0, 255).astype(np.uint8), mask)
    assert light.step == 0
    assert light.gain is None


def test_even_light_is_left_alone() -> None:
    photo, mask = scene()
    taken = photo.clip(0, 255).astype(np.uint8)
    light = look_at_light(taken, mask)
    assert light.lost is None
    assert light.levelled(taken) is taken


def glossy(radius: int) -> np.ndarray:
    """The example's piece with a lamp mirrored in it."""
    photo = piece().astype(np.float32)
    shine = np.zeros(photo.shape[:2], np.float32)
    cv2.circle(shine, (150, 160), radius, 1.0, -1)
    shine = cv2.GaussianBlur(shine, (0, 0), 7)
    return (photo + 400 * shine[..., None]).clip(0, 255).astype(np.uint8)


def test_the_example_is_found_in_spite_of_glare_and_says_so(example_puzzle: Puzzle) -> None:
    search = example_puzzle.search(glossy(42))
    assert is_right(search.placements[0])
    assert any("shows no print" in doubt for doubt in search.doubts)


def test_so_it_is_cut_out(example_puzzle: Puzzle) -> None:
    mask = example_puzzle.search(piece()).piece_mask
    alpha = np.rint(255 * mask).astype(np.uint8)
    for background in (None, 255):  # as many apps leave what is transparent
        taken = glossy(55)
        if background is not None:
            taken[mask < 0.02] = background
        search = example_puzzle.search(np.dstack([taken, alpha]))
        assert is_right(search.placements[0])
        assert any("shows no print" in doubt for doubt in search.doubts)


def test_white_in_a_cut_out_may_be_print_or_glare() -> None:
    photo, mask = scene()
    cut_out = np.dstack([photo, 255 * mask]).clip(0, 255).astype(np.uint8)
    (as_it_is,) = prepare_pieces([cut_out], cutout=True)
    assert isinstance(as_it_is, list)
    assert [p.hidden for p in as_it_is] == [0]
    cut_out[90:120, 90:120, :3] = 255
    (ways,) = prepare_pieces([cut_out], cutout=True)
    assert isinstance(ways, list)
    print_, glare = (p.hidden for p in ways)
    assert print_ == 0
    assert glare == pytest.approx(44**2 / 100**2, rel=0.3)


def test_the_example_is_found_in_the_dark(example_puzzle: Puzzle) -> None:
    rng = np.random.default_rng(0)
    light = piece() * np.array([0.14, 0.11, 0.08])
    taken = (light + rng.normal(0, 12, light.shape)).clip(0, 255).astype(np.uint8)
    search = example_puzzle.search(taken)
    assert is_right(search.placements[0])
    assert search.piece_rgb.mean() == pytest.approx(taken.mean())  # the photo stays as it is
    assert brightened(piece()) is None


def half_shaded(number: int, angle: float) -> np.ndarray:
    """An example of which everything on one side of its middle lies in shadow."""
    photo = np.array(Image.open(EXAMPLES / f"piece{number}.jpg"))
    height, width = photo.shape[:2]
    ys, xs = np.mgrid[:height, :width]
    beyond = (xs - width / 2) * np.cos(angle) + (ys - height / 2) * np.sin(angle) > 0
    return np.where(beyond[..., None], photo * 0.45, photo).astype(np.uint8)


# The first lies on black, where no shadow is seen beside the piece.
@pytest.mark.parametrize(("number", "angle"), [(1, 0.6), (2, 2.2), (3, 0.6)])
def test_the_examples_in_half_a_shadow(
    number: int, angle: float, example_puzzle: Puzzle, truth: dict[str, dict[str, Any]]
) -> None:
    search = example_puzzle.search(half_shaded(number, angle))
    assert "a shadow's edge lies across it" in search.doubts
    assert list(search.placements[0].cell or ()) == truth[f"piece{number}.jpg"]["cell"]


@pytest.mark.parametrize(("number", "angle"), [(1, 2.2), (3, 4.0)])
def test_so_are_they_cut_out(
    number: int, angle: float, example_puzzle: Puzzle, truth: dict[str, dict[str, Any]]
) -> None:
    mask = example_puzzle.search(EXAMPLES / f"piece{number}.jpg").piece_mask
    alpha = np.rint(255 * mask).astype(np.uint8)
    search = example_puzzle.search(np.dstack([half_shaded(number, angle), alpha]))
    assert "a shadow's edge lies across it" in search.doubts
    assert list(search.placements[0].cell or ()) == truth[f"piece{number}.jpg"]["cell"]


def test_print_may_look_like_a_shadows_edge_and_seldom_does() -> None:
    photo, mask = scene()
    even = photo.clip(0, 255).astype(np.uint8)
    assert look_for_own_shadow(even, mask, Light()) is None
    taken = np.where(mask[..., None] > 0, shaded(photo, 0.4), photo).clip(0, 255).astype(np.uint8)
    found = look_for_own_shadow(taken, mask, Light())
    assert found is not None
    assert found.step == pytest.approx(-np.log(0.4), abs=0.15)
    assert found.lost is not None
    assert found.lost[120, 120] > 0.5
    # One that was found already is not looked for, and light does not fall in one colour alone.
    assert look_for_own_shadow(taken, mask, found) is None
    red = np.dstack([taken[..., 0], even[..., 1:]])
    assert look_for_own_shadow(red, mask, Light()) is None
