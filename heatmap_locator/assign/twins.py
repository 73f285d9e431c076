"""Photos that show the same piece: outlines that are alike on all sides, and print that is not
against it."""

import math
from collections.abc import Iterator

import numpy as np

from heatmap_locator.assign.fit import Scale
from heatmap_locator.assign.shapes import BLANK, SIZE, STRAIGHT, Shapes

TRUSTED = 0.5
"""Trust in an outline from which it is compared."""

_UNLIKE = -1.0
"""Log likelihood ratio of two sides below which they are not the same."""


def same_pieces(
    shapes: Shapes, prints: np.ndarray, scale: Scale | None, least: float
) -> list[tuple[int, int, float]]:
    """Pairs of photos that show the same piece.

    Args:
        shapes: of N pieces.
        prints: (cells, N, 4) log ratios of what print says of each in every cell and turn.
        scale: of the puzzle's sides.
        least: log likelihood ratio, of outlines and print together, from which two are.

    Returns:
        the two, the lower index first, and the ratio.
    """
    if scale is None:
        return []
    own = np.where((shapes.kinds == BLANK)[..., None], shapes.facing, shapes.waves)
    sides = scale.ratio.project(own.reshape(-1, SIZE).astype(np.float64))
    usual = scale.ratio.usual(sides).reshape(-1, 4)
    trust = shapes.trust * np.where(shapes.kinds == STRAIGHT, 1.0, usual).min(axis=1)
    z = sides.reshape(-1, 4, SIZE)
    pattern: dict[tuple[int, ...], list[int]] = {}
    for index in np.flatnonzero(trust > TRUSTED).tolist():
        pattern.setdefault(tuple(shapes.kinds[index].tolist()), []).append(index)
    found: dict[tuple[int, int], float] = {}
    for kinds, first in pattern.items():
        for turn in range(4):
            second = pattern.get(kinds[turn:] + kinds[:turn], [])
            for a, b, alike in _alike(scale, z, kinds, first, second, turn, least):
                believed = float(trust[a] * trust[b])
                value = math.log1p(believed * (math.exp(min(alike, 80.0)) - 1.0))
                # Turned so that a's side t is up where b's side t - turn is.
                both = prints[:, a] + np.roll(prints[:, b], turn, axis=1)
                value += float(np.log(np.exp(both.astype(np.float64)).mean()))
                if value > least:
                    found[a, b] = max(value, found.get((a, b), value))
    return [(a, b, value) for (a, b), value in found.items()]


def _alike(
    scale: Scale,
    z: np.ndarray,
    kinds: tuple[int, ...],
    first: list[int],
    second: list[int],
    turn: int,
    least: float,
) -> Iterator[tuple[int, int, float]]:
    """Pairs whose sides, i of the one and i - turn of the other, are all rather the same."""
    if not second:
        return
    value = np.zeros((len(first), len(second)), np.float32)
    lowest = np.full(value.shape, np.inf, np.float32)
    for side in range(4):
        own = np.full(value.shape, math.log(2.0), np.float32)  # of the same kind, at least
        if kinds[side] != STRAIGHT:
            own += scale.odds(scale.ratio(z[first, side], z[second, (side - turn) % 4]))
            np.minimum(lowest, own, out=lowest)
        value += np.minimum(own, math.log(scale.largest))
    # Print can add no more than that it is in one cell and turn of all.
    at = np.nonzero((value > least - 12.0) & (lowest > _UNLIKE))
    for i, k in zip(*at, strict=True):
        if first[i] < second[k]:
            yield first[i], second[k], float(value[i, k])
