"""The last word on which place is first: the pixels themselves, in many poses.

The correlation volume sees pixels at every second working pixel, under the bank's own angles and
at one size.  The places that the head and the pixels name are compared under angles and sizes
around each, first at that resolution, then the best of them at every working pixel.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.bank import CANVAS, bank_angles, erode
from heatmap_locator.correlation import masked_ncc_around
from heatmap_locator.decode import Candidate
from heatmap_locator.model import PIXEL_NOISE, PIXEL_STRIDE, empty_border
from heatmap_locator.piece import PreparedPiece

NAMED = 60
"""The head's places that are compared."""

NAMED_BY_PIXELS = 120
"""Places compared because pixels alone put them first: many, as the volume sees one size."""

KEPT = 24
"""Of those, the ones compared at every working pixel."""

ROTATIONS = 72
SCALES = (0.9, 0.95, 1.0, 1.05, 1.1)

WEIGHT = 8.0
"""Logits of the head that a unit of ``-log(1 - NCC**2)`` is worth.  On 263 textured pieces of
held-back pictures (150, 400 and 1,000 pieces a puzzle) conditional logistic regression gave 6.3,
and 9.3 on the 182 that correlate from 0.8 at their place, as most real prints do; 4 to 10 place
as many right."""

CLOSEST = 0.98
"""NCC beyond which grain decides, not print."""

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


def compare(
    candidates: list[Candidate], poses: Poses, field: Tensor, stride: int = 1
) -> list[float]:
    """Highest masked NCC of the piece's pixels near each candidate's pose, about -1..1.

    Args:
        candidates: of one picture size, in its working pixels.
        poses: of the piece, at the resolution of ``field``.
        field: ``(3, h, w)``, 0..1, the working picture averaged down by ``stride``.
        stride: working pixels per pixel of ``field``.
    """
    if not candidates:
        return []
    step, reach, half = 360 / ROTATIONS, REACH // stride, poses.templates.shape[-1] // 2
    device = field.device
    nearest = torch.tensor([round(c.rotation / step) for c in candidates], device=device)
    turns = (nearest[:, None] + torch.tensor([-1, 0, 1], device=device)) % ROTATIONS
    corners = torch.tensor(
        [[round(c.y / stride), round(c.x / stride)] for c in candidates], device=device
    )
    own, covers = (t[turns].flatten(1, 2) for t in (poses.templates, poses.masks))
    found = masked_ncc_around(
        field, own, covers, PIXEL_NOISE, corners - half - reach, 2 * reach + 1
    )
    best: list[float] = found.flatten(1).amax(1).tolist()
    return best


def evidence(correlation: float) -> float:
    """What a correlation says for a place, in logits of the head.

    The log-likelihood of a linear fit grows with ``-log(1 - NCC**2)``: a hundredth at 0.9 says
    several times what it says at 0.5.  Pixels that disagree prove nothing.
    """
    return -WEIGHT * math.log1p(-(min(max(correlation, 0.0), CLOSEST) ** 2))


def rank(
    candidates: list[Candidate], poses: Poses, picture: Tensor, halved: Tensor
) -> list[Candidate]:
    """Candidates with their logits raised by what their pixels say, best first.

    Args:
        candidates: of one picture size, in its working pixels; the same place may come twice.
        poses: of the piece.
        picture: ``(3, H, W)`` working picture, 0..1.
        halved: the same averaged down by ``PIXEL_STRIDE``.
    """
    first = _raised(candidates, compare(candidates, poses.halved, halved, PIXEL_STRIDE))
    order = sorted(range(len(first)), key=lambda i: -first[i].logit)
    kept = [candidates[i] for i in order[:KEPT]]
    last = _raised(kept, compare(kept, poses, picture))
    last.sort(key=lambda c: -c.logit)
    # What did not come so far is not to overtake by the coarser measure.
    return last + [
        replace(first[i], logit=min(first[i].logit, last[-1].logit)) for i in order[KEPT:]
    ]


def _raised(candidates: list[Candidate], correlations: list[float]) -> list[Candidate]:
    return [
        replace(candidate, logit=candidate.logit + evidence(correlation))
        for candidate, correlation in zip(candidates, correlations, strict=True)
    ]
