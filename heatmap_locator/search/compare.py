"""The places named, compared by their pixels under angles and sizes around each.

The correlation volume sees pixels at every second working pixel, under the bank's own angles and
at one size; here more of both are tried, at the same resolution.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from heatmap_locator.model.correlation import masked_ncc_around
from heatmap_locator.model.network import PIXEL_NOISE, PIXEL_STRIDE
from heatmap_locator.search.decode import Candidate
from heatmap_locator.search.pose import ROTATIONS, SCALES, Poses

REACH = 4
"""Working pixels to either side of a candidate's place."""


@dataclass(frozen=True)
class Compared:
    """The pose, near each of M candidates, in which the piece's halved pixels correlate best.

    Attributes:
        correlation: ``(M,)`` masked NCC, about -1..1.
        degrees: ``(M,)`` the template's rotation.
        scale: ``(M,)`` its size, as a factor on the outline's.
        middle: ``(M, 2)`` long, (x, y) of its middle, working pixels.
    """

    correlation: Tensor
    degrees: Tensor
    scale: Tensor
    middle: Tensor

    def take(self, index: Tensor) -> "Compared":
        return Compared(
            self.correlation[index], self.degrees[index], self.scale[index], self.middle[index]
        )


def compare(candidates: list[Candidate], poses: Poses, halved: Tensor) -> Compared:
    """Lay the piece's pixels on the picture near each candidate's pose.

    Args:
        candidates: of one picture size, in its working pixels; at least one.
        poses: of the piece.
        halved: ``(3, h, w)``, 0..1, the working picture averaged down by ``PIXEL_STRIDE``.
    """
    step, reach = 360 / ROTATIONS, REACH // PIXEL_STRIDE
    device, side, half = halved.device, 2 * reach + 1, poses.templates.shape[-1] // 2
    nearest = torch.tensor([round(c.rotation / step) for c in candidates], device=device)
    turns = (nearest[:, None] + torch.tensor([-1, 0, 1], device=device)) % ROTATIONS
    middles = torch.tensor(
        [[round(c.x / PIXEL_STRIDE), round(c.y / PIXEL_STRIDE)] for c in candidates], device=device
    )
    corners = middles.flip(1) - half - reach
    found = masked_ncc_around(
        halved, poses.templates, poses.masks, PIXEL_NOISE, corners, side, turns
    )
    best, at = found.flatten(1).max(1)
    pose, place = at // side**2, at % side**2
    rows = torch.arange(len(candidates), device=device)
    moved = torch.stack([place % side, place // side], 1) - reach
    return Compared(
        best,
        turns[rows, pose // len(SCALES)] * step,
        torch.tensor(SCALES, device=device)[pose % len(SCALES)],
        (middles + moved) * PIXEL_STRIDE,
    )
