"""What ``Puzzle.locate`` and its like answer: order, numbers, scores, several pieces at once."""

from typing import Any

import numpy as np
import pytest
import torch
from conftest import draw_texture
from locator_support import CELL, FIXTURES, HEIGHT, WIDTH, cell, turned

from heatmap_locator import InputError, Locator, Puzzle
from heatmap_locator.model.calibration import WEIGHED, Calibration
from heatmap_locator.search.searcher import Searcher
from heatmap_train.draw.cutter import cut_grid
from heatmap_train.draw.prints import render_print

picture, locator, puzzle = FIXTURES


def test_top_gives_distinct_places_best_first(puzzle: Puzzle, picture: np.ndarray) -> None:
    photo = cell(picture, 0, 1).copy()
    found = puzzle.locate(photo, top=5)
    assert len(found) == 5
    scores = [p.score for p in found]
    assert scores == sorted(scores, reverse=True)
    assert found[0] == puzzle.locate(photo)[0]
    for i, one in enumerate(found):
        for other in found[:i]:
            assert np.hypot(*np.subtract(one.center, other.center)) > CELL / 4


def test_a_search_shows_its_heatmap_and_outline(puzzle: Puzzle, picture: np.ndarray) -> None:
    photo = turned(picture, 1, 2, 37, 1.5)
    search = puzzle.search(photo)
    assert search.placements == puzzle.locate(photo)
    height, width = search.heatmap.shape
    y, x = np.unravel_index(search.heatmap.argmax(), (height, width))
    assert abs((x + 0.5) / width * WIDTH - 2.5 * CELL) < CELL / 4
    assert abs((y + 0.5) / height * HEIGHT - 1.5 * CELL) < CELL / 4
    assert 0 <= search.heatmap.min() <= search.heatmap.max() <= 1
    np.testing.assert_array_equal(search.piece_rgb, photo[..., :3])
    assert search.piece_mask.shape == photo.shape[:2]
    assert search.piece_mask.sum() == pytest.approx((1.5 * CELL) ** 2, rel=0.05)


def test_answers_are_plain_numbers(puzzle: Puzzle, picture: np.ndarray) -> None:
    found = puzzle.locate(cell(picture, 1, 1).copy())[0]
    for value in (*found.box, *found.center, *found.matrix, found.rotation, found.score):
        assert type(value) is float
    assert found.center == pytest.approx(
        ((found.box[0] + found.box[2]) / 2, (found.box[1] + found.box[3]) / 2)
    )
    assert [type(v) for v in found.cell or ()] == [int, int]


def test_the_picture_is_encoded_once(
    locator: Locator, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    encode = locator.model.encode_picture

    def count(tensor: torch.Tensor) -> Any:
        calls.append(tensor.shape)
        return encode(tensor)

    monkeypatch.setattr(locator.model, "encode_picture", count)
    puzzle = locator.encode(picture, grid="3x4")
    assert calls == [(1, 3, 96, 128)]
    for col in range(2):
        puzzle.locate(cell(picture, 0, col).copy())
    assert len(calls) == 1


def test_pieces_do_not_disturb_each_other(puzzle: Puzzle, picture: np.ndarray) -> None:
    photo = cell(picture, 0, 0).copy()
    before = puzzle.locate(photo)
    puzzle.locate(cell(picture, 2, 2).copy())
    assert puzzle.locate(photo) == before


def test_the_score_is_calibrated(locator: Locator, picture: np.ndarray) -> None:
    assert locator.calibration == Calibration(scale=2.0, unseen=-1.0)
    photo = cell(picture, 1, 2).copy()
    elsewhere, ratios = [], []
    for calibration in (Calibration(scale=0.1), Calibration(scale=0.1, places=1.0)):
        other = Locator(locator.model, locator.device, calibration)
        places = other.encode(picture, grid=(3, 4)).locate(photo, WEIGHED)
        scores = np.array([place.score for place in places])
        elsewhere.append((1 - scores.sum()) / scores[0])
        ratios.append(scores / scores[0])
    # One in twelve places: what was not found is twelve times as likely, the rest keep their order.
    np.testing.assert_allclose(elsewhere[1] / elsewhere[0], 12, rtol=1e-6)
    np.testing.assert_allclose(*ratios)


def test_where_a_piece_fits_as_well_in_two_places_neither_is_sure(locator: Locator) -> None:
    """A wall of windows: twice the same picture, side by side."""
    sure = Locator(locator.model, locator.device, Calibration(unseen=-30.0))
    half = draw_texture(120, 80, 5)
    places = sure.encode(np.hstack([half, half]), grid=(3, 4)).locate(half[40:80, :40].copy(), 5)
    assert {p.cell for p in places[:2]} == {(1, 0), (1, 2)}
    assert 0.4 < places[0].score <= 0.5 + 1e-6
    assert sum(p.score for p in places) <= 1 + 1e-6


def test_on_a_cpu_several_pieces_are_answered_to_the_digit_as_one_by_one(
    puzzle: Puzzle, picture: np.ndarray
) -> None:
    photos = [cell(picture, row, 1).copy() for row in range(3)]
    found = [s.placements for s in puzzle.search_many(photos, 3) if not isinstance(s, InputError)]
    assert found == [puzzle.locate(photo, 3) for photo in photos]


def test_several_pieces_at_once_are_answered_as_one_by_one(
    puzzle: Puzzle, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = [cell(picture, row, 1).copy() for row in range(3)]
    nothing = np.full((40, 40, 4), 0, np.uint8)
    asked = [photos[0], nothing, *photos[1:]]
    alone = [puzzle.search(photo, 3) for photo in photos]
    for together in (1, 2, 3):  # on a GPU more than one at once
        monkeypatch.setattr(Searcher, "together", together)
        found = puzzle.search_many(asked, 3)
        assert isinstance(found[1], InputError)
        searches = [f for f in found if not isinstance(f, InputError)]
        assert len(searches) == 3
        for one, other in zip(alone, searches, strict=True):
            np.testing.assert_allclose(one.heatmap, other.heatmap, atol=0.02)
            first, same = one.placements[0], other.placements[0]
            np.testing.assert_allclose(first.box, same.box, atol=0.2)
            assert first.score == pytest.approx(same.score, abs=0.02)
    assert puzzle.search_many([], 3) == []


def knobbed(picture: np.ndarray, row: int, col: int, degrees: float) -> np.ndarray:
    """(S, S, 4) photo of a piece of an interlocking cut of the picture, turned clockwise."""
    rows, cols, zoom = HEIGHT // CELL, WIDTH // CELL, 3.0
    cut = cut_grid(rows, cols, WIDTH, HEIGHT, np.random.default_rng(2))
    photo, mask, _ = render_print(picture, cut.outline(row, col), degrees, zoom, 20.0)
    return np.dstack([photo, (255 * mask).astype(np.uint8)])


def test_places_say_what_speaks_for_them(puzzle: Puzzle, picture: np.ndarray) -> None:
    for (row, col), straight in {(1, 1): False, (0, 1): True, (0, 0): True}.items():
        found = puzzle.locate(knobbed(picture, row, col, 130.0), top=100, cutout=True)
        first = found[0]
        assert first.cell == (row, col)
        whys = [place.why for place in found]
        assert None not in whys
        # Their odds against all places that were not found are what scores are made of.
        odds = np.exp([why.print + why.sides for why in whys if why is not None])
        whole = 1 + odds[:WEIGHED].sum()
        scores = [place.score for place in found]
        assert scores[:WEIGHED] == pytest.approx((odds / whole)[:WEIGHED].tolist())
        assert sum(scores) <= 1 + 1e-9
        assert first.why is not None
        assert first.why.sides > 0.5
        inside = [p for p in found if p.cell in {(1, 1), (1, 2)}]
        assert all((p.why.sides > 0) != straight for p in inside if p.why is not None)


def test_a_flat_piece_of_the_border_is_turned_to_face_out(locator: Locator) -> None:
    flat = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    flat[:] += np.linspace(0, 40, WIDTH).astype(np.uint8)[None, :, None]
    own = locator.encode(flat, grid=(HEIGHT // CELL, WIDTH // CELL))
    for row, col in ((0, 2), (1, 0), (2, 1)):
        search = own.search(knobbed(flat, row, col, 50.0), top=4, cutout=True)
        place = search.placements[0]
        assert place.cell is not None
        edge = {0: place.cell[0] == 0, 90: place.cell[1] == 3, 180: place.cell[0] == 2}
        faces = {0: 0, 1: 270, 2: 180}[row]
        turned_by = round((faces + 50.0 - place.rotation) / 90.0) * 90 % 360
        assert edge.get(turned_by, place.cell[1] == 0)
