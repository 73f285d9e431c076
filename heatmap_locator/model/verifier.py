"""The second stage: looks at a piece and at the picture under it, place by place.

Two-stage detectors propose places and then look at each more closely (Zhou et al., "Probabilistic
two-stage detection", 2021).  Here the first stage has measured every place in nine ways, which
the ranker weighs; what a weighted sum cannot say is said here: what a measure is worth beside the
others, beside colour and contrast of the two prints, and beside the other places of the same
piece.  What is added to the ranker's logits starts at nothing.
"""

import torch
from torch import Tensor, nn

from heatmap_locator.model.comparison import FAR, SCALARS

LIMIT = 8.0
"""Logits that are added or taken away at most, so that whatever a photo shows that training did
not, it moves a place no further (``train/LOG.md``, "second stage, its limit")."""


class Member(nn.Module):
    """What a second look adds to the ranker's logits, and the logit of "none of these places".

    The numbers of every place, then those of all places of a piece together (Zaheer et al., "Deep
    Sets", 2017).  As made, it adds exactly nothing.

    Args:
        hidden: numbers that a place's become, even.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        common = hidden // 2
        self.place = nn.Sequential(nn.Linear(SCALARS, hidden), nn.ReLU())
        self.others = nn.Sequential(nn.Linear(2 * hidden, common), nn.ReLU())
        self.judge = nn.Sequential(nn.Linear(hidden + common, 48), nn.ReLU())
        self.added = nn.Linear(48, 1)
        self.none = nn.Linear(common + 1, 1)
        for last in (self.added, self.none):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(SCALARS))
        self.register_buffer("deviation", torch.ones(SCALARS))

    def forward(self, scalars: Tensor, logits: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Verifier.forward`."""
        own = self.place(((scalars - self.mean) / self.deviation).clamp(-6, 6))
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
        hidden: as :class:`Member` takes it.
    """

    def __init__(self, members: int, hidden: int) -> None:
        super().__init__()
        self.members = nn.ModuleList([Member(hidden) for _ in range(members)])

    def forward(self, scalars: Tensor, logits: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """What is to be added, ``(B, M)``, -LIMIT..LIMIT, and the logit of none, ``(B)``.

        Args:
            scalars: ``(B, M, SCALARS)`` as ``comparison.compare_pairs`` returns it.
            logits: ``(B, M)``, the ranker's.
            real: ``(B, M)`` bool, False where a piece has fewer places.
        """
        found = [member(scalars, logits, real) for member in self.members]
        added, none = (torch.stack(part).mean(0) for part in zip(*found, strict=True))
        return added, none
