"""A second look at the places that come first: piece and picture side by side, and a network."""

import torch
from torch import Tensor

from heatmap_locator.model.comparison import compare_pairs
from heatmap_locator.model.verifier import Verifier
from heatmap_locator.search.pairs import pair
from heatmap_locator.search.pose import Poses

LOOKED = 24
"""Places of a piece that are looked at again.  On held-back pieces the right one is among the 24
that the ranker puts first wherever it is among the 60, but for one or two in a hundred
(``train/LOG.md``, "second stage")."""


def look_again(
    verifier: Verifier,
    warp: Tensor,
    features: Tensor,
    logits: Tensor,
    real: Tensor,
    poses: Poses,
    picture: Tensor,
) -> Tensor:
    """``(B, M)`` the ranker's logits with what the second stage adds more to each place than to the
    ranker's first, which keeps its own.

    Places that are not looked at get the least of what is added to the others, so that they stay
    behind those that came before them.

    Args:
        verifier: the network.
        warp: ``(B, M, 2, 3)`` as ``align.Aligned`` has it.
        features: ``(B, M, F)`` as ``ranker.FEATURES`` names it.
        logits: ``(B, M)`` of the ranker.
        real: ``(B, M)`` bool, False where a piece has fewer places.
        poses: of B pieces.
        picture: ``(3, H, W)`` working picture, 0..1.
    """
    first = logits.masked_fill(~real, -torch.inf).topk(min(LOOKED, logits.shape[1]), 1).indices
    at = first[..., None]
    own = logits.gather(1, first), real.gather(1, first)
    views = pair(warp.gather(1, at[..., None].expand(-1, -1, 2, 3)), poses, picture)
    chosen = features.gather(1, at.expand(-1, -1, features.shape[2]))
    images = views.prints, views.insides, views.windows
    added, _ = verifier(compare_pairs(*images, chosen, *own), *own)
    added = added - added[:, :1]  # the ranker's first keeps its logit, which photos are judged by
    least = added.masked_fill(~own[1], torch.inf).amin(1, keepdim=True).clamp_max(0)
    least = torch.where(least.isfinite(), least, 0).expand_as(logits)
    return logits + least.scatter(1, first, added)
