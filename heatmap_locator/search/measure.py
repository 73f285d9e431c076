"""The last word on which place is first: pieces aligned there, measured, and ranked.

The best of the places compared are aligned to a fraction of a pixel and measured there in several
ways, which the ranker weighs.  All pieces and places go through every step together.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.geometry import CELL, compose
from heatmap_locator.model.bank import OVERSAMPLE
from heatmap_locator.model.ranker import PIXEL_WEIGHT, Ranker, evidence, features_of
from heatmap_locator.model.verifier import Verifier
from heatmap_locator.search.agreement import Pixels, agreement
from heatmap_locator.search.align import Aligned, align, points_of, rotation_of, sample
from heatmap_locator.search.compare import Compared, compare
from heatmap_locator.search.decode import first_apart
from heatmap_locator.search.evidence import evidence_of_places, seen_sides
from heatmap_locator.search.levels import REACH, Field, Level
from heatmap_locator.search.look import look_again
from heatmap_locator.search.named import Candidate, Named
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.pose import ROTATIONS, Poses
from heatmap_locator.search.propose import CUT_WEIGHT, bodies, cut_evidence

KEPT = 60
"""Of the places named, the ones aligned and measured (``train/LOG.md``, "alignment")."""

SIZE_DEVIATION = 0.05
"""Of the log of a piece's size about what its outline implies."""


@dataclass(frozen=True)
class Measured:
    """K places of each of B pieces, aligned.

    Attributes:
        order: ``(B, M)`` long, the candidates by what was known before, best first.
        index: ``(B, K)`` long, which of the candidates they were.
        real: ``(B, K)`` bool, False where a piece has fewer.
        warp: ``(B, K, 2, 3)`` as ``align.Aligned`` has it.
        features: ``(B, K, F)`` as ``ranker.FEATURES`` names it.
    """

    order: Tensor
    index: Tensor
    real: Tensor
    warp: Tensor
    features: Tensor


def lay(best: Compared, poses: Poses, field: Field) -> Aligned:
    """Align pieces with the picture.

    Args:
        best: where to start.
        poses: of the pieces.
        field: the picture.
    """
    radians = best.degrees.deg2rad()
    cos, sin = radians.cos() * best.scale, radians.sin() * best.scale
    linear = torch.stack([cos, sin, -sin, cos], 2).unflatten(2, (2, 2))
    warp = torch.cat([linear, best.middle[..., None].to(linear)], 3)
    return align(poses, field.picture, field.soft, warp)


def print_evidence(laid: Aligned, poses: Poses, field: Field) -> dict[str, Tensor]:
    """``pixel``, ``colour``, ``detail`` and ``local`` of ``ranker.FEATURES``, ``(B, M)`` each.

    Args:
        laid: where pieces lie, aligned.
        poses: of the pieces.
        field: the picture.
    """
    seen = sample(field.picture, laid.warp, points_of(poses), "bicubic")
    shown = poses.prints.flatten(2).gather(2, poses.pixels[:, None].expand(-1, 3, -1))
    size = poses.prints.shape[-2], poses.prints.shape[-1]
    prints = agreement(shown, seen, Pixels(poses.pixels, poses.counted, size))
    return {"pixel": evidence(laid.correlation), **prints}


def measure(
    best: Compared, poses: Poses, field: Field, known: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Where pieces align, and what is known of each place.

    Args:
        best: the pose of each of M places to start from.
        poses: of B pieces.
        field: the picture.
        known: ``head`` and ``feature`` of ``ranker.FEATURES``, ``(B, M)`` each.

    Returns:
        ``(B, M, 2, 3)`` as ``align.Aligned`` has it, and ``(B, M, F)`` as ``ranker.FEATURES``.
    """
    laid = lay(best, poses, field)
    prints = print_evidence(laid, poses, field)
    middles = laid.warp[..., :2] @ poses.body[:, None, :, None] + laid.warp[..., 2:]
    cell, turn = cut_evidence(
        middles[..., 0], rotation_of(laid.warp), poses.direction, field.grid, field.size
    )
    sized = torch.zeros_like(cell)
    if field.grid is not None:
        log_size = laid.warp[..., :2].det().abs().clamp_min(1e-6).log() / 2
        sized = -(log_size / SIZE_DEVIATION).square() / 2
    own = {"cell": cell, "turn": turn, "size": sized}
    return laid.warp, features_of(known | own | prints)


def measure_shortlist(
    named: Named, poses: Poses, field: Field, feature: Tensor, most: int = KEPT
) -> Measured:
    """The ``most`` candidates for which head, halved pixels and the cut say most, aligned.

    Args:
        named: of one picture size; the same place may come twice.
        poses: of the pieces.
        field: the picture.
        feature: ``(B, M)`` largest correlation of features around each candidate.
        most: candidates aligned.
    """
    best = compare(named, poses, field)
    middles = bodies(best.middle.float(), best.degrees, best.scale, poses.body[:, None])
    cut = cut_evidence(middles, best.degrees, poses.direction, field.grid, field.size)
    sides = seen_sides(poses.pieces, field.grid, field.size).to(middles.device)
    edge = evidence_of_places(middles, best.degrees, sides, field.grid, field.size, CELL)
    score = named.logit + PIXEL_WEIGHT * evidence(best.correlation) + CUT_WEIGHT * sum(cut) + edge
    score = score.masked_fill(~named.real, -torch.inf)
    order = score.argsort(dim=1, descending=True, stable=True)
    index, real = _distinct(best.take(order), order, most)
    known = {"head": named.logit.gather(1, index), "feature": evidence(feature).gather(1, index)}
    warp, features = measure(best.take(index), poses, field, known)
    return Measured(order, index, real & named.real.gather(1, index), warp, features)


def _distinct(ordered: Compared, order: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The first ``most`` of an order, of poses that will align to the same one the first alone.

    Returns:
        ``(B, K)`` of the order, and whether there are so many.
    """
    apart = (ordered.middle[:, :, None] - ordered.middle[:, None]).abs().amax(3)
    turn = ordered.degrees[:, :, None] - ordered.degrees[:, None]
    turn = (torch.remainder(turn + 180, 360) - 180).abs()
    first, kept = first_apart((apart <= REACH) & (turn <= 720 / ROTATIONS), most)
    return order.gather(1, first), kept


def rank(
    named: Named,
    poses: Poses,
    level: Level,
    feature: Tensor,
    ranker: Ranker,
    most: int = KEPT,
) -> list[list[Candidate]]:
    """Candidates with the ranker's logits, best first; those not measured come last, alike.

    Args:
        named: of one picture size; the same place may come twice.
        poses: of the pieces.
        level: that size.
        feature, most: as in :func:`measure_shortlist`.
        ranker: with the model's weights.
    """
    found = measure_shortlist(named, poses, level.field, feature, most)
    logits = ranker(found.features).detach()
    # It was trained where cells are known, by sizes that are compared with no others.
    if isinstance(ranker.verifier, Verifier) and level.field.grid is not None:
        own = found.warp, found.features, logits, found.real
        logits = look_again(ranker.verifier, *own, poses, level.field.picture).detach()
    both = []
    for places, rest in aligned(named, poses, found, logits, level.index):
        least = min((c.logit for c in places), default=-math.inf)
        ordered = sorted(places, key=lambda c: -c.logit)
        both.append(ordered + [replace(c, logit=least) for c in rest])
    return both


def aligned(
    named: Named, poses: Poses, found: Measured, logits: Tensor, level: int
) -> list[tuple[list[Candidate], list[Candidate]]]:
    """Candidates where they align, with new logits, ``(B, K)``; and those not measured.

    What is found of all pieces leaves the device here, at once.
    """
    parts = [logits[..., None], rotation_of(found.warp)[..., None], found.warp.flatten(2)]
    parts = [found.index[..., None], found.real[..., None], *(p.double() for p in parts)]
    placed, rest = torch.cat(parts, 2), named.take(found.order).rows().double()
    order = torch.cat([found.order[..., None], rest], 2).flatten(1)
    host = torch.cat([placed.flatten(1), order], 1).cpu().numpy()
    split = placed[0].numel()
    return [
        _aligned(piece, row[:split].reshape(-1, 10), row[split:].reshape(-1, 6), level)
        for piece, row in zip(poses.pieces, host, strict=True)
    ]


def _aligned(
    piece: PreparedPiece, placed: np.ndarray, named: np.ndarray, level: int
) -> tuple[list[Candidate], list[Candidate]]:
    """One piece's, of what :func:`aligned` brings together of places and of candidates."""
    to_print = piece.to_resized / OVERSAMPLE
    to_print[:, 2] -= piece.reference[0].double().numpy() / OVERSAMPLE
    placed = placed[placed[:, 1] > 0]
    warps = placed[:, 4:].reshape(-1, 2, 3)
    poses = compose(warps, to_print).reshape(-1, 6).tolist()
    own = {int(index): values for index, *values in named.tolist() if values[-1]}
    places = [
        Candidate(x, y, rotation, logit, level, tuple(pose))
        for (x, y), (_, _, logit, rotation), pose in zip(
            warps[:, :, 2].tolist(), placed[:, :4].tolist(), poses, strict=True
        )
    ]
    taken = set(placed[:, 0].astype(int).tolist())
    rest = [
        Candidate(x, y, rotation, logit, level)
        for index, (x, y, rotation, logit, _) in own.items()
        if index not in taken
    ]
    return places, rest
