"""Sides of many pieces as numbers that compare: coefficients of their curves.

A curve from corner to corner, less the straight line, is a sum of half waves.  Of those, what a
side looks like from the piece it faces, and from behind, differs by signs alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heatmap_locator.geometry import Array
from heatmap_locator.outline.sides import Sides

WAVES = 12
"""Half waves of x and of y: the finest is a twelfth of a side long, a knob's neck about a fifth."""

SIZE = 2 * WAVES + 1
"""Numbers of a side: waves along it, waves off it, and the log of its length in cells."""

STRAIGHT, KNOB, BLANK = 0, 1, -1
"""Kinds of sides; two that add up to 0 may face each other, unless they are straight."""

MOST_TRUST = 0.97
"""In any outline: of those surest of their corners, 3 in 100 were wrong on drawn photos."""

_KINDS = {"straight": STRAIGHT, "knob": KNOB, "blank": BLANK}
_ALTERNATING = np.where(np.arange(1, WAVES + 1) % 2 == 0, 1.0, -1.0)
FACING = np.concatenate([_ALTERNATING, _ALTERNATING, [1.0]]).astype(np.float32)
"""(SIZE,) signs that make a side what faces it without a gap."""

_BEHIND = np.concatenate([_ALTERNATING, -_ALTERNATING, [1.0]]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Shapes:
    """Sides of N pieces; side 4 p + i is the i-th of piece p, clockwise.

    Attributes:
        kinds: (N, 4) int8.
        waves: (N, 4, ``SIZE``) float32, as the piece has them.
        trust: (N,) float32, 0..1, how far the sides are to be believed; 0 where there are none.
        outward: (N, 4) degrees, clockwise from up, that sides face in the photo.
        middle: (N, 2) of the corners, in pixels of the photo.
    """

    kinds: np.ndarray
    waves: np.ndarray
    trust: np.ndarray
    outward: np.ndarray
    middle: np.ndarray

    def __len__(self) -> int:
        return len(self.kinds)

    @property
    def facing(self) -> np.ndarray:
        """(N, 4, SIZE) the sides as what would face them without a gap."""
        found: np.ndarray = self.waves * FACING
        return found

    def from_behind(self) -> "Shapes":
        """The same pieces as they are if their photos show their backs: sides come the other way
        round, from the same first one."""
        order = [0, 3, 2, 1]
        return Shapes(
            self.kinds[:, order],
            (self.waves * _BEHIND)[:, order],
            self.trust,
            -self.outward[:, order] % 360.0,
            self.middle,
        )

    def take(self, index: np.ndarray | Sequence[int]) -> "Shapes":
        """Those of some pieces."""
        at = np.asarray(index, int)
        return Shapes(*(values[at] for values in self._fields()))

    def joined(self, others: "Shapes") -> "Shapes":
        """These and others, in order."""
        both = zip(self._fields(), others._fields(), strict=True)
        return Shapes(*(np.concatenate(pair) for pair in both))

    def _fields(self) -> tuple[np.ndarray, ...]:
        return self.kinds, self.waves, self.trust, self.outward, self.middle


def shapes_of(found: Sequence[Sides | None]) -> Shapes:
    """Sides of pieces as numbers.

    Args:
        found: of each piece, ``None`` where no corners were seen.  Those with opposite straight
            sides are not believed.
    """
    n = len(found)
    shapes = Shapes(
        np.zeros((n, 4), np.int8),
        np.zeros((n, 4, SIZE), np.float32),
        np.zeros(n, np.float32),
        np.tile(np.arange(4) * 90.0, (n, 1)),
        np.zeros((n, 2)),
    )
    for index, sides in enumerate(found):
        if sides is None:
            continue
        corners = np.asarray(sides.corners, np.float64)
        lengths = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
        shapes.kinds[index] = [_KINDS[side.kind] for side in sides.sides]
        curves = np.stack([side.curve for side in sides.sides])
        shapes.waves[index] = waves_of(curves, lengths / sides.cell)
        if not sides.opposite_straight:
            shapes.trust[index] = min(sides.sure, MOST_TRUST)
        shapes.outward[index] = sides.outward
        shapes.middle[index] = corners.mean(axis=0)
    return shapes


def waves_of(curves: np.ndarray, lengths: Array) -> np.ndarray:
    """(..., SIZE) float32 coefficients of curves.

    Args:
        curves: (..., K, 2), evenly along each, from (0, 0) to (1, 0).
        lengths: (...) of sides in cells.
    """
    count = curves.shape[-2] - 1
    t = np.arange(count + 1) / count
    # A sine transform of the first kind, whose ends are 0.
    basis = np.sin(np.pi * t[:, None] * np.arange(1, WAVES + 1)) * (2 / count)
    off = curves - np.stack([t, np.zeros_like(t)], axis=1)
    both = off.swapaxes(-1, -2) @ basis
    flat = both.reshape(*both.shape[:-2], 2 * WAVES)
    found: np.ndarray = np.concatenate([flat, np.log(lengths)[..., None]], axis=-1)
    return found.astype(np.float32)
