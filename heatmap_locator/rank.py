"""The last word on which place is first: the pixels themselves, in many poses.

The correlation volume sees pixels at every second working pixel, under the bank's own angles and
at one size.  The places that the head and the pixels name are compared under angles and sizes
around each, first at that resolution, then the best of them at every working pixel; those are
measured in several ways, which the ranker weighs.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.agreement import agreement
from heatmap_locator.bank import CANVAS, bank_angles, erode
from heatmap_locator.correlation import masked_ncc_around
from heatmap_locator.decode import Candidate
from heatmap_locator.geometry import STRIDE
from heatmap_locator.model import PIXEL_NOISE, PIXEL_STRIDE, empty_border
from heatmap_locator.piece import PreparedPiece
from heatmap_locator.ranker import PIXEL_WEIGHT, Ranker, evidence

NAMED = 60
"""The head's places that are compared."""

NAMED_BY_PIXELS = 120
"""Places compared because pixels alone put them first: many, as the volume sees one size."""

KEPT = 40
"""Of those, the ones compared at every working pixel."""

ROTATIONS = 72
SCALES = (0.9, 0.95, 1.0, 1.05, 1.1)

REACH = 4
"""Working pixels to either side of a candidate's place."""


@dataclass(frozen=True)
class Poses:
    """A piece in ``ROTATIONS`` rotations and all ``SCALES``, without its empty border.

    Attributes:
        templates: ``(ROTATIONS, scales, 3, k, k)``, k even, at CELL pixels a cell.
        masks: ``(ROTATIONS, scales, 1, k, k)``, 0..1, without the bevelled rim.
    """

    templates: Tensor
    masks: Tensor

    @cached_property
    def halved(self) -> "Poses":
        """At the resolution that the volume's pixels have."""
        return Poses(
            *(
                F.avg_pool2d(t.flatten(0, 2), PIXEL_STRIDE).unflatten(0, t.shape[:3])
                for t in (self.templates, self.masks)
            )
        )


def pose_piece(piece: PreparedPiece, device: torch.device) -> Poses:
    """Every pose that candidates may be compared in."""
    degrees = bank_angles(ROTATIONS).to(device)
    rendered = [piece.rotated(degrees, scale) for scale in SCALES]
    templates, masks = (torch.stack(t, 2)[0] for t in zip(*rendered, strict=True))
    border = empty_border(masks) // PIXEL_STRIDE * PIXEL_STRIDE
    inner = slice(border, CANVAS - border)
    return Poses(templates[..., inner, inner], erode(masks).clamp(0, 1)[..., inner, inner])


@dataclass(frozen=True)
class Compared:
    """The pose, near each of M candidates, in which the piece's pixels correlate best.

    Attributes:
        correlation: ``(M,)`` masked NCC, about -1..1.
        template: ``(M, 3, k, k)`` the piece in that pose.
        mask: ``(M, 1, k, k)``, 0..1.
        corner: ``(M, 2)`` long, (row, column) of the template's first element in the field.
    """

    correlation: Tensor
    template: Tensor
    mask: Tensor
    corner: Tensor


def compare(candidates: list[Candidate], poses: Poses, field: Tensor, stride: int = 1) -> Compared:
    """Lay the piece's pixels on the picture near each candidate's pose.

    Args:
        candidates: of one picture size, in its working pixels; at least one.
        poses: of the piece, at the resolution of ``field``.
        field: ``(3, h, w)``, 0..1, the working picture averaged down by ``stride``.
        stride: working pixels per pixel of ``field``.
    """
    step, reach, half = 360 / ROTATIONS, REACH // stride, poses.templates.shape[-1] // 2
    device, side = field.device, 2 * reach + 1
    nearest = torch.tensor([round(c.rotation / step) for c in candidates], device=device)
    turns = (nearest[:, None] + torch.tensor([-1, 0, 1], device=device)) % ROTATIONS
    middles = torch.tensor(
        [[round(c.y / stride), round(c.x / stride)] for c in candidates], device=device
    )
    corners = middles - half - reach
    own, covers = (t[turns].flatten(1, 2) for t in (poses.templates, poses.masks))
    found = masked_ncc_around(field, own, covers, PIXEL_NOISE, corners, side)
    best, at = found.flatten(1).max(1)
    rows = torch.arange(len(candidates), device=device)
    pose, place = at // side**2, at % side**2
    moved = torch.stack([place // side, place % side], 1)
    return Compared(best, own[rows, pose], covers[rows, pose], corners + moved)


def measure(candidates: list[Candidate], poses: Poses, picture: Tensor, feature: Tensor) -> Tensor:
    """What is known of each candidate, ``(M, F)`` as ``ranker.FEATURES`` names it.

    Args:
        candidates: of one picture size, in its working pixels; at least one.
        poses: of the piece.
        picture: ``(3, H, W)`` working picture, 0..1.
        feature: ``(R, h, w)`` correlations of features, of the whole bank.
    """
    best = compare(candidates, poses, picture)
    windows = _windows(picture, best.corner, best.template.shape[-1])
    head = torch.tensor([c.logit for c in candidates], device=picture.device)
    known = torch.stack(
        [head, evidence(_around(feature, candidates)), evidence(best.correlation)], 1
    )
    return torch.cat([known, agreement(best.template, windows, best.mask)], 1)


def _windows(picture: Tensor, corners: Tensor, side: int) -> Tensor:
    """``(M, 3, side, side)`` of the picture from (row, column) corners on; outside it is zero."""
    padded = F.pad(picture, (side,) * 4)
    # A template whose middle lies in the picture reaches out of it by less than its side.
    last = torch.tensor(padded.shape[1:], device=corners.device) - side
    starts = (corners + side).clamp_min(0).minimum(last).tolist()
    return torch.stack([padded[:, r : r + side, c : c + side] for r, c in starts])


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


def shortlist(candidates: list[Candidate], poses: Poses, halved: Tensor) -> list[Candidate]:
    """Candidates by what the head and the halved pixels say for them, best first.

    Args:
        candidates: of one picture size, in its working pixels, at least one; the same place may
            come twice.
        poses: of the piece.
        halved: ``(3, h, w)`` working picture averaged down by ``PIXEL_STRIDE``.
    """
    best = compare(candidates, poses.halved, halved, PIXEL_STRIDE)
    head = torch.tensor([c.logit for c in candidates], device=halved.device)
    score = head + PIXEL_WEIGHT * evidence(best.correlation)
    order = score.argsort(descending=True, stable=True).tolist()
    return [candidates[i] for i in order]


def measure_shortlist(
    candidates: list[Candidate], poses: Poses, picture: Tensor, halved: Tensor, feature: Tensor
) -> tuple[list[Candidate], Tensor, list[Candidate]]:
    """The first ``KEPT`` of the shortlist, what is known of them as in ``measure``, and the rest.

    Args:
        candidates: of one picture size, in its working pixels; at least one.
        poses: of the piece.
        picture: ``(3, H, W)`` working picture, 0..1.
        halved: the same averaged down by ``PIXEL_STRIDE``.
        feature: ``(R, h, w)`` correlations of features, of the whole bank.
    """
    order = shortlist(candidates, poses, halved)
    return order[:KEPT], measure(order[:KEPT], poses, picture, feature), order[KEPT:]


def rank(
    candidates: list[Candidate],
    poses: Poses,
    picture: Tensor,
    halved: Tensor,
    feature: Tensor,
    ranker: Ranker,
) -> list[Candidate]:
    """Candidates with the ranker's logits, best first; those not measured come last, alike.

    Args:
        candidates: of one picture size, in its working pixels; the same place may come twice.
        poses, picture, halved, feature: as in ``measure_shortlist``.
        ranker: with the model's weights.
    """
    if not candidates:
        return []
    kept, measured, rest = measure_shortlist(candidates, poses, picture, halved, feature)
    logits = ranker(measured).tolist()
    judged = [replace(c, logit=logit) for c, logit in zip(kept, logits, strict=True)]
    return sorted(judged, key=lambda c: -c.logit) + [replace(c, logit=min(logits)) for c in rest]
