"""The last word on which place is first: the piece aligned there, measured, and ranked.

The best of the places compared are aligned to a fraction of a pixel and measured there in several
ways, which the ranker weighs.
"""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.geometry import STRIDE, compose, invert, transform
from heatmap_locator.model.bank import OVERSAMPLE
from heatmap_locator.model.network import PIXEL_STRIDE
from heatmap_locator.model.ranker import PIXEL_WEIGHT, Ranker, evidence, features_of
from heatmap_locator.search.agreement import agreement
from heatmap_locator.search.align import Aligned, align, rotation_of, sample, windows
from heatmap_locator.search.compare import REACH, Compared, compare
from heatmap_locator.search.decode import Candidate
from heatmap_locator.search.levels import Field
from heatmap_locator.search.pose import ROTATIONS, Poses
from heatmap_locator.search.propose import CUT_WEIGHT, bodies, cut_evidence

KEPT = 60
"""Of the places named, the ones aligned and measured."""

SIZE_DEVIATION = 0.05
"""Of the log of a piece's size about what its outline implies."""

RIM = 4
"""Working pixels around the piece in the windows it is aligned in."""


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
    cut = cut_evidence(at[:, 1], rotations, piece, field.grid, field.size)
    cell, turn = torch.from_numpy(cut).float().to(device).unbind(1)
    size = laid.warp.new_zeros(len(candidates))
    if field.grid is not None:
        log_size = laid.warp[..., :2].det().abs().clamp_min(1e-6).log() / 2
        size = -(log_size / SIZE_DEVIATION).square() / 2
    known = {
        "head": torch.tensor([c.logit for c in candidates], device=device),
        "feature": evidence(_around(feature, candidates)),
        "pixel": evidence(laid.correlation),
        "cell": cell,
        "turn": turn,
        "size": size,
    }
    return moved, features_of(known | prints)


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
    cut = CUT_WEIGHT * cut_evidence(middles, degrees, poses.piece, field.grid, field.size).sum(
        axis=1
    )
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
