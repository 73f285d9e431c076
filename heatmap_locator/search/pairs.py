"""Pieces and the picture under them where they align, as pairs of small images of one frame.

What RoIAlign is to two-stage detectors (He et al., "Mask R-CNN", 2017), with a full pose in place
of a box: the picture is sampled under the piece's own pixels, so that the two can be compared one
by one, whichever way the piece lies.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.search.align import sample
from heatmap_locator.search.pose import Poses

SIDE = 48
"""Pixels of a pair's side."""

PITCH = 1.125
"""Working pixels a pixel: with SIDE, a body of 32 working pixels and knobs of a third of it."""


@dataclass(frozen=True)
class Pairs:
    """B pieces, and the picture under each at M places.

    Attributes:
        prints: ``(B, 3, SIDE, SIDE)`` the pieces as photographed, set square by their bodies, 0..1;
            outside the outline their mean colour.
        insides: ``(B, 1, SIDE, SIDE)``, 0..1, their outlines without the bevelled rim.
        windows: ``(B, M, 3, SIDE, SIDE)`` of the picture, 0..1, its border repeated.
    """

    prints: Tensor
    insides: Tensor
    windows: Tensor


def frame_of(poses: Poses) -> Tensor:
    """``(B, SIDE * SIDE, 2)`` where the pixels of pairs lie about the pieces' reference points, in
    pixels of ``Poses.prints``: in rows along the bodies' sides, their middles in the middle."""
    near = (torch.arange(SIDE, device=poses.body.device) + 0.5 - SIDE / 2) * PITCH
    y, x = torch.meshgrid(near, near, indexing="ij")
    radians = poses.direction.deg2rad()
    cos, sin = radians.cos(), radians.sin()
    x, y = x.flatten(), y.flatten()
    return torch.stack([x * cos - y * sin, x * sin + y * cos], 2) + poses.body[:, None]


def pair(warp: Tensor, poses: Poses, picture: Tensor) -> Pairs:
    """Look at pieces and picture where they align.

    Args:
        warp: ``(B, M, 2, 3)`` as ``align.Aligned`` has it.
        poses: of B pieces.
        picture: ``(3, H, W)`` working picture, 0..1.
    """
    points = frame_of(poses)
    height, width = poses.prints.shape[-2:]
    size = torch.tensor([width, height], device=points.device)
    grid = ((points + poses.reference[:, None]) * (2 / size) - 1).unflatten(1, (SIDE, SIDE))
    own = torch.cat([poses.prints, poses.insides], 1)
    seen = F.grid_sample(own, grid, mode="bilinear", align_corners=False)
    means = poses.means[:, :, None, None]
    windows = sample(picture, warp, points).unflatten(3, (SIDE, SIDE)).transpose(1, 2)
    return Pairs(seen[:, :3] + means, seen[:, 3:], windows)
