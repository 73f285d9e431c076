"""What an outline is scored by."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .batches import PhotoBatch

_NEAR = 9
"""Side in pixels of the square that an edge is near in."""

_EDGE = 3
"""How much more than elsewhere a pixel on the true edge weighs."""

_SMOOTHING = 50
"""Pixels added to both parts of Dice's quotient (Milletari et al., "V-Net", 2016, have none):
photos without a piece must not ask for more than the entropy does."""


def outline_loss(logits: Tensor, batch: PhotoBatch) -> tuple[Tensor, Tensor]:
    """Cross-entropy, four times dearer near the true edge, and the Dice loss of each photo."""
    masks, counts = batch.masks, batch.counts
    near = F.avg_pool2d(masks, _NEAR, 1, _NEAR // 2)
    weights = counts * (1 + _EDGE * (4 * near * (1 - near)))
    entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    entropy = (weights * entropy).sum() / weights.sum().clamp_min(1)
    seen = logits.sigmoid() * counts
    both = (seen * masks * counts).sum((1, 2, 3))
    either = seen.sum((1, 2, 3)) + (masks * counts).sum((1, 2, 3))
    dice = 1 - (2 * both + _SMOOTHING) / (either + _SMOOTHING)
    return entropy, dice.mean()


def overlap(seen: Tensor, masks: Tensor) -> Tensor:
    """(N,) intersection over union of ``(N, 1, H, W)`` masks at 0.5; 1 where both are empty."""
    a, b = seen > 0.5, masks > 0.5
    union = (a | b).sum((1, 2, 3))
    return torch.where(union > 0, (a & b).sum((1, 2, 3)) / union.clamp_min(1), 1.0)
