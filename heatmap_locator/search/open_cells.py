"""Where a photo of the half-done puzzle shows open cells, pieces go into those alone."""

from collections.abc import Sequence

import torch
from torch import Tensor

from heatmap_locator.grid import Grid
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.search.border import filled, named_at
from heatmap_locator.search.named import Named
from heatmap_locator.search.piece import PreparedPiece

LEAST = 0.002
"""Probability of being open that a cell has at least: photos show what is done wrongly too."""

_NAMED = 0.2
"""The same from which every cell is a place of every piece."""

_OFF = 0.12
"""Cells by which the middle of a body may be off its own, as knobs draw it."""


def open_evidence(middles: Tensor, chances: Tensor) -> Tensor:
    """Log-likelihood ratio, ``(...)``, of places against any place.

    Args:
        middles: ``(..., 2)`` of bodies, in cells from the picture's top left.
        chances: ``(rows, cols)`` how likely cells are open.
    """
    rows, cols = chances.shape
    chances = chances.clamp_min(LEAST)
    found = torch.zeros(middles.shape[:-1], dtype=middles.dtype, device=middles.device)
    for dx, dy in ((-_OFF, -_OFF), (-_OFF, _OFF), (_OFF, -_OFF), (_OFF, _OFF)):
        col = (middles[..., 0] + dx).floor().long().clamp(0, cols - 1)
        row = (middles[..., 1] + dy).floor().long().clamp(0, rows - 1)
        found = torch.maximum(found, chances[row, col].to(found))
    return (found / chances.mean()).log()


def open_places(
    maps: HeadMaps,
    pixel: Tensor,
    pieces: Sequence[PreparedPiece],
    off: Tensor,
    grid: Grid,
    chances: Tensor,
    size: tuple[int, int],
) -> Named | None:
    """Every open cell, each in the four turns that a piece's body may have.

    Args:
        maps: the head's output.
        pixel: ``(B, R, h, w)`` correlations it was read from.
        pieces: B of them.
        off: ``(B, 2)`` of ``PreparedPiece.body_off``.
        grid: of the puzzle.
        chances: ``(rows, cols)`` how likely cells are open.
        size: (height, width) of the working picture.

    Returns:
        with the head's logits; ``None`` where no cell is open.
    """
    cells = (chances > _NAMED).nonzero().tolist()
    if not cells:
        return None
    found = []
    for row, piece in enumerate(pieces):
        rows = [
            (col + 0.5, line + 0.5, piece.body.direction + 90.0 * turn)
            for turn in range(4)
            for line, col in cells
        ]
        places = torch.tensor(rows, dtype=torch.float32, device=pixel.device)
        found.append(named_at(places, row, maps, pixel, off, grid, size))
    most = max(one.real.shape[1] for one in found)
    return Named.joined([filled(one, most) for one in found], 0)
