"""How large a piece's body is, where it lies and how it is turned, on outlines of known cells."""

import math

import cv2
import numpy as np
import pytest
from drawn_pieces import DrawnPiece, draw_piece, draw_shape
from scipy.ndimage import gaussian_filter1d

from heatmap_locator.geometry import similarity
from heatmap_locator.outline.body import body_size, find_body
from heatmap_locator.outline.contour import smoothed
from heatmap_locator.outline.shape import is_piece_shaped, open_body
from heatmap_train.draw.cutter import cut_grid, rasterize

CELL_SIDE = 90.0


@pytest.mark.parametrize("rotation", [0.0, 31.0, 90.0, 207.0])
def test_bodies_of_cut_pieces_lie_in_their_cells_and_square(rotation: float) -> None:
    rng = np.random.default_rng(int(rotation))
    cut = cut_grid(5, 5, 5 * CELL_SIDE, 5 * CELL_SIDE, rng)
    off, turn = [], []
    for index in range(25):
        row, col = divmod(index, 5)
        photo = similarity(cut.cell_center(row, col), (110.0, 110.0), rotation, 1.0)
        body = find_body(rasterize(cut.outline(row, col), (220, 220), photo))
        off.append(math.dist(body.middle, (110.0, 110.0)) / CELL_SIDE)
        turn.append(abs((body.direction - rotation + 45) % 90 - 45))
    assert np.median(off) < 0.03
    assert max(off) < 0.1
    assert np.median(turn) < 1.5


def test_a_rectangle_s_body_is_itself() -> None:
    mask = np.zeros((60, 90), np.float32)
    mask[10:40, 20:70] = 1
    body = find_body(mask)
    assert body.middle == pytest.approx((45.0, 25.0), abs=0.3)
    assert min(body.direction, 90 - body.direction) < 0.5


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (1, 40)])
def test_specks_have_a_body_too(shape: tuple[int, int]) -> None:
    body = find_body(np.ones(shape, np.float32))
    assert body.middle == pytest.approx((shape[1] / 2, shape[0] / 2), abs=1.0)
    assert 0 <= body.direction < 90


@pytest.mark.parametrize("knobs", [(1, 1, 1, 1), (-1, -1, -1, -1), (1, -1, 1, -1), (0, 1, -1, 0)])
def test_body_size(knobs: tuple[int, int, int, int]) -> None:
    errors = []
    for side, angle in [(40, 0.0), (90, 0.3), (90, 0.8), (150, 1.2)]:
        mask = draw_shape(side, angle, 2 * side, knobs).astype(np.float32)
        errors.append(np.log(body_size(mask) / side))
    assert np.abs(errors).max() < 0.05


def test_body_size_of_a_rectangle_and_of_nothing() -> None:
    assert body_size(np.ones((30, 120), np.float32)) == pytest.approx(60.0)
    assert body_size(np.zeros((30, 30), np.float32)) > 0.0


def _pieces(kind: str) -> list[DrawnPiece]:
    rng = np.random.default_rng(7)
    if kind == "waisted":
        return [draw_piece(rng, rng.uniform(1.0, 1.8), rng.uniform(0.1, 0.35)) for _ in range(120)]
    return [
        draw_piece(rng, rng.uniform(*(1, 1.2) if kind == "whole" else (1.2, 1.8)))
        for _ in range(120)
    ]


@pytest.mark.parametrize("kind", ["whole", "elongated", "waisted"])
def test_bodies_are_of_their_cells_size_and_lie_in_them(kind: str) -> None:
    size, off, turn = [], [], []
    for piece in _pieces(kind):
        body = find_body(piece.mask)
        size.append(abs(math.log(body.side / piece.side)))
        off.append(math.dist(body.middle, piece.middle) / piece.side)
        turn.append(abs((body.direction - piece.rotation + 45) % 90 - 45))
    assert np.percentile(size, 99) < 0.05
    assert np.percentile(off, 99) < 0.07
    assert np.percentile(turn, 99) < 4


def _waist() -> np.ndarray:
    """(140, 140) float32: a square of 80 whose only two blanks nearly meet."""
    mask = np.zeros((140, 140), np.float32)
    mask[30:110, 30:110] = 1
    for y in (47, 93):
        cv2.circle(mask, (70, y), 16, 0.0, -1)
    mask[30:40, 64:77] = mask[100:110, 64:77] = 0
    return mask


def test_a_body_whose_blanks_nearly_meet_is_one() -> None:
    parts = open_body(_waist().astype(np.uint8), 10)
    assert len(parts) == 2
    assert int(parts[0].sum()) == pytest.approx(int(parts[1].sum()), rel=0.06)
    body = find_body(_waist())
    assert body.side == pytest.approx(80, rel=0.02)
    assert body.middle == pytest.approx((70, 70), abs=1)
    assert open_body(_waist().astype(np.uint8), 50) == []


def test_waisted_pieces_are_piece_shaped() -> None:
    assert np.mean([is_piece_shaped(piece.mask) for piece in _pieces("waisted")]) > 0.93


@pytest.mark.parametrize("shape", [(96,), (300, 2), (5, 2), (1, 2)])
@pytest.mark.parametrize("wrap", [False, True])
def test_smoothing_is_scipy_s(shape: tuple[int, ...], wrap: bool) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    wanted = gaussian_filter1d(values, 4.0, axis=0, mode="wrap" if wrap else "constant")
    np.testing.assert_allclose(smoothed(values, 4.0, wrap), wanted, atol=1e-12)
