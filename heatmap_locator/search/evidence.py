"""What a piece's sides say for a place: straight ones lie on the picture's edge and face out, and
the piece is turned as wide as the cells are.

A piece with a straight side belongs on the edge that the side faces, with two in a corner; one
without belongs inside.  Of every place this is a likelihood, by how often straight sides are seen
as such and others mistaken for one, against that of all cells and quarter turns together, so that
places that were not found gain and lose nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from heatmap_locator.grid import Grid
from heatmap_locator.model.filters import constant
from heatmap_locator.outline.proportions import (
    nearest_quarter,
    proportions_of,
    upright_in_grid,
)
from heatmap_locator.outline.sides import Side
from heatmap_locator.search.lattice import in_cells
from heatmap_locator.search.piece import PreparedPiece

SEEN, MISTAKEN = 0.99, 0.002
"""Of straight sides, the share that are seen as such, and of others, the share that are mistaken
for one, where the outline was given (``train/LOG.md``, "straight sides seen as such"; 0 of 627
are not told from 2 in 1,000)."""

CLEAR = 0.95
"""Sureness of what a side is, from which one whose outline was found in a photo is clear."""

SEEN_IN_PHOTO, MISTAKEN_IN_PHOTO = (0.88, 0.106), (0.0006, 0.0012)
"""The same where the outline was found in a photo: of sides, the shares that are seen straight,
clearly and not, if they are straight, and if not (``train/LOG.md``, "straight sides by how clear
they are")."""

MISSED_IN_PHOTO, OTHER_IN_PHOTO = (0.007, 0.007), (0.98, 0.02)
"""The shares that are not seen straight, clearly and not, if they are straight, and if not."""

CROPPED, CROPPED_UNKNOWN = 0.02, 0.08
"""How likely the picture's edge is not the puzzle's, or the cut no regular one, so that sides say
nothing: where about how many cells there are is known, and where not.  Set by hand."""

SLACK, SLACK_UNKNOWN = 0.08, 0.18
"""Deviation, in cells, of where along the way from the outermost cell to the next a place ceases
to be on the edge: the middle of a body is half a cell from it, or one and a half.  Wider where
the number of pieces is a guess."""


@dataclass(frozen=True, eq=False)
class SeenSides:
    """What the sides of B pieces say.

    Attributes:
        outward: ``(B,)`` degrees clockwise from up, in the photo, that the first side faces; the
            others follow in quarter turns.
        odds: ``(B, 4)`` log of how much likelier each side looks as it does if it is straight than
            if it is not; 0 where nothing is known.
        upright: ``(B, 2)`` log ratios, against either, of the first side facing up or down, and
            left or right, by the piece's proportions.
    """

    outward: Tensor
    odds: Tensor
    upright: Tensor

    def to(self, device: torch.device) -> "SeenSides":
        """The same on a device."""
        return SeenSides(*(own.to(device) for own in (self.outward, self.odds, self.upright)))

    @property
    def tell(self) -> Tensor:
        """``(B,)`` bool, of which pieces they say something."""
        return (self.odds != 0).any(1)


def seen_sides(
    pieces: Sequence[PreparedPiece], grid: Grid | None, size: tuple[float, float]
) -> SeenSides:
    """What is known of pieces' sides, on the CPU.

    Nothing where an outline has no clear corners, was cut off or is all of a photo, and where
    more sides are straight than any piece of a puzzle of knobs has.

    Args:
        pieces: B of them.
        grid: of the puzzle, ``None`` where it is not known.
        size: (height, width) of the picture.
    """
    told = (_told(piece, grid, size) for piece in pieces)
    outward, odds, upright = zip(*told, strict=True)
    return SeenSides(torch.tensor(outward), torch.tensor(odds), torch.tensor(upright))


def _told(
    piece: PreparedPiece, grid: Grid | None, size: tuple[float, float]
) -> tuple[float, tuple[float, ...], tuple[float, float]]:
    """``outward``, ``odds`` and ``upright`` of one piece."""
    sides = piece.sides
    silent = 0.0, (0.0,) * 4, (0.0, 0.0)
    if sides is None or not sides.tell:
        return silent
    first = nearest_quarter(sides.outward, float(sides.outward[0]))
    odds = tuple(_odds(side, piece.searched) for side in sides.sides)
    upright = upright_in_grid(proportions_of(sides.corners), grid, size[1], size[0])
    return first, odds, upright


def _odds(side: Side, searched: bool) -> float:
    """Log of how much likelier a side looks as it does if it is straight than if it is not."""
    straight = side.kind == "straight"
    if not searched:
        return math.log(SEEN / MISTAKEN if straight else (1 - SEEN) / (1 - MISTAKEN))
    clear = 0 if side.sure >= CLEAR else 1
    if straight:
        return math.log(SEEN_IN_PHOTO[clear] / MISTAKEN_IN_PHOTO[clear])
    return math.log(MISSED_IN_PHOTO[clear] / OTHER_IN_PHOTO[clear])


def side_evidence(
    middles: Tensor,
    rotations: Tensor,
    sides: SeenSides,
    cells: Tensor,
    known: bool,
) -> Tensor:
    """Log-likelihood ratio, ``(B, M)``, of places against any place, by the pieces' sides.

    Args:
        middles: ``(B, M, 2)`` of the pieces' bodies, in cells from the puzzle's top left.
        rotations: ``(B, M)`` degrees that the photos are turned clockwise from each place.
        sides: of the pieces.
        cells: ``(..., 2)``, broadcast to ``middles``: (columns, rows) of cells in the puzzle.
        known: whether it has about so many, and where it ends is known.
    """
    slack, cropped = (SLACK, CROPPED) if known else (SLACK_UNKNOWN, CROPPED_UNKNOWN)
    turned = torch.round((sides.outward[:, None] - rotations) / 90.0).long()
    odds = sides.odds[:, None].expand(*rotations.shape, 4).gather(2, _facing(turned)).exp()
    (x, y), (columns, rows) = middles.unbind(-1), cells.expand_as(middles).unbind(-1)
    distance = torch.stack([y, columns - x, rows - y, x], -1)
    edge = torch.sigmoid((1.0 - distance) / slack)
    own = (1 - edge + edge * odds).log().sum(-1)
    own = own + sides.upright.to(own).gather(1, torch.remainder(turned, 2))
    ratio = own - _any_place(sides, cells.expand_as(middles))
    found = torch.logaddexp(ratio + math.log1p(-cropped), torch.full_like(ratio, math.log(cropped)))
    return torch.where(sides.tell[:, None], found, torch.zeros_like(found))


def _facing(turned: Tensor) -> Tensor:
    """``(..., 4)`` the side that faces up, right, down and left after ``(...)`` quarter turns."""
    return torch.remainder(torch.arange(4, device=turned.device) - turned[..., None], 4)


def _any_place(sides: SeenSides, cells: Tensor) -> Tensor:
    """Log of the mean likelihood, ``(B, M)``, of all cells and quarter turns.

    Args:
        sides: of the pieces.
        cells: ``(B, M, 2)`` (columns, rows).
    """
    columns, rows = cells.clamp_min(1.0)[:, None].unbind(-1)
    turned = torch.arange(4, device=cells.device)
    up, right, down, left = (sides.odds.exp()[:, _facing(turned), None] - 1).unbind(2)
    # Along each axis: the first, the last, and those between; of one both are the same.
    across = columns + left + right + torch.where(columns < 2, left * right, 0.0)
    along = rows + up + down + torch.where(rows < 2, up * down, 0.0)
    upright = sides.upright.exp().repeat(1, 2)[..., None]
    total = (across * along * upright).sum(1)
    return (total / (4 * columns * rows)[:, 0]).log()


def evidence_of_places(
    middles: Tensor,
    rotations: Tensor,
    sides: SeenSides,
    grid: Grid | None,
    size: tuple[float, float],
    side: float,
) -> Tensor:
    """:func:`side_evidence` of places in pixels of a picture.

    Args:
        middles: ``(B, M, 2)`` of the pieces' bodies, pixels of the picture.
        rotations: ``(B, M)`` degrees.
        sides: of the pieces, on the same device.
        grid: of the puzzle, ``None`` where it is not known.
        size: (height, width) of the picture.
        side: of a cell in its pixels, where the grid is not known.
    """
    if grid is None:
        cells = constant((size[1] / side, size[0] / side), middles.device).to(middles.dtype)
        return side_evidence(middles / side, rotations, sides, cells, known=False)
    cells = constant((float(grid.cols), float(grid.rows)), middles.device).to(middles.dtype)
    # Cuts of one number differ by too little to move a place from the edge to the next cells.
    known = grid.ends_known and (grid.exact or bool(grid.likely))
    return side_evidence(in_cells(middles, grid, size), rotations, sides, cells, known)
