"""Gaussian blur and running maximum of image tensors."""

from functools import lru_cache, reduce

import torch
import torch.nn.functional as F
from torch import Tensor

_CPU = torch.device("cpu")


@lru_cache(maxsize=256)
def constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Numbers on a device, copied there once: a copy waits for all that the device has to do."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device)


@lru_cache(maxsize=64)
def gaussian_kernel(sigma: float, device: torch.device = _CPU) -> Tensor:
    """``(2 * radius + 1,)``, summing to 1; the radius is 2.5 ``sigma``, at least a pixel."""
    radius = max(1, int(2.5 * sigma + 0.5))
    with torch.inference_mode(False):
        offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (offsets / sigma).square())
        return (kernel / kernel.sum()).to(device)


SMALL = 128
"""Longest side, in pixels, up to which blurring is a product of matrices."""


def blur(images: Tensor, kernel: Tensor) -> Tensor:
    """``(N, C, H, W)`` blurred by an odd, symmetric kernel along both sides, zero outside."""
    n, c, height, width = images.shape
    radius = kernel.numel() // 2
    if max(height, width) <= SMALL:
        # Many small images: several times faster than a convolution of one channel.
        return _band(kernel, height) @ images @ _band(kernel, width)
    if images.device.type == "cpu":
        # Convolutions of one channel are ten times slower there, and copy it sixteen times.
        return _blurred_along(_blurred_along(images, kernel, 3), kernel, 2)
    flat = images.reshape(n * c, 1, height, width)
    flat = F.conv2d(flat, kernel.view(1, 1, 1, -1), padding=(0, radius))
    flat = F.conv2d(flat, kernel.view(1, 1, -1, 1), padding=(radius, 0))
    return flat.view(n, c, height, width)


def _blurred_along(images: Tensor, kernel: Tensor, axis: int) -> Tensor:
    radius, weights, count = kernel.numel() // 2, kernel.tolist(), images.shape[axis]
    padded = F.pad(images, (radius, radius) if axis == 3 else (0, 0, radius, radius))
    found = padded.narrow(axis, radius, count) * weights[radius]
    for i in (*range(radius), *range(radius + 1, 2 * radius + 1)):
        found.add_(padded.narrow(axis, i, count), alpha=weights[i])
    return found


@lru_cache(maxsize=256)
def _band(kernel: Tensor, size: int) -> Tensor:
    """``(size, size)`` that blurs a column of pixels by a symmetric kernel.

    Kept by which tensor the kernel is, not by its numbers: ``gaussian_kernel`` returns the same.
    """
    with torch.inference_mode(False):
        at = torch.arange(size, device=kernel.device)
        offset = at[:, None] - at + kernel.numel() // 2
        inside = (offset >= 0) & (offset < kernel.numel())
        return kernel[offset.clamp(0, kernel.numel() - 1)] * inside


def maximum_filter(images: Tensor, window: int, stride: int = 1) -> Tensor:
    """``max_pool2d(images, window, stride)`` of ``(..., H, W)``, one side after the other.

    For the windows of a few pixels that are used here it is many times quicker on a CPU, where
    numbers that lie apart in memory are looked at one by one: so along rows every window is looked
    at, and what is asked for is a view of it.
    """
    count = (images.shape[-2] - window) // stride + 1
    rows = [images[..., first : first + (count - 1) * stride + 1, :] for first in range(window)]
    images = reduce(torch.maximum, (part[..., ::stride, :] for part in rows))
    grown = 1
    while grown < window:  # a window is as long as two that overlap
        more = min(grown, window - grown)
        images = torch.maximum(images[..., :-more], images[..., more:])
        grown += more
    return images[..., ::stride]
