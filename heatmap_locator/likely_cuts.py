"""Ways of cutting a puzzle that are likely for a number of pieces, and how likely each of them is.

The number on a box is often nominal: a "1000" has 999, 1008 or 1026 pieces.  Round numbers of
puzzles for adults are; others count the pieces there are.
"""

import math
from dataclasses import dataclass

CELL_ASPECT = 0.09
"""Deviation of the logarithm of how much wider than high cells are.  Set by hand, as the next five:
25 x 40 pieces of 69 x 49 cm are 0.13 from square, 27 x 38 of 70 x 50 are 0.01."""

_NOMINAL = 0.5
"""What a cut that has about so many pieces is worth against one that has just so many."""

_MORE, _FEWER = 0.025, 0.008
"""Logarithms of the ratio of the two counts over which that falls: boxes seldom hold fewer pieces
than they say."""

_ANOTHER = 0.1
"""Probability of none of these: not one regular grid, or a picture cropped in another shape."""

_FARTHEST, _COUNT_FARTHEST = 3.0, 0.05
"""Deviations from square, and the logarithm of the ratio of counts, from which on cuts are left
out."""

_ROUND, _ROUND_FROM = 50, 100
"""Numbers of which a multiple, and from which on, is a round one: 24, 54 and 104 pieces are just
so many, 500 and 1000 are not."""

LEAST = 0.15
"""Probability of a cut that is told.  Those less likely take more than they give where the puzzle
has another cut (``train/LOG.md``, "cuts that are less likely")."""


@dataclass(frozen=True)
class Cut:
    """One way of cutting a puzzle.

    Attributes:
        rows, cols: of cells.
        chance: its probability.
    """

    rows: int
    cols: int
    chance: float


def likely_cuts(pieces: int, width: float, height: float) -> tuple[Cut, ...]:
    """The likely cuts of a puzzle, likeliest first; their probabilities add up to less than 1.

    Args:
        pieces: as the box says it, at least 1.
        width, height: of its picture; only their ratio counts.

    Returns:
        those of ``LEAST`` and more; none where many are about as likely, or where no cells of so
        many pieces are nearly square.
    """
    reach = math.exp(_FARTHEST * CELL_ASPECT)
    square = math.sqrt(pieces * height / width)
    weights: dict[tuple[int, int], float] = {}
    for rows in range(max(1, math.floor(square / reach)), math.ceil(square * reach) + 1):
        fewest = math.ceil(pieces / rows * math.exp(-_COUNT_FARTHEST))
        most = math.floor(pieces / rows * math.exp(_COUNT_FARTHEST))
        for cols in range(max(1, fewest), most + 1):
            aspect = math.log(width * rows / (height * cols)) / CELL_ASPECT
            if abs(aspect) <= _FARTHEST:
                weights[rows, cols] = math.exp(-(aspect**2) / 2)
    counted = {cut: weight for cut, weight in weights.items() if math.prod(cut) == pieces}
    if counted and (pieces % _ROUND or pieces < _ROUND_FROM):
        weights = counted
    for cut in weights.keys() - counted.keys():
        off = math.log(math.prod(cut) / pieces)
        weights[cut] *= _NOMINAL * math.exp(-off / _MORE if off > 0 else off / _FEWER)
    share = (1 - _ANOTHER) / max(sum(weights.values()), math.ulp(1.0))
    cuts = (Cut(*cut, share * weight) for cut, weight in sorted(weights.items()))
    told = (cut for cut in cuts if cut.chance >= LEAST)
    return tuple(sorted(told, key=lambda cut: -cut.chance))
