"""The second stage: looks at a piece and at the picture under it, place by place.

Two-stage detectors propose places and then look at each more closely (Zhou et al., "Probabilistic
two-stage detection", 2021).  Here the first stage has measured every place in nine ways, which
the ranker weighs; what a weighted sum cannot say is said here: what a measure is worth beside the
others, beside colour and contrast of the two prints, and beside the other places of the same
piece.  What is added to the ranker's logits starts at nothing.
"""

import torch
from torch import Tensor, nn

from heatmap_locator.model.comparison import FAR, MAPS, SCALARS, PairViews

LIMIT = 8.0
"""Logits that are added or taken away at most, so that whatever a photo shows that training did
not, it moves a place no further (``train/LOG.md``, "second stage, its limit")."""


def _filters(width: int, wide: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(MAPS, width, 3, padding=1),
        nn.GroupNorm(4, width),
        nn.ReLU(),
        nn.Conv2d(width, wide, 3, stride=2, padding=1),
        nn.GroupNorm(4, wide),
        nn.ReLU(),
        nn.Conv2d(wide, wide, 3, padding=1),
        nn.GroupNorm(4, wide),
        nn.ReLU(),
    )


class Member(nn.Module):
    """What a second look adds to the ranker's logits, and the logit of "none of these places".

    Numbers of every place, and filters over the maps of its pair where it has any; then the places
    of a piece together (Zaheer et al., "Deep Sets", 2017).  As made, it adds exactly nothing.

    Args:
        width: channels after the first filters, a multiple of 8; 0 goes by the numbers alone.
    """

    def __init__(self, width: int = 0) -> None:
        super().__init__()
        wide = 3 * width // 2
        self.look = _filters(width, wide) if width else None
        self.place = nn.Sequential(nn.Linear(2 * wide + SCALARS, 64), nn.ReLU())
        self.others = nn.Sequential(nn.Linear(128, 32), nn.ReLU())
        self.judge = nn.Sequential(nn.Linear(96, 48), nn.ReLU())
        self.added = nn.Linear(48, 1)
        self.none = nn.Linear(33, 1)
        for last in (self.added, self.none):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(SCALARS))
        self.register_buffer("deviation", torch.ones(SCALARS))

    def forward(self, seen: PairViews, logits: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Verifier.forward`."""
        scalars = ((seen.scalars - self.mean) / self.deviation).clamp(-6, 6)
        pooled = list[Tensor]()
        if self.look is not None:
            found = self.look(seen.maps.flatten(0, 1)).unflatten(0, seen.maps.shape[:2])
            pooled = [found.mean((3, 4)), found.amax((3, 4))]
        own = self.place(torch.cat([*pooled, scalars], 2))
        there = real[..., None]
        mean = (own * there).sum(1) / there.sum(1).clamp_min(1)
        common = torch.cat([mean, own.masked_fill(~there, 0).amax(1)], 1)
        context = self.others(common)
        joined = torch.cat([own, context[:, None].expand(-1, own.shape[1], -1)], 2)
        added = LIMIT * torch.tanh(self.added(self.judge(joined))[..., 0] / LIMIT)
        best = logits.masked_fill(~real, FAR).amax(1, keepdim=True)
        none = self.none(torch.cat([context, 0.1 * best], 1))[:, 0]
        return added.masked_fill(~real, 0), none


class Verifier(nn.Module):
    """Members that were trained apart, and their mean (Lakshminarayanan et al., "Simple and
    scalable predictive uncertainty estimation using deep ensembles", 2017): where they disagree,
    little is added.

    Args:
        members: one at least.
        width: of each.
    """

    def __init__(self, members: int = 1, width: int = 0) -> None:
        super().__init__()
        self.width = width
        self.members = nn.ModuleList([Member(width) for _ in range(members)])

    def forward(self, seen: PairViews, logits: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """What is to be added, ``(B, M)``, -LIMIT..LIMIT, and the logit of none, ``(B)``.

        Args:
            seen: of B pieces at M places.
            logits: ``(B, M)``, the ranker's.
            real: ``(B, M)`` bool, False where a piece has fewer places.
        """
        found = [member(seen, logits, real) for member in self.members]
        added, none = (torch.stack(part).mean(0) for part in zip(*found, strict=True))
        return added, none
