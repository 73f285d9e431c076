"""Straight lines across which light falls, as at a shadow's edge."""

import math

import numpy as np

# Set by hand, as those of ``light``.
# What is just on either side of an edge lies so many pixels from it.
_BESIDE = 3.0
# Around the line that parts the table best: degrees and pixels that the edge may be off by, tried
# coarsely and then finely.
_REFINED = (
    (np.arange(-20, 21, 2.5), np.arange(-8, 9, 1.0)),
    (np.arange(-2, 2.1, 0.5), np.arange(-1.5, 1.6, 0.5)),
)
# Directions and distances tried.
_DIRECTIONS, _DISTANCES = 48, 64


def distances(shape: tuple[int, ...], line: tuple[float, float]) -> np.ndarray:
    """(h, w) distance of pixels beyond a line: the angle of its normal, and its distance."""
    x, y = np.arange(shape[1])[None], np.arange(shape[0])[:, None]
    return np.asarray(x * math.cos(line[0]) + y * math.sin(line[0]) - line[1])


def changes_across(values: np.ndarray, where: np.ndarray, line: tuple[float, float]) -> np.ndarray:
    """(N, ...) by how much values change just across a line, at N places along it.

    Args:
        values: (h, w) or (h, w, C).
        where: (h, w) bool, both sides of a place have to lie there.
        line: the angle of its normal, and its distance.
    """
    before, beyond, kept = _beside(where, np.array([line]))
    changes = values.reshape(where.size, *values.shape[2:])
    return np.asarray(changes[beyond[kept]] - changes[before[kept]])


def _beside(where: np.ndarray, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places along lines: just before and just beyond them.

    Args:
        where: (h, w) bool.
        lines: (N, 2) the angle of each one's normal, and its distance.

    Returns:
        (N, P) indices into (h * w) before and beyond, and bool, whether both lie in ``where``.
    """
    height, width = where.shape
    c, s = (np.array([[way(a)] for a in lines[:, 0].tolist()]) for way in (math.cos, math.sin))
    reach = math.hypot(height, width)
    along = np.arange(-reach, reach)
    x, y = lines[:, 1:] * c - along * s, lines[:, 1:] * s + along * c
    kept, index = np.ones(x.shape, bool), []
    for side in (-_BESIDE, _BESIDE):
        rows, columns = (np.rint(at).astype(np.int32) for at in (y + side * s, x + side * c))
        kept &= (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        index.append(np.where(kept, rows * width + columns, 0))
    kept &= where.take(index[0]) & where.take(index[1])
    return index[0], index[1], kept


def _falls(level: np.ndarray, table: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """(N,) by how much light falls across (N, 2) lines, in the middle of its places; 0 where it has
    few."""
    before, beyond, kept = _beside(table, lines)
    change = np.where(kept, level.take(beyond) - level.take(before), np.inf)
    change.sort(axis=1)
    count = kept.sum(axis=1)[:, None]
    middle = np.hstack([(count - 1) // 2, count // 2]).clip(0)
    falls = -np.take_along_axis(change, middle, 1).mean(axis=1)
    return np.where(count[:, 0] >= 12, falls, 0.0)


def refined(
    level: np.ndarray, table: np.ndarray, normal: tuple[float, float], at: float
) -> tuple[float, float]:
    """The line near one, angle of its normal and distance, across which light falls most."""
    best, line = 0.0, (math.atan2(normal[1], normal[0]), at)
    for turns, shifts in _REFINED:
        angle, distance = line
        middle = np.array(level.shape[::-1]) / 2
        own = np.array([math.cos(angle), math.sin(angle)])
        # Turned about its point nearest the middle of the photo.
        foot = middle + (distance - middle @ own) * own
        tried = angle + np.deg2rad(turns)
        off = foot[0] * np.cos(tried) + foot[1] * np.sin(tried)
        lines = np.stack(np.broadcast_arrays(tried[:, None], off[:, None] + shifts), 2)
        lines = lines.reshape(-1, 2)
        falls = _falls(level, table, lines)
        first = int(falls.argmax())
        if falls[first] > best:
            best, line = float(falls[first]), (float(lines[first, 0]), float(lines[first, 1]))
    return line


def best_step(
    level: np.ndarray, table: np.ndarray
) -> tuple[tuple[float, float], float, float] | None:
    """The line that parts the table's light best: normal, distance, share of variance explained.

    Light is less beyond it.
    """
    ys, xs = np.nonzero(table)
    values = level[ys, xs].astype(np.float64)
    total, count = float(values.var()) * len(values), len(values)
    if total <= 1e-3 * count:
        return None
    best: tuple[tuple[float, float], float, float] | None = None
    centred = values - values.mean()
    for angle in np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS):
        c, s = float(np.cos(angle)), float(np.sin(angle))
        off = xs * c + ys * s
        low, high = float(off.min()), float(off.max())
        bins = ((off - low) * (_DISTANCES / max(high - low, 1e-6))).astype(int)
        bins = bins.clip(0, _DISTANCES - 1)
        sums = np.bincount(bins, centred, _DISTANCES).cumsum()[:-1]
        counts = np.bincount(bins, minlength=_DISTANCES).cumsum()[:-1]
        enough = (counts > 0.05 * count) & (counts < 0.95 * count)
        # The mean before is higher than beyond.
        gain = np.where(enough & (sums > 0), sums**2 * count, 0) / np.maximum(
            counts * (count - counts), 1
        )
        index = int(gain.argmax())
        if best is None or gain[index] / total > best[2]:
            at = low + (index + 1) * (high - low) / _DISTANCES
            best = (c, s), at, float(gain[index] / total)
    return best
