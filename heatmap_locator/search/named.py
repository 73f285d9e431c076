"""The places that are named for pieces, as tensors: every step after it takes all at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from heatmap_locator.search.decode import Candidate


@dataclass(frozen=True)
class Named:
    """M candidates of each of B pieces at one picture size, working pixels; some have fewer.

    Attributes:
        place: ``(B, M, 2)`` (x, y) of the reference point.
        rotation: ``(B, M)`` degrees.
        logit: ``(B, M)`` of the heatmap.
        real: ``(B, M)`` bool; what is not real is filled up with the first one.
    """

    place: Tensor
    rotation: Tensor
    logit: Tensor
    real: Tensor


def as_named(candidates: Sequence[Sequence[Candidate]], device: torch.device) -> Named:
    """Candidates of one picture size, of each piece at least one."""
    most = max(len(own) for own in candidates)
    values = torch.tensor(
        [
            [(c.x, c.y, c.rotation, c.logit, n < len(own)) for n, c in enumerate(filled)]
            for own in candidates
            for filled in [[*own, *[own[0]] * (most - len(own))]]
        ],
        dtype=torch.float64,
    )
    real = values[..., 4] > 0
    values = values[..., :4].float().to(device)
    return Named(values[..., :2], values[..., 2], values[..., 3], real.to(device))
