"""Photos drawn to learn outlines from, and a run of seconds that learns, stops and goes on."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from heatmap_locator.errors import InputError
from heatmap_locator.outline.body import body_size
from heatmap_locator.outline.network import load_outline_net, save_outline_net
from heatmap_train.cli import main
from heatmap_train.draw.photos import PhotoSettings, draw_photo
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.outline.batches import PhotoBatch, PhotoBatches
from heatmap_train.outline.losses import outline_loss, overlap
from heatmap_train.outline.module import OutlineModule
from heatmap_train.outline.recipe import OutlineRecipe
from heatmap_train.recipes import load_recipe, loop_recipe

_TINY = """
pool = 12
[photos]
size = 64
[outline]
size = 64
channels = [8, 8, 16, 16]
decoder = [16, 8, 8, 8, 8]
fused = 8
[optim]
steps = {steps}
learning_rate = 1e-2
warmup = 2
[run]
batch = 4
validate_every = 10
validation_batches = 1
"""


@pytest.fixture(scope="module")
def source() -> PictureSource:
    return PictureSource(None)


def _recipe(folder: Path, steps: int) -> str:
    path = folder / f"tiny{steps}.toml"
    path.write_text(_TINY.format(steps=steps))
    return str(path)


def test_the_same_seed_the_same_photo(source: PictureSource) -> None:
    one, two, other = (
        draw_photo(source, PhotoSettings(), np.random.default_rng(s)) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.rgb, two.rgb)
    np.testing.assert_array_equal(one.mask, two.mask)
    assert (one.rgb != other.rgb).any()


def test_masks_are_of_whole_pieces_of_the_side_that_is_told(source: PictureSource) -> None:
    settings = PhotoSettings(empty_share=0, hand_share=0, close_share=1)
    errors = []
    for seed in range(24):
        photo = draw_photo(source, settings, np.random.default_rng(seed))
        assert photo.rgb.shape == (settings.size, settings.size, 3)
        assert photo.rgb.dtype == np.uint8
        x1, y1, x2, y2 = photo.frame
        outside = photo.mask.copy()
        outside[y1:y2, x1:x2] = 0
        assert outside.max() == 0.0
        errors.append(np.log(body_size(photo.mask) / photo.side))
    assert np.median(np.abs(errors)) < 0.03


def test_photos_without_a_piece_have_no_mask(source: PictureSource) -> None:
    for seed in range(3):
        photo = draw_photo(source, PhotoSettings(empty_share=1), np.random.default_rng(seed))
        assert photo.mask.max() == 0.0
        assert photo.side == 0.0


def test_crops_are_all_print_and_have_no_mask(source: PictureSource) -> None:
    settings = PhotoSettings(empty_share=0, crop_share=1)
    photos = [draw_photo(source, settings, np.random.default_rng(s)) for s in range(4)]
    assert all(p.mask.max() == 0.0 and p.side == 0.0 for p in photos)
    # Other shares than that of crops are left as they were.
    one, other = (
        draw_photo(source, PhotoSettings(crop_share=share), np.random.default_rng(4))
        for share in (0.0, 0.1)
    )
    np.testing.assert_array_equal(one.rgb, other.rgb)


def test_batches_follow_from_their_step(source: PictureSource, tmp_path: Path) -> None:
    recipe = load_recipe(_recipe(tmp_path, 4))
    assert isinstance(recipe, OutlineRecipe)
    first, again = (PhotoBatches(source, recipe, "train")[3] for _ in range(2))
    torch.testing.assert_close(first.images, again.images)
    torch.testing.assert_close(first.masks, again.masks)
    assert first.images.shape == (4, 3, 64, 64)
    assert first.images.max() <= 1
    assert (first.masks * (1 - first.counts)).max() == 0


def test_the_loss_wants_the_mask_where_it_counts() -> None:
    masks = torch.zeros(2, 1, 32, 32)
    masks[..., 8:24, 8:24] = 1
    counts = torch.ones_like(masks)
    counts[..., :4] = 0
    batch = PhotoBatch(torch.zeros(2, 3, 32, 32), masks, counts, torch.ones(2))
    right = 20 * (2 * masks - 1)
    wild = torch.where(counts > 0, right, -right)
    shifted = right.roll(3, 3)
    for term in range(2):
        assert outline_loss(right, batch)[term] < 0.02
        torch.testing.assert_close(
            outline_loss(wild, batch)[term], outline_loss(right, batch)[term]
        )
        assert outline_loss(shifted, batch)[term] > 0.1
    assert overlap(right.sigmoid(), masks).tolist() == [1.0, 1.0]


@pytest.mark.slow
def test_a_run_learns_its_one_batch_and_writes_a_network(tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = [_recipe(tmp_path, 60), "--out", str(out), "--workers", "0", "--overfit"]
    assert main([*arguments, "--device", "cpu"]) == 0
    net = load_outline_net(out / "weights.safetensors")
    assert net.config.size == 64
    with next(out.rglob("metrics.csv")).open() as file:
        rows = [r for r in csv.DictReader(file) if r["train/entropy"]]
    assert float(rows[-1]["train/entropy"]) < 0.6 * float(rows[0]["train/entropy"])


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    recipe, states = _recipe(tmp_path, 6), []
    for name, stops in (("straight", [6]), ("resumed", [3, 6])):
        out = tmp_path / name
        for i, stop in enumerate(stops):
            more = ["--resume"] if i else []
            arguments = [recipe, "--out", str(out), "--workers", "0", "--stop", str(stop), *more]
            assert main([*arguments, "--device", "cpu"]) == 0
        states.append(torch.load(out / "last.ckpt", weights_only=True)["state_dict"])
    for key, value in states[0].items():
        torch.testing.assert_close(states[1][key], value, msg=key)


def test_a_run_starts_from_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.safetensors"
    recipe = load_recipe(_recipe(tmp_path, 1))
    assert isinstance(recipe, OutlineRecipe)
    module = OutlineModule(recipe)
    save_outline_net(module.model, path, {})
    other = OutlineModule(recipe)
    other.start_from(str(path))
    for a, b in zip(module.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)
    arguments = ["outline", "--out", str(tmp_path / "run"), "--init", str(path), "--steps", "1"]
    assert main([*arguments, "--workers", "0"]) == 2
    assert "its network is not the recipe's" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"photos": {"size": 100}}, "same multiple of 64"),
        ({"photos": {"piece": [0.5, 0.2]}}, "photos.piece"),
        ({"photos": {"hand_share": 2.0}}, "photos.hand_share"),
        ({"photos": {"empty_share": 0.6, "crop_share": 0.6}}, "photos.crop_share"),
        ({"outline": {"channels": [8, 8]}}, "outline.channels"),
        ({"pool": 0}, "pool"),
        ({"scenes": {}}, "unknown key 'scenes'"),
    ],
)
def test_recipes_out_of_range_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        loop_recipe({"outline": {}, **values})
