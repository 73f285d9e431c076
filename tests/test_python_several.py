"""Several pieces by the library: all of one photo, and a cell of its own for each of many."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from locator_support import CELL, FIXTURES, cell, turned

from heatmap_locator import InputError, Locator, Puzzle

picture, locator, puzzle = FIXTURES

CELLS = ((0, 1), (1, 2), (2, 0))


def _table(picture: np.ndarray) -> np.ndarray:
    """(H, W, 4) cut-out of three pieces beside each other, a turn of 90 degrees for the second."""
    photos = [turned(picture, row, col, 90.0 * (n == 1), 2.0) for n, (row, col) in enumerate(CELLS)]
    return np.concatenate(photos, axis=1)


def test_all_pieces_of_a_photo(puzzle: Puzzle, picture: np.ndarray) -> None:
    found = puzzle.locate_many(_table(picture), top=2)
    assert [piece.number for piece in found] == [1, 2, 3]
    assert [piece.placements[0].cell for piece in found] == list(CELLS)
    side = 2 * CELL
    for number, piece in enumerate(found):
        x1, _, x2, _ = piece.box
        assert x2 - x1 == pytest.approx(side, abs=3)
        assert (x1 + x2) / 2 == pytest.approx((number + 0.5) * side * 1.5, abs=3)
        assert not piece.touching
        assert len(piece.placements) == 2
    assert repr(found[1]).startswith("<LocatedPiece 2 at (")


def test_a_photo_that_cannot_be_read_is_named(puzzle: Puzzle, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.png"):
        puzzle.locate_many(tmp_path / "none.png")


def test_pieces_that_fail_keep_their_place(
    puzzle: Puzzle, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_many = Puzzle.search_many

    def second_fails(self: Puzzle, *arguments: object, **named: object) -> object:
        answers = search_many(self, *arguments, **named)  # type: ignore[arg-type]
        return [answers[0], InputError("too dark", name="piece"), answers[2]]

    monkeypatch.setattr(Puzzle, "search_many", second_fails)
    found = puzzle.locate_many(_table(picture))
    assert [bool(piece.placements) for piece in found] == [True, False, True]
    assert str(found[1].found) == "piece#2: too dark"


@pytest.mark.parametrize("one", [Path("a.png"), "a.png", b"...", np.zeros((50, 50, 3), np.uint8)])
def test_one_image_is_no_list(one: Any, puzzle: Puzzle) -> None:
    for asked in (puzzle.search_many, puzzle.assign):
        with pytest.raises(InputError, match="is one image; give a list of them"):
            asked(one)


def test_what_gives_images_one_after_the_other(puzzle: Puzzle, picture: np.ndarray) -> None:
    photos = [turned(picture, row, col, 0.0, 2.0) for row, col in CELLS[:2]]
    photos_at_once: Any = (photo for photo in photos)
    for given in (photos_at_once, np.stack(photos)):
        found = [a for a in puzzle.search_many(given) if not isinstance(a, InputError)]
        assert [answer.placements[0].cell for answer in found] == list(CELLS[:2])


def test_no_two_pieces_in_one_cell(puzzle: Puzzle, picture: np.ndarray, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    crop = np.ascontiguousarray(cell(picture, 1, 2))
    answers = puzzle.assign([crop, bad, crop, cell(picture, 0, 1)])
    assert isinstance(answers[1], InputError)
    given = [answer for answer in answers if not isinstance(answer, InputError)]
    assert [answer.index for answer in given] == [0, 2, 3]
    cells = [answer.cell for answer in given]
    assert len(set(cells)) == 3
    assert (1, 2) in cells[:2]
    assert cells[2] == (0, 1)


def test_assigning_needs_the_cells(locator: Locator, picture: np.ndarray) -> None:
    with pytest.raises(InputError, match="pieces or grid"):
        locator.encode(picture).assign([cell(picture, 1, 2)])


def test_of_bad_photos_alone_there_are_only_errors(puzzle: Puzzle, tmp_path: Path) -> None:
    (answer,) = puzzle.assign([tmp_path / "none.png"])
    assert isinstance(answer, InputError)
