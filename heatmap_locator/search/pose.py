"""A piece set upright in every pose that places are compared in."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.model.bank import CANVAS, OVERSAMPLE, bank_angles, erode
from heatmap_locator.model.network import PIXEL_STRIDE, empty_border
from heatmap_locator.search.piece import PreparedPiece

ROTATIONS = 72
SCALES = (0.9, 0.95, 1.0, 1.05, 1.1)


@dataclass(frozen=True)
class Poses:
    """A piece ready to be laid on a picture.

    Attributes:
        templates: ``(ROTATIONS, scales, 3, k, k)`` in every pose that candidates are compared in,
            without their empty border, ``PIXEL_STRIDE`` working pixels a pixel; k is even.
        masks: ``(ROTATIONS, scales, 1, k, k)``, 0..1, without the bevelled rim.
        piece: what they are poses of.
        source: ``(1, 4, h, w)`` the piece less its mean colour, 0 outside, and its outline
            without the rim, ``OVERSAMPLE`` pixels a working pixel.
        mean: ``(1, 3, 1, 1)``, that colour.
    """

    templates: Tensor
    masks: Tensor
    piece: PreparedPiece
    source: Tensor
    mean: Tensor


def pose_piece(piece: PreparedPiece, device: torch.device) -> Poses:
    """Every pose that candidates may be compared in."""
    degrees = bank_angles(ROTATIONS).to(device)
    rendered = [piece.rotated(degrees, scale, oversample=1) for scale in SCALES]
    templates, masks = (torch.stack(t, 2)[0] for t in zip(*rendered, strict=True))
    border = empty_border(masks) // PIXEL_STRIDE * PIXEL_STRIDE
    inner = slice(border, CANVAS - border)
    halved, covers = (
        F.avg_pool2d(t[..., inner, inner].flatten(0, 2), PIXEL_STRIDE).unflatten(0, t.shape[:3])
        for t in (templates, erode(masks).clamp(0, 1))
    )
    photo, weight = piece.photo.to(device), piece.weight.to(device)
    mean = (photo * weight).sum((2, 3), keepdim=True) / weight.sum().clamp_min(1e-6)
    inside = erode(weight, OVERSAMPLE).clamp(0, 1)
    source = torch.cat([(photo - mean) * weight, inside], 1)
    return Poses(halved, covers, piece, source, mean)
