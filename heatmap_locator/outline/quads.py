"""Which four points of an outline are the corners of a piece.

Every sharp convex turn of the outline may be one.  All quadruples of them are compared: how near a
rectangle they are, how far the outline runs along its sides, how sharp the turns are.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from heatmap_locator.geometry import Array

# Lengths below are shares of the root of the outline's area.
# Arms of a turn; a corner's turn is the same along each, a knob's grows with them.
_ARM, _LONG_ARM = 0.05, 0.12
# Turns that may be corners, in degrees; no nearer to each other than so much; so many at most.
_LEAST_TURN, _APART, _MOST = 30.0, 0.07, 14
# What of an outline is as near to the line between two corners runs along it.
_NEAR = 0.06
# A side's least and most length.
_SHORTEST, _LONGEST = 0.5, 1.7
# Where beside a corner the outline's direction is read off.
_FROM, _TO = 0.02, 0.10
# Deviations of a corner's turn, of angles between sides, of the outline's direction at a corner
# from its side (degrees), and of the logs of opposite sides' ratio and of the aspect.
_TURN_SPREAD, _ANGLE_SPREAD, _LEAVING_SPREAD = 18.0, 5.0, 12.0
_OPPOSITE_SPREAD, _ASPECT_SPREAD = 0.08, 0.25
# What it is worth that all of the outline's sides run along their lines.
_COVERED = 8.0
# Each deviation counts for so much at most.
_WORST = 6.0


@dataclass(frozen=True, eq=False)
class Quad:
    """Four corners.

    Attributes:
        corners: (4, 2) in pixels, clockwise.
        index: (4,) of the contour's points next to them.
        sure: 0..1.
    """

    corners: Array
    index: np.ndarray
    sure: float


def best_quad(contour: Array) -> Quad | None:
    """The corners of a piece.

    Args:
        contour: (N, 2) in pixels, clockwise, evenly along it.

    Returns:
        ``None`` where no four points can be corners.
    """
    side = math.sqrt(max(area_of(contour), 1.0))
    turns = turn_at(contour, side, _ARM)
    found = _candidates(turns, len(contour), side, contour)
    if len(found) < 4:
        return None
    pairs = _pairs(contour, found, side)
    quads = np.array(list(itertools.combinations(range(len(found)), 4)))
    scores = _scores(contour[found], turns[found], quads, pairs, side)
    best = int(scores.argmax())
    if not np.isfinite(scores[best]):
        return None
    index = found[quads[best]]
    others = scores[(quads != quads[best]).any(axis=1)]
    margin = scores[best] - float(others.max(initial=-np.inf))
    sure = 1 / (1 + math.exp(-min(margin, scores[best] + 20.0, 50.0)))
    corners = np.array([_corner(contour, i, side) for i in index.tolist()])
    return Quad(corners, index, sure)


def area_of(points: Array) -> float:
    """Area of (N, 2) clockwise; negative the other way round."""
    x, y = points.T
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def turn_at(contour: Array, side: float, arm: float) -> Array:
    """(N,) degrees, convex ones above 0, by which a contour turns between arms of a length."""
    step = _perimeter(contour) / len(contour)
    k = max(1, round(arm * side / step))
    before, after = contour - np.roll(contour, k, 0), np.roll(contour, -k, 0) - contour
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    return np.degrees(np.arctan2(cross, (before * after).sum(axis=1)))


def _perimeter(contour: Array) -> float:
    return float(np.linalg.norm(np.diff(contour, axis=0, append=contour[:1]), axis=1).sum())


def _candidates(turns: Array, count: int, side: float, contour: Array) -> np.ndarray:
    """Indices, in order, of the sharpest convex turns that are apart."""
    apart = max(1, round(_APART * side / (_perimeter(contour) / count)))
    left = turns.copy()
    found: list[int] = []
    while len(found) < _MOST:
        best = int(left.argmax())
        if left[best] < _LEAST_TURN:
            break
        found.append(best)
        left[np.arange(best - apart, best + apart + 1) % count] = -np.inf
    return np.sort(np.array(found, int))


@dataclass(frozen=True, eq=False)
class _Pairs:
    """(M, M) of the outline from one candidate to another, clockwise.

    Attributes:
        covered: of the line between them, the share along which the outline runs.
        leaving: sum of squared deviations of its direction from the line, at both ends.
    """

    covered: Array
    leaving: Array


def _pairs(contour: Array, found: np.ndarray, side: float) -> _Pairs:
    count, m = len(contour), len(found)
    step = _perimeter(contour) / count
    covered, leaving = np.zeros((m, m)), np.full((m, m), 2 * _WORST)
    first, last = (max(1, round(v * side / step)) for v in (_FROM, _TO))
    out = contour[(found + last) % count] - contour[(found + first) % count]
    into = contour[(found - first) % count] - contour[(found - last) % count]
    chords = contour[found] - contour[found][:, None]
    lengths = np.linalg.norm(chords, axis=2)
    i, j = np.nonzero((_SHORTEST * side < lengths) & (lengths < _LONGEST * side))
    chord, length = chords[i, j], lengths[i, j, None]
    along, normal = chord / length, chord[:, ::-1] * [1.0, -1.0] / length
    # Of all pairs at once: every step of the contour, and the point that it leads to.
    near = np.abs(normal @ contour.T - (normal * contour[found[i]]).sum(1)[:, None]) < _NEAR * side
    steps = along @ (np.roll(contour, -1, axis=0) - contour).T
    between = (np.arange(count) - found[i, None]) % count < ((found[j] - found[i]) % count)[:, None]
    run = (steps.clip(0) * (np.roll(near, -1, axis=1) & between)).sum(1)
    covered[i, j] = np.minimum(1.0, run / length[:, 0])
    off = [_between(v, chord) / _LEAVING_SPREAD for v in (out[i], into[j])]
    leaving[i, j] = sum(np.minimum(v * v, _WORST) for v in off)
    return _Pairs(covered, leaving)


def _between(a: Array, b: Array) -> Array:
    """(P,) degrees between (P, 2) directions and others."""
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return np.abs(np.degrees(np.arctan2(cross, (a * b).sum(axis=1))))


def _scores(points: Array, turns: Array, quads: np.ndarray, pairs: _Pairs, side: float) -> Array:
    """(Q,) log likelihoods, up to a constant, of quadruples; -inf for what is none."""
    corners = points[quads]
    along = np.roll(corners, -1, axis=1) - corners
    length = np.linalg.norm(along, axis=2)
    heading = np.degrees(np.arctan2(along[..., 1], along[..., 0]))
    turned = (heading - np.roll(heading, 1, axis=1)) % 360.0
    following = np.roll(quads, -1, axis=1)
    covered, leaving = pairs.covered[quads, following], pairs.leaving[quads, following]

    def penalty(values: Array, spread: float) -> Array:
        found: Array = np.minimum((values / spread) ** 2, _WORST)
        return found

    score = -penalty(turns[quads] - 90.0, _TURN_SPREAD).sum(axis=1)
    score -= penalty(turned - 90.0, _ANGLE_SPREAD).sum(axis=1)
    logs = np.log(np.maximum(length, 1e-6))
    score -= penalty(logs[:, :2] - logs[:, 2:], _OPPOSITE_SPREAD).sum(axis=1)
    score -= penalty(logs[:, 0] - logs[:, 1] + logs[:, 2] - logs[:, 3], 2 * _ASPECT_SPREAD)
    score += _COVERED * covered.mean(axis=1) - leaving.sum(axis=1)
    impossible = (length < _SHORTEST * side) | (length > _LONGEST * side) | (turned > 150.0)
    return np.where(impossible.any(axis=1), -np.inf, score)


def _corner(contour: Array, index: int, side: float) -> Array:
    """Where the lines along a corner's two arms meet; the contour's own point where far off."""
    count = len(contour)
    step = _perimeter(contour) / count
    near, far = (max(2, round(v * side / step)) for v in (_FROM, _TO))
    lines = []
    for sign in (-1, 1):
        points = contour[(index + sign * np.arange(near, max(far, near + 2) + 1)) % count]
        middle = points.mean(axis=0)
        _, _, axes = np.linalg.svd(points - middle)
        lines.append((middle, axes[0]))
    (p, u), (q, v) = lines
    cross = float(u[0] * v[1] - u[1] * v[0])
    if abs(cross) < 0.3:
        return contour[index]
    along = ((q - p)[0] * v[1] - (q - p)[1] * v[0]) / cross
    met: Array = p + along * u
    return met if np.linalg.norm(met - contour[index]) < 0.06 * side else contour[index]
