"""Kept examples as what the network is shown, and as batches, a little otherwise every time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.model.comparison import CAST, PairViews, compare_pairs

from .kept import Packed

TINT = 0.1
"""Deviation by which two channels of a training example's picture are made brighter or darker than
its piece: as a logarithm, in ``PairViews.scalars``.  By hand."""

_AT_ONCE = 8


@dataclass(frozen=True)
class Shown:
    """P captures at M places, and the truth.

    Attributes:
        views: what the network sees; maps in half precision.
        logits: ``(P, M)`` of the ranker.
        real: ``(P, M)`` bool.
        right: ``(P, M)`` bool.
        share: ``(P,)`` as ``Packed`` has it.
    """

    views: PairViews
    logits: Tensor
    real: Tensor
    right: Tensor
    share: Tensor

    def rows(self, chosen: Tensor) -> "Shown":
        """Those of some captures, in single precision."""
        views = self.views.rows(chosen)
        views = PairViews(views.maps.float(), views.scalars)
        rest = (self.logits, self.real, self.right, self.share)
        return Shown(views, *(t[chosen] for t in rest))

    def __len__(self) -> int:
        return len(self.logits)


@torch.inference_mode()
def shown(data: Packed, weights: Tensor, honest: bool, maps: bool = True) -> Shown:
    """Examples as the network sees them.

    Args:
        data: as kept.
        weights: ``(F,)`` of the ranker.
        honest: without the right places that were added although the ranker had them too far down.
        maps: whether the network looks at any.
    """
    parts = [
        _part(data, slice(start, start + _AT_ONCE), weights, honest, maps)
        for start in range(0, len(data.first), _AT_ONCE)
    ]
    seen = torch.cat([part.views.maps for part in parts])
    scalars = torch.cat([part.views.scalars for part in parts])
    rest = (torch.cat([getattr(p, n) for p in parts]) for n in ("logits", "real", "right", "share"))
    return Shown(PairViews(seen, scalars), *rest)


def _part(data: Packed, rows: slice, weights: Tensor, honest: bool, maps: bool) -> Shown:
    rank = torch.from_numpy(data.rank[rows].astype(np.int64))
    real = rank >= 0
    if honest:
        real &= rank < rank.shape[1]
    features = torch.from_numpy(data.features[rows])
    logits = features @ weights
    prints = _images(data.prints[rows], data.prints_range[rows])
    insides = torch.from_numpy(data.insides[rows]).float()[:, None] / 255
    windows = _images(data.windows[rows], data.windows_range[rows])
    seen = compare_pairs(prints, insides, windows, features, logits, real, maps=maps)
    views = PairViews(seen.maps.half(), seen.scalars)
    right, share = (torch.from_numpy(t[rows]) for t in (data.right, data.share))
    return Shown(views, logits, real, right & real, share)


def _images(values: np.ndarray, spans: np.ndarray) -> Tensor:
    low, high = torch.from_numpy(spans)[..., None, None].unbind(-3)
    return low + (high - low) * (torch.from_numpy(values).float() / 255)


def varied(batch: Shown, generator: torch.Generator) -> Shown:
    """The same pieces turned by quarters and mirrored, as everything measured allows, and in
    another tint."""

    def drawn(most: int) -> int:
        return int(torch.randint(most, (), generator=generator))

    maps, scalars = torch.rot90(batch.views.maps, drawn(4), (-2, -1)), batch.views.scalars.clone()
    if drawn(2):
        maps = maps.flip(-1)
    cast = scalars[..., CAST]
    change = torch.randn(len(cast), 1, cast.shape[2], generator=generator)
    scalars[..., CAST] = cast + TINT * change
    return replace(batch, views=PairViews(maps, scalars))


def epochs(count: int, batch: int, times: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """Rows of every step, all of them ``times`` over in orders of their own."""
    for _ in range(times):
        order = torch.from_numpy(rng.permutation(count))
        for start in range(0, count - count % batch or count, batch):
            yield order[start : start + batch]
