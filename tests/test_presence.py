"""Photos without a piece in them, against the shipped model; and what must not be refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import draw_texture

from heatmap_locator import Locator, NoPieceError, Puzzle
from heatmap_locator.geometry import box_iou
from heatmap_locator.outline.shape import is_piece_shaped

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def puzzle() -> Puzzle:
    return Locator.from_pretrained(device="cpu").encode(EXAMPLES / "puzzle.jpg", grid="12x16")


def _photo(kind: str) -> np.ndarray:
    rng = np.random.default_rng(1)
    if kind == "blank":
        return np.full((240, 320, 3), 200, np.uint8)
    if kind == "noise":
        return rng.integers(0, 256, (240, 320, 3)).astype(np.uint8)
    if kind == "gradient":
        ramp = np.linspace(30, 230, 320)[None, :, None] + rng.normal(0, 2, (240, 320, 3))
        return ramp.clip(0, 255).astype(np.uint8)
    if kind == "texture":
        return draw_texture(240, 320, 3)
    photo = np.full((240, 320, 3), (150, 120, 90), np.uint8)
    if kind == "table":
        grain = cv2.GaussianBlur(rng.normal(0, 60, photo.shape), (0, 0), sigmaX=20, sigmaY=1)
        return (photo + 4 * grain).clip(0, 255).astype(np.uint8)
    cv2.ellipse(photo, (160, 120), (60, 80), 0, 0, 360, (225, 180, 150), -1)  # a face
    for x in (138, 182):
        cv2.circle(photo, (x, 100), 7, (40, 40, 60), -1)
    return photo


@pytest.mark.parametrize("kind", ["blank", "noise", "gradient", "texture", "table", "face"])
def test_photo_without_a_piece(kind: str, puzzle: Puzzle) -> None:
    with pytest.raises(NoPieceError, match="no piece found") as caught:
        puzzle.locate(_photo(kind))
    assert "\n" not in str(caught.value)


def test_photo_without_a_piece_that_is_larger_than_the_picture(puzzle: Puzzle) -> None:
    with pytest.raises(NoPieceError, match="no piece found"):
        puzzle.locate(draw_texture(puzzle.height + 40, puzzle.width + 40, 2))


def test_crops_without_alpha_stay_pieces(puzzle: Puzzle) -> None:
    found = 0
    for row, col in [(2, 3), (5, 8), (7, 12), (10, 4)]:
        crop = puzzle.picture[row * 70 : row * 70 + 70, col * 70 : col * 70 + 70].copy()
        (place,) = puzzle.locate(np.rot90(crop).copy())
        found += box_iou(place.box, (col * 70, row * 70, col * 70 + 70, row * 70 + 70)) > 0.8
    assert found == 4


def test_a_cut_out_is_never_questioned(puzzle: Puzzle) -> None:
    flat = np.dstack([np.full((70, 70, 3), 90, np.uint8), np.full((70, 70), 255, np.uint8)])
    search = puzzle.search(flat, cutout=True)
    assert search.placements
    assert search.piece_mask.min() == 1.0


@pytest.mark.parametrize("style", ["interlocking", "square"])
def test_every_cut_piece_is_piece_shaped(style: str) -> None:
    from heatmap_train.draw.cutter import cut_grid, rasterize

    missed = 0
    for seed in range(4):
        cut = cut_grid(4, 4, 400, 400, np.random.default_rng(seed), style)
        for index in range(16):
            outline = cut.outline(*divmod(index, 4)) - np.array(cut.cell_center(*divmod(index, 4)))
            missed += not is_piece_shaped(rasterize(outline + 100, (200, 200)))
    assert missed <= 1  # of 64


def test_other_shapes_are_not() -> None:
    canvas = np.zeros((200, 200), np.uint8)
    shapes = {
        "circle": cv2.circle(canvas.copy(), (100, 100), 60, 1, -1),
        "ellipse": cv2.ellipse(canvas.copy(), (100, 100), (70, 45), 30, 0, 360, 1, -1),
        "pencil": cv2.line(canvas.copy(), (20, 30), (180, 160), 1, 14),
        "triangle": cv2.fillPoly(canvas.copy(), [np.array([[30, 170], [170, 170], [100, 40]])], 1),
        "nothing": canvas,
    }
    ragged = canvas.copy()
    rng = np.random.default_rng(0)
    for x, y in rng.normal(100, 25, (150, 2)):
        cv2.line(ragged, (100, 100), (int(x), int(y)), 1, 2)
    shapes["ragged"] = ragged
    assert [name for name, mask in shapes.items() if is_piece_shaped(mask)] == []
