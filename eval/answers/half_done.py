"""What is found of a half-done puzzle: which cells are open, and where their pieces go."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from heatmap_locator.assign import Assignment

from .whole import Answered, judge


def judged(
    name: str,
    open_cells: np.ndarray,
    found: np.ndarray | None,
    answers: Sequence[Answered],
    together: Sequence[Assignment],
    seconds: float | None = None,
) -> dict[str, Any]:
    """A puzzle's row.

    Args:
        name: of the puzzle.
        open_cells: (rows, cols) bool, the truth.
        found: (rows, cols) how likely cells are open; ``None`` where no finished part was found:
            then all its pieces are wrong.
        answers: of the open cells' pieces.
        together: assignments of those that were located, in order.
        seconds: that reading the photo took.

    Returns:
        counts; of pieces (right, all).
    """
    count = int(open_cells.sum())
    row: dict[str, Any] = {"puzzle": name, "open": count, "seconds": seconds}
    if found is None:
        lost = {key: [0, count] for key in ("alone", "together", "low", "surest")}
        return row | {"missed": count, "mistaken": 0} | lost
    seen = found > 0.5
    row["missed"] = int((open_cells & ~seen).sum())
    row["mistaken"] = int((seen & ~open_cells).sum())
    first = [(answer, answer.located.placements[0]) for answer in answers if answer.located]
    row["alone"] = [sum(own.is_right(place.cell, place.rotation) for own, place in first), count]
    shares = judge(answers, together)
    names = {"together": "all", "low": "low", "surest": "surest"}
    return row | {key: [shares[own].right, shares[own].of] for key, own in names.items()}
