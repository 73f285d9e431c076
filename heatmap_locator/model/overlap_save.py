"""Correlation with large kernels by FFT, in tiles of the picture (overlap-save).

Stockham, "High-speed convolution and correlation" (1966), for many kernels and channels at once:
at every frequency a tile's channels are multiplied by a matrix of kernels.  Tiles are transformed
once a picture, kernels once a piece; gradients pass the same way, backwards.

Spectra are transposed, ``(..., fw, fh)``: a transform runs three times as fast along memory as
across it, and is not turned back for the product's sake.  Where there are many channels the
frequencies come first, ``(fw, fh, ..., ...)``, as products of matrices want them.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from threading import Lock
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

SIDES = {8: 5.0, 16: 3.9, 32: 3.3, 48: 4.5, 64: 3.3, 80: 4.3, 96: 4.2, 112: 4.3, 128: 3.8}
SIDES |= {160: 4.5, 192: 4.5, 256: 6.0, 384: 9.0, 512: 9.0}
"""Sides of a tile and what a frequency of theirs costs, in nanoseconds: transposed, transformed,
transposed and transformed again, measured on one core of an AMD EPYC 9004 held to AVX2."""

FEW = 4
"""Channels up to which products are added up one by one: matrices so thin multiply slowly."""

PRODUCT = 0.2
"""Nanoseconds of a product of two complex numbers, in matrices."""

CHUNK_BYTES = 2**20, 2**23
"""Products between two passes over memory, of few channels and of many.  More fall out of the
cache; matrices of less are too small to multiply well."""

GEOMETRIES = 2
"""Kernel sizes for which a picture's transforms are kept."""


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut into overlapping tiles for kernels of one size.

    Attributes:
        kernel: side of the kernels, those of smaller ones padded.
        size: (rows, columns) of positions, as of ``conv2d`` padded by ``kernel // 2``.
        tile: (height, width) of a tile.
        step: positions, an even number, from a tile to the next; a tile has one more than that.
        count: (rows, columns) of tiles.
    """

    kernel: int
    size: tuple[int, int]
    tile: tuple[int, int]
    step: tuple[int, int]
    count: tuple[int, int]

    @property
    def tiles(self) -> int:
        return self.count[0] * self.count[1]

    @property
    def frequencies(self) -> int:
        """Of a tile."""
        return self.tile[0] * (self.tile[1] // 2 + 1)

    @property
    def reach(self) -> tuple[int, int]:
        """(height, width) that all tiles together cover."""
        height, width = (
            (n - 1) * step + tile
            for n, step, tile in zip(self.count, self.step, self.tile, strict=True)
        )
        return height, width


def padded_side(k: int) -> int:
    """Side that kernels of side k are padded to, so that few geometries serve all pieces."""
    return k + (2 - k % 2 - k) % 4


@lru_cache(maxsize=256)
def plan(height: int, width: int, k: int, channels: int) -> Tiling:
    """The tiles that cost least, for many kernels of side k on ``(channels, height, width)``.

    Counted is what a kernel costs: its product with every tile and the way back; a window's
    energies, of every third kernel at every second position, of all channels; and the kernel's
    own way there.
    """
    side = padded_side(k)
    size = (height + 1 - side % 2, width + 1 - side % 2)
    fitting = [(tile, (tile - side) // 2 * 2) for tile in SIDES if tile >= side + 2]
    if not fitting:
        raise ValueError(f"kernels of side {k} are too large")
    choices = [[(t, step, -(-positions // step)) for t, step in fitting] for positions in size]

    def cost(pair: tuple[tuple[int, int, int], ...]) -> float:
        (tall, _, down), (wide, _, across) = pair
        back = (SIDES[tall] + SIDES[wide]) / 2
        energy = (channels + 1) * (back + 4 * PRODUCT) / 12
        own = back + channels * PRODUCT + energy
        return tall * wide * (down * across * own + 2 * channels * side * PRODUCT)

    rows, columns = min(product(*choices), key=cost)
    tile, step, count = zip(rows, columns, strict=True)
    return Tiling(side, size, tile, step, count)


class PictureTiles:
    """A picture's tiles, transformed when first asked for and kept for later kernels.

    Kept are the transforms for up to ``GEOMETRIES`` kernel sizes.  For a puzzle of 1,000 pieces
    one takes 14 MB of pixels and 28 MB of 32 channels of features, in proportion to the pieces.

    Args:
        field: ``(C, H, W)`` floating point; it must not change.
    """

    def __init__(self, field: Tensor) -> None:
        self.field = field if field.dtype == torch.float64 else field.float()
        self._kept: OrderedDict[tuple[Tiling, str], Tensor] = OrderedDict()
        self._lock = Lock()

    def plan(self, k: int) -> Tiling:
        """Tiles for kernels of side k."""
        channels, height, width = self.field.shape
        return plan(height, width, k, channels)

    def channels(self, tiling: Tiling) -> Tensor:
        """Transforms ``(C, 1, tiles, fw, fh)``, of many channels ``(fw, fh, C, tiles)``."""
        return self._get(tiling, "channels")

    def energies(self, tiling: Tiling) -> Tensor:
        """Transforms ``(4, 1, tiles, C + 1, fw / 2, fh / 2)`` of channels and, last, the sum of
        their squares, in four phases of which each holds every second position; of many channels
        ``(fw / 2, fh / 2, 4, tiles, C + 1)``."""
        return self._get(tiling, "energies")

    @property
    def kept_bytes(self) -> int:
        return sum(t.numel() * t.element_size() for t in self._kept.values())

    def _get(self, tiling: Tiling, kind: str) -> Tensor:
        with self._lock:
            found = self._kept.pop((tiling, kind), None)
            if found is None:
                found = self._channels(tiling) if kind == "channels" else self._energies(tiling)
            self._kept[(tiling, kind)] = found
            while len(self._kept) > 2 * GEOMETRIES:
                self._kept.popitem(last=False)
        return found

    def _channels(self, tiling: Tiling) -> Tensor:
        found = _forward(_cut(self.field, tiling))
        return found[:, None] if len(found) <= FEW else _in_matrices(found)

    def _energies(self, tiling: Tiling) -> Tensor:
        both = torch.cat([self.field, self.field.square().sum(0, keepdim=True)])
        found = _forward(_phases(_cut(both, tiling).transpose(0, 1)))
        if len(self.field) <= FEW:
            return found[:, None]
        return _in_matrices(found.flatten(1, 2)).unflatten(3, found.shape[1:3])


def kernel_spectra(kernels: Tensor, tiling: Tiling) -> Tensor:
    """Conjugate transforms of ``(R, C, k, k)`` kernels, to be given to :func:`correlate_tiles`.

    Returns:
        ``(C, R, 1, fw, fh)``, of many channels ``(fw, fh, R, C)``.
    """
    own = _pad_kernels(kernels, tiling.kernel)
    if kernels.shape[1] > FEW:
        return _kernel_matrices(own, tiling.tile)
    return _kernel_spectra(own.transpose(0, 1), tiling.tile)[:, :, None]


def correlate_tiles(
    picture: PictureTiles, spectra: Tensor, tiling: Tiling
) -> Iterator[tuple[slice, Tensor]]:
    """Correlate kernels with some tiles of a picture at a time.

    Args:
        picture: of C channels.
        spectra: of R kernels.
        tiling: of both.

    Yields:
        which tiles, and ``(R, tiles, down + 1, across + 1)`` at their positions.
    """
    (down, across), wide = tiling.step, tiling.tile[1]
    seen = picture.channels(tiling)
    if len(picture.field) <= FEW:
        for some in chunks(tiling.tiles, tiling.frequencies * spectra.shape[1]):
            found = _inverse(_add_products(spectra, seen[:, :, some]), wide, down + 1)
            yield some, found[..., : across + 1]
    else:
        for some in chunks(tiling.tiles, tiling.frequencies * spectra.shape[2], many=True):
            found = _inverse(_out_of_matrices(_multiply(spectra, seen[..., some])), wide, down + 1)
            yield some, found[..., : across + 1]


def window_energies(picture: PictureTiles, masks: Tensor, weight: Tensor, tiling: Tiling) -> Tensor:
    """Energy about the weighted mean in every second window.

    Args:
        picture: of C channels, whose energies are added up.
        masks: ``(R, k, k)`` weights.
        weight: ``(R, 1, 1, 1)`` their sums.
        tiling: ``picture.plan(k)``.

    Returns:
        ``(R, tiles, down / 2 + 1, across / 2 + 1)`` at the even positions of every tile.
    """
    down, across = (n // 2 + 1 for n in tiling.step)
    half = tiling.tile[0] // 2, tiling.tile[1] // 2
    odd = tiling.kernel % 2
    own = _phases(F.pad(_pad_kernels(masks, tiling.kernel), (0, odd, 0, odd)))
    both, many = len(picture.field) + 1, len(picture.field) > FEW
    if many:
        spectra = _kernel_matrices(own.transpose(0, 1), half)
    else:
        spectra = _kernel_spectra(own, half)[:, :, None, None]
    seen = picture.energies(tiling)
    energy = masks.new_empty(len(masks), tiling.tiles, down, across)
    for some in chunks(tiling.tiles, spectra.numel() // 4 * both, many):
        if many:
            found = _out_of_matrices(_multiply(spectra, seen[:, :, :, some].flatten(3)))
            found = found.unflatten(1, (-1, both))
        else:
            found = _add_products(spectra, seen[:, :, some])
        found = _inverse(found, half[1], down)[..., :across]
        mean = found[:, :, :-1].square().sum(2)
        torch.sub(found[:, :, -1], mean.div_(weight), out=energy[:, some])
    return energy


def join(tiles: Tensor, count: tuple[int, int]) -> Tensor:
    """Positions ``(R, tiles, h, w)``, side by side, as ``(R, count * h, count * w)``."""
    return tiles.unflatten(1, count).transpose(2, 3).flatten(3).flatten(1, 2)


class OverlapSave(torch.autograd.Function):
    """Plain correlation of ``(C, H, W)`` with ``(R, C, k, k)`` to ``(R, H', W')``."""

    @staticmethod
    def forward(ctx: Any, field: Tensor, kernels: Tensor) -> Tensor:
        picture = PictureTiles(field)
        tiling = picture.plan(kernels.shape[-1])
        spectra = kernel_spectra(kernels, tiling)
        (down, across), (height, width) = tiling.step, tiling.size
        found = field.new_empty(len(kernels), tiling.tiles, down, across)
        for some, own in correlate_tiles(picture, spectra, tiling):
            found[:, some] = own[..., :down, :across]
        seen = picture.channels(tiling)
        if len(field) <= FEW:
            spectra, seen = _in_matrices(spectra[:, :, 0].transpose(0, 1)), _in_matrices(seen[:, 0])
        ctx.save_for_backward(spectra, seen)
        ctx.tiling, ctx.shape, ctx.kernel = tiling, field.shape, kernels.shape[-1]
        return join(found, tiling.count)[:, :height, :width]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        spectra, seen = ctx.saved_tensors
        tiling: Tiling = ctx.tiling
        (down, across), (tall, wide) = tiling.step, tiling.tile
        rows, more = (
            n * step - size
            for n, step, size in zip(tiling.count, tiling.step, tiling.size, strict=True)
        )
        cut = F.pad(grad, (0, more, 0, rows)).unfold(1, down, down).unfold(2, across, across)
        padded = F.pad(cut.flatten(1, 2), (0, wide - across, 0, tall - down))
        to_kernels = torch.zeros_like(spectra)
        to_tiles = grad.new_empty(seen.shape[2], tiling.tiles, tall, wide)
        backwards = spectra.conj_physical().transpose(2, 3)
        for some in chunks(tiling.tiles, spectra[..., 0].numel(), many=True):
            own = _in_matrices(_forward(padded[:, some]))
            if ctx.needs_input_grad[0]:
                to_tiles[:, some] = _inverse(
                    _out_of_matrices(_multiply(backwards, own)), wide, tall
                )
            if ctx.needs_input_grad[1]:
                to_kernels += _multiply(own.conj_physical(), seen[..., some].transpose(2, 3))
        field = kernels = None
        if ctx.needs_input_grad[0]:
            pad, (_, height, width) = tiling.kernel // 2, ctx.shape
            columns = to_tiles.permute(0, 2, 3, 1).flatten(0, 2)
            whole = F.fold(columns[None], tiling.reach, tiling.tile, stride=tiling.step)[0]
            field = whole[:, pad : pad + height, pad : pad + width]
        if ctx.needs_input_grad[1]:
            more, side = (tiling.kernel - ctx.kernel) // 2, ctx.kernel
            whole = _inverse(_out_of_matrices(to_kernels), wide, tall)
            kernels = whole[..., more : more + side, more : more + side]
        return field, kernels


def chunks(tiles: int, numbers: int, many: bool = False) -> Iterator[slice]:
    """All tiles in turn, so many at once that their product stays within ``CHUNK_BYTES``.

    Args:
        tiles: how many there are.
        numbers: complex ones in a tile's product.
        many: it is one of many channels.
    """
    most = max(1, CHUNK_BYTES[many] // (8 * numbers))
    for start in range(0, tiles, most):
        yield slice(start, min(start + most, tiles))


def _cut(field: Tensor, tiling: Tiling) -> Tensor:
    """``(C, H, W)`` to its tiles, ``(C, tiles, *tile)``."""
    pad = tiling.kernel // 2
    bottom, right = (
        reach - n - pad for reach, n in zip(tiling.reach, field.shape[1:], strict=True)
    )
    padded = F.pad(field, (pad, right, pad, bottom))
    down, across = tiling.step
    cut = padded.unfold(1, tiling.tile[0], down).unfold(2, tiling.tile[1], across)
    return cut.flatten(1, 2)


def _phases(images: Tensor) -> Tensor:
    """``(..., h, w)`` to ``(4, ..., h / 2, w / 2)``: every second position as an image.

    Correlation at every second position is the sum of those of the four phases.
    """
    parts = [images[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return torch.stack(parts)


def _pad_kernels(kernels: Tensor, side: int) -> Tensor:
    more = (side - kernels.shape[-1]) // 2
    return F.pad(kernels, (more,) * 4) if more else kernels


def _forward(images: Tensor) -> Tensor:
    """``(..., fw, fh)`` of real ``(..., h, w)``."""
    return torch.fft.fft(torch.fft.rfft(images).transpose(-1, -2).contiguous())


def _inverse(spectra: Tensor, width: int, rows: int) -> Tensor:
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


def _kernel_spectra(kernels: Tensor, tile: tuple[int, int]) -> Tensor:
    """Conjugate transforms ``(..., fw, fh)``, as correlation multiplies by, of ``(..., k, k)``.

    Products of matrices: kernels are small and a tile is mostly zeros.
    """
    k, (tall, wide), dtype = kernels.shape[-1], tile, _complex(kernels)
    across = _fourier(wide, k, wide // 2 + 1, dtype) @ kernels.transpose(-1, -2).to(dtype)
    return across @ _fourier(tall, k, tall, dtype).T


def _kernel_matrices(kernels: Tensor, tile: tuple[int, int]) -> Tensor:
    """The same, ``(fw, fh, ...)``."""
    k, (tall, wide), dtype = kernels.shape[-1], tile, _complex(kernels)
    flat = kernels.flatten(0, -3).permute(2, 1, 0).to(dtype)
    down = _fourier(tall, k, tall, dtype) @ flat
    found = _fourier(wide, k, wide // 2 + 1, dtype) @ down.flatten(1)
    return found.view(-1, tall, *kernels.shape[:-2])


def _in_matrices(spectra: Tensor) -> Tensor:
    """``(a, b, fw, fh)`` to ``(fw, fh, a, b)``."""
    return spectra.permute(2, 3, 0, 1).contiguous()


def _out_of_matrices(spectra: Tensor) -> Tensor:
    """``(fw, fh, a, b)`` to ``(a, b, fw, fh)``."""
    return spectra.permute(2, 3, 0, 1).contiguous()


def _multiply(left: Tensor, right: Tensor) -> Tensor:
    """Products of matrices at every frequency, ``(fw, fh, a, b)`` with ``(fw, fh, b, c)``."""
    found = torch.bmm(left.flatten(0, 1), right.flatten(0, 1))
    return found.unflatten(0, left.shape[:2])


def _add_products(left: Tensor, right: Tensor) -> Tensor:
    """Sum over the first axis of products."""
    found = left[0] * right[0]
    for one, other in zip(left[1:], right[1:], strict=True):
        found.addcmul_(one, other)
    return found
