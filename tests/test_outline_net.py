"""The outline network: its file, its answers, and what network and colour find together."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import draw_texture

from heatmap_locator.errors import WeightsError
from heatmap_locator.locator import Locator
from heatmap_locator.outline import by_network
from heatmap_locator.outline.body import body_size
from heatmap_locator.outline.by_network import OutlineFinder, find_piece, find_pieces
from heatmap_locator.outline.find import find_outline, find_outlines, outlines_in_photos
from heatmap_locator.outline.network import (
    OutlineConfig,
    OutlineNet,
    load_outline_net,
    save_outline_net,
)
from heatmap_train.draw.cutter import cut_grid, rasterize

_SMALL = OutlineConfig(size=64, channels=(8, 8, 8, 8), decoder=(8, 8, 8, 8, 8), fused=8)


@pytest.fixture(scope="module")
def finder() -> OutlineFinder:
    return OutlineFinder()


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
def test_a_piece_on_a_striped_cloth(seed: int, finder: OutlineFinder) -> None:
    photo, truth = _scene(300, 400, 110, seed)
    found = find_outline(photo, None, finder=finder)
    assert found.shape == truth.shape
    assert found.dtype == np.float32
    assert _iou(found, truth) > 0.9
    assert abs(np.log(body_size(found) / 110)) < 0.06


def test_a_small_piece_in_a_large_photo(finder: OutlineFinder) -> None:
    photo, truth = _scene(900, 1200, 110, 7)
    assert _iou(find_outline(photo, None, finder=finder), truth) > 0.9


def test_a_photo_twice_as_large_has_the_same_outline(finder: OutlineFinder) -> None:
    photo, _ = _scene(240, 240, 90, 2)
    once = find_outline(photo, None, finder=finder)
    twice = find_outline(photo.repeat(2, 0).repeat(2, 1), None, finder=finder)
    assert _iou(twice[::2, ::2], once) > 0.93


def test_the_same_photo_the_same_answer(finder: OutlineFinder) -> None:
    photo, _ = _scene(240, 320, 90, 3)
    first, second = find_piece(photo, finder), find_piece(photo.copy(), finder)
    assert first is not None
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 300, 3), (300, 2, 3), (40, 40, 3)])
def test_photos_of_any_shape(shape: tuple[int, int, int], finder: OutlineFinder) -> None:
    found = find_piece(np.full(shape, 130, np.uint8), finder)
    assert found is None or found.shape == shape[:2]


def test_the_shipped_network_is_small(finder: OutlineFinder) -> None:
    assert finder.net is finder.net
    assert sum(p.numel() for p in finder.net.parameters()) * 2 < 3e6


@pytest.mark.slow
def test_photos_together_have_the_outlines_that_each_has_alone(
    finder: OutlineFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [(300, 400, 110), (900, 1200, 110), (240, 240, 90)]
    photos = [_scene(*size, seed)[0] for seed, size in enumerate(sizes)]
    photos.insert(1, np.full((60, 80, 3), 130, np.uint8))  # no piece
    alone = [find_piece(photo, finder) for photo in photos]
    assert [mask is None for mask in alone] == [False, True, False, False]
    for together in (1, 3, 32):  # as a GPU is asked
        monkeypatch.setattr(by_network, "together_on", lambda _, n=together: n)
        for one, other in zip(alone, find_pieces(photos, finder), strict=True):
            if one is None or other is None:
                assert one is other
            else:
                np.testing.assert_allclose(one, other, atol=0.02)
        outlines = outlines_in_photos(photos, finder)
        wanted = [find_outlines(photo, None, finder=finder) for photo in photos]
        assert [[o.sure for o in own] for own in outlines] == [
            [o.sure for o in own] for own in wanted
        ]
    assert find_pieces([], finder) == outlines_in_photos([], finder) == []


def test_a_locator_owns_its_network_and_cut_outs_wait_for_none(
    tmp_path: Path, plain_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.safetensors"
    save_outline_net(OutlineNet(_SMALL), path, {})
    own = Locator.from_pretrained(plain_weights, "cpu", outline_weights=path)
    assert own.outlines.net.config == _SMALL
    read = []
    monkeypatch.setattr(
        by_network, "load_outline_net", lambda path: read.append(path) or load_outline_net(path)
    )
    shipped = Locator.from_pretrained(plain_weights, "cpu")
    picture = draw_texture(96, 128, 5)
    puzzle = shipped.encode(picture, grid="3x4")
    alpha = np.zeros((32, 32), np.uint8)
    alpha[2:-2, 2:-2] = 255
    puzzle.search(np.dstack([picture[:32, :32], alpha]), cutout=True)
    assert read == []
    puzzle.search_many([picture[32:64, 32:64].copy()] * 2)
    puzzle.search_many([picture[32:64, 64:96].copy()])
    assert read == [None]
    with pytest.raises(WeightsError, match="no such weights file"):
        Locator.from_pretrained(plain_weights, "cpu", outline_weights=tmp_path / "none")


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
