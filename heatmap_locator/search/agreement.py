"""How well two aligned prints agree, in ways that light, tone and weave do not disturb.

A camera and a printer change colours by more than gain: an orange sky comes out pale.  So beside
plain correlation there is one that allows any affine map between the two sets of colours, and both
are asked of the print's detail, where uneven light and gloss do not reach.
"""

import torch
from torch import Tensor

from heatmap_locator.geometry import CELL
from heatmap_locator.model.filters import blur, gaussian_kernel
from heatmap_locator.model.ranker import evidence

# Working pixels: blurs that take the weave away, and the print's slow changes.
_FINE, _COARSE = CELL / 32, CELL / 6.4
# Variances, of values in 0..1 and of local contrast, that are noise.
_NOISE, _CONTRAST_NOISE = 2e-5, 1e-3
_FLAT = 0.03


def agreement(templates: Tensor, windows: Tensor, masks: Tensor) -> dict[str, Tensor]:
    """Evidence that pairs of aligned images show the same print.

    Args:
        templates, windows: ``(M, 3, k, k)``, 0..1, CELL pixels a cell.
        masks: ``(M, 1, k, k)``, 0..1; pixels from 0.5 count.

    Returns:
        ``(M,)`` each: ``colour``, ``detail`` and ``local`` of ``ranker.FEATURES``.
    """
    mask = (masks > 0.5).to(templates.dtype)
    both = torch.cat([templates, windows]) * mask.repeat(2, 1, 1, 1)
    moments = torch.cat([both, both.square()], 1)
    fine, (mean, square) = _inside(both, mask, _FINE), _inside(moments, mask, _COARSE).split(3, 1)
    detail = fine - mean
    local = detail / ((square - mean.square()).clamp_min(0).sqrt() + _FLAT)
    return {
        "colour": _wilks(fine, mask),
        "detail": _wilks(detail, mask),
        "local": evidence(_ncc(local, mask)),
    }


def _inside(both: Tensor, mask: Tensor, sigma: float) -> Tensor:
    """Blurred, what lies outside the masks without weight; ``both`` is 0 there."""
    kernel = gaussian_kernel(sigma).to(mask.device)
    weight = blur(mask, kernel).clamp_min(1e-3)
    return blur(both, kernel) / weight.repeat(2, 1, 1, 1)


def _centred(both: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """M templates and M windows without their means over the masks, and the pixels that count."""
    count = mask.sum((1, 2, 3)).clamp_min(1)
    a, b = (
        (images - (images * mask).sum((2, 3), keepdim=True) / count.view(-1, 1, 1, 1)) * mask
        for images in both.chunk(2)
    )
    return a, b, count


def _ncc(both: Tensor, mask: Tensor) -> Tensor:
    """(M,) zero-mean correlation over the mask, all channels together."""
    a, b, count = _centred(both, mask)
    floor = _CONTRAST_NOISE * count * a.shape[1]
    own, other = (x.square().sum((1, 2, 3)) + floor for x in (a, b))
    return (a * b).sum((1, 2, 3)) * (own * other).rsqrt()


def _wilks(both: Tensor, mask: Tensor) -> Tensor:
    """(M,) ``-log`` of Wilks' lambda: evidence summed over the canonical correlations.

    Hotelling, "Relations between two sets of variates" (1936).
    """
    a, b, count = _centred(both, mask)
    joined = torch.cat([a, b], 1).flatten(2)
    floor = (_NOISE * count).view(-1, 1, 1) * torch.eye(6, device=a.device)
    moments = (joined @ joined.transpose(1, 2)).double() + floor
    own = torch.logdet(moments[:, :3, :3]) + torch.logdet(moments[:, 3:, 3:])
    return (own - torch.logdet(moments)).clamp_min(0).to(a.dtype)
