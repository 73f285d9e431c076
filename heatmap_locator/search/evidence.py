"""What a piece's straight sides say for a place: they lie on the picture's edge and face out.

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
from heatmap_locator.search.piece import PreparedPiece

SEEN, MISTAKEN = 0.99, 0.002
"""Of straight sides, the share that are seen as such, and of others, the share that are mistaken
for one, where the outline was given (``train/LOG.md``, "straight sides seen as such"; 0 of 627
are not told from 2 in 1,000)."""

SEEN_IN_PHOTO, MISTAKEN_IN_PHOTO = 0.95, 0.006
"""The same where the outline was found in a photo."""

CROPPED, CROPPED_UNKNOWN = 0.02, 0.08
"""How likely the picture's edge is not the puzzle's, or the cut no regular one, so that sides say
nothing: where rows and columns are known, and where not.  Set by hand."""

SLACK, SLACK_UNKNOWN = 0.08, 0.18
"""Deviation, in cells, of where along the way from the outermost cell to the next a place ceases
to be on the edge: the middle of a body is half a cell from it, or one and a half.  Wider where
rows and columns are a guess."""


@dataclass(frozen=True, eq=False)
class SeenSides:
    """What the sides of B pieces say.

    Attributes:
        outward: ``(B,)`` degrees clockwise from up, in the photo, that the first side faces; the
            others follow in quarter turns.
        odds: ``(B, 4)`` log of how much likelier each side looks as it does if it is straight than
            if it is not; 0 where nothing is known.
    """

    outward: Tensor
    odds: Tensor

    def to(self, device: torch.device) -> "SeenSides":
        """The same on a device."""
        return SeenSides(self.outward.to(device), self.odds.to(device))

    @property
    def tell(self) -> Tensor:
        """``(B,)`` bool, of which pieces they say something."""
        return (self.odds != 0).any(1)


def seen_sides(pieces: Sequence[PreparedPiece]) -> SeenSides:
    """What is known of pieces' sides, on the CPU.

    Nothing where an outline has no clear corners, was cut off or is all of a photo, and where
    more sides are straight than any piece of a puzzle of knobs has.
    """
    outward, odds = [], []
    for piece in pieces:
        first, own = _told(piece)
        outward.append(first)
        odds.append(own)
    return SeenSides(torch.tensor(outward), torch.tensor(odds))


def _told(piece: PreparedPiece) -> tuple[float, list[float]]:
    """``outward`` and ``odds`` of one piece."""
    sides = piece.sides
    silent = 0.0, [0.0] * 4
    if sides is None or not sides.regular or sides.opposite_straight:
        return silent
    seen, mistaken = SEEN, MISTAKEN
    if piece.searched:
        seen, mistaken = SEEN_IN_PHOTO, MISTAKEN_IN_PHOTO
    yes, no = math.log(seen / mistaken), math.log((1 - seen) / (1 - mistaken))
    # Of what each side says for the whole piece's turn the mean; on a circle, about the first's.
    faces = sides.outward - [0.0, 90.0, 180.0, 270.0]
    off = (faces - faces[0] + 180.0) % 360.0 - 180.0
    odds = [yes if kind == "straight" else no for kind in sides.kinds]
    return float(faces[0] + off.mean()) % 360.0, odds


def side_evidence(
    middles: Tensor,
    rotations: Tensor,
    sides: SeenSides,
    cells: Tensor,
    exact: bool,
) -> Tensor:
    """Log-likelihood ratio, ``(B, M)``, of places against any place, by the pieces' sides.

    Args:
        middles: ``(B, M, 2)`` of the pieces' bodies, in cells from the picture's top left.
        rotations: ``(B, M)`` degrees that the photos are turned clockwise from each place.
        sides: of the pieces.
        cells: ``(..., 2)``, broadcast to ``middles``: (columns, rows) of cells in the picture.
        exact: whether those are the puzzle's own.
    """
    slack, cropped = (SLACK, CROPPED) if exact else (SLACK_UNKNOWN, CROPPED_UNKNOWN)
    turned = torch.round((sides.outward[:, None] - rotations) / 90.0).long()
    # The side that faces up, right, down and left in the picture.
    facing = torch.remainder(torch.arange(4, device=rotations.device) - turned[..., None], 4)
    odds = sides.odds[:, None].expand(*rotations.shape, 4).gather(2, facing).exp()
    (x, y), (columns, rows) = middles.unbind(-1), cells.expand_as(middles).unbind(-1)
    distance = torch.stack([y, columns - x, rows - y, x], -1)
    edge = torch.sigmoid((1.0 - distance) / slack)
    own = (1 - edge + edge * odds).log().sum(-1)
    ratio = own - _any_place(sides.odds, cells.expand_as(middles))
    found = torch.logaddexp(ratio + math.log1p(-cropped), torch.full_like(ratio, math.log(cropped)))
    return torch.where(sides.tell[:, None], found, torch.zeros_like(found))


def _any_place(odds: Tensor, cells: Tensor) -> Tensor:
    """Log of the mean likelihood, ``(B, M)``, of all cells and quarter turns.

    Args:
        odds: ``(B, 4)`` of the sides.
        cells: ``(B, M, 2)`` (columns, rows).
    """
    columns, rows = cells.clamp_min(1.0).unbind(-1)
    total = torch.zeros_like(columns)
    for turn in range(4):
        up, right, down, left = (odds.roll(turn, 1).exp()[:, None] - 1).unbind(-1)
        # Along each axis: the first, the last, and those between; of one both are the same.
        across = columns + left + right + torch.where(columns < 2, left * right, 0.0)
        along = rows + up + down + torch.where(rows < 2, up * down, 0.0)
        total = total + across * along
    return (total / (4 * columns * rows)).log()


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
    height, width = size
    count = (width / side, height / side)
    if grid is not None:
        count = (float(grid.cols), float(grid.rows))
    cells = constant(count, middles.device).to(middles.dtype)
    scale = constant((count[0] / width, count[1] / height), middles.device).to(middles.dtype)
    exact = grid is not None and grid.exact
    return side_evidence(middles * scale, rotations, sides, cells, exact)
