"""The four sides of a piece: its corners, and what each side between two of them is.

A piece of a regular cut has four corners, and between them sides that are straight, have a knob or
a blank.  Pieces cut oddly (figures, round puzzles, no clear corners) have none that count.
"""

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from heatmap_locator.geometry import Array
from heatmap_locator.outline.by_colour import outline_by_colour
from heatmap_locator.outline.contour import contour_of, resampled
from heatmap_locator.outline.quads import Quad, area_of, best_quad
from heatmap_locator.outline.shape import overlap
from heatmap_locator.outline.snap import snapped

Kind = Literal["straight", "knob", "blank"]

POINTS = 64
"""Of a side's curve."""

# How far a side reaches from the line between its corners, in its own length, before it is a knob
# or blank: bowed and wavy sides stay below, the smallest knob of drawn cuts has 0.16.
_STRAIGHT = 0.08
# Spread of that limit, from which a side's sureness follows.
_BAND = 0.02
# Sureness of the corners from which the cut counts as regular.
_REGULAR = 0.5
# Sides less sure than this are read off the outline by colour as well, where that overlaps by so
# much, in the photo around the piece by so much of its box; they count if doubt is halved
# (``train/LOG.md``, "sides read a second time").
_CLEAR, _SAME, _AROUND, _HALVED = 0.9, 0.9, 0.4, 0.5


@dataclass(frozen=True, eq=False)
class Side:
    """A side of a piece, from one corner clockwise to the next.

    Attributes:
        kind: what it is.
        curve: (64, 2) float32 points, evenly along the outline, from (0, 0), its first corner, to
            (1, 0), its second; x runs along the line between the corners, y outwards, away from
            the piece, so that a knob's are above 0.  The unit is the distance of its corners,
            about the side of a cell.
        sure: 0..1, how likely ``kind`` is right.
    """

    kind: Kind
    curve: np.ndarray
    sure: float


@dataclass(frozen=True, eq=False)
class Sides:
    """The corners and sides of a piece in its photo.

    Attributes:
        corners: (4, 2) float64 (x, y) in pixels of the photo, clockwise as seen; side i runs from
            corner i to the next.
        sides: clockwise; the first is the one at the top, as the photo shows it.
        sure: 0..1, how likely the four corners are right and all kinds.
        regular: whether the piece is of a cut into rows and columns; of another, such as figures,
            sides say nothing.
    """

    corners: np.ndarray
    sides: tuple[Side, Side, Side, Side]
    sure: float
    regular: bool

    @property
    def kinds(self) -> tuple[Kind, Kind, Kind, Kind]:
        """What each side is, in order."""
        first, second, third, fourth = (side.kind for side in self.sides)
        return first, second, third, fourth

    @property
    def opposite_straight(self) -> bool:
        """Whether two opposite sides are straight, as no piece of a puzzle with knobs has them: it
        is of a square cut, or a crop."""
        straight = [kind == "straight" for kind in self.kinds]
        return (straight[0] and straight[2]) or (straight[1] and straight[3])

    @property
    def tell(self) -> bool:
        """Whether they are those of a puzzle of knobs, cut into rows and columns, and so tell
        where and how the piece lies."""
        return self.regular and not self.opposite_straight

    @property
    def cell(self) -> float:
        """Pixels of the photo on the side of the square of the corners' area, > 0."""
        return float(np.sqrt(abs(area_of(self.corners))))

    @property
    def outward(self) -> np.ndarray:
        """(4,) float64 degrees in [0, 360), clockwise from up, that the sides face in the photo."""
        along = np.roll(self.corners, -1, axis=0) - self.corners
        # Outwards is to the left of clockwise: (dy, -dx); from up, clockwise: atan2(x, -y).
        found: np.ndarray = np.degrees(np.arctan2(along[:, 1], along[:, 0])) % 360.0 % 360.0
        return found


def find_sides(mask: np.ndarray, photo: np.ndarray | None = None) -> Sides | None:
    """The corners and sides of a piece.

    Args:
        mask: (H, W) float, 0..1, as ``find.find_outline`` returns.
        photo: (H, W, 3) uint8 that the mask was found in, on which the outline is made finer;
            ``None`` where the mask is as fine as can be: given by alpha.

    Returns:
        ``None`` where the outline has no four corners.
    """
    found = _read(mask, photo)
    if photo is None or (found is not None and found.sure >= _CLEAR):
        return found
    other = _by_colour(mask, photo)
    if other is None or not other.regular:
        return found
    doubt = 1.0 if found is None else 1.0 - found.sure
    return other if 1.0 - other.sure < _HALVED * doubt else found


def _read(mask: np.ndarray, photo: np.ndarray | None) -> Sides | None:
    """The sides of one outline; arguments as in :func:`find_sides`."""
    contour = contour_of(mask)
    if contour is None:
        return None
    if photo is not None:
        contour = snapped(contour, photo)
    quad = best_quad(contour)
    return None if quad is None else _sides(contour, quad)


def _by_colour(mask: np.ndarray, photo: np.ndarray) -> Sides | None:
    """The same off the outline that colour shows in the photo around the piece.

    The network leaves out what of the print is like another thing's, a lettering or a dark corner,
    and takes a shadow in a blank for piece; colour, asked alone, takes neighbours along.
    """
    height, width = mask.shape
    x, y, w, h = cv2.boundingRect((mask > 0.5).astype(np.uint8))
    room = round(_AROUND * max(w, h))
    left, top = max(x - room, 0), max(y - room, 0)
    part = slice(top, min(y + h + room, height)), slice(left, min(x + w + room, width))
    near = np.ascontiguousarray(photo[part])
    seen = outline_by_colour(near)
    if seen is None or overlap(seen, mask[part]) < _SAME:
        return None
    found = _read(seen, near)
    return None if found is None else replace(found, corners=np.add(found.corners, [left, top]))


def _sides(contour: Array, quad: Quad) -> Sides:
    """Of the contour, (N, 2) clockwise, cut at the corners."""
    along = np.roll(quad.corners, -1, axis=0) - quad.corners
    # The side that faces up runs to the right.
    first = int(np.argmax(along[:, 0] / np.linalg.norm(along, axis=1)))
    order = np.roll(np.arange(4), -first)
    corners, at = quad.corners[order], quad.index[order]
    sides = []
    for i in range(4):
        start, end = corners[i], corners[(i + 1) % 4]
        inner = _between(contour, at[i], at[(i + 1) % 4])
        sides.append(_side(np.concatenate([[start], inner, [end]])))
    sure = quad.sure * float(np.prod([side.sure for side in sides]))
    one, two, three, four = sides
    return Sides(corners, (one, two, three, four), sure, quad.sure >= _REGULAR)


def _between(contour: Array, start: int, end: int) -> Array:
    """Points of a contour between two of its indices, without those."""
    count = (end - start) % len(contour)
    return contour[(start + 1 + np.arange(max(count - 1, 0))) % len(contour)]


def _side(points: Array) -> Side:
    """A side from its points, corners included, in pixels."""
    points = resampled(points, POINTS)
    chord = points[-1] - points[0]
    length = max(float(np.linalg.norm(chord)), 1e-6)
    along, out = chord / length, np.array([chord[1], -chord[0]]) / length
    off = points - points[0]
    curve = np.stack([off @ along, off @ out], axis=1) / length
    reach = float(np.abs(curve[:, 1]).max())
    sure = float(1 / (1 + np.exp(-abs(reach - _STRAIGHT) / _BAND)))
    return Side(kind_of(curve), curve.astype(np.float32), sure)


def kind_of(curve: Array) -> Kind:
    """What a side is, by its curve as ``Side.curve`` has it."""
    above, below = float(curve[:, 1].max()), float(-curve[:, 1].min())
    if max(above, below) <= _STRAIGHT:
        return "straight"
    return "knob" if above > below else "blank"
