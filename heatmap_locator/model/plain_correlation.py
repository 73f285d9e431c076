"""Plain correlation by FFT in tiles, through which gradients pass."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from heatmap_locator.model.fourier import (
    conjugate_matrices,
    forward,
    in_matrices,
    inverse,
    multiply,
    out_of_matrices,
)
from heatmap_locator.model.overlap_save import PictureTiles, correlate_tiles, pad_kernels
from heatmap_locator.model.tiling import FEW, Tiling, chunks, join


def correlate_plain(picture: PictureTiles, kernels: Tensor) -> Tensor:
    """What :class:`OverlapSave` computes, without gradients, of a picture's kept transforms."""
    tiling = picture.plan(kernels.shape[-1])
    (down, across), (height, width) = tiling.step, tiling.size
    found = picture.field.new_empty(len(kernels), tiling.tiles, down, across)
    for some, (own,) in correlate_tiles(picture, kernels, tiling):
        found[:, some] = own[..., :down, :across]
    return join(found, tiling.count)[:, :height, :width]


class OverlapSave(torch.autograd.Function):
    """Plain correlation of ``(C, H, W)`` with ``(R, C, k, k)`` to ``(R, H', W')``."""

    @staticmethod
    def forward(ctx: Any, field: Tensor, kernels: Tensor) -> Tensor:
        picture = PictureTiles(field)
        found, tiling = correlate_plain(picture, kernels), picture.plan(kernels.shape[-1])
        ctx.save_for_backward(kernels, picture.channels(tiling))
        ctx.tiling, ctx.shape, ctx.kernel = tiling, field.shape, kernels.shape[-1]
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        own_kernels, seen = ctx.saved_tensors
        tiling: Tiling = ctx.tiling
        spectra = conjugate_matrices(pad_kernels(own_kernels, tiling.kernel), tiling.tile)
        if own_kernels.shape[1] <= FEW:
            seen = in_matrices(seen[:, 0])
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
            own = in_matrices(forward(padded[:, some]))
            if ctx.needs_input_grad[0]:
                to_tiles[:, some] = inverse(out_of_matrices(multiply(backwards, own)), wide, tall)
            if ctx.needs_input_grad[1]:
                to_kernels += multiply(own.conj_physical(), seen[..., some].transpose(2, 3))
        field = kernels = None
        if ctx.needs_input_grad[0]:
            pad, (_, height, width) = tiling.kernel // 2, ctx.shape
            columns = to_tiles.permute(0, 2, 3, 1).flatten(0, 2)
            whole = F.fold(columns[None], tiling.reach, tiling.tile, stride=tiling.step)[0]
            field = whole[:, pad : pad + height, pad : pad + width]
        if ctx.needs_input_grad[1]:
            more, side = (tiling.kernel - ctx.kernel) // 2, ctx.kernel
            whole = inverse(out_of_matrices(to_kernels), wide, tall)
            kernels = whole[..., more : more + side, more : more + side]
        return field, kernels
