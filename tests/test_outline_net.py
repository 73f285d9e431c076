"""The outline network: its file, its answers, and what network and colour find together."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import draw_texture

from heatmap_locator.errors import WeightsError
from heatmap_locator.outline.body import body_size
from heatmap_locator.outline.find import find_outline
from heatmap_locator.outline.network import (
    OutlineConfig,
    OutlineNet,
    find_piece,
    load_outline_net,
    save_outline_net,
    shipped_outline_net,
)
from heatmap_train.draw.cutter import cut_grid, rasterize

_SMALL = OutlineConfig(size=64, channels=(8, 8, 8, 8), decoder=(8, 8, 8, 8, 8), fused=8)


def _scene(height: int, width: int, side: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A textured piece and its shadow on a striped cloth, and its mask."""
    rng = np.random.default_rng(seed)
    cut = cut_grid(3, 3, 3 * side, 3 * side, rng)
    shift = np.array([width / 2, height / 2]) - cut.cell_center(1, 1)
    mask = rasterize(cut.outline(1, 1) + shift, (height, width))
    ys, xs = np.mgrid[:height, :width]
    stripes = (xs + 2 * ys) // max(16, height // 8) % 2
    table = np.where(stripes[..., None], (196.0, 188.0, 170.0), (150.0, 128.0, 110.0))
    cast = cv2.GaussianBlur(np.roll(mask, (4, 3), (0, 1)), (0, 0), 4)[..., None]
    table = table * (1 - 0.45 * cast)
    piece = cv2.GaussianBlur(draw_texture(height, width, seed), (0, 0), 4).astype(np.float64)
    photo = cv2.GaussianBlur(table + mask[..., None] * (piece - table), (0, 0), 0.8)
    photo = photo + rng.normal(0, 3, photo.shape)
    return photo.clip(0, 255).astype(np.uint8), mask


def _iou(found: np.ndarray, truth: np.ndarray) -> float:
    a, b = found > 0.5, truth > 0.5
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("seed", range(4))
def test_a_piece_on_a_striped_cloth(seed: int) -> None:
    photo, truth = _scene(300, 400, 110, seed)
    found = find_outline(photo, None)
    assert found.shape == truth.shape
    assert found.dtype == np.float32
    assert _iou(found, truth) > 0.9
    assert abs(np.log(body_size(found) / 110)) < 0.06


def test_a_small_piece_in_a_large_photo() -> None:
    photo, truth = _scene(900, 1200, 110, 7)
    assert _iou(find_outline(photo, None), truth) > 0.9


def test_a_photo_twice_as_large_has_the_same_outline() -> None:
    photo, _ = _scene(240, 240, 90, 2)
    once = find_outline(photo, None)
    twice = find_outline(photo.repeat(2, 0).repeat(2, 1), None)
    assert _iou(twice[::2, ::2], once) > 0.93


def test_the_same_photo_the_same_answer() -> None:
    photo, _ = _scene(240, 320, 90, 3)
    first, second = find_piece(photo), find_piece(photo.copy())
    assert first is not None
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 300, 3), (300, 2, 3), (40, 40, 3)])
def test_photos_of_any_shape(shape: tuple[int, int, int]) -> None:
    found = find_piece(np.full(shape, 130, np.uint8))
    assert found is None or found.shape == shape[:2]


def test_the_shipped_network_is_read_once_and_small() -> None:
    assert shipped_outline_net() is shipped_outline_net()
    assert sum(p.numel() for p in shipped_outline_net().parameters()) * 2 < 3e6


def test_weights_come_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = OutlineNet(_SMALL).eval()
    path = tmp_path / "net.safetensors"
    save_outline_net(net, path, {"step": 3})
    again = load_outline_net(path)
    assert again.config == _SMALL
    image = torch.rand(1, 3, 64, 128)
    torch.testing.assert_close(again(image), net(image), atol=0.02, rtol=0.02)


def test_other_files_are_refused(tmp_path: Path, plain_weights: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere.*no such weights file"):
        load_outline_net(tmp_path / "nowhere.safetensors")
    with pytest.raises(WeightsError, match="not weights of an outline network"):
        load_outline_net(plain_weights)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"x" * 100)
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        load_outline_net(broken)
