"""The last word on which place is first: the pixels themselves, at full working resolution.

The correlation volume sees pixels at every second working pixel, under the bank's own angles.
The few places that the head names are compared at every one, under angles and sizes around each.
"""

from dataclasses import replace

import torch
from torch import Tensor

from heatmap_locator.bank import CANVAS, erode
from heatmap_locator.correlation import masked_ncc_around
from heatmap_locator.decode import Candidate
from heatmap_locator.model import PIXEL_NOISE
from heatmap_locator.piece import PreparedPiece

RANKED = 12
"""Places that are compared."""

TURNS = (-4.0, 0.0, 4.0)
"""Degrees beyond the candidate's rotation."""

SCALES = (0.95, 1.0, 1.05)

WEIGHT = 14.0
"""Logits of the head that a whole unit of correlation is worth.  A conditional logistic regression
on 278 textured pieces of held-back pictures (150, 400 and 1,000 pieces a puzzle) gave 14.4."""

REACH = 3
"""Working pixels to either side of the candidate's place."""


def fine_correlation(
    candidates: list[Candidate], piece: PreparedPiece, picture: Tensor
) -> list[float]:
    """Highest masked NCC of the piece's pixels near each candidate's pose, about -1..1.

    Args:
        candidates: of one picture size, in its working pixels.
        piece: the piece.
        picture: ``(3, H, W)`` working picture, 0..1.
    """
    device = picture.device
    degrees = torch.tensor([[c.rotation] for c in candidates]) + torch.tensor(TURNS)
    corners = torch.tensor(
        [[round(c.y) - CANVAS // 2 - REACH, round(c.x) - CANVAS // 2 - REACH] for c in candidates],
        device=device,
    )
    best = torch.full((len(candidates),), -1.0, device=device)
    for scale in SCALES:
        templates, masks = (
            t[0].unflatten(0, degrees.shape)
            for t in piece.rotated(degrees.flatten().to(device), scale)
        )
        inner = erode(masks).clamp(0, 1)
        found = masked_ncc_around(picture, templates, inner, PIXEL_NOISE, corners, 2 * REACH + 1)
        best = torch.maximum(best, found.flatten(1).amax(1))
    return best.tolist()


def rank(candidates: list[Candidate], correlations: list[float]) -> list[Candidate]:
    """Candidates with their logits raised by what their pixels say."""
    return [
        replace(candidate, logit=candidate.logit + WEIGHT * max(0.0, correlation))
        for candidate, correlation in zip(candidates, correlations, strict=True)
    ]
