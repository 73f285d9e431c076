"""Resizing: averages where it shrinks, and masks do not overshoot where they grow."""

import numpy as np
import pytest

from heatmap_locator.resample import resize, stretch


def checks(side: int) -> np.ndarray:
    """Pixels of 0 and 255 in turn."""
    return (np.indices((side, side)).sum(0) % 2 * 255).astype(np.uint8)


def test_shrinking_skips_no_pixel() -> None:
    small = resize(checks(64), (16, 16), 0.25)
    assert small.shape == (16, 16)
    assert small.dtype == np.uint8
    assert np.abs(small.astype(int) - 127).max() <= 1


def test_print_grows_sharp_and_masks_without_overshoot() -> None:
    step = np.zeros((8, 8), np.float32)
    step[:, 4:] = 1
    sharp, soft = resize(step, (32, 32), 4.0), resize(step, (32, 32), 4.0, soft=True)
    assert sharp.max() > 1.01
    assert (soft.min(), soft.max()) == (0, 1)
    np.testing.assert_array_equal(soft, stretch(step, (32, 32)))


@pytest.mark.parametrize("soft", [False, True])
def test_the_same_size_is_the_same_image(soft: bool) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(resize(image, (7, 9), 1.0, soft), image)
    np.testing.assert_array_equal(resize(image, (7, 9), 0.999, soft), image)
