"""The places named, compared by their pixels under angles and sizes around each.

The correlation volume sees pixels at every second working pixel, under the bank's own angles and
at one size; here more of both are tried, at the same resolution.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from heatmap_locator.model.correlation import masked_ncc_around
from heatmap_locator.model.filters import constant
from heatmap_locator.model.network import PIXEL_NOISE, PIXEL_STRIDE
from heatmap_locator.search.named import Named
from heatmap_locator.search.pose import ROTATIONS, SCALES, Poses

REACH = 4
"""Working pixels to either side of a candidate's place."""


@dataclass(frozen=True)
class Compared:
    """The pose, near each of M candidates of B pieces, in which halved pixels correlate best.

    Attributes:
        correlation: ``(B, M)`` masked NCC, about -1..1.
        degrees: ``(B, M)`` the template's rotation.
        scale: ``(B, M)`` its size, as a factor on the outline's.
        middle: ``(B, M, 2)`` long, (x, y) of its middle, working pixels.
    """

    correlation: Tensor
    degrees: Tensor
    scale: Tensor
    middle: Tensor

    def take(self, index: Tensor) -> "Compared":
        """Those of ``(B, K)`` indices."""
        at = index[..., None].expand(-1, -1, 2)
        return Compared(
            self.correlation.gather(1, index),
            self.degrees.gather(1, index),
            self.scale.gather(1, index),
            self.middle.gather(1, at),
        )


def compare(named: Named, poses: Poses, halved: Tensor) -> Compared:
    """Lay the pieces' pixels on the picture near each candidate's pose.

    Args:
        named: of one picture size.
        poses: of the pieces.
        halved: ``(3, h, w)``, 0..1, the working picture averaged down by ``PIXEL_STRIDE``.
    """
    step, reach = 360 / ROTATIONS, REACH // PIXEL_STRIDE
    device, side, half = halved.device, 2 * reach + 1, poses.templates.shape[-1] // 2
    nearest = (named.rotation / step).round().long()
    turns = (nearest[..., None] + torch.arange(-1, 2, device=device)) % ROTATIONS
    middles = (named.place / PIXEL_STRIDE).round().long()
    pieces = torch.arange(len(turns), device=device)[:, None, None]
    found = masked_ncc_around(
        halved,
        poses.templates.flatten(0, 1),
        poses.masks.flatten(0, 1),
        PIXEL_NOISE,
        (middles.flip(2) - half - reach).flatten(0, 1),
        side,
        (turns + pieces * ROTATIONS).flatten(0, 1),
    )
    best, at = found.flatten(1).max(1)
    best, at = best.view(turns.shape[:2]), at.view(turns.shape[:2])
    pose, place = at // side**2, at % side**2
    moved = torch.stack([place % side, place // side], 2) - reach
    turn = turns.gather(2, (pose // len(SCALES))[..., None])[..., 0]
    return Compared(
        best,
        turn * step,
        constant(SCALES, device)[pose % len(SCALES)],
        (middles + moved) * PIXEL_STRIDE,
    )
