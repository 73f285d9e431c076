"""The overlay: bounded, and the piece lies where its matrix says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import ImageDraw

from heatmap_locator.overlay import draw_overlay
from heatmap_locator.placement import Placement
from heatmap_locator.warp import warp_piece


def _placement(box: tuple[float, float, float, float], scale: float = 1.0) -> Placement:
    x1, y1, x2, y2 = box
    matrix = (scale, 0.0, x1, 0.0, scale, y1)
    return Placement(box, ((x1 + x2) / 2, (y1 + y2) / 2), 0.0, 0.9, (0, 1), matrix)


def test_warp_by_whole_pixels_is_exact() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    mask = np.ones((6, 8), np.float32)
    moved, where = warp_piece(rgb, mask, np.array([[1, 0, 3], [0, 1, 2]]), (20, 15))
    np.testing.assert_array_equal(moved[2:8, 3:11], rgb)
    assert where.sum() == 48
    # A quarter turn about the centre keeps every pixel only if centres are at +0.5.
    turned, where = warp_piece(rgb, mask, np.array([[0, -1, 6], [1, 0, 0]]), (6, 8))
    np.testing.assert_array_equal(turned, np.rot90(rgb, -1))
    assert where.min() == 1.0


@pytest.mark.parametrize("factor", [0.3, 0.05])
def test_warp_shrinks_without_a_shift(factor: float) -> None:
    mask = np.zeros((200, 200), np.float32)
    mask[40:160, 60:180] = 1.0
    rgb = np.zeros((200, 200, 3), np.uint8)
    matrix = np.array([[factor, 0, 10], [0, factor, 5]])
    _, where = warp_piece(rgb, mask, matrix, (80, 80))
    ys, xs = np.mgrid[0:80, 0:80] + 0.5
    assert (where * xs).sum() / where.sum() == pytest.approx(120 * factor + 10, abs=0.05)
    assert (where * ys).sum() / where.sum() == pytest.approx(100 * factor + 5, abs=0.05)


def test_piece_appears_in_its_place() -> None:
    picture = np.full((560, 1120, 3), 60, np.uint8)  # as large as it is drawn
    piece = np.zeros((100, 100, 3), np.uint8)
    piece[..., 1] = 220
    sheet = draw_overlay(
        picture, None, [_placement((300, 200, 400, 300))], piece, np.ones((100, 100))
    )
    green = (sheet[:, :1120, 1] > 180) & (sheet[:, :1120, 0] < 60)
    ys, xs = np.nonzero(green)
    assert (xs.max() - xs.min() + 1, ys.max() - ys.min() + 1) == (100, 100)
    assert xs.min() == 16 + 300  # the margin, then the place


@pytest.mark.parametrize("shape", [(8, 8), (30, 2000), (2000, 30), (3000, 4000)])
@pytest.mark.parametrize("count", [0, 1, 12])
def test_size_is_bounded(shape: tuple[int, int], count: int) -> None:
    picture = np.full((*shape, 3), 90, np.uint8)
    places = [_placement((-5.0, 2.0 + n, 20.0, 9.0), 0.2) for n in range(count)]
    heat = np.zeros((5, 5), np.float32)
    sheet = draw_overlay(picture, heat, places, np.zeros((40, 50, 3), np.uint8), np.zeros((40, 50)))
    assert sheet.dtype == np.uint8
    assert sheet.shape[2] == 3
    assert max(sheet.shape[:2]) <= 1600


def test_heat_shows() -> None:
    picture = np.full((100, 200, 3), 90, np.uint8)
    heat = np.zeros((10, 20), np.float32)
    heat[5, 15] = 1.0
    piece, mask = np.zeros((9, 9, 3), np.uint8), np.ones((9, 9), np.float32)
    cold = draw_overlay(picture, None, [], piece, mask).astype(int)
    warm = draw_overlay(picture, heat, [], piece, mask).astype(int)
    ys, xs = np.nonzero(np.abs(warm - cold).sum(axis=2) > 60)
    assert xs.mean() == pytest.approx(16 + 1120 * 15.5 / 20, abs=6)
    assert warm[ys, xs, 0].mean() > warm[ys, xs, 2].mean()


@pytest.mark.parametrize(
    ("score", "said"),
    [(1.0, ">99%"), (0.996, ">99%"), (0.5, "50%"), (0.004, "<1%"), (0.0, "<1%")],
)
def test_what_stands_under_the_tiles(
    score: float, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows and columns as people count, and how sure without a certainty."""
    lines: list[str] = []
    draw = ImageDraw.ImageDraw.text

    def text(self: Any, xy: Any, text: str, *args: Any, **options: Any) -> None:
        lines.append(text)
        draw(self, xy, text, *args, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    place = replace(_placement((300, 200, 400, 300)), score=score)
    piece, mask = np.zeros((9, 9, 3), np.uint8), np.ones((9, 9), np.float32)
    draw_overlay(np.full((560, 1120, 3), 60, np.uint8), None, [place], piece, mask)
    assert f"sure  {said}" in lines
    assert "row 1, column 2" in lines
