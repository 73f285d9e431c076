"""The whole path from photo to box, with an untrained model that reads the pixel correlation.

What training adds is not tested here: these are the maps between photo, template, working picture
and picture.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import draw_texture
from locator_support import CELL, COLS, FIXTURES, ROWS, cell, check, turned
from PIL import Image

from heatmap_locator import Locator, Puzzle
from heatmap_locator.geometry import box_iou, clockwise, transform
from heatmap_locator.grid import Grid

picture, locator, puzzle = FIXTURES


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


def test_near_places_stay_apart_where_the_size_is_searched(locator: Locator) -> None:
    """What counts as the same place follows from the size found, not from the largest tried."""
    picture = draw_texture(168, 240, 6)
    photo = picture[72:96, 96:120].copy()
    picture[72:96, 120:144] = photo
    found = locator.encode(picture).locate(photo, top=2)
    middles = sorted(round(p.center[0] / 12) for p in found)
    assert middles == [9, 11]
    assert all(abs(p.center[1] - 84) < 6 for p in found)


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
