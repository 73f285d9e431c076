"""The places that are named for pieces, as tensors: every step takes all of all pieces at once."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class Candidate:
    """A place that is proposed, from first to last in working pixels of its own picture size.

    ``place.lay_on_picture`` is the one way from there to pixels of the picture.

    Attributes:
        x, y: the piece's reference point.
        rotation: degrees in [0, 360).
        logit: of the heatmap, before calibration.
        level: index of that picture size.
        pose: the 2x3 map from pixels of the photo to working pixels, rows flattened, where the
            piece has been aligned; without it the other fields say where it lies.
        sides: how much of ``logit`` the piece's straight sides are.
        open: the same of whether the cell is open.
        colour: the same of the piece's mean colour.
    """

    x: float
    y: float
    rotation: float
    logit: float
    level: int
    pose: tuple[float, ...] | None = None
    sides: float = 0.0
    open: float = 0.0
    colour: float = 0.0


@dataclass(frozen=True)
class Named:
    """M candidates of each of B pieces at one picture size, working pixels, where they live.

    Attributes:
        place: ``(B, M, 2)`` (x, y) of the reference point.
        rotation: ``(B, M)`` degrees in [0, 360).
        logit: ``(B, M)`` of the heatmap.
        real: ``(B, M)`` bool, False where a piece has fewer; the rest then says nothing.
    """

    place: Tensor
    rotation: Tensor
    logit: Tensor
    real: Tensor

    def take(self, index: Tensor) -> "Named":
        """Those of ``(B, K)`` indices."""
        own = (getattr(self, f.name) for f in fields(self))
        pairs = index[..., None].expand(-1, -1, 2)
        return Named(*(t.gather(1, index if t.dim() == 2 else pairs) for t in own))

    def of(self, row: int) -> "Named":
        """Those of one piece, still a batch."""
        return Named(*(getattr(self, f.name)[row : row + 1] for f in fields(self)))

    @staticmethod
    def joined(parts: Sequence["Named"], axis: int) -> "Named":
        """More pieces (axis 0), or more candidates of each (axis 1)."""
        return Named(*(torch.cat([getattr(p, f.name) for p in parts], axis) for f in fields(Named)))

    def rows(self) -> Tensor:
        """``(B, M, 5)`` of x, y, rotation, logit, and whether it is real."""
        single = (self.rotation, self.logit, self.real)
        return torch.cat([self.place, *(t[..., None].to(self.place.dtype) for t in single)], 2)

    def candidates(self, level: int = 0) -> list[list[Candidate]]:
        """Of each piece, in order, at the picture size of that index; copied from the device."""
        return [
            [Candidate(x, y, rotation, logit, level) for x, y, rotation, logit, real in own if real]
            for own in self.rows().tolist()
        ]


def set_upright(off: Tensor, rotations: Tensor) -> Tensor:
    """Offsets ``(..., 2)`` in photos, turned back counter-clockwise by ``(...)`` degrees."""
    x, y = off.unbind(-1)
    cos, sin = rotations.deg2rad().cos(), rotations.deg2rad().sin()
    return torch.stack([cos * x + sin * y, cos * y - sin * x], -1)
