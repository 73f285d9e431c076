"""The straight sides of a piece, and which cells are open, weighed in the logits of its places."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from heatmap_locator.geometry import CELL, transform
from heatmap_locator.search.answer import Ranked
from heatmap_locator.search.evidence import SeenSides, evidence_of_places, seen_sides
from heatmap_locator.search.levels import Field
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
    return [(level, _weighed(own, piece, level.field, sides, scale)) for level, own in ranked]


def _weighed(
    own: list[Candidate], piece: PreparedPiece, field: Field, sides: SeenSides, scale: float
) -> list[Candidate]:
    """One picture size's places; the earlier of equals comes first."""
    tell = bool(sides.tell[0])
    if not own or not (tell or field.open is not None):
        return own
    middles = torch.from_numpy(np.array([_middle(candidate, piece) for candidate in own]))
    by_sides = by_open = middles.new_zeros(len(own))
    if tell:
        turns = torch.tensor([[candidate.rotation for candidate in own]], dtype=torch.float64)
        (by_sides,) = evidence_of_places(middles[None], turns, sides, field.grid, field.size, CELL)
    if field.grid is not None and field.open is not None:
        cells = in_cells(middles, field.grid, field.size)
        by_open = open_evidence(cells, field.open.to(cells))
    said = [(value / max(scale, 1e-6)).tolist() for value in (by_sides, by_open)]
    more = [
        replace(candidate, logit=candidate.logit + line + cell, sides=line, open=cell)
        for candidate, line, cell in zip(own, *said, strict=True)
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
