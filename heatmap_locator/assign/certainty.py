"""How likely each piece lies where the best arrangement has it."""

from collections.abc import Sequence

import numpy as np

from heatmap_locator.assign.belief import CAUTION, marginals, neighbours
from heatmap_locator.assign.moves import Arrangement, told
from heatmap_locator.assign.rebuild import Task

_ROUNDS = 6
"""That belief propagation goes on for from the best arrangement."""

_DOUBT = 0.3
"""Share of a probability that has to hold when neighbours are heard with caution."""

_HEAT = 6.0
"""Log weights by which two whole arrangements differ count for so much less: they are sums over
many pieces, whose errors are not independent."""


def certainty(
    whole: Task,
    best: Arrangement,
    tried: Sequence[tuple[float, Arrangement]],
    alone: np.ndarray,
) -> np.ndarray:
    """(C, N, 4) float32 probabilities of pieces in cells.

    Args:
        whole: what is arranged, of N pieces.
        best: the arrangement.
        tried: others with their log weights.
        alone: indices of the pieces that are arranged; others have none.
    """
    task, facing = whole.of(alone), best.facing(whole.form)
    near = neighbours(whole.form)
    heard = np.stack([told(whole.fit, facing[:, side], side, alone) for side in range(4)])
    believed, cautious = (
        marginals(task.unary, task.fit, near, task.left_out, (weight,) * _ROUNDS, heard)
        for weight in (1.0, CAUTION)
    )
    found = np.zeros_like(whole.unary)
    # What only holds if every neighbour is believed is not sworn to.
    found[:, alone] = believed * (1.0 - _DOUBT + _DOUBT * cautious)
    found *= agreed(whole, best, tried)[:, None, None]
    return found


def agreed(task: Task, best: Arrangement, tried: Sequence[tuple[float, Arrangement]]) -> np.ndarray:
    """(C,) share of arrangements, by their weight, that have in a cell what the best has."""
    values = np.array([task.worth(best), *(value for value, _ in tried)]) / _HEAT
    weight = np.exp(values - values.max())
    same = np.stack(
        [
            (one.piece == best.piece) & ((one.turn == best.turn) | (one.piece < 0))
            for one in (best, *(one for _, one in tried))
        ]
    )
    found: np.ndarray = weight @ same / weight.sum()
    return found.astype(np.float32)
