"""Kept examples as batches, a little otherwise every time."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.model.comparison import CAST

from .kept import Packed

TINT = 0.1
"""Deviation by which two channels of a training example's picture are made brighter or darker than
its piece: as a logarithm, as ``comparison.CAST`` has it.  By hand."""


@dataclass(frozen=True)
class Shown:
    """P pieces at M places, and the truth.

    Attributes:
        scalars: ``(P, M, SCALARS)``, what the network sees.
        logits: ``(P, M)`` of the ranker.
        real: ``(P, M)`` bool.
        right: ``(P, M)`` bool.
    """

    scalars: Tensor
    logits: Tensor
    real: Tensor
    right: Tensor

    def rows(self, chosen: Tensor) -> "Shown":
        """Those of some pieces."""
        return Shown(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def __len__(self) -> int:
        return len(self.logits)


def shown(data: Packed) -> Shown:
    """Examples as the network sees them."""
    return Shown(*(torch.from_numpy(getattr(data, f.name)) for f in fields(Shown)))


def varied(batch: Shown, generator: torch.Generator) -> Shown:
    """The same pieces in another tint."""
    scalars = batch.scalars.clone()
    cast = scalars[..., CAST]
    change = torch.randn(len(cast), 1, cast.shape[2], generator=generator)
    scalars[..., CAST] = cast + TINT * change
    return replace(batch, scalars=scalars)


def epochs(count: int, batch: int, times: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """Rows of every step, all of them ``times`` over in orders of their own."""
    for _ in range(times):
        order = torch.from_numpy(rng.permutation(count))
        for start in range(0, count - count % batch or count, batch):
            yield order[start : start + batch]
