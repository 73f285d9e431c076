"""A piece and the picture under it compared, part by part: what the second stage is shown.

Nothing here is learned.  Light and contrast are taken away as masked NCC takes them, and the maps
are averaged down to ``PARTS`` parts a side, where the sums that make a local correlation are kept.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.model.filters import blur, gaussian_kernel
from heatmap_locator.model.ranker import PRINT

PARTS = 12
"""Of a pair's side."""

LOCAL = (2.5, 6.0)
"""Pixels of a pair, deviations of the windows in which prints are correlated locally; what the
second takes away leaves the detail."""

MAPS = 20
"""Channels of the maps."""

SCALARS = 2 * len(PRINT) + 9
"""Numbers of a place."""

CAST = slice(2 * len(PRINT) + 1, 2 * len(PRINT) + 3)
"""Those of ``PairViews.scalars`` that say which colour the picture is brighter in."""

_NOISE = 1.5 / 255
"""Deviation of a pixel that says nothing."""

FAR = -1e4
"""What a maximum over places takes for one that is not there."""


@dataclass(frozen=True)
class PairViews:
    """B pieces at M places.

    Attributes:
        maps: ``(B, M, MAPS, PARTS, PARTS)``: the prints at unit contrast and the windows, three
            channels each; their local correlation at the scales of ``LOCAL``; of their detail the
            product and both squares; what of the print no affine map of the window's colours
            explains, three channels and squared; the product and the difference of both; the
            logarithms of their local contrast; and the mask.  0 outside the pieces.
        scalars: ``(B, M, SCALARS)``: the measures of print, and by how much each and the ranker's
            logit are below the highest of the piece's places; by how much the picture is brighter
            than the piece in two channels than in their mean, as a logarithm; by how much its
            contrast is higher, by channel; the contrast of both; and its difference.  How bright a
            photo is as a whole is the camera's affair, and how well a piece lies in its cell, which
            the ranker has weighed, that of outline and crop: real ones differ more in both than
            drawn ones do (``train/LOG.md``, "second stage, what it is not shown").
    """

    maps: Tensor
    scalars: Tensor

    def rows(self, chosen: Tensor) -> "PairViews":
        """Those of some pieces."""
        return PairViews(self.maps[chosen], self.scalars[chosen])


@dataclass(frozen=True)
class _Level:
    """Prints and windows less their means over the pixels that count, 0 outside.

    Attributes:
        p, w: ``(B, 1, 3, S, S)`` and ``(B, M, 3, S, S)``.
        p_mean, w_mean: ``(B, 1, 3)``, ``(B, M, 3)``.
        p_variance, w_variance: the same shapes.
        mask, weight: ``(B, 1, 1, S, S)``; the second sums to 1.
    """

    p: Tensor
    w: Tensor
    p_mean: Tensor
    w_mean: Tensor
    p_variance: Tensor
    w_variance: Tensor
    mask: Tensor
    weight: Tensor


def _level(prints: Tensor, insides: Tensor, windows: Tensor) -> _Level:
    mask = insides[:, None]
    weight = mask / mask.sum((3, 4), keepdim=True).clamp_min(1e-3)
    p, w = prints[:, None], windows
    p_mean, w_mean = ((t * weight).sum((3, 4)) for t in (p, w))
    p, w = ((t - mean[..., None, None]) * mask for t, mean in ((p, p_mean), (w, w_mean)))
    p_variance, w_variance = ((t.square() * weight).sum((3, 4)) for t in (p, w))
    return _Level(p, w, p_mean, w_mean, p_variance, w_variance, mask, weight)


def compare_pairs(
    prints: Tensor,
    insides: Tensor,
    windows: Tensor,
    features: Tensor,
    logits: Tensor,
    real: Tensor,
    *,
    maps: bool = True,
) -> PairViews:
    """Look at pieces and at the picture under them.

    Args:
        prints: ``(B, 3, S, S)``, 0..1.
        insides: ``(B, 1, S, S)``, 0..1.
        windows: ``(B, M, 3, S, S)``, 0..1.
        features: ``(B, M, F)`` as ``ranker.FEATURES`` names it.
        logits: ``(B, M)``, the ranker's.
        real: ``(B, M)`` bool, False where a piece has fewer places.
        maps: whether there are to be any; without, they are of no size.
    """
    level = _level(prints, insides, windows)
    found = _maps(level) if maps else windows.new_zeros(*logits.shape, 0, 0, 0)
    return PairViews(found, _scalars(level, features, logits, real))


def _maps(level: _Level) -> Tensor:
    own = (level.p_variance.mean(2) + _NOISE**2).sqrt()[..., None, None, None]
    other = (level.w_variance.mean(2) + _NOISE**2).sqrt()[..., None, None, None]
    p, w, mask = level.p / own, level.w / other, level.mask
    noise_p, noise_w = 3 * (_NOISE / own).square(), 3 * (_NOISE / other).square()
    found, contrasts, detail = [p.expand_as(w), w], list[Tensor](), (p, w)
    for sigma in LOCAL:
        mean_p, own_part = _local(p, mask, sigma)
        mean_w, other_part = _local(w, mask, sigma)
        joint = _blurred((p * w).sum(2, keepdim=True), mask, sigma)
        covariance = joint - (mean_p * mean_w).sum(2, keepdim=True)
        own_part, other_part = own_part + noise_p, other_part + noise_w
        found.append(covariance * (own_part * other_part).rsqrt() * mask)
        contrasts = [own_part / noise_p, other_part / noise_w]
        detail = (p - mean_p) * mask, (w - mean_w) * mask
    products = [detail[0] * detail[1], detail[0].square(), detail[1].square()]
    found += [t.sum(2, keepdim=True) for t in products]
    rest = (p - _explained(p, w, level.weight)) * mask
    found += [rest, rest.square().mean(2, keepdim=True)]
    found += [(p * w).mean(2, keepdim=True), (p - w).abs().mean(2, keepdim=True)]
    found += [0.25 * part.log() * mask for part in contrasts]
    found.append(mask)
    shape = w.shape[:2]
    pooled = [
        F.adaptive_avg_pool2d(t.flatten(0, 1), PARTS).unflatten(0, t.shape[:2]) for t in found
    ]
    return torch.cat([t.expand(*shape, -1, -1, -1) for t in pooled], 2)


def _blurred(values: Tensor, mask: Tensor, sigma: float) -> Tensor:
    """``(B, M, C, S, S)`` blurred, what lies outside the mask, where it is 0, without weight."""
    kernel = gaussian_kernel(sigma, values.device)
    inside = blur(mask.flatten(0, 1), kernel).unflatten(0, mask.shape[:2]).clamp_min(0.05)
    return blur(values.flatten(0, 1), kernel).unflatten(0, values.shape[:2]) / inside


def _local(values: Tensor, mask: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
    """Local means, and variances summed over channels, ``(B, M, 3 or 1, S, S)``."""
    joined = torch.cat([values, values.square().sum(2, keepdim=True)], 2)
    mean, square = _blurred(joined, mask, sigma).split([3, 1], 2)
    return mean, (square - mean.square().sum(2, keepdim=True)).clamp_min(0)


def _explained(p: Tensor, w: Tensor, weight: Tensor) -> Tensor:
    """``(B, M, 3, S, S)`` of the prints by the affine map of the windows' colours that fits best.

    Regularised towards nothing, so that a window without contrast explains nothing.
    """
    flat, weighted = w.flatten(3), (w * weight).flatten(3)
    inner = weighted @ flat.transpose(2, 3) + 1e-2 * torch.eye(3, device=w.device)
    across = weighted @ p.expand_as(w).flatten(3).transpose(2, 3)
    colours, _ = torch.linalg.solve_ex(inner, across)
    return (colours.transpose(2, 3) @ flat).unflatten(3, w.shape[-2:])


def _scalars(level: _Level, features: Tensor, logits: Tensor, real: Tensor) -> Tensor:
    features = features[..., PRINT]
    values = torch.cat([features, logits[..., None]], 2)
    highest = values.masked_fill(~real[..., None], FAR).amax(1, keepdim=True)
    there, here = ((t + 0.05).clamp_min(0.01).log() for t in (level.w_mean, level.p_mean))
    ratio = there - here
    cast = ratio - ratio.mean(2, keepdim=True)
    own = (level.p_variance + _NOISE**2).expand_as(level.w_variance)
    other = level.w_variance + _NOISE**2
    contrast = (other.log() - own.log()) / 2
    size = [part.mean(2, keepdim=True).log() / 2 for part in (own, other)]
    parts = [features, values - highest, cast[..., :2], contrast, *size]
    return torch.cat([*parts, size[1] - size[0]], 2)
