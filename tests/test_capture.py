"""Captures: shapes and ranges, seeded, and what they leave alone."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from conftest import draw_texture

from heatmap_train.draw.capture import (
    EXPOSURE,
    WHITE,
    Draw,
    Tone,
    capture_pictures,
    capture_pieces,
)
from heatmap_train.draw.scenes import PHOTO, Scenes, SceneSettings, collate, make_scene
from heatmap_train.shared.batches import capture

SETTINGS = SceneSettings(size=96, pieces=2, exact_share=0.0)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 3, height: int = 40, width: int = 56) -> torch.Tensor:
    return torch.rand(n, 3, height, width, generator=seeded(9))


def outlines(n: int = 3, height: int = 40, width: int = 56) -> torch.Tensor:
    masks = torch.zeros(n, 1, height, width)
    masks[..., 8:32, 10:44] = 1
    return masks


def scenes(exact: list[bool]) -> Scenes:
    made = []
    for i, kind in enumerate(exact):
        settings = SceneSettings(size=96, pieces=2, exact_share=float(kind))
        made.append(make_scene(draw_texture(200, 240, i), settings, np.random.default_rng(i)))
    return collate(made)


@pytest.mark.parametrize("seed", range(4))
def test_pictures_keep_their_shape_and_range(seed: int) -> None:
    found = capture_pictures(pictures(), seeded(seed))
    assert found.shape == (3, 3, 40, 56)
    assert found.min() >= 0
    assert found.max() <= 1
    assert (found - pictures()).abs().mean() > 0.01


@pytest.mark.parametrize("seed", range(4))
def test_pieces_keep_their_shape_and_range(seed: int) -> None:
    photos, masks = capture_pieces(pictures(), outlines(), seeded(seed))
    assert photos.shape == (3, 3, 40, 56)
    assert masks.shape == (3, 1, 40, 56)
    for values in (photos, masks):
        assert values.isfinite().all()
        assert values.min() >= 0
        assert values.max() <= 1


def test_the_found_outline_is_near_the_true_one() -> None:
    truth = outlines(8)
    _, masks = capture_pieces(pictures(8), truth, seeded(0))
    assert (masks - truth).abs().mean() < 0.1
    assert masks[..., 14:26, 16:38].min() > 0.9
    assert masks[..., :2, :2].max() == 0
    assert not torch.equal(masks, truth)


def test_only_the_generator_decides() -> None:
    torch.manual_seed(1)
    first = capture_pictures(pictures(), seeded(5))
    first_piece = capture_pieces(pictures(), outlines(), seeded(5))
    torch.manual_seed(2)
    assert torch.equal(capture_pictures(pictures(), seeded(5)), first)
    again = capture_pieces(pictures(), outlines(), seeded(5))
    assert torch.equal(again[0], first_piece[0])
    assert torch.equal(again[1], first_piece[1])


def test_other_generators_give_other_captures() -> None:
    first, second = (capture_pictures(pictures(), seeded(s)) for s in (5, 6))
    assert (first - second).abs().mean() > 0.01
    one, two = (capture_pieces(pictures(), outlines(), seeded(s)) for s in (5, 6))
    assert (one[0] - two[0]).abs().mean() > 0.01
    assert (one[1] - two[1]).abs().max() > 0.01


def test_a_milder_capture_changes_less() -> None:
    truth = torch.full((64, 3, 40, 56), 0.5)  # even, so that blur and JPEG have nothing to change
    harsh, mild = (
        (capture_pictures(truth, seeded(5), mildest) - truth).abs().mean() for mildest in (1.0, 0.0)
    )
    assert mild < 0.8 * harsh
    (harsh_piece, _), (mild_piece, _) = (
        capture_pieces(truth, outlines(64), seeded(5), mildest) for mildest in (1.0, 0.0)
    )
    inside = (..., slice(14, 26), slice(16, 38))
    harsh, mild = ((p - truth)[inside].abs().mean() for p in (harsh_piece, mild_piece))
    assert mild < 0.8 * harsh


def test_images_of_a_batch_are_captured_apart() -> None:
    same = pictures(1).repeat(4, 1, 1, 1)
    found = capture_pictures(same, seeded(0))
    for i in range(4):
        for j in range(i):
            assert (found[i] - found[j]).abs().mean() > 0.005


def test_exact_scenes_stay_as_cut() -> None:
    before = scenes([True, False, True])
    assert before.exact.tolist() == [True, False, True]
    after = capture(before, seeded(0))
    for name in ("pictures", "photos", "masks"):
        was, now = getattr(before, name), getattr(after, name)
        assert torch.equal(now[0], was[0]), name
        assert torch.equal(now[2], was[2]), name
        assert not torch.equal(now[1], was[1]), name


def test_capture_keeps_labels_shapes_and_range() -> None:
    before = scenes([False, False])
    after = capture(before, seeded(0))
    assert after.photos.shape == (2, 2, 3, PHOTO, PHOTO)
    touched = {"pictures", "photos", "masks"}
    for f in fields(Scenes):
        was, now = getattr(before, f.name), getattr(after, f.name)
        assert now.shape == was.shape
        if f.name in touched:
            assert 0 <= now.min() <= now.max() <= 1
        else:
            assert torch.equal(now, was), f.name


def test_capturing_moves_nothing() -> None:
    """Blobs stay where they are: the labels made before capture are true after it."""
    picture = torch.from_numpy(draw_texture(64, 64).transpose(2, 0, 1)).float()[None] / 255
    found = capture_pictures(picture.repeat(6, 1, 1, 1), seeded(3)).mean(1)
    truth: Any = picture.mean(1)[0, 8:-8, 8:-8]

    def likeness(image: torch.Tensor, dy: int, dx: int) -> float:
        moved = image[8 + dy : 56 + dy, 8 + dx : 56 + dx]
        return float(torch.corrcoef(torch.stack([moved.flatten(), truth.flatten()]))[0, 1])

    for image in found:
        here = likeness(image, 0, 0)
        assert here > 0.5
        assert here > max(likeness(image, dy, dx) for dy, dx in ((0, 2), (2, 0), (0, -2), (-2, 0)))


def test_photos_of_one_light_differ_by_exposure_and_white_balance() -> None:
    light = Tone.drawn(Draw(1, seeded(4), torch.device("cpu")))
    drift = light.drifted(Draw(400, seeded(5), torch.device("cpu"))).gain / light.gain
    logs = drift.log()[..., 0, 0]
    common = logs.mean(1)
    assert float(common.std()) == pytest.approx((EXPOSURE**2 + WHITE**2 / 3) ** 0.5, rel=0.15)
    assert float((logs - common[:, None]).std()) == pytest.approx(WHITE * (2 / 3) ** 0.5, rel=0.15)
    # As captured: pieces of one print are far more alike than each in a light of its own.
    same, mask = pictures(1).repeat(24, 1, 1, 1), outlines(24)
    inside = mask.expand(-1, 3, -1, -1) > 0
    own, shared = (
        capture_pieces(same, mask, seeded(6), light=light_)[0][inside].view(24, 3, -1).mean(2)
        for light_ in (None, light)
    )
    assert (shared.std(0) < 0.7 * own.std(0)).all()
    # Hue, which exposure and uneven light leave alone, all the more.
    hues = [(found / found.mean(1, keepdim=True)).std(0) for found in (own, shared)]
    assert (hues[1] < 0.4 * hues[0]).all()
