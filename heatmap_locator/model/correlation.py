"""Masked, normalised cross-correlation of templates with maps of any number of channels.

Lewis, "Fast normalized cross-correlation" (1995), with a weight for every template pixel.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.model.filters import maximum_filter
from heatmap_locator.model.overlap_save import PictureTiles, correlate_tiles, window_energies
from heatmap_locator.model.plain_correlation import OverlapSave
from heatmap_locator.model.tiling import Tiling, in_rows, join


def by_fft(device: torch.device) -> bool:
    """Whether correlations with large kernels are computed by FFT there, in float32."""
    return device.type == "cpu"


def masked_ncc(
    field: Tensor,
    templates: Tensor,
    masks: Tensor,
    noise: float,
    energy_every: int = 1,
    coarsen: bool = False,
    tiles: PictureTiles | None = None,
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
        coarsen: only the highest of every three by three positions, in steps of two.
        tiles: of the field, where it is one picture B times: what is transformed for one piece
            serves the next.

    Returns:
        ``(B, R, H', W')`` float32 in about -1..1.  Odd k: ``H' = H``, an entry is the template
        centred on that element.  Even k: ``H' = H + 1``, entry i is the template centred on the
        edge before element i.  Coarsened: ``(H' - 1) // 2`` of them.
    """
    with torch.autocast(field.device.type, enabled=False):
        weight, centred, weighted = without_mean(templates, masks)
        count, flat = weight.float()[:, :, 0], masks[:, :, 0].float()
        energy = (weighted * centred).float().sum((2, 3, 4))[..., None, None]
        # What normalises a template is a factor on its kernel.
        kernels = weighted * ((energy / count + noise).rsqrt() / count)[..., None]
        graph = torch.is_grad_enabled() and (field.requires_grad or kernels.requires_grad)
        if by_fft(field.device) and not graph:
            pictures = [tiles] * len(field) if tiles else [PictureTiles(one) for one in field]
            pieces = zip(pictures, kernels, flat, count, strict=True)
            each = [_in_tiles(*own, noise, energy_every, coarsen) for own in pieces]
            return torch.stack(each) if len(each) > 1 else each[0][None]
    low = field.dtype
    if torch.is_autocast_enabled(field.device.type) and not by_fft(field.device):
        low = torch.get_autocast_dtype(field.device.type)
    # One picture for all pieces is convolved once, with the kernels of all.
    shared = len(field) > 1 and field.stride(0) == 0
    distinct = field[:1] if shared else field
    numerator = correlate(distinct.to(low), kernels.to(low)).float()
    size = (numerator.shape[-2], numerator.shape[-1])
    with torch.autocast(field.device.type, enabled=False):
        found = numerator * _scale(distinct.float(), flat, count, noise, energy_every, size)
        return maximum_filter(found, 3, 2) if coarsen else found


def without_mean(templates: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weight of each mask, ``(..., 1, 1, 1)``; templates without their mean; the same weighted."""
    weight = masks.sum((-2, -1), keepdim=True).clamp_min(1e-6)
    centred = templates - (templates * masks).sum((-2, -1), keepdim=True) / weight
    return weight, centred, centred * masks


def correlate(field: Tensor, kernels: Tensor) -> Tensor:
    """Plain cross-correlation, ``(B, C, H, W)`` with ``(B, R, C, k, k)`` to ``(B, R, H', W')``.

    One convolution a picture: grouped ones of this shape are several times slower.  Of one picture
    all kernels are correlated with it.
    """
    one_picture = OverlapSave.apply if by_fft(field.device) else _convolve
    if len(field) == 1:
        return one_picture(field[0], kernels.flatten(0, 1)).unflatten(0, kernels.shape[:2])
    return torch.stack([one_picture(one, own) for one, own in zip(field, kernels, strict=True)])


def _convolve(field: Tensor, kernels: Tensor) -> Tensor:
    return F.conv2d(field[None], kernels, padding=kernels.shape[-1] // 2)[0]


def _in_tiles(
    picture: PictureTiles,
    kernels: Tensor,
    masks: Tensor,
    count: Tensor,
    noise: float,
    every: int,
    coarsen: bool,
) -> Tensor:
    """One picture's ``masked_ncc`` without gradients, finished tile by tile.

    Args:
        picture: the field, ``(C, H, W)``.
        kernels: ``(R, C, k, k)`` weighted templates without mean, normalised.
        masks: ``(R, k, k)``.
        count: ``(R, 1, 1)`` their sums.
        noise, every, coarsen: as there.
    """
    tiling = picture.plan(kernels.shape[-1])
    scale = _tile_scale(picture, masks, count, noise, every, tiling)
    scale = torch.cat([scale, scale[:1]])  # around the circle
    # First every so-manieth kernel, then the ones that follow them: those of one kind lie equally
    # far between two energies.
    ordered = kernels.unflatten(0, (-1, every)).transpose(0, 1).flatten(0, 1)
    height, width = (n // 2 if coarsen else n for n in tiling.step)
    down, across = tiling.count
    found = scale.new_empty(len(kernels) // every, every, down, height, across, width)
    for some, ncc in correlate_tiles(picture, ordered, tiling, every):
        divisor = _between(scale[:, some])
        for turn, own in enumerate(ncc):
            own *= torch.lerp(divisor[:-1], divisor[1:], turn / every)
            own = maximum_filter(own, 3, 2) if coarsen else own
            for row, columns, tiles in in_rows(some, across):
                into = found[:, turn, row, :, columns]
                into.copy_(own[:, tiles, :height, :width].transpose(1, 2))
    tall, wide = ((n - 1) // 2 if coarsen else n for n in tiling.size)
    whole = found.view(len(kernels), down * height, across * width)
    return whole[:, :tall, :wide]


def _tile_scale(
    picture: PictureTiles, masks: Tensor, count: Tensor, noise: float, every: int, tiling: Tiling
) -> Tensor:
    """Factor of every second window, both ways, under every so-manieth mask, in tiles."""
    some = slice(None, None, every)
    weight = count[some, None]
    energy = window_energies(picture, masks[some], weight, tiling)
    return energy.clamp_min_(0).div_(weight).add_(noise).rsqrt_()


def _between(values: Tensor) -> Tensor:
    """``(..., h, w)`` to ``(..., 2 h - 1, 2 w - 1)``, linearly."""
    *others, height, width = values.shape
    fine = values.new_empty(*others, 2 * height - 1, 2 * width - 1)
    known = fine[..., ::2, :]
    known[..., ::2] = values
    torch.lerp(values[..., :-1], values[..., 1:], 0.5, out=known[..., 1::2])
    torch.lerp(known[..., :-1, :], known[..., 1:, :], 0.5, out=fine[..., 1::2, :])
    return fine


@torch.no_grad()
def _scale(
    field: Tensor, masks: Tensor, count: Tensor, noise: float, every: int, size: tuple[int, int]
) -> Tensor:
    """Factor of every window, ``(B, R, *size)``.

    No gradient passes through it: it would cost as much as all the rest of the correlation.

    Args:
        field: ``(B, C, H, W)``, or of one picture for all.
        masks: ``(B, R, k, k)``.
        count: ``(B, R, 1, 1)`` their sums.
        noise, every: as in ``masked_ncc``.
        size: positions.
    """
    if by_fft(field.device):
        scales = []
        field = field.expand(len(masks), *field.shape[1:])
        for one, own, weight in zip(field, masks, count, strict=True):
            picture = PictureTiles(one)
            tiling = picture.plan(masks.shape[-1])
            fine = _between(_tile_scale(picture, own, weight, noise, every, tiling))
            scales.append(join(fine[..., :-1, :-1], tiling.count)[:, : size[0], : size[1]])
        scale = torch.stack(scales)
    else:
        some = slice(None, None, every)
        energy = _window_energy(field, masks[:, some, None], count[:, some], size)
        scale = (energy.clamp_min(0) / count[:, some] + noise).rsqrt_()
        doubled = [2 * n - 1 for n in scale.shape[-2:]]
        scale = F.interpolate(scale, size=doubled, mode="bilinear", align_corners=True)
        scale = scale[..., : size[0], : size[1]]
    return _around_the_circle(scale, every) if every > 1 else scale


def _window_energy(field: Tensor, masks: Tensor, count: Tensor, size: tuple[int, int]) -> Tensor:
    """Energy about the weighted mean in every second window of ``(B, R, *size)``, both ways."""
    k = masks.shape[-1]
    pad = k // 2
    # Even positions must reach past the last one, for the interpolation to have a far side.
    right, bottom = (pad + 1 - n % 2 for n in (size[1], size[0]))
    padded = F.pad(field, (pad, right, pad, bottom))
    if len(field) == 1 < len(masks):
        every = masks.flatten(0, 1)[None], count.flatten(0, 1)[None]
        return _window_energy(field, *every, size).unflatten(1, masks.shape[:2])[0]
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
