"""An alpha channel that cuts nothing out: screenshots, editors' PNG, animated WebP."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, ImageDraw
from reports_support import CELL, PICTURE, is_right, piece, saved

from heatmap_locator.found import Search
from heatmap_locator.outline.find import find_outlines
from heatmap_locator.outline.given import photo_in
from heatmap_locator.outline.many import cut_pieces
from heatmap_locator.puzzle import Puzzle


def with_alpha(rgb: np.ndarray, alpha: np.ndarray | int = 255) -> np.ndarray:
    return np.dstack([rgb, np.broadcast_to(np.uint8(alpha), rgb.shape[:2])])


def all_but_opaque() -> np.ndarray:
    alpha = np.full((360, 360), 254, np.uint8)
    alpha[:2] = 230
    alpha[100, 100:130] = 0
    return with_alpha(piece(), alpha)


def rounded_corners() -> np.ndarray:
    alpha = Image.new("L", (360, 360), 0)
    ImageDraw.Draw(alpha).rounded_rectangle((0, 0, 359, 359), 20, 255)
    return with_alpha(piece(), np.asarray(alpha))


def in_a_margin() -> np.ndarray:
    whole = np.zeros((500, 600, 4), np.uint8)
    whole[40:400, 170:530] = with_alpha(piece())
    return whole


def round_frame() -> np.ndarray:
    """As of an avatar."""
    y, x = np.mgrid[:360, :360] - 179.5
    return with_alpha(piece(), np.where(np.hypot(x, y) < 180, 255, 0))


def very_round_corners() -> np.ndarray:
    wide = np.pad(piece(), ((0, 0), (90, 90), (0, 0)), mode="reflect")
    alpha = Image.new("L", (540, 360), 0)
    ImageDraw.Draw(alpha).rounded_rectangle((0, 0, 539, 359), 110, 255)
    return with_alpha(wide, np.asarray(alpha))


def vignette() -> np.ndarray:
    """It fades out towards the corners, where nothing is left of the colour either."""
    y, x = (np.mgrid[:360, :360] - 179.5) / 180
    alpha = np.rint(255 * np.clip((1.35 - np.hypot(x, y)) / 0.5, 0, 1)).astype(np.uint8)
    return with_alpha(piece() * (alpha[..., None] > 0), alpha)


def straightened() -> np.ndarray:
    """The photo turned a little, on a canvas that holds it: transparent corners."""
    image = Image.fromarray(with_alpha(piece()))
    return np.array(image.rotate(0.0).rotate(90.0).rotate(-90.0).rotate(7.0, expand=True))


def animated() -> np.ndarray:
    frame = Image.fromarray(piece())
    file = io.BytesIO(
        saved(frame, "WEBP", save_all=True, append_images=[frame.rotate(90)], quality=90)
    )
    image = Image.open(file)
    assert image.mode == "RGBA"  # Pillow gives it an alpha
    return np.array(image)


KINDS = [
    all_but_opaque,
    rounded_corners,
    round_frame,
    very_round_corners,
    vignette,
    in_a_margin,
    animated,
]


@pytest.mark.parametrize("make", KINDS)
def test_the_piece_is_found_in_the_photo(
    make: Callable[[], np.ndarray], example_puzzle: Puzzle
) -> None:
    image = make()
    search = example_puzzle.search(image)
    assert is_right(search.placements[0])
    assert search.piece_mask.shape == image.shape[:2]
    assert 12_000 < search.piece_mask.sum() < 30_000


@pytest.mark.parametrize("page", [250, 0])
def test_a_screenshot_of_a_gallery(page: int, example_puzzle: Puzzle) -> None:
    screen = np.full((760, 440, 3), page, np.uint8)
    screen[200:560, 40:400] = piece()
    cv2.putText(screen, "12:41", (20, 40), 0, 1, (255 - page,) * 3, 2)
    for image in (screen, saved(screen, "JPEG", quality=92)):
        search = example_puzzle.search(image)
        assert is_right(search.placements[0])
        assert 12_000 < search.piece_mask.sum() < 30_000
        assert search.piece_mask[:200].max() == 0


def test_a_straightened_photo_is_searched_too(example_puzzle: Puzzle) -> None:
    image = straightened()
    search = example_puzzle.search(image)
    place = search.placements[0]
    assert place.cell == CELL
    assert place.rotation == pytest.approx(218.0 - 7.0, abs=4)
    assert 12_000 < search.piece_mask.sum() < 30_000


def test_a_turned_rectangle_in_which_no_piece_is_seen_is_the_piece() -> None:
    rng = np.random.default_rng(3)
    rgb = cv2.GaussianBlur(rng.integers(0, 256, (200, 200, 3)).astype(np.uint8), (0, 0), 2)
    square = np.zeros((200, 200), np.uint8)
    square[50:150, 50:150] = 255
    turn = cv2.getRotationMatrix2D((100, 100), 25, 1.0)
    alpha = cv2.warpAffine(square, turn, (200, 200))
    (only,) = find_outlines(rgb, alpha)
    assert only.sure
    assert ((only.mask > 0.5) == (alpha > 127)).mean() > 0.999


def test_a_rectangle_can_be_asked_for_by_name(example_puzzle: Puzzle) -> None:
    crop = example_puzzle.picture[210:280, 280:350].copy()
    for image in (with_alpha(crop), crop):
        search = example_puzzle.search(image, cutout=True)
        assert search.piece_mask.min() == 1.0
        assert search.placements[0].center == pytest.approx((315, 245), abs=1)


def test_square_pieces_and_knobbed_ones_are_no_round_frames() -> None:
    rgb = np.zeros((300, 300, 3), np.uint8)
    corners = np.array([[52, 25], [272, 72], [240, 278], [25, 230]])
    quad = cv2.fillPoly(np.zeros((300, 300), np.uint8), [corners], 255)
    assert photo_in(rgb, quad) is None
    knob = cv2.ellipse(np.zeros((300, 300), np.uint8), (150, 160), (110, 100), 0, 0, 360, 255, -1)
    assert photo_in(rgb, knob) is not None
    cv2.circle(knob, (150, 50), 22, 255, -1)
    cv2.circle(knob, (50, 160), 22, 0, -1)
    assert photo_in(rgb, knob) is None


def test_a_cut_out_stays_one(example_puzzle: Puzzle) -> None:
    mask = example_puzzle.search(piece()).piece_mask
    alpha = np.rint(255 * mask).astype(np.uint8)
    assert photo_in(piece(), alpha) is None
    for cutout in (False, True):
        (only,) = find_outlines(piece(), alpha, cutout=cutout)
        assert only.sure
        np.testing.assert_allclose(only.mask, mask, atol=0.5)
    assert is_right(example_puzzle.locate(with_alpha(piece(), alpha))[0])


def test_many_pieces_in_an_opaque_screenshot() -> None:
    table = np.full((360, 760, 3), piece()[3, 3], np.uint8)
    table[:, 20:360] = piece()[:, 10:350]
    table[:, 390:730] = piece()[::-1, 10:350]
    plain = cut_pieces(table)
    assert len(plain) == 2
    margin = np.pad(with_alpha(table), ((30, 10), (50, 20), (0, 0)))
    for one, other in zip(plain, cut_pieces(margin), strict=True):
        assert np.subtract(other.box, one.box) == pytest.approx([50, 30, 50, 30])
        np.testing.assert_allclose(
            other.outline - one.outline, np.float32([[50, 30]] * len(one.outline))
        )


def test_the_command_takes_both(
    tmp_path: Path, example_puzzle: Puzzle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from heatmap_locator.command.cli import main
    from heatmap_locator.locator import Locator

    asked: list[bool] = []

    def search_many(
        self: Puzzle, images: list[object], top: int = 1, cutout: bool = False
    ) -> list[Search]:
        asked.append(cutout)
        outline = np.ones((360, 360), np.float32)
        return [Search([], np.ones((8, 8), np.float32), piece(), outline) for _ in images]

    monkeypatch.setattr(Puzzle, "search_many", search_many)
    monkeypatch.setattr(Locator, "encode", lambda *args, **kwargs: example_puzzle)
    file = tmp_path / "a.png"
    file.write_bytes(saved(with_alpha(piece()), "PNG"))
    assert main([str(file), str(PICTURE), "--pieces", "192"]) == 0
    assert main([str(file), str(PICTURE), "--pieces", "192", "--cutout"]) == 0
    assert asked == [False, True]


@pytest.mark.slow
def test_the_service_takes_both(make_client: Callable[..., TestClient]) -> None:
    from heatmap_locator.locator import Locator

    client = make_client(Locator.from_pretrained(device="cpu"))
    puzzle = client.post(
        "/v1/puzzles", files={"picture": PICTURE.read_bytes()}, data={"grid": "12x16"}
    ).json()["id"]
    whole = saved(with_alpha(piece()), "PNG")

    def locate(**fields: str) -> dict:
        answer = client.post(
            f"/v1/puzzles/{puzzle}/locate", files={"photos": ("a.png", whole)}, data=fields
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["pieces"][0]

    assert is_right(locate()["placements"][0])
    assert locate(cutout="true")["box_in_photo"] == [0, 0, 360, 360]
