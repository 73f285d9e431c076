"""What a piece's proportions say of its turn, where cells are wider than they are high, or higher.

Cells of a puzzle whose rows and columns are known are seldom square; a piece that is turned by a
quarter is then too long one way and too short the other, whatever its print says.
"""

import math

import numpy as np

from heatmap_locator.geometry import Array
from heatmap_locator.grid import Grid

_SPREAD, _FREEDOM = 0.04, 4.0
"""Scale and degrees of freedom of a Student distribution of what the logarithm of a piece's
proportions is off by (``train/LOG.md``, "proportions of pieces")."""


def proportions_of(corners: Array) -> float:
    """Logarithm of how much longer the first and third side are than the others.

    Args:
        corners: (4, 2) of a piece, in order.
    """
    return float(
        proportions_of_sides(np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1))
    )


def proportions_of_sides(lengths: Array) -> Array:
    """(...) the same of (..., 4) lengths of sides."""
    first, second, third, fourth = np.moveaxis(lengths, -1, 0)
    return np.asarray(np.log((first + third) / (second + fourth)))


def proportions_of_cells(grid: Grid | None, width: float, height: float) -> float:
    """Logarithm of how much wider than high cells are; 0 where they are not known.

    Args:
        grid: of the puzzle, relied on where it is exact.
        width, height: of its picture.
    """
    if grid is None or not grid.exact:
        return 0.0
    wide, high = grid.cell_size(width, height)
    return math.log(wide / high)


def upright_or_not(piece: float, cells: float) -> tuple[float, float]:
    """Log likelihood ratios, against either, of the first side facing up or down, and sideways.

    Args:
        piece: as :func:`proportions_of`.
        cells: as :func:`proportions_of_cells`.
    """
    if not cells:
        return 0.0, 0.0
    up, aside = _log_density(piece - cells), _log_density(piece + cells)
    whole = float(np.logaddexp(up, aside)) - math.log(2)
    return up - whole, aside - whole


def upright_in_grid(
    piece: float, grid: Grid | None, width: float, height: float
) -> tuple[float, float]:
    """:func:`upright_or_not` for a grid's cells; for a guess, by all cuts that are likely.

    Args:
        piece: as :func:`proportions_of`.
        grid, width, height: as in :func:`proportions_of_cells`.
    """
    if grid is None or grid.exact:
        return upright_or_not(piece, proportions_of_cells(grid, width, height))
    up = aside = 1 - sum(cut.chance for cut in grid.likely)
    for cut in grid.likely:
        own = Grid(cut.rows, cut.cols)
        ratios = upright_or_not(piece, proportions_of_cells(own, width, height))
        up += cut.chance * math.exp(ratios[0])
        aside += cut.chance * math.exp(ratios[1])
    return math.log(up), math.log(aside)


def nearest_quarter(outward: Array, rotation: float) -> float:
    """Of the four angles that a piece's sides allow, the one nearest to a rotation.

    Args:
        outward: (4,) degrees that sides face in the photo, clockwise, as ``Sides.outward``.
        rotation: degrees that the photo is turned clockwise.

    Returns:
        degrees in [0, 360).
    """
    off = np.deg2rad(outward - 90.0 * np.arange(4))
    whole = float(np.rad2deg(np.arctan2(np.sin(off).mean(), np.cos(off).mean())))
    return (whole + 90.0 * round((rotation - whole) / 90.0)) % 360.0 % 360.0


def _log_density(off: float) -> float:
    return -(_FREEDOM + 1) / 2 * math.log1p((off / _SPREAD) ** 2 / _FREEDOM)
