"""Lay pieces on a picture to a fraction of a pixel: enhanced correlation, many places at once.

Evangelidis and Psarakis, "Parametric image alignment using enhanced correlation coefficient
maximization" (2008): Gauss-Newton on what is left of the picture when the piece, its contrast free
in every channel, is taken away.  The piece stands still and the picture is sampled under it, so
that slopes and what they say of each other are the same at all places and in all steps (Baker and
Matthews, "Lucas-Kanade 20 years on", 2004: the inverse compositional algorithm).  The warp is
affine with a prior: a piece turns and grows a little and hardly shears, so a wrong place gains
little by it.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.model.filters import blur, constant, gaussian_kernel
from heatmap_locator.search.levels import SOFT_SIGMA
from heatmap_locator.search.pose import Poses
from heatmap_locator.steps import step

COARSE, FINE = 3, 4
"""Steps on blurred images, from which the second few are taken as they are."""

PRIOR = (2.0, 2.0, 0.06, 0.05, 0.015, 0.015)
"""Standard deviations of what is missing to the pose that the search ends in: right and down in
working pixels, turn in radians, log of size, stretch, shear.  Those that a turn mixes are equal."""

FREEDOM = 0.1
"""Neighbouring pixels err alike: so many independent ones a pixel is worth."""

STEP = (1.5, 1.5, 0.08, 0.05, 0.02, 0.02)
"""Most that one step changes each of them."""

_NOISE = (2 / 255) ** 2
"""Variance of a pixel that is never explained."""


@dataclass(frozen=True)
class Aligned:
    """Warps of B pieces to M places of a picture each, and how well the two agree.

    Attributes:
        warp: ``(B, M, 2, 3)`` from pixels of ``Poses.prints``, (0, 0) at the reference point, to
            working pixels.
        correlation: ``(B, M)`` masked NCC there, about -1..1.
    """

    warp: Tensor
    correlation: Tensor


@dataclass(frozen=True)
class _Slopes:
    """What B pieces look like, at their P pixels, and how that changes as they move.

    Attributes:
        steer: ``(B, 3, P, 8)`` of every channel: 1; the channel less its mean; by how much it
            changes with each of the six parameters, less what a change of level or contrast could
            do as well.  0 where no pixel is counted.
        energy: ``(B, 3, 1)`` of the second, with what is never explained.
        contrast: ``(B, 3, 1, 6)`` of the second with the six.
        normal: ``(B, 3, 36)`` of the six with each other.
    """

    steer: Tensor
    energy: Tensor
    contrast: Tensor
    normal: Tensor


def sample(picture: Tensor, warp: Tensor, points: Tensor, mode: str = "bilinear") -> Tensor:
    """``(B, C, M, P)`` of ``(C, H, W)``, its border repeated, at P points under M warps each.

    Args:
        picture: ``(C, H, W)``.
        warp: ``(B, M, 2, 3)`` to its pixels.
        points: ``(B, P, 2)`` (x, y) of each of B pieces.
        mode: ``grid_sample``'s.
    """
    b, m = warp.shape[:2]
    factor = constant((2 / picture.shape[2], 2 / picture.shape[1]), warp.device)[:, None]
    at = (warp[..., :2] * factor).flatten(1, 2) @ points.transpose(1, 2)
    at = at.unflatten(1, (m, 2)) + (warp[..., 2:] * factor - 1)
    grid = at.transpose(2, 3).reshape(1, b * m, -1, 2)
    seen = F.grid_sample(picture[None], grid, mode, padding_mode="border", align_corners=False)
    return seen[0].unflatten(1, (b, m)).transpose(0, 1)


def points_of(poses: Poses) -> Tensor:
    """``(B, P, 2)`` the pixels that count, (0, 0) at the reference point."""
    width = poses.prints.shape[-1]
    at = torch.stack([poses.pixels % width, poses.pixels // width], 2) + 0.5
    return at - poses.reference[:, None]


def align(poses: Poses, picture: Tensor, soft: Tensor, warp: Tensor) -> Aligned:
    """Move warps to where the pieces explain the picture best.

    Args:
        poses: of B pieces.
        picture: ``(3, H, W)`` working picture, 0..1.
        soft: the same, blurred by ``SOFT_SIGMA``.
        warp: ``(B, M, 2, 3)`` to start from, as in :class:`Aligned`.

    Returns:
        Never a place where the correlation is lower than at the start.
    """
    points = points_of(poses)
    kernel = gaussian_kernel(SOFT_SIGMA, picture.device)
    blurred = blur(torch.cat([poses.prints, poses.insides], 1), kernel)
    fine = _slopes(poses.prints, poses, points)
    coarse = _slopes(blurred[:, :3] / blurred[:, 3:].clamp_min(0.2), poses, points)
    moved, total = warp, warp.new_zeros(*warp.shape[:2], 6)
    for slopes, seen, steps in ((coarse, soft, COARSE), (fine, picture, FINE)):
        for _ in range(steps):
            step()
            moved, total = _step(slopes, sample(seen, moved, points), poses.counted, moved, total)
    first, last = (
        correlation(fine, sample(picture, own, points), poses.counted) for own in (warp, moved)
    )
    better = last > first
    return Aligned(
        torch.where(better[..., None, None], moved, warp), torch.where(better, last, first)
    )


def _slopes(prints: Tensor, poses: Poses, points: Tensor) -> _Slopes:
    """Of ``(B, 3, h, w)`` images of pieces."""
    right = F.pad((prints[..., 2:] - prints[..., :-2]) / 2, (1, 1)).flatten(2)
    down = F.pad((prints[..., 2:, :] - prints[..., :-2, :]) / 2, (0, 0, 1, 1)).flatten(2)
    index = poses.pixels[:, None].expand(-1, 3, -1)
    mask = poses.counted[:, None]
    own, right, down = (t.gather(2, index) * mask for t in (prints.flatten(2), right, down))
    count = mask.sum(2, keepdim=True).clamp_min(1)
    own = (own - own.sum(2, keepdim=True) / count) * mask
    energy = own.square().sum(2, keepdim=True) + _NOISE * count
    x, y = points[:, None].unbind(3)
    moves = torch.stack(
        [
            right,
            down,
            x * down - y * right,  # turn
            x * right + y * down,  # size
            x * right - y * down,  # stretch
            y * right + x * down,  # shear
        ],
        3,
    )
    moves = (moves - moves.sum(2, keepdim=True) / count[..., None]) * mask[..., None]
    contrast = own[:, :, None] @ moves
    steer = moves - own[..., None] * (contrast / energy[..., None])
    normal = moves.transpose(2, 3) @ steer
    ones = mask.expand_as(own)[..., None]
    return _Slopes(
        torch.cat([ones, own[..., None], steer], 3),
        energy,
        own[:, :, None] @ steer,
        normal.flatten(2),
    )


def _sums(slopes: _Slopes, seen: Tensor, counted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of ``(B, 3, M, P)`` of a picture: with the eight, energy about the mean, and the count."""
    sums = seen @ slopes.steer
    count = counted.sum(1).clamp_min(1)[:, None, None]
    squares = (seen.square() @ counted[:, None, :, None])[..., 0]
    return sums, (squares - sums[..., 0].square() / count).clamp_min(0), count


def _step(
    slopes: _Slopes, seen: Tensor, counted: Tensor, warp: Tensor, total: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of Gauss-Newton; ``total`` is what all steps so far add up to."""
    sums, energy, count = _sums(slopes, seen, counted)
    both = sums[..., 1]
    gain = (both / slopes.energy).clamp_min(0)
    own = slopes.energy - _NOISE * count
    rest = energy - 2 * gain * both + gain.square() * own
    variance = rest.clamp_min(0).sum(1) / (3 * count[:, 0]) + _NOISE
    trust = (FREEDOM / variance)[..., None]
    pull = sums[..., 2:] - gain[..., None] * slopes.contrast
    pull = (pull * gain[..., None]).sum(1)
    normal = (gain.square().transpose(1, 2) @ slopes.normal).unflatten(2, (6, 6))
    precision = constant(PRIOR, warp.device) ** -2
    # The one of its kind that does not ask the device whether it went well: the prior sees to it.
    change, _ = torch.linalg.solve_ex(
        normal * trust[..., None] + precision.diag(), pull * trust - total * precision
    )
    most = constant(STEP, warp.device)
    change = change.clamp(-most, most)
    dx, dy, turn, size, stretch, shear = change.unbind(2)
    # The piece would have to move so; the picture is sampled the other way round instead.
    a, b, c, d = 1 + size + stretch, shear - turn, shear + turn, 1 + size - stretch
    linear = torch.stack([d, -b, -c, a], 2) / (a * d - b * c)[..., None]
    linear = warp[..., :2] @ linear.unflatten(2, (2, 2))
    offset = warp[..., 2:] - linear @ torch.stack([dx, dy], 2)[..., None]
    return torch.cat([linear, offset], 3), total + change


def correlation(slopes: _Slopes, seen: Tensor, counted: Tensor) -> Tensor:
    """``(B, M)`` masked NCC of ``(B, 3, M, P)`` of the picture, channels together."""
    sums, energy, count = _sums(slopes, seen, counted)
    own, other = slopes.energy.sum(1), (energy + _NOISE * count).sum(1)
    return sums[..., 1].sum(1) * (own * other).rsqrt()


def rotation_of(warp: Tensor) -> Tensor:
    """Degrees in [0, 360) by which pieces are turned clockwise from where ``(..., 2, 3)`` warps
    lay them, stretch left out."""
    turn = torch.atan2(warp[..., 0, 1] - warp[..., 1, 0], warp[..., 0, 0] + warp[..., 1, 1])
    # Twice: the remainder of a hair below zero rounds to 360 itself.
    return torch.remainder(torch.remainder(turn * (180 / math.pi), 360.0), 360.0)
