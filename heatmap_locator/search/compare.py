"""The last word on which place is first: the pixels themselves, aligned.

The correlation volume sees pixels at every second working pixel, under the bank's own angles and
at one size.  The places that the head and the pixels name are compared at that resolution under
angles and sizes around each; the best of them are aligned to a fraction of a pixel and measured
there in several ways, which the ranker weighs.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.geometry import STRIDE, Array, compose, invert, transform
from heatmap_locator.grid import Grid
from heatmap_locator.model.bank import CANVAS, OVERSAMPLE, bank_angles, erode
from heatmap_locator.model.correlation import masked_ncc_around
from heatmap_locator.model.network import PIXEL_NOISE, PIXEL_STRIDE, empty_border
from heatmap_locator.model.ranker import PIXEL_WEIGHT, Ranker, evidence
from heatmap_locator.search.agreement import agreement
from heatmap_locator.search.align import Aligned, align, rotation_of, sample, windows
from heatmap_locator.search.decode import Candidate
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.propose import CUT_WEIGHT, bodies, cut_evidence

KEPT = 60
"""Of the places named, the ones aligned and measured."""

ROTATIONS = 72
SCALES = (0.9, 0.95, 1.0, 1.05, 1.1)

REACH = 4
"""Working pixels to either side of a candidate's place."""

SIZE_DEVIATION = 0.05
"""Of the log of a piece's size about what its outline implies."""

RIM = 4
"""Working pixels around the piece in the windows it is aligned in."""


@dataclass(frozen=True)
class Field:
    """A picture at one working size, for pieces to be laid on.

    Attributes:
        picture: ``(3, H, W)``, 0..1.
        halved: ``(3, h, w)``, the same averaged down by ``PIXEL_STRIDE``.
        grid: how the puzzle is cut, ``None`` where the size of a cell is not known.
    """

    picture: Tensor
    halved: Tensor
    grid: Grid | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in working pixels."""
        return int(self.picture.shape[1]), int(self.picture.shape[2])

    def cut_evidence(self, middles: Array, rotations: Array, piece: PreparedPiece) -> Array:
        """``propose.cut_evidence`` of M poses on this picture."""
        return cut_evidence(middles, rotations, piece, self.grid, self.size)


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


def lay(best: Compared, poses: Poses, picture: Tensor) -> tuple[Aligned, Tensor]:
    """Align the piece with the picture at M places.

    Args:
        best: where to start.
        poses: of the piece.
        picture: ``(3, H, W)`` working picture, 0..1.

    Returns:
        warps to pixels of the piece at one pixel a working pixel, and the ``(M, 3, S, S)``
        windows that they start from.
    """
    side = 2 * PIXEL_STRIDE * (poses.templates.shape[-1] // 2) + 2 * RIM
    seen = windows(picture, best.middle, side)
    radians = best.degrees.deg2rad()
    cos, sin = radians.cos() / best.scale, radians.sin() / best.scale
    middle = (poses.piece.reference.to(picture.device) / OVERSAMPLE).expand(len(cos), 2)
    linear = torch.stack([cos, -sin, sin, cos], 1).view(-1, 2, 2)
    source = F.avg_pool2d(poses.source, OVERSAMPLE, ceil_mode=True)
    return align(source, seen, torch.cat([linear, middle[..., None]], 2)), seen


def measure(
    candidates: list[Candidate], best: Compared, poses: Poses, field: Field, feature: Tensor
) -> tuple[list[Candidate], Tensor]:
    """Candidates where they align, and what is known of each.

    Args:
        candidates: of one picture size, in its working pixels; at least one.
        best: the pose of each to start from.
        poses: of the piece.
        field: the picture.
        feature: ``(R, h, w)`` correlations of features, of the whole bank.

    Returns:
        as many candidates, and ``(M, F)`` as ``ranker.FEATURES`` names it.
    """
    piece, device = poses.piece, field.picture.device
    laid, seen = lay(best, poses, field.picture)
    fine = laid.warp * OVERSAMPLE
    shown = sample(poses.source, fine, seen.shape[-1], OVERSAMPLE)
    prints = agreement(shown[:, :3] + poses.mean, seen, shown[:, 3:])
    rotations = rotation_of(laid.warp).double().cpu().numpy()
    photo_to_working = []
    for warp, middle in zip(fine.double().cpu().numpy(), best.middle.cpu().numpy(), strict=True):
        pose = compose(invert(warp), piece.to_resized)
        pose[:, 2] += middle
        photo_to_working.append(pose)
    reference = transform(invert(piece.to_resized), piece.reference.double().numpy())
    points = np.concatenate([reference, [piece.body.middle]])
    at = np.stack([transform(pose, points) for pose in photo_to_working])
    moved = [
        replace(
            candidate,
            x=float(x),
            y=float(y),
            rotation=float(rotation),
            pose=tuple(float(v) for v in pose.flatten()),
        )
        for candidate, (x, y), rotation, pose in zip(
            candidates, at[:, 0], rotations, photo_to_working, strict=True
        )
    ]
    cut = torch.from_numpy(field.cut_evidence(at[:, 1], rotations, piece)).float().to(device)
    size = laid.warp.new_zeros(len(candidates))
    if field.grid is not None:
        log_size = laid.warp[..., :2].det().abs().clamp_min(1e-6).log() / 2
        size = -(log_size / SIZE_DEVIATION).square() / 2
    head = torch.tensor([c.logit for c in candidates], device=device)
    near, pixel = evidence(_around(feature, candidates)), evidence(laid.correlation)
    return moved, torch.cat([torch.stack([head, near, pixel], 1), prints, cut, size[:, None]], 1)


def _around(volume: Tensor, candidates: list[Candidate]) -> Tensor:
    """(M,) largest correlation of ``(R, h, w)`` within a cell and a rotation of each candidate."""
    rotations, height, width = volume.shape
    device, near = volume.device, torch.arange(-1, 2, device=volume.device)
    rows, columns, turns = (
        torch.tensor(values, device=device)[:, None] + near
        for values in (
            [int(c.y // STRIDE) for c in candidates],
            [int(c.x // STRIDE) for c in candidates],
            [round(c.rotation * rotations / 360) for c in candidates],
        )
    )
    found = volume[
        (turns % rotations)[:, :, None, None],
        rows.clamp(0, height - 1)[:, None, :, None],
        columns.clamp(0, width - 1)[:, None, None, :],
    ]
    return found.float().amax((1, 2, 3))


def measure_shortlist(
    candidates: list[Candidate], poses: Poses, field: Field, feature: Tensor
) -> tuple[list[Candidate], Tensor, list[Candidate]]:
    """The ``KEPT`` candidates for which head, halved pixels and the cut say most, aligned.

    Args:
        candidates: of one picture size, in its working pixels, at least one; the same place may
            come twice.
        poses: of the piece.
        field: the picture.
        feature: ``(R, h, w)`` correlations of features, of the whole bank.

    Returns:
        them, best first; what is known of them, as in :func:`measure`; and the others.
    """
    best = compare(candidates, poses, field.halved)
    head = torch.tensor([c.logit for c in candidates], device=field.halved.device)
    score = head + PIXEL_WEIGHT * evidence(best.correlation)
    places, degrees, scales = (
        t.double().cpu().numpy() for t in (best.middle, best.degrees, best.scale)
    )
    middles = bodies(places, degrees, scales, poses.piece)
    cut = CUT_WEIGHT * field.cut_evidence(middles, degrees, poses.piece).sum(axis=1)
    score = score + torch.from_numpy(cut).to(score)
    order = score.argsort(descending=True, stable=True)
    kept = _distinct(best, order)
    taken = set(kept)
    rest = [i for i in order.tolist() if i not in taken]
    chosen = [candidates[i] for i in kept]
    laid = measure(chosen, best.take(torch.tensor(kept)), poses, field, feature)
    return *laid, [candidates[i] for i in rest]


def _distinct(best: Compared, order: Tensor) -> list[int]:
    """The first ``KEPT`` of an order, of poses that will align to the same one the first alone."""
    places, degrees = best.middle.cpu().numpy(), best.degrees.cpu().numpy()
    kept: list[int] = []
    for i in order.tolist():
        near = np.abs(places[kept] - places[i]).reshape(-1, 2).max(axis=1) <= REACH
        turn = np.abs((degrees[kept] - degrees[i] + 180) % 360 - 180)
        if not (near & (turn <= 720 / ROTATIONS)).any():
            kept.append(i)
        if len(kept) == KEPT:
            break
    return kept


def rank(
    candidates: list[Candidate], poses: Poses, field: Field, feature: Tensor, ranker: Ranker
) -> list[Candidate]:
    """Candidates with the ranker's logits, best first; those not measured come last, alike.

    Args:
        candidates: of one picture size, in its working pixels; the same place may come twice.
        poses, field, feature: as in ``measure_shortlist``.
        ranker: with the model's weights.
    """
    if not candidates:
        return []
    kept, measured, rest = measure_shortlist(candidates, poses, field, feature)
    logits = ranker(measured).tolist()
    judged = [replace(c, logit=logit) for c, logit in zip(kept, logits, strict=True)]
    return sorted(judged, key=lambda c: -c.logit) + [replace(c, logit=min(logits)) for c in rest]
