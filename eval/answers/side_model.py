"""Fits what sides of pieces are off by, and how they vary, to sides found in drawn photos."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heatmap_locator.assign.ratio import FREEDOM, SideModel
from heatmap_locator.assign.shapes import BLANK, FACING, SIZE, STRAIGHT, shapes_of, waves_of
from heatmap_locator.geometry import Array
from heatmap_locator.outline.contour import resampled
from heatmap_locator.outline.sides import POINTS, Sides

SURE = 0.5
"""Sureness from which a piece's sides are fitted to: others are told to be wrong anyway."""

FEWEST = 30
"""Sides of a puzzle from which its variety is counted, as many as a side has numbers and some."""

_ROUNDS = 100
"""Of expectation maximisation; the scale changes by less than 1e-6 long before."""

_RIDGE = 1e-8
"""Keeps the errors' scale invertible."""


@dataclass(frozen=True, eq=False)
class SidesSeen:
    """Knobs and blanks of one piece's photo, blanks as what faces them.

    Attributes:
        found: (M, SIZE).
        true: (M, SIZE), of the cut.
    """

    found: Array
    true: Array


def sides_seen(found: Sides, corners: Array, edges: Sequence[Array]) -> SidesSeen | None:
    """The sides found in a photo beside those of the cut.

    Args:
        found: in the photo.
        corners: (4, 2) true ones, in its pixels, clockwise.
        edges: four (K, 2) true sides, each from its corner clockwise to the next.

    Returns:
        ``None`` where it is no piece of a regular cut or not sure.
    """
    if not found.regular or found.sure < SURE:
        return None
    off = np.linalg.norm(found.corners[:, None] - corners[None], axis=2)
    turns = [sum(off[i, (i + turn) % 4] for i in range(4)) for turn in range(4)]
    order = (np.arange(4) + int(np.argmin(turns))) % 4
    lengths = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    x, y = corners.T
    area = 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    curves = np.stack([_curve(edges[i]) for i in order.tolist()])
    true = waves_of(curves, lengths[order] / np.sqrt(area)).astype(np.float64)
    shapes = shapes_of([found])
    kinds, waves = shapes.kinds[0], shapes.waves[0].astype(np.float64)
    ways = np.where((kinds == BLANK)[:, None], FACING, 1.0)
    kept = kinds != STRAIGHT
    return SidesSeen((waves * ways)[kept], (true * ways)[kept])


def fit_side_model(puzzles: Sequence[Sequence[SidesSeen]]) -> SideModel:
    """Of photos by puzzle.

    Raises:
        ValueError: no puzzle has ``FEWEST`` sides.
    """
    found = [np.concatenate([seen.found for seen in own]) for own in puzzles if own]
    many = [sides for sides in found if len(sides) >= FEWEST]
    if not many:
        raise ValueError(f"no puzzle with {FEWEST} knobs and blanks that were found")
    errors = np.concatenate([seen.found - seen.true for own in puzzles for seen in own])
    mean = np.mean([np.median(sides, axis=0) for sides in many], axis=0)
    variety = np.mean([np.cov(sides.T) for sides in many], axis=0)
    return SideModel(_student_scale(errors), mean, variety)


def _student_scale(errors: Array) -> Array:
    """(SIZE, SIZE) scale of (M, SIZE) of a Student distribution about 0."""
    scale = np.cov(errors.T) + _RIDGE * np.eye(SIZE)
    for _ in range(_ROUNDS):
        squares = np.einsum("ni,ij,nj->n", errors, np.linalg.inv(scale), errors)
        weight = (FREEDOM + SIZE) / (FREEDOM + squares)
        scale = (errors * weight[:, None]).T @ errors / len(errors) + _RIDGE * np.eye(SIZE)
    return scale


def _curve(edge: Array) -> Array:
    """(POINTS, 2) from (0, 0) to (1, 0), outwards above 0, of a side in a photo's pixels."""
    points = resampled(edge, POINTS)
    chord = points[-1] - points[0]
    length = float(np.linalg.norm(chord))
    along, off = chord / length, np.array([chord[1], -chord[0]]) / length
    rest = points - points[0]
    found: Array = np.stack([rest @ along, rest @ off], axis=1) / length
    return found
