"""Training targets and losses: volume cross-entropy and the CenterNet terms."""

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.geometry import STRIDE
from heatmap_locator.model.head import HeadMaps


def splat_centers(centers: Tensor, height: int, width: int, sigma: float = 1.0) -> Tensor:
    """Gaussian heatmap targets that are exactly 1 at the integer cell of each centre.

    Args:
        centers: ``(B, 2)``, (x, y) in working pixels.
        sigma: in cells.

    Returns:
        ``(B, 1, height, width)``.  The fraction that the integer drops is the offset head's.
    """
    cell = (centers / STRIDE).floor()
    xs = torch.arange(width, device=centers.device)
    ys = torch.arange(height, device=centers.device)
    dx = xs.view(1, 1, -1) - cell[:, 0].view(-1, 1, 1)
    dy = ys.view(1, -1, 1) - cell[:, 1].view(-1, 1, 1)
    return torch.exp(-(dx.square() + dy.square()) / (2 * sigma**2))[:, None]


def focal_loss(logits: Tensor, target: Tensor, alpha: float = 2.0, beta: float = 4.0) -> Tensor:
    """CenterNet's penalty-reduced focal loss, summed and divided by the number of positives.

    Zhou et al., "Objects as Points" (2019), eq. 1.  Positives are cells whose target is exactly 1.
    Computed from logits with log-sigmoid in float32: a clamp at 1 - 1e-4 rounds to 1 in float16.
    With alpha 0 and a target of zeros and ones it is binary cross-entropy.
    """
    logits, target = logits.float(), target.float()
    positive = (target == 1).float()
    log_p, log_not_p = F.logsigmoid(logits), F.logsigmoid(-logits)
    p = logits.sigmoid()
    gain = positive * (1 - p).pow(alpha) * log_p
    loss = (1 - positive) * (1 - target).pow(beta) * p.pow(alpha) * log_not_p
    return -(gain + loss).sum() / positive.sum().clamp_min(1)


def volume_target(centers: Tensor, weights: Tensor, height: int, width: int) -> Tensor:
    """Where probability belongs in a rotation-by-position volume.

    Args:
        centers: ``(N, 2)``, (x, y) in working pixels.
        weights: ``(N, K)``, each rotation's share, summing to 1.

    Returns:
        ``(N, K, height, width)``, bilinear over the four cells around each centre, summing to 1.
    """
    position = centers / STRIDE - 0.5

    def share(coordinate: Tensor, count: int) -> Tensor:
        steps = torch.arange(count, device=centers.device)
        clamped = coordinate.clamp(0, count - 1)
        return (1 - (steps - clamped[:, None]).abs()).clamp_min(0)

    xs, ys = share(position[:, 0], width), share(position[:, 1], height)
    return weights[:, :, None, None] * ys[:, None, :, None] * xs[:, None, None, :]


def volume_cross_entropy(volume: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy over all rotations and positions, ``(N, K, H, W)``: every other place is a
    negative."""
    log_p = volume.float().flatten(1).log_softmax(1)
    return -(target.flatten(1) * log_p).sum(1).mean()


def center_losses(maps: HeadMaps, centers: Tensor, correct: Tensor) -> dict[str, Tensor]:
    """The CenterNet terms of one piece per picture.

    Offset and rotation have none: parabolas read them, which learn nothing.

    Args:
        maps: the head's output.
        centers: ``(B, 2)`` true reference points, working pixels.
        correct: ``(B,)`` bool, whether the best rotation at the true cell is near the truth; where
            it is not, the picture has no positive.

    Returns:
        scalars ``heat`` and ``rank``; finite without any positive.  ``rank`` is the cross-entropy
        of the true cell among all cells of the heatmap: the focal loss teaches how sure to be,
        this teaches which place is first.
    """
    height, width = maps.heat.shape[-2:]
    weight = correct.float()
    target = splat_centers(centers, height, width) * weight.view(-1, 1, 1, 1)
    cell = (centers / STRIDE).floor()
    xs = cell[:, 0].long().clamp(0, width - 1)
    ys = cell[:, 1].long().clamp(0, height - 1)
    rows = torch.arange(len(centers), device=centers.device)
    log_p = maps.heat.float().flatten(1).log_softmax(1)
    rank = -log_p[rows, ys * width + xs]
    return {
        "heat": focal_loss(maps.heat, target),
        "rank": (rank * weight).sum() / (weight.sum() + 1e-4),
    }
