"""What the pieces of a puzzle say of their size, where their number is not given.

Every answer says at what size the piece fits.  A single one may be wrong; several pieces that fit
at the same size, each with a high score, leave no doubt, for the wrong ones scatter.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from heatmap_locator.fitted_grid import SAME_SIZE
from heatmap_locator.geometry import CELL, Array
from heatmap_locator.model.bank import OVERSAMPLE
from heatmap_locator.search.piece import PreparedPiece

SURE = 0.9
"""Score from which an answer is not looked for at other sizes."""

HEARD = 0.5
"""Score from which an answer counts as a piece that fits at its size."""

AGREEING = 3
"""Pieces at least that settle a size (``train/LOG.md``, "sizes where the number of pieces is not
given")."""

CERTAIN = math.log(1000.0)
"""Log odds at least of a settled size against the next likely one."""

TRUSTED = math.log(100.0)
"""The same of a likely one against all others, from which a piece that is not sure at it is not
looked for at all the others at once: a piece of 0.9 has about as much."""

MOST_TRUSTED = 0.95
"""Score that a single piece counts for at most."""

REMEMBERED = 50
"""Pieces, the last ones, whose word counts."""


def cell_side(piece: PreparedPiece, matrix: Array | Sequence[float]) -> float:
    """Side, in picture pixels, of the square of a cell's area where a piece lies.

    Args:
        piece: the piece; its body has the area of a cell.
        matrix: 2x3, or its six numbers, from pixels of the photo to pixels of the picture.
    """
    own = OVERSAMPLE * CELL / math.sqrt(abs(float(np.linalg.det(piece.to_resized[:, :2]))))
    return own * math.sqrt(abs(float(np.linalg.det(np.reshape(matrix, (2, 3))[:, :2]))))


def about(pieces: float) -> int:
    """A number of pieces as exactly as sizes are known: two digits."""
    unit = 10 ** max(0, math.floor(math.log10(max(pieces, 1.0))) - 1)
    return max(1, round(pieces / unit) * unit)


@dataclass
class Sizes:
    """What a session's pieces have said so far.  Threads may share it.

    The answer depends on what was told, and on its order only where that decides which fruitless
    searches are spared.

    Attributes:
        area: of the picture, pixels.
        choices: sizes that are searched; a wrong answer is taken to lie at any of them.
        looks: pieces that were to be looked for elsewhere than at the size that is settled, or
            trusted before one is.
    """

    area: float
    choices: int
    looks: int = 0
    _told: deque[tuple[float, float]] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED), repr=False
    )
    _settled: float | None = field(default=None, repr=False)
    _spared: int = field(default=0, repr=False)
    _patience: int = field(default=0, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def tell(self, side: float, score: float) -> None:
        """A piece was placed.

        Args:
            side: of its cell, picture pixels.
            score: of the placement, 0..1.
        """
        if score < HEARD:
            return
        with self._lock:
            self._told.append((math.log(side), min(score, MOST_TRUSTED)))
            best, members, lead = self._best()
            certain = len(members) >= AGREEING and lead >= CERTAIN
            if not certain:
                self._settled = None
            elif self._settled is None or abs(math.log(self._settled) - best) > SAME_SIZE:
                # Kept as it is once it stands: the picture is encoded for it.
                self._settled = math.exp(best)
                self._spared = self._patience = self.looks = 0

    @property
    def settled(self) -> float | None:
        """Side of a cell, picture pixels, where the pieces leave no doubt."""
        with self._lock:
            return self._settled

    @property
    def likely(self) -> float | None:
        """Side of a cell that most speaks for, ``None`` where no piece was placed for certain."""
        with self._lock:
            return math.exp(self._best()[0]) if self._told else None

    @property
    def trusted(self) -> bool:
        """Whether there is little doubt about the likely size."""
        with self._lock:
            return self._best()[2] >= TRUSTED

    @property
    def agreed(self) -> float | None:
        """Side of a cell, picture pixels, that there is little doubt about, settled or not."""
        with self._lock:
            if self._settled is not None:
                return self._settled
            best, _, lead = self._best()
            return math.exp(best) if lead >= TRUSTED else None

    @property
    def estimate(self) -> int | None:
        """Pieces of the puzzle, to two digits."""
        side = self.likely
        return None if side is None else about(self.area / side**2)

    def worth_a_look(self) -> bool:
        """Whether a piece that is not sure at the settled size is looked for at the others.

        Each time it finds nothing the next is spared for twice as many such pieces: what is hard
        at the right size is hard at every size.
        """
        with self._lock:
            if self._spared < self._patience:
                self._spared += 1
                return False
            self._spared = 0
            self._patience = 2 * self._patience + 1
            self.looks += 1
            return True

    def _best(self) -> tuple[float, list[int], float]:
        """Log side that most speaks for, who says so, and its log odds against the next."""
        first = self._cluster(range(len(self._told)))
        rest = [i for i in range(len(self._told)) if i not in first[1]]
        second = self._cluster(rest)
        sides = sorted(self._told[i] for i in first[1])
        return sides[len(sides) // 2][0] if sides else 0.0, first[1], first[0] - second[0]

    def _cluster(self, among: "range | list[int]") -> tuple[float, list[int]]:
        """Log odds of the best supported size, and its supporters."""
        best: tuple[float, list[int]] = (0.0, [])
        for middle in among:
            near = [i for i in among if abs(self._told[i][0] - self._told[middle][0]) <= SAME_SIZE]
            odds = sum(self._odds(self._told[i][1]) for i in near)
            if odds > best[0]:
                best = odds, near
        return best

    def _odds(self, score: float) -> float:
        """Log odds of the size that a piece fits at against any other one."""
        elsewhere = (1 - score) / self.choices
        return math.log((score + elsewhere) / elsewhere)
