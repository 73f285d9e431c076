"""Lay a piece on the picture to a fraction of a pixel: enhanced correlation, many places at once.

Evangelidis and Psarakis, "Parametric image alignment using enhanced correlation coefficient
maximization" (2008): Gauss-Newton on what is left of the picture's window when the piece, its
contrast free in every channel, is taken away.  Here the warp is affine with a prior: a piece turns
and grows a little and hardly shears, so a wrong place gains little by it.
"""

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.model.filters import blur, gaussian_kernel

COARSE, FINE = 3, 4
"""Steps on blurred images, from which the second few are taken as they are."""

COARSE_SIGMA = 1.5
"""Working pixels; what lies further off than about this is not found."""

PRIOR = (2.0, 2.0, 0.06, 0.05, 0.015, 0.015)
"""Standard deviations of what is missing to the pose that the search ends in: right and down in
working pixels, turn in radians, log of size, stretch, shear."""

FREEDOM = 0.1
"""Neighbouring pixels err alike: so many independent ones a pixel is worth."""

STEP = (1.5, 1.5, 0.08, 0.05, 0.02, 0.02)
"""Most that one step changes each of them."""

_MOVES = torch.tensor(
    [
        [1, 0, 0, 0, 0, 0],  # right
        [0, 0, 0, 1, 0, 0],  # down
        [0, 0, -1, 0, 1, 0],  # turn
        [0, 1, 0, 0, 0, 1],  # size
        [0, 1, 0, 0, 0, -1],  # stretch
        [0, 0, 1, 0, 1, 0],  # shear
    ]
)
"""How each parameter of the warp moves a place (x, y): to the right by 1, x and y times the first
three, down by the last three."""

_PAIRS = torch.tensor(
    [
        [6 * (g + h) + (0, 2, 3)[min(a, b)] + max(a, b) for h in (0, 1) for b in (0, 1, 2)]
        for g in (0, 1)
        for a in (0, 1, 2)
    ]
)
"""Where the product of two of these six is among three pairs of slopes times six polynomials."""

_NOISE = (2 / 255) ** 2
"""Variance of a pixel that is never explained."""


@dataclass(frozen=True)
class Aligned:
    """Warps of one piece to M windows of the picture, and how well the two agree.

    Attributes:
        warp: ``(M, 2, 3)`` from window pixels, (0, 0) in its middle, to pixels of the source.
        correlation: ``(M,)`` masked NCC there, about -1..1.
    """

    warp: Tensor
    correlation: Tensor


def sample(source: Tensor, warp: Tensor, side: int, oversample: int = 1) -> Tensor:
    """``(M, C, side, side)`` of ``source`` ``(1, C, h, w)`` under ``(M, 2, 3)`` warps.

    Args:
        source: zero outside.
        warp: from window pixels, (0, 0) in its middle, to pixels of the source.
        side: of the window.
        oversample: samples a window pixel is the mean of, along each axis.
    """
    m, (height, width) = len(warp), source.shape[-2:]
    fine = side * oversample
    half = side / 2
    size = torch.tensor([width, height], device=warp.device, dtype=warp.dtype)
    theta = warp.clone()
    theta[..., :2] *= half
    theta = theta * 2 / size.view(1, 2, 1)
    theta[..., 2] -= 1
    grid = F.affine_grid(theta, [m, 1, fine, fine], align_corners=False)
    # One tall image: the source is not copied once a window.
    tall = grid.view(1, m * fine, fine, 2)
    seen = F.grid_sample(source, tall, mode="bilinear", align_corners=False)[0]
    seen = seen.view(-1, m, fine, fine).transpose(0, 1)
    return F.avg_pool2d(seen, oversample) if oversample > 1 else seen


def windows(picture: Tensor, middles: Tensor, side: int) -> Tensor:
    """``(M, C, side, side)`` of ``(C, H, W)``, its border repeated where they leave it.

    Args:
        picture: ``(C, H, W)``.
        middles: ``(M, 2)`` long, (x, y) of the pixel edge in each window's middle; side is even.
        side: of the window.
    """
    near = torch.arange(-(side // 2), side // 2, device=picture.device)
    height, width = picture.shape[-2:]
    columns = (middles[:, :1] + near).clamp(0, width - 1)
    rows = (middles[:, 1:] + near).clamp(0, height - 1)
    return picture[:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)


def align(source: Tensor, seen: Tensor, warp: Tensor) -> Aligned:
    """Move warps to where the piece explains the window best.

    Args:
        source: ``(1, 4, h, w)``, the piece less its mean, 0 outside, and the weight of its pixels,
            0..1, at working pixels.
        seen: ``(M, 3, S, S)`` windows of the picture, 0..1.
        warp: ``(M, 2, 3)`` to start from, as in :class:`Aligned`.

    Returns:
        Never a place where the correlation is lower than at the start.
    """
    first = _correlation(source, seen, warp)
    kernel = gaussian_kernel(COARSE_SIGMA).to(source.device)
    soft = blur(source, kernel)
    # The weights stay as they are: blurred ones would reach beyond the outline.
    soft = torch.cat([soft[:, :3] / soft[:, 3:].clamp_min(0.2), source[:, 3:]], 1)
    moved, total = warp, warp.new_zeros(len(warp), 6)
    for start, target, steps in ((soft, blur(seen, kernel), COARSE), (source, seen, FINE)):
        for _ in range(steps):
            moved, total = _step(start, target, moved, total)
    last = _correlation(source, seen, moved)
    better = last > first
    return Aligned(
        torch.where(better[:, None, None], moved, warp), torch.where(better, last, first)
    )


def _step(source: Tensor, seen: Tensor, warp: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
    """One step of Gauss-Newton; ``total`` is what all steps so far add up to."""
    m, side = len(warp), seen.shape[-1]
    both = sample(source, warp, side)
    own, weight = both[:, :3], both[:, 3:]
    # Beyond the outline a difference says nothing of the print.
    inside = (weight > 0.5).to(own.dtype)
    right = F.pad((own[..., 2:] - own[..., :-2]) / 2, (1, 1)) * inside
    down = F.pad((own[..., 2:, :] - own[..., :-2, :]) / 2, (0, 0, 1, 1)) * inside
    flat = inside.flatten(2)
    count = flat.sum(2).clamp_min(1)
    a, b = _centred(own.flatten(2), flat, count), _centred(seen.flatten(2), flat, count)
    energy = a.square().sum(2) + _NOISE * count
    gain = ((a * b).sum(2) / energy).clamp_min(0)
    rest = b - gain[..., None] * a
    variance = rest.square().sum((1, 2)) / (3 * count[:, 0]) + _NOISE
    trust = (FREEDOM / variance)[:, None]
    # What a change of level or contrast could do as well is no reason to move: both are projected
    # out of the slopes, here in their products alone.
    one, two = _polynomials(side, own)
    slopes, moves = (right.flatten(2), down.flatten(2)), _MOVES.to(own)

    def along(values: Tensor | None) -> Tensor:
        sums = [(slope if values is None else slope * values) @ one for slope in slopes]
        return torch.cat(sums, 2) @ moves.T

    level = along(None) / count[..., None].sqrt()
    contrast = along(a) / energy[..., None].sqrt()
    pairs = [x * y for x, y in combinations_with_replacement(slopes, 2)]
    moments = torch.cat([pair @ two for pair in pairs], 2)[..., _PAIRS.to(own.device)]
    normal = moves @ moments @ moves.T
    for part in (level, contrast):
        normal = normal - part[..., None] * part[..., None, :]
    normal = (normal * gain.square()[..., None, None]).sum(1)
    # ``rest`` has no mean; what is left of ``a`` in it goes with the slopes' own.
    pull = along(rest) - contrast * ((rest * a).sum(2) / energy.sqrt())[..., None]
    pull = (pull * gain[..., None]).sum(1)
    precision = own.new_tensor(PRIOR) ** -2
    change = torch.linalg.solve(
        normal * trust[..., None] + precision.diag(), pull * trust - total * precision
    )
    most = own.new_tensor(STEP)
    change = change.clamp(-most, most)
    dx, dy, turn, size, stretch, shear = change.unbind(1)
    linear = torch.stack([size + stretch, shear - turn, shear + turn, size - stretch], 1)
    linear = linear.view(m, 2, 2) + torch.eye(2, device=own.device)
    inner = torch.cat([linear, torch.stack([dx, dy], 1)[..., None]], 2)
    moved = torch.cat(
        [warp[..., :2] @ inner[..., :2], warp[..., :2] @ inner[..., 2:] + warp[..., 2:]], 2
    )
    return moved, total + change


def _polynomials(side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """1, x, y and their products by twos, ``(side * side, 3)`` and ``(side * side, 6)``."""
    near = torch.arange(side, device=like.device, dtype=like.dtype) + 0.5 - side / 2
    y, x = torch.meshgrid(near, near, indexing="ij")
    one = torch.stack([torch.ones_like(x), x, y], 2).flatten(0, 1)
    return one, torch.stack([a * b for a, b in combinations_with_replacement(one.unbind(1), 2)], 1)


def _centred(values: Tensor, mask: Tensor, count: Tensor) -> Tensor:
    mean = (values * mask).sum(-1) / count
    return (values - mean[..., None]) * mask


def _correlation(source: Tensor, seen: Tensor, warp: Tensor) -> Tensor:
    """(M,) masked NCC under a warp, channels together."""
    both = sample(source, warp, seen.shape[-1])
    flat = (both[:, 3:] > 0.5).to(both.dtype).flatten(2)
    count = flat.sum(2).clamp_min(1)
    a = _centred(both[:, :3].flatten(2), flat, count)
    b = _centred(seen.flatten(2), flat, count)
    floor = 3 * _NOISE * count[:, 0]
    own, other = (t.square().sum((1, 2)) + floor for t in (a, b))
    return (a * b).sum((1, 2)) * (own * other).rsqrt()


def rotation_of(warp: Tensor) -> Tensor:
    """(M,) degrees in [0, 360) by which ``(M, 2, 3)`` warps turn clockwise, stretch left out."""
    turn = torch.atan2(warp[:, 1, 0] - warp[:, 0, 1], warp[:, 0, 0] + warp[:, 1, 1])
    # Twice: the remainder of a hair below zero rounds to 360 itself.
    return torch.remainder(torch.remainder(turn * (180 / math.pi), 360.0), 360.0)
