"""Pieces looked for at one size after the other, where their number is not given."""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import draw_texture
from locator_support import turned

from heatmap_locator import InputError, Locator, Puzzle, fitted_grid
from heatmap_locator.fitted_grid import SAME_SIZE
from heatmap_locator.geometry import angle_difference
from heatmap_locator.grid import Grid
from heatmap_locator.model.network import EncodedImages
from heatmap_locator.search import by_size, open_size
from heatmap_locator.search.levels import cell_sides
from heatmap_locator.search.see import Seen
from heatmap_locator.search.sizes import AGREEING

EXAMPLES = Path(__file__).parents[1] / "examples"
CELL = 40
ROWS, COLS = 9, 12


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return draw_texture(ROWS * CELL, COLS * CELL, 21)


@pytest.fixture
def unknown(plain_locator: Locator, picture: np.ndarray) -> Puzzle:
    return plain_locator.encode(picture)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "cols"), [(3, 4), (6, 8), (9, 12), (15, 20)])
def test_the_size_of_a_piece_is_found(plain_locator: Locator, rows: int, cols: int) -> None:
    side = 480 // cols
    drawn = draw_texture(side * rows, side * cols, rows)
    whole = plain_locator.encode(drawn)
    left, top = side * (cols // 2), side * (rows // 3)
    found = whole.search(np.rot90(drawn[top : top + side, left : left + side]).copy())
    assert found.placements[0].center == pytest.approx(
        (left + side / 2, top + side / 2), abs=side / 4
    )
    assert abs(angle_difference(found.placements[0].rotation, 270)) < 10
    assert found.size_estimate == pytest.approx(rows * cols, rel=0.12)
    assert whole.size_estimate == found.size_estimate


def pieces_of(picture: np.ndarray, places: list[tuple[int, int]]) -> list[np.ndarray]:
    return [turned(picture, row, col, 37.0 + 50 * col, 1.5) for row, col in places]


@pytest.fixture
def without_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few pieces leave no cut, as where they lie on no lines."""
    monkeypatch.setattr(fitted_grid, "cuts_by_pieces", lambda *args: ())


no_guess = pytest.mark.usefixtures("without_guesses")


def count_encoded(locator: Locator, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pieces that pictures of so many pixels have, as they are encoded."""
    counted: list[float] = []
    encode = locator.model.encode_picture

    def count(tensor: torch.Tensor) -> EncodedImages:
        counted.append(tensor.shape[2] * tensor.shape[3] / 32**2)
        return encode(tensor)

    monkeypatch.setattr(locator.model, "encode_picture", count)
    return counted


@no_guess
@pytest.mark.slow
def test_sizes_are_encoded_when_they_are_needed(
    plain_locator: Locator, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = count_encoded(plain_locator, monkeypatch)
    whole = plain_locator.encode(picture)
    assert encoded == []
    sides = cell_sides(COLS * CELL, ROWS * CELL, None)
    counts = [picture.size / 3 / side**2 for side in sides]
    cheap = sum(count <= by_size.CHEAP[0] for count in counts)
    assert counts[-1] > by_size.CHEAP[-1] > by_size.CHEAP[0] > ROWS * COLS  # more to leave out
    first, second = pieces_of(picture, [(1, 2), (7, 9)])
    whole.locate(first)
    assert len(encoded) == cheap
    assert max(encoded) < by_size.CHEAP[0]
    whole.locate(first)
    whole.locate(second)
    assert len(encoded) == cheap


@pytest.mark.slow
def test_a_settled_size_is_looked_at_first_and_alone(
    plain_locator: Locator, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [(1, 2), (7, 9), (4, 5), (8, 1), (0, 10)]
    photos = pieces_of(picture, places)
    whole = plain_locator.encode(picture)
    for photo in photos[:AGREEING]:
        whole.locate(photo)
    assert whole.size_estimate == pytest.approx(ROWS * COLS, rel=0.12)
    encoded = count_encoded(plain_locator, monkeypatch)
    looked: list[int] = []
    correlate = plain_locator.model.correlate_bank

    def count(picture: EncodedImages, bank: EncodedImages) -> tuple[torch.Tensor, torch.Tensor]:
        looked.append(picture.features.shape[-1])
        return correlate(picture, bank)

    monkeypatch.setattr(plain_locator.model, "correlate_bank", count)
    found = whole.search_many(photos[AGREEING:])
    assert len(looked) == len(photos) - AGREEING
    assert len(encoded) <= 1
    assert looked[0] / 8 == pytest.approx(COLS, rel=0.06)
    known = plain_locator.encode(picture, pieces=ROWS * COLS)
    for photo, (row, col), one in zip(photos[AGREEING:], places[AGREEING:], found, strict=True):
        assert not isinstance(one, InputError)
        middle = (col + 0.5) * CELL, (row + 0.5) * CELL
        assert one.placements[0].center == pytest.approx(middle, abs=1.0)
        assert one.placements[0].center == pytest.approx(known.locate(photo)[0].center, abs=0.5)


@no_guess
@pytest.mark.slow
def test_the_order_of_pieces_alone_decides(plain_locator: Locator, picture: np.ndarray) -> None:
    photos = pieces_of(picture, [(1, 2), (7, 9), (4, 5), (8, 1)])
    one_by_one = plain_locator.encode(picture)
    answers = [one_by_one.locate(photo, top=2) for photo in photos]
    together = plain_locator.encode(picture).search_many(photos, top=2)
    assert answers == [found.placements for found in together if not isinstance(found, InputError)]


@pytest.mark.slow
def test_where_promising_places_mislead_all_are_compared(
    unknown: Puzzle, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    unknown.progress = said.append
    (photo,) = pieces_of(picture, [(5, 7)])

    def misleading(seen: list[Seen], *_: object) -> list[Seen]:
        """The largest cells only, which are wrong."""
        return [one for one in seen if one.level.index == 0]

    monkeypatch.setattr(by_size, "most_promising", misleading)
    monkeypatch.setattr(open_size, "SURE", 0.9999)
    unknown.calibration = type(unknown.calibration)(scale=0.3, unseen=3.0)
    found = unknown.search(photo)
    assert said[-1] == "no size fits for certain; comparing every place"
    assert found.placements[0].center == pytest.approx((7.5 * CELL, 5.5 * CELL), abs=1.0)
    assert found.size_estimate == pytest.approx(ROWS * COLS, rel=0.12)


def test_where_an_answer_is_sure_no_more_is_looked_at(unknown: Puzzle, picture: np.ndarray) -> None:
    said: list[str] = []
    unknown.progress = said.append
    unknown.locate(pieces_of(picture, [(5, 7)])[0])
    assert len(said) == 1


@no_guess
@pytest.mark.slow
def test_scores_count_the_places_that_were_looked_at(
    unknown: Puzzle, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    scores = type(unknown.calibration).scores

    def count(
        self: object, logits: np.ndarray, places: float, measures: Mapping[str, float]
    ) -> np.ndarray:
        asked.append(places)
        return scores(unknown.calibration, logits, places, measures)

    monkeypatch.setattr(type(unknown.calibration), "scores", count)
    for photo in pieces_of(picture, [(1, 2), (7, 9), (4, 5), (8, 1)]):
        unknown.locate(photo)
    every = sum(picture.size / 3 / s**2 for s in cell_sides(COLS * CELL, ROWS * CELL, None))
    assert asked[:AGREEING] == pytest.approx([every] * AGREEING)
    assert asked[AGREEING:] == pytest.approx([ROWS * COLS], rel=0.12)


@no_guess
def test_a_piece_that_disagrees_is_still_found(plain_locator: Locator, picture: np.ndarray) -> None:
    """The session has settled, and then comes a piece four times as large."""
    whole = plain_locator.encode(picture)
    for photo in pieces_of(picture, [(1, 2), (7, 9), (4, 5)]):
        whole.locate(photo)
    whole.calibration = type(whole.calibration)(scale=0.5, unseen=6.0)
    large = picture[2 * CELL : 4 * CELL, 6 * CELL : 8 * CELL].copy()
    found = whole.search(np.dstack([large, np.full(large.shape[:2], 255, np.uint8)]), cutout=True)
    assert found.placements[0].center == pytest.approx((7 * CELL, 3 * CELL), abs=2.0)
    assert found.size_estimate == pytest.approx(ROWS * COLS / 4, rel=0.12)


def test_pieces_show_rows_and_columns_and_are_searched_again_with_them(
    plain_locator: Locator, picture: np.ndarray
) -> None:
    places = [(1, 2), (7, 9), (4, 5), (8, 1), (0, 10), (2, 7), (5, 0), (3, 11), (6, 4), (1, 8)]
    photos = pieces_of(picture, places)
    first = plain_locator.encode(picture).search(photos[0])
    assert first.placements[0].cell is None
    assert first.size_estimate != ROWS * COLS
    assert first.grid_estimate is None
    found = plain_locator.encode(picture)
    answers = found.search_many(photos)
    assert found.cut is not None
    assert (found.cut.rows, found.cut.cols, found.cut.exact) == (ROWS, COLS, True)
    assert found.grid is None  # as it was given
    assert found.size_estimate == ROWS * COLS
    assert found._searcher.settled
    for answer, cell in zip(answers, places, strict=True):
        assert not isinstance(answer, InputError)
        assert answer.placements[0].cell == cell
        assert answer.size_estimate == ROWS * COLS
    later = found.search(photos[0])
    assert later.placements[0].cell == places[0]
    assert later.size_estimate == ROWS * COLS
    assert later.grid_estimate == (ROWS, COLS)


def test_rows_and_columns_may_become_known_while_others_are_searched_for(
    plain_locator: Locator, picture: np.ndarray
) -> None:
    whole = plain_locator.encode(picture)
    places = [(row, (4 * row + 5 * n) % COLS) for n in range(2) for row in range(ROWS)]
    photos = pieces_of(picture, places)
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(whole.locate, photos))
    assert whole.cut == Grid(ROWS, COLS)
    for (row, col), (place,) in zip(places, found, strict=True):
        assert place.center == pytest.approx(((col + 0.5) * CELL, (row + 0.5) * CELL), abs=1.0)
        assert place.cell in (None, (row, col))


def test_near_sizes_share_an_encoded_picture(unknown: Puzzle) -> None:
    assert unknown._searcher.by_size is not None
    one = unknown._searcher.by_size.level(30.0)
    assert unknown._searcher.by_size.level(30.5) is one
    other = unknown._searcher.by_size.level(30.0 * math.exp(SAME_SIZE))
    assert other is not one
    assert [level.index for level in unknown._searcher.levels] == [0, 1]


def test_the_example_says_how_many_pieces_it_has() -> None:
    whole = Locator.from_pretrained(device="cpu").encode(EXAMPLES / "puzzle.jpg")
    found = whole.search(EXAMPLES / "piece1.jpg")
    assert found.placements[0].center == pytest.approx((384.5, 254.6), abs=4)
    assert whole.size_estimate == pytest.approx(192, rel=0.12)
