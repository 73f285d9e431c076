"""The straight sides of a piece, weighed in the logits of its places."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from heatmap_locator.geometry import CELL, transform
from heatmap_locator.search.answer import Ranked
from heatmap_locator.search.evidence import evidence_of_places, seen_sides
from heatmap_locator.search.named import Candidate
from heatmap_locator.search.piece import PreparedPiece, photo_to_working


def weighed(ranked: Sequence[Ranked], piece: PreparedPiece, scale: float) -> list[Ranked]:
    """Places with what the piece's sides say of them in their logits, best first.

    Args:
        ranked: by picture size.
        piece: the piece.
        scale: of the logits in the calibration: what the sides say is added to scaled logits.
    """
    sides = seen_sides([piece])
    if not bool(sides.tell[0]):
        return list(ranked)
    found = []
    for level, own in ranked:
        if own:
            middles = np.array([_middle(candidate, piece) for candidate in own])
            said = evidence_of_places(
                torch.from_numpy(middles)[None],
                torch.tensor([[candidate.rotation for candidate in own]], dtype=torch.float64),
                sides,
                level.field.grid,
                level.field.size,
                CELL,
            )
            own = _added(own, (said[0] / max(scale, 1e-6)).tolist())
        found.append((level, own))
    return found


def _added(own: Sequence[Candidate], said: Sequence[float]) -> list[Candidate]:
    """Candidates with more in their logits, best first; the earlier of equals comes first."""
    more = [
        replace(candidate, logit=candidate.logit + value, sides=value)
        for candidate, value in zip(own, said, strict=True)
    ]
    return sorted(more, key=lambda candidate: -candidate.logit)


def _middle(candidate: Candidate, piece: PreparedPiece) -> np.ndarray:
    """(2,) where the middle of the piece's body lies, working pixels."""
    pose = (
        photo_to_working(piece, (candidate.x, candidate.y), candidate.rotation)
        if candidate.pose is None
        else np.reshape(candidate.pose, (2, 3))
    )
    middle: np.ndarray = transform(pose, np.array([piece.body.middle]))[0]
    return middle
