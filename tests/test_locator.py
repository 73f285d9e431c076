"""The whole path from photo to box, with an untrained model that reads the pixel correlation.

What training adds is not tested here: these are the maps between photo, template, working picture
and picture, and the public face around them.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import draw_texture
from PIL import Image

from heatmap_locator import InputError, Locator, Placement, Puzzle
from heatmap_locator.geometry import angle_difference, box_iou, clockwise, transform
from heatmap_locator.grid import Grid
from heatmap_locator.model.calibration import Calibration

ROWS, COLS, CELL = 3, 4, 40
WIDTH, HEIGHT = COLS * CELL, ROWS * CELL


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return draw_texture(HEIGHT, WIDTH, 5)


@pytest.fixture(scope="module")
def locator(plain_weights: Path) -> Locator:
    return Locator.from_pretrained(plain_weights, device="cpu")


@pytest.fixture(scope="module")
def puzzle(locator: Locator, picture: np.ndarray) -> Puzzle:
    return locator.encode(picture, grid=(ROWS, COLS))


def cell(picture: np.ndarray, row: int, col: int) -> np.ndarray:
    return picture[row * CELL : (row + 1) * CELL, col * CELL : (col + 1) * CELL]


def turned(picture: np.ndarray, row: int, col: int, degrees: float, zoom: float) -> np.ndarray:
    """(S, S, 4) photo of a square cell, turned clockwise and enlarged, with alpha."""
    side = int(CELL * zoom * 1.5)
    linear = zoom * clockwise(degrees)
    centre = np.array([(col + 0.5) * CELL, (row + 0.5) * CELL])
    matrix = np.column_stack([linear, side / 2 - linear @ centre])
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # OpenCV counts from pixel centres
    alpha = np.zeros(picture.shape[:2], np.uint8)
    cell(alpha, row, col)[:] = 255
    return np.dstack(
        [
            cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_CUBIC),
            cv2.warpAffine(alpha, matrix, (side, side)),
        ]
    )


def check(found: Placement, row: int, col: int, rotation: float, cell_side: float = CELL) -> None:
    truth = col * cell_side, row * cell_side, (col + 1) * cell_side, (row + 1) * cell_side
    centre = (col + 0.5) * cell_side, (row + 0.5) * cell_side
    assert np.hypot(*np.subtract(found.center, centre)) < cell_side / 4
    assert box_iou(found.box, truth) > 0.75
    assert abs(angle_difference(found.rotation, rotation)) < 10
    assert 0 <= found.score <= 1


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize(("row", "col"), [(0, 0), (1, 2), (2, 3)])
def test_a_square_crop_is_found(
    puzzle: Puzzle, picture: np.ndarray, row: int, col: int, quarters: int
) -> None:
    photo = np.rot90(cell(picture, row, col), -quarters)
    (found,) = puzzle.locate(np.ascontiguousarray(photo))
    check(found, row, col, 90 * quarters)
    assert found.cell == (row, col)
    middle = transform(np.reshape(found.matrix, (2, 3)), np.array([[CELL / 2, CELL / 2]]))
    np.testing.assert_allclose(middle[0], found.center, atol=0.3)


@pytest.mark.parametrize("degrees", [37.0, 205.0])
@pytest.mark.parametrize("zoom", [1.0, 3.0])
def test_a_turned_photo_with_alpha_is_found(
    puzzle: Puzzle, picture: np.ndarray, degrees: float, zoom: float
) -> None:
    photo = turned(picture, 1, 2, degrees, zoom)
    (found,) = puzzle.locate(photo)
    check(found, 1, 2, degrees)
    assert found.cell == (1, 2)
    matrix = np.reshape(found.matrix, (2, 3))
    side = photo.shape[0]
    middle = transform(matrix, np.array([[side / 2, side / 2]]))
    np.testing.assert_allclose(middle[0], found.center, atol=0.8)
    # the matrix turns the photo back by the rotation and shrinks it by the zoom
    linear = clockwise(-found.rotation) / zoom
    np.testing.assert_allclose(matrix[:, :2], linear, atol=0.12 / zoom)


def test_where_the_piece_lies_in_its_photo_does_not_matter(
    puzzle: Puzzle, picture: np.ndarray
) -> None:
    photo = turned(picture, 1, 2, 37, 1.5)
    left, top = 61, 17
    moved = np.pad(photo, ((top, 5), (left, 30), (0, 0)))
    before, after = puzzle.locate(photo)[0], puzzle.locate(moved)[0]
    np.testing.assert_allclose(after.box, before.box, atol=0.1)
    assert after.rotation == pytest.approx(before.rotation, abs=0.05)
    corner = transform(np.reshape(after.matrix, (2, 3)), np.array([[left, top]]))
    np.testing.assert_allclose(corner[0], np.reshape(before.matrix, (2, 3))[:, 2], atol=0.2)


def test_the_matrix_lays_the_photo_on_the_picture(puzzle: Puzzle, picture: np.ndarray) -> None:
    photo = cell(picture, 1, 1).copy()
    found = puzzle.locate(photo)[0]
    corners = np.array([[0.0, 0.0], [CELL, CELL]])
    mapped = transform(np.reshape(found.matrix, (2, 3)), corners)
    np.testing.assert_allclose(mapped.flatten(), found.box, atol=0.5)


def test_a_picture_that_is_not_square_to_the_grid(locator: Locator) -> None:
    """Cells that are no squares: the working picture is stretched, and so is nothing else."""
    picture = draw_texture(130, 250, 8)
    photo = picture[65:130, 50:100]
    (found,) = locator.encode(picture, grid="2x5").locate(photo.copy())
    assert box_iou(found.box, (50, 65, 100, 130)) > 0.75
    assert found.cell == (1, 1)


def test_paths_images_and_arrays_give_the_same_answer(
    locator: Locator, picture: np.ndarray, tmp_path: Path
) -> None:
    photo = turned(picture, 2, 0, 37, 1.5)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    Image.fromarray(photo).save(tmp_path / "piece.png")
    pairs: list[tuple[Any, Any]] = [
        (picture, photo),
        (tmp_path / "picture.png", str(tmp_path / "piece.png")),
        (Image.fromarray(picture), Image.fromarray(photo)),
    ]
    answers = [locator.encode(p, grid=(ROWS, COLS)).locate(q, top=2) for p, q in pairs]
    assert answers[0] == answers[1] == answers[2]


def test_the_grid_may_be_given_in_any_form(locator: Locator, picture: np.ndarray) -> None:
    for settings in (
        {"grid": "3x4"},
        {"grid": (3, 4)},
        {"grid": Grid(3, 4)},
        {"pieces": 12},
    ):
        assert locator.encode(picture, **settings).grid == Grid(3, 4)


def test_without_a_grid_the_size_is_searched(locator: Locator, picture: np.ndarray) -> None:
    small = cv2.resize(picture, (96, 72), interpolation=cv2.INTER_AREA)
    search = locator.encode(small)
    assert search.grid is None
    photo = np.rot90(small[24:48, 48:72]).copy()
    (found,) = search.locate(photo)
    check(found, 1, 2, 270, cell_side=24)
    assert found.cell is None


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


def test_near_places_stay_apart_where_the_size_is_searched(locator: Locator) -> None:
    """What counts as the same place follows from the size found, not from the largest tried."""
    picture = draw_texture(168, 240, 6)
    photo = picture[72:96, 96:120].copy()
    picture[72:96, 120:144] = photo
    found = locator.encode(picture).locate(photo, top=2)
    middles = sorted(round(p.center[0] / 12) for p in found)
    assert middles == [9, 11]
    assert all(abs(p.center[1] - 84) < 6 for p in found)


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
    assert locator.calibration == Calibration(logit=2.0, intercept=1.0)
    photo = cell(picture, 1, 2).copy()
    scores = []
    for calibration in (Calibration(logit=0.1), Calibration(logit=0.1, places=-1.0)):
        other = Locator(locator.model, locator.device, calibration)
        places = other.encode(picture, grid=(3, 4)).locate(photo, 3)
        scores.append(np.array([place.score for place in places]))
    # One in twelve places: the logarithm of the odds falls by that of the number.
    odds = [s / (1 - s) for s in scores]
    np.testing.assert_allclose(odds[0] / odds[1], 12, rtol=1e-6)


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
        monkeypatch.setattr(Puzzle, "_together", together)
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


@pytest.mark.parametrize("framed", [True, False])
def test_of_two_outlines_the_one_that_fits_the_picture_is_taken(
    framed: bool, puzzle: Puzzle, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a photo is all piece, where the network is not sure, the picture tells."""
    from heatmap_locator.outline.find import Outline
    from heatmap_locator.search import piece

    photo = cell(picture, 1, 2).copy()
    if framed:
        photo = np.pad(photo, ((14, 14), (14, 14), (0, 0)), constant_values=120)
    inner = np.zeros(photo.shape[:2], np.float32)
    inner[14:-14, 14:-14] = 1
    outlines = [Outline(np.ones_like(inner), False), Outline(inner, False)]
    monkeypatch.setattr(piece, "given_outline", lambda *_: None)
    monkeypatch.setattr(piece, "outlines_in_photos", lambda photos, _: [outlines for _ in photos])
    found = puzzle.search(photo)
    check(found.placements[0], 1, 2, 0)
    assert (found.piece_mask == (inner if framed else 1)).all()


def test_empty_borders_of_a_bank_carry_no_weight(locator: Locator, picture: np.ndarray) -> None:
    from heatmap_locator.model.bank import bank_angles, rotate_piece
    from heatmap_locator.search.piece import prepare_piece

    piece = prepare_piece(cell(picture, 1, 1).copy())
    model = locator.model
    with torch.inference_mode():
        bank = rotate_piece(piece.photo, piece.weight, piece.reference, bank_angles(36)[None])
        whole = model.encode_pieces(*bank)
        trimmed = whole.trimmed()
        assert trimmed.features.shape[-1] < whole.features.shape[-1]
        small = cv2.resize(picture, (128, 96))
        tensor = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
        seen = model.encode_picture(tensor)
        for one, other in zip(
            model.correlate(seen, whole), model.correlate(seen, trimmed), strict=True
        ):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pieces": 12, "grid": "3x4"}, "not both"),
        ({"pieces": 0}, "pieces 0"),
        ({"grid": "3by4"}, "ROWSxCOLS"),
        ({"grid": (0, 4)}, "whole numbers from 1"),
        ({"grid": (3, 4, 5)}, "rows, cols"),
        ({"grid": 12}, "rows, cols"),
        ({"pieces": 5000}, "use a larger picture or fewer pieces"),
    ],
)
def test_a_grid_that_makes_no_sense(
    locator: Locator, picture: np.ndarray, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        locator.encode(picture, **settings)


@pytest.mark.parametrize("top", [0, -1, 101, 1.5, "3", True])
def test_a_bad_top(puzzle: Puzzle, picture: np.ndarray, top: Any) -> None:
    with pytest.raises(InputError, match="whole number from 1 to 100"):
        puzzle.locate(cell(picture, 0, 0).copy(), top=top)


def test_picture_and_piece_the_wrong_way_round(locator: Locator, picture: np.ndarray) -> None:
    puzzle = locator.encode(cell(picture, 0, 0).copy(), grid="1x1")
    with pytest.raises(InputError, match="larger than the picture"):
        puzzle.locate(picture)


def test_a_missing_piece_is_named(puzzle: Puzzle, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.png: no such file"):
        puzzle.locate(tmp_path / "none.png")


@pytest.mark.parametrize("device", ["tpu", "cuda:1", ""])
def test_an_unknown_device(plain_weights: Path, device: str) -> None:
    with pytest.raises(InputError, match="use auto, cpu or cuda"):
        Locator.from_pretrained(plain_weights, device=device)


def test_a_missing_device(plain_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no CUDA device"):
        Locator.from_pretrained(plain_weights, device="cuda")
    assert Locator.from_pretrained(plain_weights).device.type == "cpu"
