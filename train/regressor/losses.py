"""Losses of direct box regression: torchvision's IoU losses and plain distances, by weight.

Boxes are ``(N, 4)`` (cx, cy, w, h) in shares of the picture's width and height.
"""

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor
from torchvision.ops import (
    complete_box_iou_loss,
    distance_box_iou_loss,
    generalized_box_iou_loss,
)

from ..settings import SETTINGS, Count, NotNegative

IOU_LOSSES = {
    "giou": generalized_box_iou_loss,
    "diou": distance_box_iou_loss,
    "ciou": complete_box_iou_loss,
}

SMALLEST = 1e-4
"""Width and height that a predicted box is held to: with none CIoU's aspect ratio is NaN."""


@dataclass(frozen=True, config=SETTINGS)
class BoxLossSettings:
    """Weights of the terms; those of weight 0 are not computed.

    Attributes:
        giou, diou, ciou: Rezatofighi et al., 2019; Zheng et al., 2020.
        l1, smooth_l1: mean over the four numbers of a box.
        center_l1, center_mse, size_l1: mean over the two numbers of the centre or the size.
        variance: how much less predicted centres deviate in a batch than true ones, 0 if not less.
        ciou_ramp_epochs: CIoU's weight rises from 0 to ``ciou`` linearly over so many epochs.
        epoch: steps that count as one.
    """

    giou: NotNegative = 0.0
    diou: NotNegative = 0.0
    ciou: NotNegative = 0.0
    l1: NotNegative = 0.0
    smooth_l1: NotNegative = 0.0
    center_l1: NotNegative = 0.0
    center_mse: NotNegative = 0.0
    size_l1: NotNegative = 0.0
    variance: NotNegative = 0.0
    ciou_ramp_epochs: NotNegative = 0.0
    epoch: Count = 200

    def weights(self, step: int) -> dict[str, float]:
        """The terms with a weight above 0, and their weights at ``step``."""
        weights = {term: getattr(self, term) for term in TERMS if getattr(self, term) > 0}
        if "ciou" in weights and self.ciou_ramp_epochs > 0:
            weights["ciou"] *= min(1.0, step / (self.ciou_ramp_epochs * self.epoch))
        return weights


TERMS = (*IOU_LOSSES, "l1", "smooth_l1", "center_l1", "center_mse", "size_l1", "variance")


def corners(boxes: Tensor) -> Tensor:
    """(cx, cy, w, h) to (x1, y1, x2, y2), with sides of at least ``SMALLEST``."""
    center, half = boxes[:, :2], boxes[:, 2:].clamp_min(SMALLEST) / 2
    return torch.cat([center - half, center + half], 1)


def box_loss_terms(found: Tensor, truth: Tensor, settings: BoxLossSettings) -> dict[str, Tensor]:
    """The terms in use, unweighted, each a scalar.

    Args:
        found, truth: boxes, N at least 1; ``truth`` has sides above ``SMALLEST``.
    """
    return {term: _term(term, found, truth) for term in settings.weights(0)}


def box_loss(
    found: Tensor, truth: Tensor, settings: BoxLossSettings, step: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum at ``step``, and its unweighted terms."""
    terms = box_loss_terms(found, truth, settings)
    weights = settings.weights(step)
    return torch.stack([weights[name] * value for name, value in terms.items()]).sum(), terms


def _term(name: str, found: Tensor, truth: Tensor) -> Tensor:
    if name in IOU_LOSSES:
        value: Tensor = IOU_LOSSES[name](corners(found), corners(truth), reduction="mean")
        return value
    if name == "l1":
        return F.l1_loss(found, truth)
    if name == "smooth_l1":
        return F.smooth_l1_loss(found, truth)
    if name == "center_l1":
        return F.l1_loss(found[:, :2], truth[:, :2])
    if name == "center_mse":
        return F.mse_loss(found[:, :2], truth[:, :2])
    if name == "size_l1":
        return F.l1_loss(found[:, 2:], truth[:, 2:])
    if name == "variance":
        missing = _deviation(truth[:, :2]) - _deviation(found[:, :2])
        return missing.clamp_min(0).mean()
    raise ValueError(f"{name!r} is none of {TERMS}")


def _deviation(x: Tensor) -> Tensor:
    # Not std: its gradient is infinite where all are alike, which is what the term is to undo.
    return (x.var(0, correction=0) + 1e-8).sqrt()
