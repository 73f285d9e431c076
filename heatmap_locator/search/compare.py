"""The places named, compared by their pixels under angles and sizes around each.

The correlation volume sees pixels at every second working pixel, under the bank's own angles and
at one size; here more of both are tried, at the same resolution.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from heatmap_locator.model.correlation_around import masked_ncc_around
from heatmap_locator.model.filters import constant
from heatmap_locator.model.network import PIXEL_NOISE, PIXEL_STRIDE
from heatmap_locator.search.levels import REACH, Field
from heatmap_locator.search.named import Named
from heatmap_locator.search.pose import ROTATIONS, SCALES, Poses


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

    def joined(self, other: "Compared") -> "Compared":
        """These and those of other pieces."""
        own = (torch.cat([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self))
        return Compared(*own)

    def take(self, index: Tensor) -> "Compared":
        """Those of ``(B, K)`` indices."""
        at = index[..., None].expand(-1, -1, 2)
        return Compared(
            self.correlation.gather(1, index),
            self.degrees.gather(1, index),
            self.scale.gather(1, index),
            self.middle.gather(1, at),
        )


def compare(named: Named, poses: Poses, field: Field) -> Compared:
    """Lay the pieces' pixels on the picture near each candidate's pose.

    Args:
        named: of one picture size.
        poses: of the pieces.
        field: the picture.
    """
    device = named.place.device
    nearest = (named.rotation / (360 / ROTATIONS)).round().long()
    turns = (nearest[..., None] + torch.arange(-1, 2, device=device)) % ROTATIONS
    middles = (named.place / PIXEL_STRIDE).round().long()
    pieces = torch.arange(len(turns), device=device)[:, None, None]
    which = (turns + pieces * ROTATIONS).flatten(0, 1)
    found = _laid(poses, field, middles.flatten(0, 1), which)
    return _best(found.view(*turns.shape[:2], -1), turns, middles)


def compare_all_round(place: Tensor, count: int, poses: Poses, field: Field) -> Compared:
    """The same of one place under ``count`` angles in equal steps, with what they share done once.

    Args:
        place: ``(2,)`` (x, y), working pixels.
        count: candidates; ``3 * count`` is ``ROTATIONS``.
        poses: of one piece.
        field: the picture.
    """
    middles = (place / PIXEL_STRIDE).round().long().expand(1, count, 2)
    turns = torch.arange(-1, ROTATIONS - 1, device=place.device) % ROTATIONS
    found = _laid(poses, field, middles[0, :1], turns[None])
    return _best(found.view(1, count, -1), turns.view(1, count, 3), middles)


def _laid(poses: Poses, field: Field, middles: Tensor, which: Tensor) -> Tensor:
    """``(M, poses, positions)`` around ``(M, 2)`` places, of those poses that ``(M, P)`` say."""
    reach = REACH // PIXEL_STRIDE
    corners = middles.flip(1) - poses.half - reach
    templates, masks, which = poses.rendered(which)
    side = 2 * reach + 1
    return masked_ncc_around(field.framed, templates, masks, PIXEL_NOISE, corners, side, which)


def _best(found: Tensor, turns: Tensor, middles: Tensor) -> Compared:
    """The best of ``(B, M, poses and positions)``, of ``(B, M, 3)`` turns around ``(B, M, 2)``."""
    step, reach, device = 360 / ROTATIONS, REACH // PIXEL_STRIDE, found.device
    side = 2 * reach + 1
    best, at = found.max(2)
    pose, place = at // side**2, at % side**2
    moved = torch.stack([place % side, place // side], 2) - reach
    turn = turns.gather(2, (pose // len(SCALES))[..., None])[..., 0]
    return Compared(
        best,
        turn * step,
        constant(SCALES, device)[pose % len(SCALES)],
        (middles + moved) * PIXEL_STRIDE,
    )
