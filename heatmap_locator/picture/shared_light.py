"""Colours of pieces and of cells, and the light that photos of one puzzle share.

Correlation takes a piece's mean colour away, as every photo has a light of its own.  Where the same
camera takes pieces one after the other in one light, those that are surely placed tell how the
picture's colours look in it, and so what a piece of plain sky looks like in each cell.

Colours are logarithms of RGB values: exposure is a sum then, and gamma a factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from heatmap_locator.grid import Grid
from heatmap_locator.picture.colours import fitted, log_density
from heatmap_locator.resample import average, shrunk

Array = np.ndarray

Colour = tuple[float, float, float]
"""Of a piece: natural logarithms of its mean RGB."""

LEAST = 8
"""Surely placed pieces that a light is fitted to, at least.  Set by hand."""

_MOST = 400
"""The same at most; more tell no more."""

_BLACK = 0.03
"""Of full scale, added before the logarithm: what is darker is noise."""

_SIDE = 240
"""Pixels on a piece's longer side, at most, at which its colour is read."""

_RIM = 0.05
"""Of a piece's side, the bevelled rim that shows no print."""

_DARK, _BURNT = 12, 250
"""Levels beyond which a pixel shows no colour: all channels up to the first, or from the second."""

_RIDGE = np.diag([0.1, 0.1, 0.1, 0.01])
"""Keeps a light near the picture's own where few pieces tell: about a deviation of .3 of gamma."""

_PRIOR, _BEFORE = 4, 0.05
"""Pieces' worth of residuals that are taken for seen, and their deviation."""

_ROUNDS = 4
"""Of reweighting residuals."""

_WIDER = 2.0
"""By which residuals' deviation is taken for larger than that of the pieces that are placed: the
others are plainer, lie elsewhere, and are off by much the same, so that they err together.  Of
drawn puzzles their mean was off by .3 to 1.5 deviations (``train/LOG.md``, "how far colour is
believed")."""

_MISLED = 0.05
"""Probability that a piece's colour misleads: glare, another lamp, an outline that holds table."""

_SPANS = float(np.log((1 + _BLACK) / _BLACK)) ** 3
"""Of logarithms of RGB that a colour may have."""

MOST = 3.0
"""Log ratio for a place by colour, at most: about twenty to one.  Drawn puzzles lose nothing by
the limit (``train/LOG.md``, "the limit of 3")."""


def colour_of(rgb: Array, mask: Array) -> Colour | None:
    """Mean colour of a piece, its rim left out, and what is burnt out or dark.

    Args:
        rgb: (H, W, 3) uint8, its photo.
        mask: (H, W) float, 0..1, its outline.

    Returns:
        ``None`` where less than half of it shows colour.
    """
    rows, cols = (np.flatnonzero((mask > 0.5).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    own = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    (small, _), (soft, _) = (shrunk(np.ascontiguousarray(part[own]), _SIDE) for part in (rgb, mask))
    inside = (soft > 0.5).astype(np.uint8)
    wide = 2 * max(1, round(_RIM * float(inside.sum()) ** 0.5)) + 1
    # What lies beyond the piece's box is no part of it.
    kind = cv2.BORDER_CONSTANT
    inner = cv2.erode(inside, np.ones((wide, wide), np.uint8), borderType=kind, borderValue=0)
    seen = small[inner > 0]
    shown = seen[(seen.min(axis=1) < _BURNT) & (seen.max(axis=1) > _DARK)]
    if len(shown) < max(16, len(seen) / 2):
        return None
    red, green, blue = np.log(shown.mean(axis=0, dtype=np.float64) / 255 + _BLACK).tolist()
    return red, green, blue


def colours_of_cells(picture: Array, grid: Grid) -> Array:
    """(rows * cols, 3) the same of cells, rows first.

    Args:
        picture: (H, W, 3) uint8.
        grid: of the puzzle; what it has beyond the picture is as what is nearest in it.
    """
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(edge) for edge in grid.outer(width, height))
    beyond = [(max(0, -top), max(0, bottom - height)), (max(0, -left), max(0, right - width))]
    wide = np.pad(picture, [*beyond, (0, 0)], mode="edge") if np.any(beyond) else picture
    top, left = max(top, 0), max(left, 0)
    rows, cols = bottom + beyond[0][0] - top, right + beyond[1][0] - left
    own = np.ascontiguousarray(wide[top : top + rows, left : left + cols])
    small = average(own, (grid.cols, grid.rows)).astype(np.float64)
    found: Array = np.log(small.reshape(-1, 3) / 255 + _BLACK)
    return found


@dataclass(frozen=True, eq=False)
class SharedLight:
    """How a picture's colours look in photos that share camera and light.

    Attributes:
        matrix: (4, 3) from a colour and 1 to how it looks.
        whitening: (3, 3) that makes residuals' covariance one, ``_WIDER`` than it is seen.
        doubt: (4, 4) covariance of the matrix' rows, in residuals.
    """

    matrix: Array
    whitening: Array
    doubt: Array

    @classmethod
    def of(cls, seen: Array, wanted: Array) -> Self:
        """Fit to pieces.

        Args:
            seen: (N, 3) colours of photos.
            wanted: (N, 3) of the cells where they lie.
        """
        x = _with_one(wanted)
        matrix = fitted(x, seen, _RIDGE, lambda off: _spread(off)[1])
        covariance, weight = _spread(seen - x @ matrix)
        doubt = np.linalg.inv((x * weight[:, None]).T @ x + _RIDGE)
        whitening = np.linalg.inv(np.linalg.cholesky(covariance)).T / _WIDER
        return cls(matrix, whitening, doubt)

    def log_ratios(self, seen: Array, wanted: Array) -> Array:
        """(C,) by how much a colour speaks for each of all C cells, against any of them.

        Args:
            seen: (3,) of a photo.
            wanted: (C, 3) of cells.
        """
        x = _with_one(wanted)
        wide = np.sqrt(1 + np.einsum("ci,ij,cj->c", x, self.doubt, x))[:, None]
        off = (seen - x @ self.matrix) @ self.whitening
        own = log_density(off, np.broadcast_to(wide, wanted.shape))
        own += float(np.log(np.diag(self.whitening)).sum())
        # A colour that is no cell's, as of a piece's back, is that of none more than of others.
        own = np.logaddexp(own + np.log(1 - _MISLED), np.log(_MISLED / _SPANS))
        ratio = own - np.logaddexp.reduce(own) + np.log(len(wanted))
        found: Array = np.logaddexp(ratio + np.log(1 - _MISLED), np.log(_MISLED))
        return np.minimum(found, MOST)


@dataclass(frozen=True, eq=False)
class Lit:
    """A picture's cells in a light that is known.

    Attributes:
        light: of photos.
        cells: (C, 3) colours of all cells.
    """

    light: SharedLight
    cells: Array

    def log_ratios(self, colour: Colour) -> Array:
        """(C,) what a piece's colour says of every cell."""
        found: Array = self.light.log_ratios(np.array(colour), self.cells)
        return found


def lit_by(colours: Sequence[Colour | None], at: Sequence[int], cells: Array) -> Lit | None:
    """The light that surely placed pieces show.

    Args:
        colours: of M pieces, ``None`` where a photo shows none; the last ``_MOST`` count.
        at: of each its cell.
        cells: (C, 3) colours of all cells.

    Returns:
        ``None`` where they are fewer than ``LEAST``, or where colour does not tell their cells,
        each in the light of the others: then their photos share no light.
    """
    told = [(own, cell) for own, cell in zip(colours, at, strict=True) if own is not None][-_MOST:]
    if len(told) < LEAST:
        return None
    seen = np.array([own for own, _ in told], np.float64)
    lying = np.array([cell for _, cell in told])
    ratios = []
    for index, own in enumerate(seen):
        others = np.delete(lying, index)
        light = SharedLight.of(np.delete(seen, index, axis=0), cells[others])
        ratios.append(light.log_ratios(own, cells)[lying[index]])
    if np.mean(ratios) <= 0:
        return None
    return Lit(SharedLight.of(seen, cells[lying]), cells)


def _with_one(wanted: Array) -> Array:
    """(N, 4) float64 as ``SharedLight.matrix`` takes it."""
    return np.column_stack([wanted, np.ones(len(wanted))]).astype(np.float64)


def _spread(off: Array) -> tuple[Array, Array]:
    """(3, 3) scale of (N, 3) residuals, and their (N,) weights, by a Student distribution of 4
    degrees of freedom: what exposure does to all channels is one number."""
    count = len(off)
    before = _PRIOR * _BEFORE**2 * np.eye(3)
    weight, scale = np.ones(count), before
    for _ in range(_ROUNDS):
        total = (off * weight[:, None]).T @ off + before
        scale = total / (count + _PRIOR - min(4, count / 2))
        weight = 7 / (4 + np.einsum("ni,ij,nj->n", off, np.linalg.inv(scale), off))
    return scale, weight
