"""Masked, normalised cross-correlation at a few places, each of templates of its own."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.model.correlation import without_mean
from heatmap_locator.steps import step

AROUND_BYTES = {"cpu": 2**22}
"""Templates and windows that ``masked_ncc_around`` multiplies at once; elsewhere 2**28."""


@dataclass(frozen=True)
class Framed:
    """A field that templates are laid on here and there, also across its edges.

    Attributes:
        values: ``(C + 1, H + 2 * margin, W + 2 * margin)`` float32, its channels and, last, the
            sum of their squares; 0 outside it.
        margin: elements on each side of it.
    """

    values: Tensor
    margin: int

    @classmethod
    def of(cls, field: Tensor, margin: int) -> "Framed":
        """``(C, H, W)`` with a margin."""
        both = torch.cat([field, field.square().sum(0, keepdim=True)]).float()
        return cls(F.pad(both, (margin,) * 4), margin)


def masked_ncc_around(
    field: Framed,
    templates: Tensor,
    masks: Tensor,
    noise: float,
    corners: Tensor,
    steps: int,
    which: Tensor,
) -> Tensor:
    """``masked_ncc`` in a small square of positions, at several places with templates of their own.

    Args:
        field: of C channels, with a margin of ``k + steps - 1`` at least.
        templates: ``(N, R, C, k, k)``, all there are.
        masks: ``(N, R, 1, k, k)`` weights, 0..1.
        noise: as in ``masked_ncc``.
        corners: ``(M, 2)`` long, (row, column) of the first element under the template in the
            square's first position; may lie outside the field.
        steps: positions along the square's side.
        which: ``(M, P)`` long, of the N those that are laid on each place.

    Returns:
        ``(M, P * R, steps, steps)`` float32.
    """
    weight, centred, weighted = without_mean(templates, masks)
    count = weight[:, :, 0, 0, 0]
    energy = (weighted * centred).sum((2, 3, 4)) + noise * count
    kernels = (weighted * energy.rsqrt()[:, :, None, None, None]).flatten(2)
    flat = masks.flatten(2)
    near = _squares(field, corners, templates.shape[-1] + steps - 1)
    # A place's templates, and the picture it sees at every position, are many times what they
    # are copies of: on a CPU a few places at a time stay in the cache.
    channels, area = near.shape[1] - 1, flat.shape[2]
    place = (which.shape[1] * flat.shape[1] + steps**2) * (channels + 1) * area
    few = max(1, AROUND_BYTES.get(corners.device.type, 2**28) // (4 * place))
    parts = []
    for squares, these in zip(near.split(few), which.split(few), strict=True):
        step()
        seen = _windows(squares, templates.shape[-1])
        # Whole templates at once: indexing copies them number by number.
        own, covers = (
            all_of.index_select(0, these.flatten()).view(len(these), -1, all_of.shape[2])
            for all_of in (kernels, flat)
        )
        # Under every mask, the sums of channels and of squares.
        parts.append(
            (
                own @ seen.flatten(2)[..., : channels * area].transpose(1, 2),
                covers @ seen.flatten(1, 2).transpose(1, 2),
            )
        )
    numerator, sums = (torch.cat(part) for part in zip(*parts, strict=True))
    sums = sums.unflatten(2, (-1, channels + 1))
    weight = count[which].flatten(1)[..., None]
    spread = sums[..., -1] - sums[..., :-1].square().sum(3) / weight
    found = numerator * (spread.clamp_min(0) + noise * weight).rsqrt()
    return found.unflatten(2, (steps, steps))


def _squares(field: Framed, corners: Tensor, side: int) -> Tensor:
    """``(M, C + 1, side, side)`` of a field: what is seen there, which may be little of it."""
    width = field.values.shape[2]
    along = torch.arange(side, device=corners.device)
    # A square that lies further outside sees as little.
    row, column = (
        (one + field.margin).clamp(0, size - side)
        for one, size in zip(corners.unbind(1), field.values.shape[1:], strict=True)
    )
    near = (row * width + column)[:, None, None] + along[:, None] * width + along
    near = field.values.flatten(1)[:, near.flatten()]
    return near.view(-1, len(corners), side, side).transpose(0, 1)


def _windows(squares: Tensor, k: int) -> Tensor:
    """``(M, positions, C + 1, k * k)`` of squares, under a template at every position in them."""
    seen = squares.unfold(2, k, 1).unfold(3, k, 1).permute(0, 2, 3, 1, 4, 5)
    return seen.flatten(4).flatten(1, 2)
