"""A piece and the picture under it compared, place by place: what the second stage is shown.

Nothing here is learned.
"""

import torch
from torch import Tensor

from heatmap_locator.model.ranker import PRINT

SCALARS = 2 * len(PRINT) + 9
"""Numbers of a place."""

CAST = slice(2 * len(PRINT) + 1, 2 * len(PRINT) + 3)
"""Those of them that say which colour the picture is brighter in."""

_NOISE = 1.5 / 255
"""Deviation of a pixel that says nothing."""

FAR = -1e4
"""What a maximum over places takes for one that is not there."""


def compare_pairs(
    prints: Tensor,
    insides: Tensor,
    windows: Tensor,
    features: Tensor,
    logits: Tensor,
    real: Tensor,
) -> Tensor:
    """Compare pieces with the picture under them.

    Args:
        prints: ``(B, 3, S, S)``, 0..1.
        insides: ``(B, 1, S, S)``, 0..1.
        windows: ``(B, M, 3, S, S)``, 0..1.
        features: ``(B, M, F)`` as ``ranker.FEATURES`` names it.
        logits: ``(B, M)``, the ranker's.
        real: ``(B, M)`` bool, False where a piece has fewer places.

    Returns:
        ``(B, M, SCALARS)``: the measures of print, and by how much each and the ranker's logit are
        below the highest of the piece's places; by how much the picture is brighter than the piece
        in two channels than in their mean, as a logarithm; by how much its contrast is higher, by
        channel; the contrast of both; and its difference.  How bright a photo is as a whole is the
        camera's affair, and how well a piece lies in its cell, which the ranker has weighed, that
        of outline and crop: real ones differ more in both than drawn ones do (``train/LOG.md``,
        "second stage, what it is not shown").
    """
    features = features[..., PRINT]
    values = torch.cat([features, logits[..., None]], 2)
    highest = values.masked_fill(~real[..., None], FAR).amax(1, keepdim=True)
    own_mean, own = _colours(prints[:, None], insides[:, None])
    other_mean, other = _colours(windows, insides[:, None])
    there, here = ((t + 0.05).clamp_min(0.01).log() for t in (other_mean, own_mean))
    ratio = there - here
    cast = ratio - ratio.mean(2, keepdim=True)
    own = own.expand_as(other)
    contrast = (other.log() - own.log()) / 2
    size = [part.mean(2, keepdim=True).log() / 2 for part in (own, other)]
    parts = [features, values - highest, cast[..., :2], contrast, *size]
    return torch.cat([*parts, size[1] - size[0]], 2)


def _colours(images: Tensor, insides: Tensor) -> tuple[Tensor, Tensor]:
    """``(B, M, 3)`` means and variances, noise included, of ``(B, M, 3, S, S)`` images inside."""
    weight = insides / insides.sum((3, 4), keepdim=True).clamp_min(1e-3)
    mean = (images * weight).sum((3, 4))
    apart = (images - mean[..., None, None]) * insides
    return mean, (apart.square() * weight).sum((3, 4)) + _NOISE**2
