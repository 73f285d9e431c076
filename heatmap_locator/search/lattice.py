"""What the cut says for a place: pieces lie square, each in a cell of its own.

A piece's body (``body.py``) sits in the middle of a cell of the grid and along the grid's lines.
Of places that look alike most lie across the lines, so this tells them apart where print cannot.
It is told where in its cell a place lies, and how much to trust that so far from the picture's
middle, never in which cell.
"""

import math

import torch
from torch import Tensor

from heatmap_locator.grid import Grid
from heatmap_locator.model.filters import constant

MIDDLE_DEVIATION = 0.06
"""Of a body's middle about its cell's, in sides of a cell, down as across.  Synthetic cuts have
0.015, boxes of real pieces 0.05 to 0.10 (``train/LOG.md``, "the cut"); set by hand between them."""

CROP_DEVIATION = 0.003
"""Of how far the picture's edge lies from the puzzle's, in shares of its width or height: the
lattice of a picture cropped otherwise than the puzzle slips towards its edges.  Set by hand;
the ranker was fitted on puzzles cropped by 0.004."""

TURN_DEVIATION = 3.0
"""Of a body's direction about the grid's lines, in degrees; synthetic cuts have 0.3 in the median,
2.0 in nine of ten (``train/LOG.md``, "the cut").  Set by hand, wider."""

REGULAR = 0.8
"""Share of pieces for which this holds; the others may lie anyhow.  Set by hand."""


def in_cells(middles: Tensor, grid: Grid, size: tuple[float, float]) -> Tensor:
    """``(..., 2)`` in pixels of a picture of (height, width), in cells from the puzzle's top left.

    Args:
        middles: of any floating-point type, which the result has.
        grid: of the puzzle.
        size: of the picture.
    """
    own = size[1], size[0]
    origin, cell = (
        constant(pair, middles.device).to(middles.dtype)
        for pair in (grid.origin(*own), grid.cell_size(*own))
    )
    return (middles - origin) / cell


def cell_evidence(middles: Tensor, grid: Grid, width: float, height: float) -> Tensor:
    """Log-odds, ``(...)``, that places are a piece's own against anywhere, by where in a cell.

    Args:
        middles: ``(..., 2)`` of the body there, in pixels of the picture.
        grid: of the puzzle; where it is a guess, all cuts that are likely count, and 0 is what
            places earn where there are none.
        width, height: of the picture.
    """
    if grid.exact:
        count = constant((float(grid.cols), float(grid.rows)), middles.device)
        return _odds(in_cells(middles, grid, (height, width)), count).log()
    if not grid.likely:
        return torch.zeros_like(middles[..., 0])
    columns, rows, chances = zip(
        *((float(cut.cols), float(cut.rows), cut.chance) for cut in grid.likely), strict=True
    )
    counts = torch.stack([constant(own, middles.device) for own in (columns, rows)], -1)
    size = constant((float(width), float(height)), middles.device)
    odds = _odds(middles[..., None, :] * (counts / size).to(middles.dtype), counts)
    weights = constant(chances, middles.device).to(odds.dtype)
    return (odds @ weights + (1 - sum(chances))).log()


def _odds(cells: Tensor, count: Tensor) -> Tensor:
    """Of ``(..., 2)`` middles in cells from the puzzle's top left, ``(...)``.

    Args:
        cells: where they are.
        count: ``(..., 2)``, broadcast to them: (columns, rows) of cells in the puzzle.
    """
    off = cells - cells.floor() - 0.5
    slip = CROP_DEVIATION * 2 * (cells - count / 2).abs()
    deviation = (MIDDLE_DEVIATION**2 + slip.square()).sqrt()
    log_density = -((off / deviation).square() / 2 + deviation.log() + math.log(2 * math.pi) / 2)
    return REGULAR * log_density.sum(-1).exp() + 1 - REGULAR


def turn_evidence(rotations: Tensor, direction: Tensor | float) -> Tensor:
    """The same, ``(...)``, by how square a body would lie.

    Args:
        rotations: ``(...)`` degrees that the photo is turned clockwise from each place.
        direction: of the body in the photo, degrees.
    """
    off = torch.remainder(rotations - direction + 45.0, 90.0) - 45.0
    peak = 90.0 / (math.sqrt(2 * math.pi) * TURN_DEVIATION)
    density = peak * torch.exp(-(off / TURN_DEVIATION).square() / 2)
    return (REGULAR * density + 1 - REGULAR).log()
