"""Masked, normalised cross-correlation of templates with maps of any number of channels.

Lewis, "Fast normalized cross-correlation" (1995), with a weight for every template pixel.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_ncc(
    field: Tensor, templates: Tensor, masks: Tensor, noise: float, energy_every: int = 1
) -> Tensor:
    """Zero-mean, unit-variance correlation over the mask, at every position.

    Each channel's weighted mean under the mask is removed from template and window; the energy
    that normalises is summed over channels.  What the window's energy divides by is evaluated at
    every second position and interpolated: it comes from an average over the mask and hardly
    changes in one step.

    Args:
        field: ``(B, C, H, W)``; outside it counts as zero.
        templates: ``(B, R, C, k, k)``.
        masks: ``(B, R, 1, k, k)`` weights, 0..1.
        noise: variance per mask pixel, summed over channels, added to both energies, so that a
            flat window does not turn its noise into a match.
        energy_every: evaluate the window's energy under every so-manieth mask only and
            interpolate, for templates that are one piece in equal steps of a whole turn.

    Returns:
        ``(B, R, H', W')`` float32 in about -1..1.  Odd k: ``H' = H``, an entry is the template
        centred on that element.  Even k: ``H' = H + 1``, entry i is the template centred on the
        edge before element i.
    """
    b, r = templates.shape[:2]
    weight, centred, weighted = _centred(templates, masks)
    if torch.is_autocast_enabled(field.device.type):
        low = torch.get_autocast_dtype(field.device.type)
        numerator = correlate(field.to(low), weighted.to(low))
    else:
        numerator = correlate(field, weighted)

    with torch.autocast(field.device.type, enabled=False):
        count = weight.float().view(b, r, 1, 1)
        energy = (weighted * centred).float().sum((2, 3, 4)).view(b, r, 1, 1)
        size = (numerator.shape[-2], numerator.shape[-1])
        some = slice(None, None, energy_every)
        window = _window_energy(field.float(), masks[:, some].float(), count[:, some], size)
        scale = (window.clamp_min(0) / count[:, some] + noise).rsqrt_()
        if energy_every > 1:
            scale = _around_the_circle(scale, energy_every)
        scale = scale * ((energy / count + noise).rsqrt() / count)
        fine = [2 * n - 1 for n in scale.shape[-2:]]
        scale = F.interpolate(scale, size=fine, mode="bilinear", align_corners=True)
        return numerator.float() * scale[..., : size[0], : size[1]]


def masked_ncc_around(
    field: Tensor, templates: Tensor, masks: Tensor, noise: float, corners: Tensor, steps: int
) -> Tensor:
    """``masked_ncc`` in a small square of positions, at several places with templates of their own.

    Args:
        field: ``(C, H, W)``; outside it counts as zero.
        templates: ``(M, R, C, k, k)``.
        masks: ``(M, R, 1, k, k)`` weights, 0..1.
        noise: as in ``masked_ncc``.
        corners: ``(M, 2)`` long, (row, column) of the first element under the template in the
            square's first position; may lie outside the field by less than k.
        steps: positions along the square's side.

    Returns:
        ``(M, R, steps, steps)`` float32.
    """
    m, r, c, k, _ = templates.shape
    # Only what the squares see is touched: the field may be large and the places few.
    along = torch.arange(k + steps - 1, device=field.device)
    (rows, in_height), (columns, in_width) = (
        (at.clamp(0, size - 1), (at >= 0) & (at < size))
        for at, size in zip(
            (corners[:, None] + along[:, None]).unbind(2), field.shape[1:], strict=True
        )
    )
    near = field[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1).float()
    near = near * (in_height[:, :, None] & in_width[:, None, :])[:, None]
    seen = near.unfold(2, k, 1).unfold(3, k, 1).permute(0, 2, 3, 1, 4, 5).flatten(4).flatten(1, 2)
    weight, centred, weighted = _centred(templates, masks)
    numerator = seen.flatten(2) @ weighted.flatten(2).transpose(1, 2)
    flat = masks.flatten(2).transpose(1, 2)
    mean = (seen.flatten(1, 2) @ flat).unflatten(1, (steps**2, c))
    square = seen.square().sum(2) @ flat
    count = weight.view(m, 1, r)
    floor = noise * count
    spread = (square - mean.square().sum(2) / count).clamp_min(0)
    energy = (weighted * centred).sum((2, 3, 4))[:, None]
    ncc = numerator * ((energy + floor) * (spread + floor)).rsqrt()
    return ncc.transpose(1, 2).unflatten(2, (steps, steps))


def _centred(templates: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weight of each mask, ``(..., 1, 1, 1)``; templates without their mean; the same weighted."""
    weight = masks.sum((-2, -1), keepdim=True).clamp_min(1e-6)
    centred = templates - (templates * masks).sum((-2, -1), keepdim=True) / weight
    return weight, centred, centred * masks


def correlate(field: Tensor, kernels: Tensor) -> Tensor:
    """Plain cross-correlation, ``(B, C, H, W)`` with ``(B, R, C, k, k)`` to ``(B, R, H', W')``.

    One convolution a picture: grouped ones of this shape are several times slower on CPUs.
    """
    one_picture = _Correlate.apply if field.device.type == "cpu" else _convolve
    return torch.stack([one_picture(one, own) for one, own in zip(field, kernels, strict=True)])


def _convolve(field: Tensor, kernels: Tensor) -> Tensor:
    return F.conv2d(field[None], kernels, padding=kernels.shape[-1] // 2)[0]


class _Correlate(torch.autograd.Function):
    """Convolution with large kernels whose gradients are forward convolutions too.

    On CPUs the library's own backward for such kernels is 10 to 500 times slower than these.
    """

    @staticmethod
    def forward(ctx: Any, field: Tensor, kernels: Tensor) -> Tensor:
        ctx.save_for_backward(field, kernels)
        return _convolve(field, kernels)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        field, kernels = ctx.saved_tensors
        k = kernels.shape[-1]
        pad = k // 2
        grad = grad.contiguous()
        to_field = to_kernels = None
        if ctx.needs_input_grad[0]:
            flipped = kernels.transpose(0, 1).flip(2, 3).contiguous()
            to_field = F.conv2d(grad[None], flipped, padding=k - 1 - pad)[0]
        if ctx.needs_input_grad[1]:
            padded = F.pad(field, (pad,) * 4)
            to_kernels = F.conv2d(padded[:, None], grad[:, None]).transpose(0, 1)
        return to_field, to_kernels


@torch.no_grad()
def _window_energy(field: Tensor, masks: Tensor, count: Tensor, size: tuple[int, int]) -> Tensor:
    """Energy about the weighted mean in every second window of ``(B, R, *size)``, both ways.

    No gradient passes through it: it would cost as much as all the rest of the correlation.
    """
    k = masks.shape[-1]
    pad = k // 2
    # Even positions must reach past the last one, for the interpolation to have a far side.
    right, bottom = (pad + 1 - n % 2 for n in (size[1], size[0]))
    padded = F.pad(field, (pad, right, pad, bottom))
    energies = []
    for channels, kernels, weight in zip(padded, masks, count, strict=True):
        mean = F.conv2d(channels[:, None], kernels, stride=2)
        square = F.conv2d(channels.square().sum(0)[None, None], kernels, stride=2)
        energies.append(square - mean.square().sum(0, keepdim=True) / weight)
    return torch.cat(energies)


def _around_the_circle(values: Tensor, every: int) -> Tensor:
    """``(B, n, H, W)`` in equal steps of a circle to ``(B, every * n, H, W)``, linearly."""
    following = values.roll(-1, 1)
    between = [torch.lerp(values, following, step / every) for step in range(every)]
    return torch.stack(between, 2).flatten(1, 2)
