"""Colours of pieces that share a light: what they say of cells, and when they say nothing."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from locator_support import COLS, FIXTURES, ROWS, cell

from heatmap_locator import InputError, Locator, Puzzle
from heatmap_locator.grid import Grid
from heatmap_locator.picture.done import Done
from heatmap_locator.picture.shared_light import (
    LEAST,
    MOST,
    SharedLight,
    colour_of,
    colours_of_cells,
    lit_by,
)

picture, locator, puzzle = FIXTURES


def _cells(seed: int = 0) -> np.ndarray:
    """(rows * cols, 3) colours: a sky that grows paler downwards, colourful land below it."""
    rng = np.random.default_rng(seed)
    sky = np.linspace((0.25, 0.45, 0.8), (0.7, 0.8, 0.9), 4)[:, None].repeat(12, 1)
    land = rng.uniform(0.1, 0.9, (5, 12, 3))
    return np.log(np.concatenate([sky, land]).reshape(-1, 3) + 0.03)


def _seen(cells: np.ndarray, seed: int, exposure: float = 0.06, white: float = 0.02) -> np.ndarray:
    """(N, 3) the same in another light, each photo exposed a little otherwise."""
    rng = np.random.default_rng(seed)
    drift = rng.normal(0, exposure, (len(cells), 1)) + rng.normal(0, white, cells.shape)
    found: np.ndarray = cells * [1.1, 0.95, 0.9] + [0.1, -0.05, -0.2] + drift
    return found


def _told(seen: np.ndarray, placed: np.ndarray, cells: np.ndarray) -> np.ndarray | None:
    """(cells, N) what the light of some pieces says of all, in every cell."""
    red = [(float(r), float(g), float(b)) for r, g, b in seen]
    lit = lit_by([red[n] for n in placed], placed.tolist(), cells)
    return None if lit is None else np.stack([lit.log_ratios(own) for own in red], axis=1)


def test_a_picture_in_another_light_is_known_by_its_pieces() -> None:
    cells = _cells()
    seen, land = _seen(cells, 1), np.arange(48, 108)
    light = SharedLight.of(seen[land], cells[land])
    np.testing.assert_allclose(light.matrix[:3], np.diag([1.1, 0.95, 0.9]), atol=0.08)
    told = _told(seen, land, cells)
    assert told is not None
    assert told.shape == (108, 108)
    # Sky's rows are told apart, its columns are not.
    sky = told[:48, :48].reshape(4, 12, 4, 12)
    right = np.array([sky[row, :, row].mean() for row in range(4)])
    wrong = np.array([sky[row, :, 3 - row].mean() for row in range(4)])
    assert (right > 1).all()
    assert (wrong[[0, 3]] < 0).all()


def test_odds_are_those_against_any_cell() -> None:
    cells = _cells()
    told = _told(_seen(cells, 2), np.arange(48, 108), cells)
    assert told is not None
    assert told.max() <= MOST
    odds = np.exp(told.astype(float)).mean(axis=0)
    assert odds.max() <= 1.001
    np.testing.assert_allclose(odds[told.max(axis=0) < MOST - 0.01], 1, atol=1e-3)


def test_few_pieces_tell_nothing() -> None:
    cells = _cells()
    seen = _seen(cells, 3)
    assert _told(seen, np.arange(48, 48 + LEAST - 1), cells) is None
    assert _told(seen, np.arange(48, 48 + LEAST), cells) is not None


def test_photos_that_share_no_light_tell_nothing() -> None:
    """Nor do pieces whose colours have nothing to do with their cells."""
    cells, rng = _cells(), np.random.default_rng(4)
    own = cells * rng.normal(1, 0.2, cells.shape) + rng.normal(0, 0.3, cells.shape)
    told = _told(own, np.arange(48, 108), cells)
    shared = _told(_seen(cells, 4), np.arange(48, 108), cells)
    assert shared is not None
    true = np.arange(48)
    assert told is None or shared[true, true].mean() > told[true, true].mean() + 0.3
    shuffled = _seen(cells, 4)[rng.permutation(108)]
    assert _told(shuffled, np.arange(48, 108), cells) is None


def test_a_wrong_place_among_the_sure_ones_is_outvoted() -> None:
    cells = _cells()
    seen = _seen(cells, 5)
    seen[60] = seen[0]
    told = _told(seen, np.arange(48, 108), cells)
    assert told is not None
    assert told[60, 60] < -1
    assert told[0, 60] > 1


def test_a_piece_has_the_colour_of_its_print() -> None:
    rgb = np.full((80, 80, 3), 250, np.uint8)
    mask = np.zeros((80, 80), np.float32)
    mask[20:60, 20:60] = 1
    rgb[20:60, 20:60] = (200, 100, 50)
    rgb[20:22, 20:60] = 240  # the bevel
    rgb[30:40, 30:40] = 255  # a highlight
    found = colour_of(rgb, mask)
    assert found is not None
    np.testing.assert_allclose(found, np.log(np.array([200, 100, 50]) / 255 + 0.03), atol=1e-6)
    rgb[24:56, 24:50] = 255
    assert colour_of(rgb, mask) is None
    rgb[20:60, 20:60] = 5
    assert colour_of(rgb, mask) is None
    assert colour_of(rgb, np.zeros_like(mask)) is None


def test_cells_have_the_mean_of_their_print() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:20, 30:] = (255, 128, 0)
    found = colours_of_cells(picture, Grid(2, 2))
    assert found.shape == (4, 3)
    np.testing.assert_allclose(found[1], np.log(np.array([255, 128, 0]) / 255 + 0.03), atol=1e-6)
    np.testing.assert_allclose(found[[0, 2, 3]], np.log(0.03), atol=1e-6)


def _dim(photo: np.ndarray) -> np.ndarray:
    """A cell as a camera of another white balance sees it, which is no pixel of the picture."""
    found = cv2.resize(photo, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    return (found * np.array([0.8, 0.7, 0.6])).astype(np.uint8)


def test_later_pieces_are_found_in_the_light_of_earlier_ones(
    puzzle: Puzzle, picture: np.ndarray
) -> None:
    photos = [_dim(cell(picture, row, col)) for row in range(ROWS) for col in range(COLS)]
    earlier = [
        replace(found, placements=[replace(found.placements[0], score=0.995)])
        for found in (puzzle.search(photo) for photo in photos[:10])
    ]
    lit = puzzle.with_light(earlier)
    assert puzzle.lit is None
    assert lit.lit is not None
    (before,), (after,) = puzzle.locate(photos[11]), lit.locate(photos[11])
    assert before.why is not None
    assert after.why is not None
    assert before.why.colour == 0
    assert after.cell == (2, 3)
    assert 0 < after.why.colour <= MOST
    assert after.why.print == pytest.approx(before.why.print, abs=1e-6)
    assert after.score >= before.score
    assert after.to_dict()["why"]["colour"] > 0
    assert "colour +" in repr(after)
    # The same photo has the same answer, whatever was asked between.
    lit.search_many(photos[:3])
    assert lit.locate(photos[11]) == [after]
    # And it is forgotten.
    assert lit.with_light([]).lit is None
    assert lit.with_light([]).locate(photos[11]) == [before]


def test_few_or_unsure_pieces_show_no_light(
    puzzle: Puzzle, locator: Locator, picture: np.ndarray
) -> None:
    found = [puzzle.search(_dim(cell(picture, row, col))) for row in range(2) for col in range(4)]
    sure = [replace(one, placements=[replace(one.placements[0], score=0.995)]) for one in found]
    assert puzzle.with_light(sure[: LEAST - 1]).lit is None
    unsure = [replace(one, placements=[replace(one.placements[0], score=0.9)]) for one in found]
    assert puzzle.with_light(unsure).lit is None
    with pytest.raises(InputError, match="needs the cells"):
        locator.encode(picture).with_light(sure)
    done = puzzle.with_light(sure).with_done(Done(np.ones((ROWS, COLS)), ()))
    assert done.lit is not None
    assert done.locate(_dim(cell(picture, 2, 3)))[0].why is not None
