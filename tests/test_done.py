"""A photo of the half-done puzzle: what is done is found in it, pieces go into open cells."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import draw_texture
from done_support import OPEN, half_done_photo
from locator_support import COLS, FIXTURES, HEIGHT, ROWS, WIDTH, cell

from heatmap_eval.protocols.done import photograph_half_done
from heatmap_eval.protocols.whole import whole_puzzles
from heatmap_locator import InputError, Locator, Puzzle
from heatmap_locator.assign import assign, keep
from heatmap_locator.command.cli import main
from heatmap_locator.grid import Grid
from heatmap_locator.picture.done import Done, find_done

picture, locator, puzzle = FIXTURES


@pytest.fixture(scope="module")
def half_done(picture: np.ndarray) -> np.ndarray:
    return half_done_photo(picture)


def test_open_cells_are_found(half_done: np.ndarray, picture: np.ndarray) -> None:
    done = find_done(half_done, picture, Grid(ROWS, COLS))
    assert done.open_cells == OPEN
    corner = done.parts[0] @ [90.0, 99.0, 1.0]  # of the picture, three times 30 pixels in
    np.testing.assert_allclose(corner[:2] / corner[2], [0, 0], atol=3)


@pytest.mark.parametrize("count", [80, 150])
def test_drawn_photos_of_half_done_puzzles(count: int) -> None:
    (drawn,) = whole_puzzles(None, "validation", 4, count, 1)
    half = photograph_half_done(drawn, 0)
    assert 30 <= half.open.sum() <= count // 2
    done = find_done(half.photo, drawn.picture, drawn.grid)
    seen = done.open > 0.5
    assert (seen & half.open).sum() >= 0.95 * half.open.sum()
    assert (seen & ~half.open).sum() <= 0.06 * half.open.size
    height, width = drawn.picture.shape[:2]
    middle = half.matrix @ [width / 2, height / 2, 1.0]
    back = done.parts[0] @ middle
    np.testing.assert_allclose(back[:2] / back[2], [width / 2, height / 2], atol=drawn.side / 8)


def test_a_photo_of_something_else_is_refused(picture: np.ndarray) -> None:
    other = draw_texture(3 * HEIGHT, 3 * WIDTH, 77)
    for photo in (other, np.full_like(other, 140)):
        with pytest.raises(InputError, match="no finished part of the picture"):
            find_done(photo, picture, Grid(ROWS, COLS))


def test_a_photo_of_all_done_is_refused(picture: np.ndarray) -> None:
    """As the box's picture itself is, given by mistake: no piece would have a place."""
    whole = cv2.resize(picture, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    for photo in (picture, whole):
        with pytest.raises(InputError, match="every cell done and none open"):
            find_done(photo, picture, Grid(ROWS, COLS))


def test_pieces_go_into_open_cells_alone(
    puzzle: Puzzle, picture: np.ndarray, half_done: np.ndarray
) -> None:
    known = puzzle.with_done(half_done)
    assert puzzle.done is None
    assert known.done is not None
    assert known.done.open_cells == OPEN
    own = cell(picture, 1, 2).copy()
    (found,) = known.locate(own)
    assert found.cell == (1, 2)
    assert found.why is not None
    assert found.why.open == pytest.approx(np.log(ROWS * COLS / len(OPEN)), abs=0.1)
    assert found.score >= puzzle.locate(own)[0].score - 1e-6
    (before,) = puzzle.locate(own)
    assert before.why is not None
    assert before.why.open == 0
    assert "open" not in before.why.to_dict()
    # The picture's own print in a cell that is done is believed less than it was.
    elsewhere = cell(picture, 0, 0).copy()
    places = {place.cell: place for place in known.locate(elsewhere, top=20)}
    told = places[0, 0].why
    assert told is not None
    assert told.open < -3


def test_what_a_photo_shows_can_be_kept(puzzle: Puzzle, half_done: np.ndarray) -> None:
    seen = puzzle.with_done(half_done)
    assert seen.done is not None
    kept = Done.from_dict(json.loads(json.dumps(seen.done.to_dict())))
    np.testing.assert_allclose(kept.open, seen.done.open, atol=1e-4)
    np.testing.assert_array_equal(kept.parts[0], seen.done.parts[0])
    again = puzzle.with_done(kept)
    assert again.done is kept


def test_assigning_knows_of_open_cells(
    puzzle: Puzzle, picture: np.ndarray, half_done: np.ndarray
) -> None:
    known = puzzle.with_done(half_done)
    photos = [cell(picture, row, col).copy() for row, col in OPEN]
    assert [one.cell for one in known.assign(photos) if not isinstance(one, InputError)] == OPEN
    # What was located without the photo is assigned to open cells all the same.
    kept = [keep(puzzle.search(cell(picture, 0, 0).copy(), 60), known.grid)]
    (moved,) = assign(known, kept)
    assert moved.cell in OPEN


def test_what_is_open_needs_the_cells(
    locator: Locator, picture: np.ndarray, half_done: np.ndarray
) -> None:
    with pytest.raises(InputError, match="needs the cells"):
        locator.encode(picture).with_done(half_done)


def test_the_command_takes_the_photo(
    plain_weights: Path,
    picture: np.ndarray,
    half_done: np.ndarray,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [tmp_path / f"{name}.png" for name in ("piece", "box", "done")]
    for name, image in zip(names, (cell(picture, 2, 2), picture, half_done), strict=True):
        cv2.imwrite(str(name), np.ascontiguousarray(image[..., ::-1]))
    piece, box, done = map(str, names)
    given = ["--weights", str(plain_weights), "--device", "cpu", "--cutout", "--json"]
    grid = ["--grid", f"{ROWS}x{COLS}"]
    assert main([piece, box, *grid, *given, "--done", done]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["puzzle"]["open"] == [list(one) for one in OPEN]
    assert told["results"][0]["placements"][0]["cell"] == [2, 2]
    assert told["results"][0]["placements"][0]["why"]["open"] > 1
    assert main([piece, box, *grid, *given, "--done", piece]) == 2
    assert "no finished part" in capsys.readouterr().err
    assert main([piece, box, *given, "--done", done]) == 2
    assert "--done needs to know the cells" in capsys.readouterr().err
