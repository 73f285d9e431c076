"""Transforms of many small images and kernels, and products at every frequency.

Spectra are transposed, ``(..., fw, fh)``: a transform runs three times as fast along memory as
across it, and is not turned back for the product's sake.  Products of matrices want frequencies
first, ``(fw, fh, ..., ...)``.
"""

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor


def forward(images: Tensor) -> Tensor:
    """``(..., fw, fh)`` of real ``(..., h, w)``."""
    return torch.fft.fft(torch.fft.rfft(images).transpose(-1, -2).contiguous())


def inverse(spectra: Tensor, width: int, rows: int) -> Tensor:
    """The first rows of real ``(..., h, width)`` from ``(..., fw, fh)``."""
    found = torch.fft.ifft(spectra)[..., :rows].transpose(-1, -2).contiguous()
    return torch.fft.irfft(found, n=width)


@lru_cache(maxsize=64)
def _fourier(n: int, k: int, rows: int, dtype: torch.dtype) -> Tensor:
    """``(rows, k)`` first rows and columns of the conjugate Fourier matrix of n samples."""
    with torch.inference_mode(False):
        turns = torch.outer(torch.arange(rows), torch.arange(k)).remainder(n).double() / n
        return torch.polar(torch.ones_like(turns), turns * (2 * torch.pi)).to(dtype)


def _complex(real: Tensor) -> torch.dtype:
    return torch.complex128 if real.dtype == torch.float64 else torch.complex64


def conjugate_spectra(kernels: Tensor, tile: tuple[int, int]) -> Tensor:
    """Conjugate transforms ``(..., fw, fh)``, as correlation multiplies by, of ``(..., k, k)``.

    Products of matrices: kernels are small and a tile is mostly zeros.
    """
    k, (tall, wide), dtype = kernels.shape[-1], tile, _complex(kernels)
    across = _fourier(wide, k, wide // 2 + 1, dtype) @ kernels.transpose(-1, -2).to(dtype)
    return across @ _fourier(tall, k, tall, dtype).T


def conjugate_matrices(kernels: Tensor, tile: tuple[int, int]) -> Tensor:
    """The same, ``(fw, fh, ...)``."""
    return next(conjugate_rows(kernels, tile, tile[1] // 2 + 1))


def conjugate_rows(kernels: Tensor, tile: tuple[int, int], most: int) -> Iterator[Tensor]:
    """Of the same ``most`` rows, ``(rows, fh, ...)``, at a time."""
    k, (tall, wide), dtype = kernels.shape[-1], tile, _complex(kernels)
    flat = kernels.flatten(0, -3).permute(2, 1, 0).to(dtype)
    down = (_fourier(tall, k, tall, dtype) @ flat).flatten(1)
    for rows in _fourier(wide, k, wide // 2 + 1, dtype).split(most):
        yield (rows @ down).view(-1, tall, *kernels.shape[:-2])


def in_matrices(spectra: Tensor) -> Tensor:
    """``(a, b, fw, fh)`` to ``(fw, fh, a, b)``."""
    return spectra.permute(2, 3, 0, 1).contiguous()


def out_of_matrices(spectra: Tensor) -> Tensor:
    """``(fw, fh, a, b)`` to ``(a, b, fw, fh)``."""
    return spectra.permute(2, 3, 0, 1).contiguous()


def multiply(left: Tensor, right: Tensor) -> Tensor:
    """Products of matrices at every frequency, ``(fw, fh, a, b)`` with ``(fw, fh, b, c)``."""
    found = torch.bmm(left.flatten(0, 1), right.flatten(0, 1))
    return found.unflatten(0, left.shape[:2])


def add_products(left: Tensor, right: Tensor) -> Tensor:
    """Sum over the first axis of products."""
    (one, *ones), (other, *others) = left.unbind(), right.unbind()
    found = one * other
    for one, other in zip(ones, others, strict=True):
        found.addcmul_(one, other)
    return found
