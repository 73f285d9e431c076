"""Correlation with large kernels by FFT, in tiles of the picture (overlap-save).

Stockham, "High-speed convolution and correlation" (1966), for many kernels and channels at once:
at every frequency a tile's channels are multiplied by a matrix of kernels.  Tiles are transformed
once a picture, kernels once a piece; gradients pass the same way, backwards.

Spectra hold frequencies along their first two axes, and kernels, channels and tiles behind them,
as products of matrices want them; positions lie along the last two.
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

SIDES = [8, 12, 16, 20, 24, 30, 32, 36, 40, 48, 54, 60, 64, 72, 80, 90, 96, 100, 108, 120, 128]
SIDES += [144, 160, 192, 256, 384, 512]
"""Sides of a tile: even, products of small primes."""

LARGEST = 128
"""Side beyond which a tile is taken only for kernels that leave no choice: larger ones fall out
of the cache."""

CHUNK_BYTES = 2**23
"""Products computed between two passes over memory: less, and the matrices of a frequency are too
small to multiply well; more, and they fall out of the cache."""

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
    """The cheapest tiles for many kernels of side k on ``(channels, height, width)``.

    The cost is counted in samples of the transforms, per kernel: back from every tile's product;
    the product itself, 0.15 a channel; a window's energies, of every third kernel at every second
    position in all channels; and the kernel's own channels.
    """
    side = padded_side(k)
    size = (height + 1 - side % 2, width + 1 - side % 2)
    choices = []
    for positions in size:
        fitting = [(t, (t - side) // 2 * 2) for t in SIDES if t >= side + 2]
        fitting = [c for c in fitting if c[0] <= LARGEST] or fitting[:1]
        if not fitting:
            raise ValueError(f"kernels of side {k} are too large")
        choices.append([(t, step, -(-positions // step)) for t, step in fitting])

    def cost(pair: tuple[tuple[int, int, int], ...]) -> float:
        (tall, _, down), (wide, _, across) = pair
        own = 1 + 0.15 * channels + (channels + 1) / 12
        return tall * wide * (down * across * own + channels)

    rows, columns = min(product(*choices), key=cost)
    tile, step, count = zip(rows, columns, strict=True)
    return Tiling(side, size, tile, step, count)


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


def _forward(images: Tensor) -> Tensor:
    """``(h, w, ...)`` frequencies of real ``(..., h, w)``."""
    found = torch.fft.rfft2(images)
    order = (found.ndim - 2, found.ndim - 1, *range(found.ndim - 2))
    return found.permute(order).contiguous()


def _inverse(spectra: Tensor, width: int) -> Tensor:
    """Real ``(..., h, width)`` of ``(h, w, ...)`` frequencies."""
    found = torch.fft.irfft(torch.fft.ifft(spectra, dim=0), n=width, dim=1)
    return found.permute(*range(2, found.ndim), 0, 1)


@lru_cache(maxsize=256)
def _fourier(n: int, k: int, rows: int, dtype: torch.dtype) -> Tensor:
    """``(rows, k)`` first rows and columns of the conjugate Fourier matrix of n samples."""
    turns = torch.outer(torch.arange(rows), torch.arange(k)).remainder(n).double() / n
    return torch.polar(torch.ones_like(turns), turns * (2 * torch.pi)).to(dtype)


def _kernel_spectra(kernels: Tensor, tile: tuple[int, int]) -> Tensor:
    """Conjugate transforms, as correlation multiplies by, of ``(..., k, k)`` kernels.

    Returns:
        ``(fh, fw, ...)``.  Products of matrices: kernels are small, a tile is mostly zeros.
    """
    k, (tall, wide) = kernels.shape[-1], tile
    dtype = torch.complex64 if kernels.dtype == torch.float32 else torch.complex128
    flat = kernels.flatten(0, -3).permute(1, 2, 0).to(dtype)
    across = _fourier(wide, k, wide // 2 + 1, dtype) @ flat
    found = _fourier(tall, k, tall, dtype) @ across.flatten(1)
    return found.view(tall, wide // 2 + 1, *kernels.shape[:-2])


def _multiply(left: Tensor, right: Tensor) -> Tensor:
    """Matrix products at every frequency, ``(h, w, a, b)`` with ``(h, w, b, c)``."""
    found = torch.bmm(left.flatten(0, 1), right.flatten(0, 1))
    return found.unflatten(0, left.shape[:2])


def _pad_kernels(kernels: Tensor, side: int) -> Tensor:
    more = (side - kernels.shape[-1]) // 2
    return F.pad(kernels, (more,) * 4) if more else kernels


def _phases(images: Tensor) -> Tensor:
    """``(N, h, w)`` to ``(4, N, h / 2, w / 2)``: every second position as an image.

    Correlation at every second position is the sum of those of the four phases.
    """
    parts = [images[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return torch.stack(parts)


class PictureTiles:
    """A picture's tiles, transformed when first asked for and kept for later kernels.

    Kept are the transforms for up to ``GEOMETRIES`` kernel sizes, each of about ``10 C + 1`` times
    the bytes of one channel where ``energies`` are asked for as well.

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
        """``(fh, fw, C, tiles)`` transforms."""
        return self._get(tiling, "channels")

    def energies(self, tiling: Tiling) -> Tensor:
        """``(fh / 2, fw / 2, 4, tiles, C + 1)`` transforms of channels and, last, the sum of their
        squares, of every second position."""
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
        return _forward(_cut(self.field, tiling))

    def _energies(self, tiling: Tiling) -> Tensor:
        both = torch.cat([self.field, self.field.square().sum(0, keepdim=True)])
        return _forward(_phases(_cut(both, tiling).transpose(0, 1)))


def kernel_spectra(kernels: Tensor, tiling: Tiling) -> Tensor:
    """Conjugate transforms of ``(R, C, k, k)`` kernels, ``(fh, fw, R, C)``."""
    return _kernel_spectra(_pad_kernels(kernels, tiling.kernel), tiling.tile)


def correlate_tiles(spectra: Tensor, seen: Tensor, tiling: Tiling) -> Tensor:
    """Positions ``(R, tiles, down + 1, across + 1)`` of kernels in some tiles.

    Args:
        spectra: ``(fh, fw, R, C)`` of the kernels.
        seen: ``(fh, fw, C, tiles)`` of the tiles.
        tiling: of both.
    """
    down, across = tiling.step
    return _inverse(_multiply(spectra, seen), tiling.tile[1])[..., : down + 1, : across + 1]


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
    tall, wide = (n // 2 for n in tiling.tile)
    odd = tiling.kernel % 2
    own = F.pad(_pad_kernels(masks, tiling.kernel), (0, odd, 0, odd))
    spectra = _kernel_spectra(_phases(own).transpose(0, 1), (tall, wide))
    seen = picture.energies(tiling)
    energy = masks.new_empty(len(masks), tiling.tiles, down, across)
    for some in chunks(tiling.tiles, spectra[..., 0].numel() * seen.shape[-1]):
        found = _inverse(_multiply(spectra, seen[:, :, :, some].flatten(3)), wide)
        found = found[..., :down, :across].unflatten(1, (-1, seen.shape[-1]))
        mean = found[:, :, :-1].square().sum(2)
        torch.sub(found[:, :, -1], mean.div_(weight), out=energy[:, some])
    return energy


def chunks(tiles: int, numbers: int) -> Iterator[slice]:
    """All tiles in turn, so many at once that a product stays within ``CHUNK_BYTES``.

    Args:
        tiles: how many there are.
        numbers: complex ones in a tile's product.
    """
    most = max(1, CHUNK_BYTES // (8 * numbers))
    for start in range(0, tiles, most):
        yield slice(start, min(start + most, tiles))


def join(tiles: Tensor, count: tuple[int, int]) -> Tensor:
    """Positions ``(R, tiles, h, w)``, side by side, as ``(R, count * h, count * w)``."""
    return tiles.unflatten(1, count).transpose(2, 3).flatten(3).flatten(1, 2)


class OverlapSave(torch.autograd.Function):
    """Plain correlation of ``(C, H, W)`` with ``(R, C, k, k)`` to ``(R, H', W')``."""

    @staticmethod
    def forward(ctx: Any, field: Tensor, kernels: Tensor) -> Tensor:
        picture = PictureTiles(field)
        tiling = picture.plan(kernels.shape[-1])
        spectra, seen = kernel_spectra(kernels, tiling), picture.channels(tiling)
        (down, across), (height, width) = tiling.step, tiling.size
        found = field.new_empty(len(kernels), tiling.tiles, down, across)
        for some in chunks(tiling.tiles, spectra[..., 0].numel()):
            own = correlate_tiles(spectra, seen[..., some], tiling)
            found[:, some] = own[..., :down, :across]
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
        for some in chunks(tiling.tiles, spectra[..., 0].numel()):
            own = _forward(padded[:, some])
            if ctx.needs_input_grad[0]:
                to_tiles[:, some] = _inverse(_multiply(backwards, own), wide)
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
            whole = _inverse(to_kernels, wide)
            kernels = whole[..., more : more + side, more : more + side]
        return field, kernels
