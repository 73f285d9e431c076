"""Filters against the plain operators that they replace."""

import pytest
import torch
import torch.nn.functional as F

from heatmap_locator.model.filters import SMALL, blur, gaussian_kernel, maximum_filter


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (3, 1), (3, 2), (5, 1), (2, 2), (4, 3)])
def test_running_maximum_is_max_pooling(window: int, stride: int) -> None:
    images = torch.randn(2, 3, 17, 24, generator=torch.Generator().manual_seed(0))
    expected = F.max_pool2d(images, window, stride)
    assert torch.equal(maximum_filter(images, window, stride), expected)


def test_small_and_large_images_are_blurred_alike() -> None:
    kernel = gaussian_kernel(1.5)
    images = torch.zeros(1, 1, SMALL + 20, 40)
    images[..., 20:60, 10:30] = torch.rand(40, 20, generator=torch.Generator().manual_seed(0))
    large, small = blur(images, kernel), blur(images[..., :100, :], kernel)
    assert torch.allclose(large[..., :80, :], small[..., :80, :], atol=1e-6)
