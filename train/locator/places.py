"""Where pieces lie: reference points, and differences on a circle of rotations."""

import torch
from torch import Tensor


def masked_centroid(masks: Tensor) -> Tensor:
    """``(N, 1, H, W)`` masks to ``(N, 2)`` (x, y): the reference point of a piece."""
    height, width = masks.shape[-2:]
    total = masks.sum((1, 2, 3)).clamp_min(1e-6)
    xs = torch.arange(width, device=masks.device) + 0.5
    ys = torch.arange(height, device=masks.device) + 0.5
    x = (masks.sum((1, 2)) * xs).sum(1) / total
    y = (masks.sum((1, 3)) * ys).sum(1) / total
    return torch.stack([x, y], 1)


def map_points(homographies: Tensor, points: Tensor) -> Tensor:
    """``(N, 3, 3)`` applied to ``(N, 2)``."""
    ones = torch.ones_like(points[:, :1])
    mapped = torch.einsum("nij,nj->ni", homographies, torch.cat([points, ones], 1))
    return mapped[:, :2] / mapped[:, 2:]


def circular_steps(a: Tensor, b: Tensor, count: int) -> Tensor:
    """Signed ``a - b`` on a circle of ``count`` steps, in [-count / 2, count / 2)."""
    return (a - b + count / 2) % count - count / 2
