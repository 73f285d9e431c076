"""How well two aligned prints agree, in ways that light, tone and weave do not disturb.

A camera and a printer change colours by more than gain: an orange sky comes out pale.  So beside
plain correlation there is one that allows any affine map between the two sets of colours, and both
are asked of the print's detail, where uneven light and gloss do not reach.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from heatmap_locator.geometry import CELL
from heatmap_locator.model.filters import blur, gaussian_kernel
from heatmap_locator.model.ranker import evidence

# Working pixels: blurs that take the weave away, and the print's slow changes.
_FINE, _COARSE = CELL / 32, CELL / 6.4
# Variances, of values in 0..1 and of local contrast, that are noise; deviation that is no contrast.
_NOISE, _CONTRAST_NOISE = 2e-5, 1e-3
_FLAT = 0.03


@dataclass(frozen=True)
class Pixels:
    """Those of B images that count, as a list: what lies between them costs nothing.

    Attributes:
        index: ``(B, P)`` long, where in ``(h * w)`` they lie.
        counted: ``(B, P)``, 1, or 0 where an image has fewer than P.
        size: (h, w).
    """

    index: Tensor
    counted: Tensor
    size: tuple[int, int]

    def blurred(self, values: Tensor, kernel: Tensor) -> Tensor:
        """``(B, C, P)`` after ``blur`` of the images that are 0 elsewhere."""
        b, c, _ = values.shape
        index = self.index[:, None].expand(-1, c, -1)
        images = values.new_zeros(b, c, self.size[0] * self.size[1])
        images.scatter_add_(2, index, values)
        return blur(images.unflatten(2, self.size), kernel).flatten(2).gather(2, index)


def agreement(templates: Tensor, seen: Tensor, pixels: Pixels) -> dict[str, Tensor]:
    """Evidence that images show the same print as a template.

    Args:
        templates: ``(B, 3, P)``, CELL pixels a cell, levels a unit apart at most.
        seen: ``(B, 3, M, P)``, 0..1, M images at the same pixels.
        pixels: which ones.

    Returns:
        ``(B, M)`` each: ``colour``, ``detail`` and ``local`` of ``ranker.FEATURES``.
    """
    mask, m = pixels.counted[:, None, None], seen.shape[2]
    # The template comes first, and M images after it.
    both = torch.cat([templates[:, :, None], seen], 2) * mask
    moments = torch.cat([both, both.square()], 1)
    fine = _inside(both, pixels, _FINE)
    mean, square = _inside(moments, pixels, _COARSE).split(3, 1)
    detail = fine - mean
    local = detail / ((square - mean.square()).clamp_min(0).sqrt() + _FLAT)
    count = mask.sum(3, keepdim=True).clamp_min(1)
    found = {}
    for name, values in (("colour", fine), ("detail", detail), ("local", local)):
        centred = (values - (values * mask).sum(3, keepdim=True) / count) * mask
        own, others = centred.split([1, m], 2)
        compared = _ncc if name == "local" else _wilks
        found[name] = compared(own[:, :, 0], others, count.flatten(1))
    return {**found, "local": evidence(found["local"])}


def _inside(values: Tensor, pixels: Pixels, sigma: float) -> Tensor:
    """``(B, C, M, P)`` blurred, what lies outside the images without weight."""
    kernel = gaussian_kernel(sigma, values.device)
    weight = pixels.blurred(pixels.counted[:, None], kernel).clamp_min(1e-3)
    found = pixels.blurred(values.flatten(1, 2), kernel) / weight
    return found.unflatten(1, values.shape[1:3])


def _ncc(own: Tensor, others: Tensor, count: Tensor) -> Tensor:
    """``(B, M)`` correlation of ``(B, C, P)`` with ``(B, C, M, P)``, all channels together."""
    floor = _CONTRAST_NOISE * count * own.shape[1]
    energy = own.square().sum((1, 2))[:, None] + floor
    energies = others.square().sum((1, 3)) + floor
    return (others @ own[..., None]).sum((1, 3)) * (energy * energies).rsqrt()


def _wilks(own: Tensor, others: Tensor, count: Tensor) -> Tensor:
    """``(B, M)`` ``-log`` of Wilks' lambda: evidence summed over the canonical correlations.

    Hotelling, "Relations between two sets of variates" (1936).
    """
    m = others.shape[2]
    others = others.transpose(1, 2)
    floor = (_NOISE * count)[..., None, None] * torch.eye(3, device=own.device)
    first = (own @ own.transpose(1, 2))[:, None].double() + floor
    second = (others @ others.transpose(2, 3)).double() + floor
    across = (own @ others.flatten(1, 2).transpose(1, 2)).double()
    across = across.unflatten(2, (m, 3)).transpose(1, 2)
    top = torch.cat([first.expand_as(across), across], 3)
    joined = torch.cat([top, torch.cat([across.transpose(2, 3), second], 3)], 2)
    found = torch.logdet(first) + torch.logdet(second) - torch.logdet(joined)
    return found.clamp_min(0).to(own.dtype)
