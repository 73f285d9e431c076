"""From working pixels to the picture's: the one place where a piece changes frames.

Until it is ranked a place is a ``Candidate``, in working pixels of the picture size that it was
found at.  Laid on the picture, in pixels of the picture itself, places of all sizes compare.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heatmap_locator.assign.answers import TURNED, laid_by_sides
from heatmap_locator.geometry import Array, angle_difference, compose, transform
from heatmap_locator.grid import Grid
from heatmap_locator.outline.proportions import nearest_quarter
from heatmap_locator.placement import Placement
from heatmap_locator.search.levels import Level
from heatmap_locator.search.named import Candidate
from heatmap_locator.search.piece import CONTOUR_INSET, PreparedPiece, photo_to_working

_CLEAR = 0.9
"""Sureness of a piece's sides from which its angle is theirs where print says another."""


@dataclass(frozen=True)
class Laid:
    """A piece laid on the picture.

    Attributes:
        matrix: 2x3, from pixels of the photo to pixels of the picture.
        rotation: degrees in [0, 360) that the photo is turned clockwise from this place.
        logit: by which places are ordered, before calibration.
        level: index of the picture size it was found at; 0 where it was found in the picture
            itself.
        sides: how much of ``logit`` the piece's straight sides are.
        open: the same of whether the cell is open.
        colour: the same of the piece's mean colour.
    """

    matrix: Array
    rotation: float
    logit: float
    level: int = 0
    sides: float = 0.0
    open: float = 0.0
    colour: float = 0.0

    @property
    def by_print(self) -> float:
        """Of ``logit`` what print says."""
        return self.logit - self.sides - self.open - self.colour


def lay_on_picture(candidate: Candidate, piece: PreparedPiece, level: Level) -> Laid:
    """Take a candidate from working pixels to the picture's.

    Args:
        candidate: of this level.
        piece: the piece.
        level: the picture size.
    """
    if candidate.pose is not None:
        pose = np.reshape(candidate.pose, (2, 3))
    else:
        pose = photo_to_working(piece, (candidate.x, candidate.y), candidate.rotation)
    matrix = compose(level.to_picture, pose)
    own = candidate
    return Laid(matrix, own.rotation, own.logit, own.level, own.sides, own.open, own.colour)


def squared(
    place: Placement, piece: PreparedPiece, size: tuple[int, int], grid: Grid | None
) -> Placement:
    """A place whose angle is none of those that the piece's corners allow, laid by them there.

    Flat print is aligned astray; where it leaves no doubt, or corners are not clear, it stays.

    Args:
        place: in a cell of the grid, scored.
        piece: the piece.
        size: (width, height) of the picture.
        grid: of the puzzle, relied on where it is certain.
    """
    sides = piece.sides if grid is not None and grid.certain else None
    if sides is None or not sides.tell:
        return place
    if grid is None or place.cell is None or sides.sure < _CLEAR or place.score > sides.sure:
        return place
    rotation = nearest_quarter(sides.outward, place.rotation)
    if abs(angle_difference(rotation, place.rotation)) <= TURNED:
        return place
    return laid_by_sides(sides, rotation, grid, place.cell, size, place.score)


def placements_of(
    laid: Sequence[Laid], piece: PreparedPiece, size: tuple[int, int], grid: Grid | None
) -> list[Placement]:
    """The answers that a piece laid on the picture stands for, not scored yet: 0.

    Args:
        laid: where it lies.
        piece: the piece.
        size: (width, height) of the picture.
        grid: of the puzzle, ``None`` where it is not known.
    """
    matrices = np.array([one.matrix for one in laid], np.float64).reshape(-1, 2, 3)
    points = transform(matrices, piece.contour)
    corners = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1).tolist()
    found = []
    for one, (x1, y1, x2, y2) in zip(laid, corners, strict=True):
        a, b, x, c, d, y = one.matrix.flatten().tolist()
        inset = CONTOUR_INSET * math.sqrt(abs(a * d - b * c))
        center = (x1 + x2) / 2, (y1 + y2) / 2
        found.append(
            Placement(
                box=(x1 - inset, y1 - inset, x2 + inset, y2 + inset),
                center=center,
                rotation=one.rotation,
                score=0.0,
                cell=None if grid is None else grid.cell_at(*center, *size),
                matrix=(a, b, x, c, d, y),
            )
        )
    return found
