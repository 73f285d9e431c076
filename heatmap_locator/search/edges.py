"""The straight sides of a piece, and which cells are open, weighed in the logits of its places."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.geometry import CELL, transform
from heatmap_locator.search.answer import Ranked
from heatmap_locator.search.evidence import evidence_of_places, seen_sides
from heatmap_locator.search.named import Candidate
from heatmap_locator.search.open_cells import in_cells, open_evidence
from heatmap_locator.search.piece import PreparedPiece, photo_to_working


def weighed(ranked: Sequence[Ranked], piece: PreparedPiece, scale: float) -> list[Ranked]:
    """Places with what the piece's sides and open cells say of them in their logits, best first.

    Args:
        ranked: by picture size.
        piece: the piece.
        scale: of the logits in the calibration: what the sides say is added to scaled logits.
    """
    sides = seen_sides([piece])
    tell = bool(sides.tell[0])
    found = []
    for level, own in ranked:
        field = level.field
        if own and tell:
            said = evidence_of_places(
                _middles(own, piece)[None],
                torch.tensor([[candidate.rotation for candidate in own]], dtype=torch.float64),
                sides,
                field.grid,
                field.size,
                CELL,
            )
            own = _added(own, said[0], scale, False)
        if own and field.grid is not None and field.open is not None:
            middles = in_cells(_middles(own, piece), field.grid, field.size)
            told = open_evidence(middles, field.open.to(middles))
            own = _added(own, told, scale, True)
        found.append((level, own))
    return found


def _added(own: Sequence[Candidate], said: Tensor, scale: float, open_: bool) -> list[Candidate]:
    """Candidates with more in their logits, best first; the earlier of equals comes first."""
    more = []
    for candidate, value in zip(own, (said / max(scale, 1e-6)).tolist(), strict=True):
        logit = candidate.logit + value
        if open_:
            more.append(replace(candidate, logit=logit, open=value))
        else:
            more.append(replace(candidate, logit=logit, sides=value))
    return sorted(more, key=lambda candidate: -candidate.logit)


def _middles(own: Sequence[Candidate], piece: PreparedPiece) -> Tensor:
    """``(M, 2)`` where the middles of the piece's body lie, working pixels."""
    return torch.from_numpy(np.array([_middle(candidate, piece) for candidate in own]))


def _middle(candidate: Candidate, piece: PreparedPiece) -> np.ndarray:
    """(2,) where the middle of the piece's body lies, working pixels."""
    pose = (
        photo_to_working(piece, (candidate.x, candidate.y), candidate.rotation)
        if candidate.pose is None
        else np.reshape(candidate.pose, (2, 3))
    )
    middle: np.ndarray = transform(pose, np.array([piece.body.middle]))[0]
    return middle
