"""How hard each IoU loss pulls a small box towards one that it does not touch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from heatmap_train.regressor.losses import IOU_LOSSES, corners

SIDE = 0.03
"""Side of both boxes in shares of the picture, a piece of a puzzle of about 1,000."""

DISTANCES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
"""Of the centres in shares of the picture: from boxes that nearly touch to the far corner."""

RANDOM_PAIRS = 4096


def _gradients(name: str, found: Tensor, truth: Tensor) -> Tensor:
    found = found.clone().requires_grad_()
    IOU_LOSSES[name](corners(found), corners(truth), reduction="sum").backward()
    assert found.grad is not None
    return found.grad


def _row(label: str, found: Tensor, truth: Tensor) -> dict[str, float | str]:
    row: dict[str, float | str] = {"pairs": label}
    for name in IOU_LOSSES:
        gradients = _gradients(name, found, truth)
        row[name] = float(gradients.norm(dim=1).mean())
        row[f"{name}_center"] = float(gradients[:, :2].norm(dim=1).mean())
    return row


def gradient_norms(
    side: float = SIDE, distances: Sequence[float] = DISTANCES, pairs: int = RANDOM_PAIRS
) -> list[dict[str, float | str]]:
    """Norms of the gradient by the predicted box (cx, cy, w, h), and by its centre alone.

    Args:
        side: of the square boxes, in shares of the picture.
        distances: of their centres along the diagonal, at least ``1.5 * side``.
        pairs: random pairs, uniform in the picture, of which those that do not touch are averaged.

    Returns:
        A row per distance and one for the random pairs: ``pairs`` says which, and for each of
        giou, diou, ciou the norm and ``*_center``.
    """
    rows = []
    for distance in distances:
        found = torch.tensor([[0.1, 0.1, side, side]], dtype=torch.float64)
        truth = found.clone()
        truth[:, :2] += distance / 2**0.5
        rows.append(_row(f"{distance:g} apart", found, truth))
    generator = torch.Generator().manual_seed(0)
    centers = torch.rand(2, pairs, 2, generator=generator, dtype=torch.float64)
    centers = side / 2 + centers * (1 - side)
    apart = (centers[0] - centers[1]).abs().amax(1) > side
    sizes = torch.full((int(apart.sum()), 2), side, dtype=torch.float64)
    found, truth = (torch.cat([c[apart], sizes], 1) for c in centers)
    rows.append(_row("random", found, truth))
    return rows
