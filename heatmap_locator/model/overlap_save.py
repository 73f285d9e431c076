"""Correlation with large kernels by FFT, in tiles of the picture (overlap-save).

Stockham, "High-speed convolution and correlation" (1966), for many kernels and channels at once:
at every frequency a tile's channels are multiplied by a matrix of kernels.  Tiles are transformed
once a picture, kernels once a piece; gradients pass the same way, backwards
(``plain_correlation``).

Spectra are laid out as in ``fourier``: where there are many channels frequencies come first.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from threading import Lock

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.model.fourier import (
    add_products,
    conjugate_matrices,
    conjugate_rows,
    conjugate_spectra,
    forward,
    in_matrices,
    inverse,
    multiply,
    out_of_matrices,
)
from heatmap_locator.model.tiling import FEW, Tiling, at_once, chunks, cut, plan
from heatmap_locator.steps import step

KEPT_BYTES = 2**28
"""Transforms that a picture keeps beside those used last."""

GROUP, ENERGIES, ROWS, MANY = 0.25, 0.25, 0.5, 8.0
"""Of ``tiling.CHUNK_BYTES``: products of a group of kernels; products of energies; kernels'
transforms, of many channels, that are made at a time; products that they are made for."""

MANY_MEANS, MEANS_LOST = 16, 0.005
"""Channels from which windows' means are taken along their principal axes alone, and the share of a
window's mean energy that those left out have.  Half of it is the error of what normalises; that
of interpolating it between every second window is 0.01 to 0.016 (``train/LOG.md``, "energies")."""


class PictureTiles:
    """A picture's tiles, transformed when first asked for and kept for later kernels.

    For a puzzle of 1,000 pieces, kernels of one size take 13 MB of pixels and 27 MB of 32
    channels of features, in proportion to the pieces; sizes beyond ``KEPT_BYTES`` are dropped,
    the one used longest ago first.

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
        ``(fw / 2, fh / 2, 4, tiles, C + 1)``, where C may be fewer: see :func:`principal_axes`."""
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
            # Never those of one kernel size, channels and energies, as they take turns.
            while len(self._kept) > 2 and self.kept_bytes > KEPT_BYTES:
                self._kept.popitem(last=False)
        return found

    def _channels(self, tiling: Tiling) -> Tensor:
        few = len(self.field) <= FEW

        def transform(tiles: Tensor) -> Tensor:
            found = forward(tiles)
            return found[:, None] if few else in_matrices(found)

        return _some_at_a_time(transform, self.field, tiling, 2 if few else 3)

    def _energies(self, tiling: Tiling) -> Tensor:
        few = len(self.field) <= FEW

        def transform(tiles: Tensor) -> Tensor:
            found = forward(_phases(tiles.transpose(0, 1)))
            if few:
                return found[:, None]
            return in_matrices(found.flatten(1, 2)).unflatten(3, found.shape[1:3])

        squares = self.field.square().sum(0, keepdim=True)
        both = torch.cat([principal_axes(self.field, tiling.kernel), squares])
        return _some_at_a_time(transform, both, tiling, 2 if few else 3)


def _some_at_a_time(
    transform: Callable[[Tensor], Tensor], field: Tensor, tiling: Tiling, axis: int
) -> Tensor:
    """What becomes of all tiles of ``(C, H, W)``, few in memory twice; ``axis`` is theirs then."""
    tiles, whole = cut(field, tiling), None
    for some in chunks(tiling.tiles, tiling.frequencies * len(field)):
        step()
        part = transform(tiles[:, some])
        if whole is None:
            shape = [*part.shape[:axis], tiling.tiles, *part.shape[axis + 1 :]]
            whole = part.new_empty(shape)
        whole.narrow(axis, some.start, part.shape[axis]).copy_(part)
    assert whole is not None
    return whole


def principal_axes(field: Tensor, side: int) -> Tensor:
    """Channels turned so that fewer of them hold what their windows' means have of energy.

    The energy of a mean is the same along any axes.  Windows' means lie close to a subspace:
    half of 32 features' axes have next to nothing of them.

    Args:
        field: ``(C, H, W)``.
        side: of the windows.

    Returns:
        ``(D, H, W)``; the field itself where it has few channels, few windows, or no numbers.
    """
    channels = len(field)
    if channels < MANY_MEANS or min(field.shape[1:]) < side:
        return field
    means = F.avg_pool2d(field[None], side, max(1, side // 2))[0].flatten(1).double()
    moment = means @ means.T / means.shape[1]
    if means.shape[1] < 4 * channels or not moment.isfinite().all():
        return field
    energies, axes = torch.linalg.eigh(moment)  # the least first
    whole = field.square().sum(0).mean().double() - energies.sum()
    left_out = int((energies.cumsum(0) <= MEANS_LOST * whole).sum())
    kept = axes[:, min(left_out, channels - 1) :].to(field.dtype)
    return torch.einsum("cd,chw->dhw", kept, field)


def kernel_spectra(kernels: Tensor, tiling: Tiling) -> Tensor:
    """Conjugate transforms of ``(R, C, k, k)`` kernels.

    Returns:
        ``(C, R, 1, fw, fh)``, of many channels ``(fw, fh, R, C)``.
    """
    own = pad_kernels(kernels, tiling.kernel)
    if kernels.shape[1] > FEW:
        return conjugate_matrices(own, tiling.tile)
    return conjugate_spectra(own.transpose(0, 1), tiling.tile)[:, :, None]


def correlate_tiles(
    picture: PictureTiles, kernels: Tensor, tiling: Tiling, groups: int = 1
) -> Iterator[tuple[slice, Iterable[Tensor]]]:
    """Correlate kernels with some tiles of a picture at a time.

    Args:
        picture: of C channels.
        kernels: ``(R, C, k, k)``.
        tiling: ``picture.plan(k)``.
        groups: of equally many kernels, in order.

    Yields:
        which tiles, and of each group, to be used before the next is asked for,
        ``(R / groups, tiles, down + 1, across + 1)`` at their positions.
    """
    (down, across), wide = tiling.step, tiling.tile[1]
    numbers = tiling.frequencies * len(kernels)

    def positions(product: Tensor) -> Tensor:
        return inverse(product, wide, down + 1)[..., : across + 1]

    if len(picture.field) <= FEW:
        seen, spectra = picture.channels(tiling), kernel_spectra(kernels, tiling)
        parts = spectra.chunk(groups, 1)
        for some in chunks(tiling.tiles, numbers // groups, GROUP):
            step()
            tiles = seen[:, :, some]
            yield some, (positions(add_products(own, tiles)) for own in parts)
    else:
        for many in chunks(tiling.tiles, numbers, MANY):
            product = _product(picture, kernels, tiling, many)
            for some in chunks(product.shape[1], numbers):
                step()
                found = positions(product[:, some])
                start = many.start + some.start
                yield slice(start, start + found.shape[1]), found.chunk(groups)


def _product(picture: PictureTiles, kernels: Tensor, tiling: Tiling, some: slice) -> Tensor:
    """``(R, tiles, fw, fh)`` of many channels and some tiles.

    Kernels' transforms are as large as the product: they are made, and used, some rows at a time.
    """
    own, seen = pad_kernels(kernels, tiling.kernel), picture.channels(tiling)[..., some]
    rows = at_once(own[:, :, 0, 0].numel() * tiling.tile[0], ROWS)
    product = seen.new_empty(len(own), seen.shape[3], *seen.shape[:2])
    spectra = conjugate_rows(own, tiling.tile, rows)
    for left, right, into in zip(spectra, seen.split(rows), product.split(rows, 2), strict=True):
        step()
        into.copy_(multiply(left, right).permute(2, 3, 0, 1))
    return product


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
    own = _phases(F.pad(pad_kernels(masks, tiling.kernel), (0, odd, 0, odd)))
    many = len(picture.field) > FEW
    if many:
        spectra = conjugate_matrices(own.transpose(0, 1), half)
    else:
        spectra = conjugate_spectra(own, half)[:, :, None, None]
    seen = picture.energies(tiling)
    both = seen.shape[4] if many else seen.shape[3]
    energy = masks.new_empty(len(masks), tiling.tiles, down, across)
    for some in chunks(tiling.tiles, spectra.numel() // 4 * both, 1.0 if many else ENERGIES):
        step()
        if many:
            found = out_of_matrices(multiply(spectra, seen[:, :, :, some].flatten(3)))
            found = found.unflatten(1, (-1, both))
        else:
            found = add_products(spectra, seen[:, :, some])
        found = inverse(found, half[1], down)[..., :across]
        mean = found[:, :, :-1].square().sum(2)
        torch.sub(found[:, :, -1], mean.div_(weight), out=energy[:, some])
    return energy


def _phases(images: Tensor) -> Tensor:
    """``(..., h, w)`` to ``(4, ..., h / 2, w / 2)``: every second position as an image.

    Correlation at every second position is the sum of those of the four phases.
    """
    parts = [images[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return torch.stack(parts)


def pad_kernels(kernels: Tensor, side: int) -> Tensor:
    more = (side - kernels.shape[-1]) // 2
    return F.pad(kernels, (more,) * 4) if more else kernels
