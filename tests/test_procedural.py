"""Procedural pictures: seeded, of the size asked for, and textured all over."""

from __future__ import annotations

import numpy as np
import pytest

from heatmap_train.draw.procedural import KINDS, draw_picture

SIZES = [(640, 480), (333, 257), (97, 211), (16, 16), (17, 200), (300, 16)]


def draw(width: int, height: int, seed: int, kind: str | None = None) -> np.ndarray:
    return draw_picture(width, height, np.random.default_rng(seed), kind)


def block_stds(picture: np.ndarray, side: int = 32) -> np.ndarray:
    """Standard deviation of the grey levels in each whole block of side x side pixels."""
    rows, cols = picture.shape[0] // side, picture.shape[1] // side
    grey = picture.mean(axis=2)[: rows * side, : cols * side]
    return grey.reshape(rows, side, cols, side).std(axis=(1, 3)).ravel()


def test_there_are_many_kinds() -> None:
    wanted = {"scene", "facade", "shapes", "mosaic", "text", "turing", "foliage", "waves"}
    assert wanted <= set(KINDS)
    assert len(set(KINDS)) == len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_shape_and_type(kind: str, width: int, height: int) -> None:
    for seed in range(3):
        picture = draw(width, height, seed, kind)
        assert picture.shape == (height, width, 3)
        assert picture.dtype == np.uint8
        assert picture.flags.c_contiguous


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_seed_decides_the_picture(kind: str | None) -> None:
    one = draw(160, 120, 1, kind)
    np.testing.assert_array_equal(one, draw(160, 120, 1, kind))
    apart = np.abs(one.astype(int) - draw(160, 120, 2, kind)).mean()
    assert apart > 10


@pytest.mark.parametrize("kind", KINDS)
def test_texture_is_everywhere(kind: str) -> None:
    for seed in range(4):
        stds = block_stds(draw(640, 480, seed, kind))
        assert np.mean(stds > 2.5) > 0.95
        assert np.median(stds) > 4
        # The shapes themselves count too, not only the grain.
        assert block_stds(draw(640, 480, seed, kind), 160).max() > 15


@pytest.mark.parametrize("kind", KINDS)
def test_no_block_repeats(kind: str) -> None:
    """A piece has one place: equal blocks elsewhere would make two answers right."""
    blocks = draw(512, 384, 3, kind).astype(np.float32).reshape(6, 64, 8, 64, 3)
    blocks = blocks.swapaxes(1, 2).reshape(48, -1)
    apart = np.abs(blocks[:, None] - blocks[None]).mean(axis=2) + 255 * np.eye(48)
    assert apart.min() > 4


def test_pictures_are_colourful_and_varied() -> None:
    means = np.array([draw(96, 64, seed).mean(axis=(0, 1)) for seed in range(40)])
    assert (means.std(axis=0) > 15).all()
    spans = [float(np.ptp(draw(96, 64, seed).astype(int), axis=2).mean()) for seed in range(40)]
    assert np.mean(spans) > 25


def test_no_kind_lets_the_generator_choose() -> None:
    # The choice is the first draw, and the picture follows from the same generator.
    for seed in range(3):
        rng = np.random.default_rng(seed)
        kind = KINDS[int(rng.integers(0, len(KINDS)))]
        np.testing.assert_array_equal(draw(64, 48, seed), draw_picture(64, 48, rng, kind))


def test_bad_arguments_name_the_fix() -> None:
    with pytest.raises(ValueError, match=r"use one of scene, .*waves"):
        draw(64, 64, 0, "photo")
    for size in [(15, 64), (64, 15), (0, 0)]:
        with pytest.raises(ValueError, match="16 x 16 or more"):
            draw(*size, 0)
