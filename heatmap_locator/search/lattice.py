"""What the cut says for a place: pieces lie square, each in a cell of its own.

A piece's body (``body.py``) sits in the middle of a cell of the grid and along the grid's lines.
Of places that look alike most lie across the lines, so this tells them apart where print cannot.
It is told where in its cell a place lies, and how much to trust that so far from the picture's
middle, never in which cell.
"""

import math

import numpy as np

from heatmap_locator.geometry import Array
from heatmap_locator.grid import Grid

MIDDLE_DEVIATION = 0.06
"""Of a body's middle about its cell's, in sides of a cell, down as across.  Synthetic cuts have
0.015; real ones wander, and so do outlines."""

CROP_DEVIATION = 0.003
"""Of how far the picture's edge lies from the puzzle's, in shares of its width or height: the
lattice of a picture cropped otherwise than the puzzle slips towards its edges."""

TURN_DEVIATION = 3.0
"""Of a body's direction about the grid's lines, in degrees."""

REGULAR = 0.8
"""Share of pieces for which this holds; the others may lie anyhow."""


def cell_evidence(middles: Array, grid: Grid, width: float, height: float) -> Array:
    """Log-odds, (N,), that places are a piece's own against anywhere, by where in a cell they lie.

    Args:
        middles: (N, 2) of the body there, in pixels of the picture.
        grid: of the puzzle.
        width, height: of the picture.
    """
    count = np.array([grid.cols, grid.rows])
    cells = np.asarray(middles, np.float64) / grid.cell_size(width, height)
    off = cells - np.floor(cells) - 0.5
    slip = CROP_DEVIATION * 2 * np.abs(cells - count / 2)
    deviation = np.sqrt(MIDDLE_DEVIATION**2 + slip**2)
    log_density = -((off / deviation) ** 2 / 2 + np.log(deviation) + math.log(2 * math.pi) / 2)
    evidence: Array = np.log(REGULAR * np.exp(log_density.sum(axis=1)) + 1 - REGULAR)
    return evidence


def turn_evidence(rotations: Array, direction: float) -> Array:
    """The same, (N,), by how square a body would lie.

    Args:
        rotations: (N,) degrees that the photo is turned clockwise from each place.
        direction: of the body in the photo, degrees.
    """
    off = (np.asarray(rotations, np.float64) - direction + 45.0) % 90.0 - 45.0
    peak = 90.0 / (math.sqrt(2 * math.pi) * TURN_DEVIATION)
    density = peak * np.exp(-((off / TURN_DEVIATION) ** 2) / 2)
    evidence: Array = np.log(REGULAR * density + 1 - REGULAR)
    return evidence
