"""The rotation bank: one piece, set upright under every hypothesis of its rotation."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.geometry import STRIDE
from heatmap_locator.model.filters import maximum_filter

CANVAS = 15 * STRIDE
"""Side of a template in working pixels.  An odd number of strides puts the piece's reference
point, the middle of the canvas, on the centre of a feature cell."""

OVERSAMPLE = 2
"""Photos enter the bank at ``OVERSAMPLE * CELL`` pixels a cell; templates are then averaged down,
so that turning a photo blurs it no more than resizing the picture blurs the picture."""


def bank_angles(rotations: int) -> Tensor:
    """``(rotations,)`` degrees, from 0 in equal steps."""
    return torch.arange(rotations, dtype=torch.float32) * (360.0 / rotations)


def rotate_piece(
    photo: Tensor,
    mask: Tensor,
    reference: Tensor,
    degrees: Tensor,
    scale: float = 1.0,
    oversample: int = OVERSAMPLE,
) -> tuple[Tensor, Tensor]:
    """Set photos upright under several rotations.

    Args:
        photo: ``(N, 3, H, W)``, 0..1, ``oversample * CELL`` pixels a cell.
        mask: ``(N, 1, H, W)``, 0..1, the piece's outline.
        reference: ``(N, 2)``, (x, y) in the photo that comes to the middle of the canvas.
        degrees: ``(N, K)``, the photo is turned counter-clockwise by each.
        scale: templates come out larger by this factor.
        oversample: samples that a template's pixel is the mean of, along each axis.

    Returns:
        ``(N, K, 3, CANVAS, CANVAS)`` templates and ``(N, K, 1, CANVAS, CANVAS)`` masks at CELL
        pixels a cell.  Outside the mask a template holds the piece's mean colour.
    """
    n, _, height, width = photo.shape
    k = degrees.shape[1]
    weight = mask.sum((2, 3), keepdim=True).clamp_min(1e-6)
    mean = (photo * mask).sum((2, 3), keepdim=True) / weight
    both = torch.cat([(photo - mean) * mask, mask], 1)

    # canvas -> photo: turn clockwise by the hypothesis, as the photo itself may have been.
    radians = degrees * (math.pi / 180.0)
    cos, sin = radians.cos(), radians.sin()
    side = CANVAS * oversample
    # grid_sample's normalised coordinates: -1..1 over the image's extent, pixel centres inside.
    half = side / 2.0 / scale
    theta = photo.new_zeros(n, k, 2, 3)
    theta[..., 0, 0] = cos * half * 2 / width
    theta[..., 0, 1] = -sin * half * 2 / width
    theta[..., 1, 0] = sin * half * 2 / height
    theta[..., 1, 1] = cos * half * 2 / height
    theta[..., 0, 2] = (reference[:, None, 0] * 2 / width) - 1
    theta[..., 1, 2] = (reference[:, None, 1] * 2 / height) - 1
    grid = F.affine_grid(theta.flatten(0, 1), [n * k, 4, side, side], align_corners=False)
    if k > 1:
        # One tall image per photo avoids copying the photo once per rotation.
        grid = grid.view(n, k * side, side, 2)
    turned = F.grid_sample(both, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    turned = turned.view(n, 4, k, side, side).transpose(1, 2)
    if oversample > 1:
        turned = F.avg_pool2d(turned.flatten(0, 1), oversample).view(n, k, 4, CANVAS, CANVAS)
    masks = turned[:, :, 3:]
    return turned[:, :, :3] + mean[:, None], masks


def rotate_all_round(
    photo: Tensor, mask: Tensor, reference: Tensor, rotations: int
) -> tuple[Tensor, Tensor]:
    """``rotate_piece`` under every hypothesis of a bank.

    Photos are sampled under those of a quarter turn; the rest are these, turned by quarters.

    Args:
        photo, mask, reference: as there.
        rotations: hypotheses, a multiple of 4.
    """
    degrees = bank_angles(rotations)[: rotations // 4].to(photo.device)
    quarter = rotate_piece(photo, mask, reference, degrees.expand(len(photo), -1))
    templates, masks = (
        torch.cat([part.rot90(turns, (-2, -1)) for turns in range(4)], 1) for part in quarter
    )
    return templates, masks


def erode(mask: Tensor, pixels: int = 1) -> Tensor:
    """Shrink ``(..., 1, H, W)`` masks: the bevelled rim of a piece shows cardboard, not print."""
    flat = mask.flatten(0, -4)
    # Outside of it the mask is as it is at its border.
    grown = F.pad(-flat, (pixels,) * 4, mode="replicate")
    return (-maximum_filter(grown, 2 * pixels + 1)).view(mask.shape)
