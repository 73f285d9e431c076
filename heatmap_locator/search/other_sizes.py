"""Whether pieces are of another size than the number of pieces given says.

At the right size a piece with print to go by fits for certain.  One that does not fit surely at the
given size is looked for at others, as where no number is given; what fits far better there says
that the number is wrong.  What is hard at the right size is hard at every size, so that is done
ever more seldom, and no more once a piece has fitted well.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from threading import Lock

import numpy as np
import torch

from heatmap_locator.errors import NoPieceError
from heatmap_locator.found import Search
from heatmap_locator.grid import Grid
from heatmap_locator.model.network import HeatmapLocator
from heatmap_locator.search.by_size import BySize
from heatmap_locator.search.conclude import Judge
from heatmap_locator.search.identical import CANDIDATES
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.sizes import SURE, Sizes, about, cell_side

FITS = 0.95
"""Score from which a piece fits at the given size.  Set by hand: of the three examples, given as
2 to 48 or 1,000 to 1,900 pieces for 192, none has more than 0.9."""

PLAUSIBLE = 10.0
"""Logit that it needs for that as well: where there are hardly any places, one of them is soon
likely.  Of a drawn piece that is placed right nine in ten have 13 or more among 24 pieces."""

WELL = 20.0
"""Logit from which a piece fits another size.  Set by hand: at wrong sizes the three examples have
18 at most, at their own 39 and more."""

FAR_BETTER = 10.0
"""Logits by which it has to fit better at another size."""

ANOTHER = math.log(1.35) / 2
"""Of the log of a cell's side, from which a size is another: cells of a third more area."""


class OtherSizes:
    """A picture whose number of pieces was given, asked for other sizes.  Threads may share it.

    Args:
        picture: (H, W, 3) uint8.
        grid: as it was given.
        model: in evaluation mode, on ``device``.
        device: where the picture is encoded.
    """

    def __init__(
        self, picture: np.ndarray, grid: Grid, model: HeatmapLocator, device: torch.device
    ) -> None:
        self._made = (picture, model, device)
        self._area = float(picture.shape[0] * picture.shape[1])
        self._given = math.sqrt(self._area / grid.pieces)
        self._by_size: BySize | None = None
        self._patience = Sizes(self._area, 1)
        self._fitted = False
        self._lock = Lock()

    @property
    def fitted(self) -> bool:
        """Whether a piece has fitted at the given size, after which no other is looked at."""
        with self._lock:
            return self._fitted

    @property
    def estimate(self) -> int | None:
        """About how many pieces there are, where that is not the number given."""
        with self._lock:
            return None if self._fitted or self._by_size is None else self._by_size.sizes.estimate

    def better(
        self,
        judge: Judge,
        piece: PreparedPiece,
        found: Search,
        logit: float,
        top: int,
        name: str,
        say: Callable[[str], None],
    ) -> Search | None:
        """The answer at another size, where a piece fits far better there.

        Args:
            judge: for this picture.
            piece: the piece.
            found: the answer at the size that was given.
            logit: of its best place.
            top: placements wanted.
            name: what errors call the piece.
            say: told what begins.
        """
        by_size = self._worth_a_look(found, logit)
        if by_size is None:
            return None
        look = next(by_size.look(piece, [], max(top, CANDIDATES), say, at_once=True))
        best = max(candidate.logit for _, own in look.ranked for candidate in own)
        if best < max(WELL, logit + FAR_BETTER):
            return None
        try:
            other, _ = judge.conclude(look, piece, top, name)
        except NoPieceError:
            return None
        if not other.placements:
            return None
        side = cell_side(piece, other.placements[0].matrix)
        if abs(math.log(side / self._given)) < ANOTHER:
            return None
        by_size.sizes.tell(side, SURE)
        with self._lock:  # the next piece will fit badly at the given size, too
            self._patience = Sizes(self._area, 1)
        return replace(other, size_estimate=about(self._area / side**2))

    def _worth_a_look(self, found: Search, logit: float) -> BySize | None:
        score = found.placements[0].score if found.placements else 0.0
        with self._lock:
            if score >= FITS and logit >= PLAUSIBLE:
                self._fitted = True
            if self._fitted or not self._patience.worth_a_look():
                return None
            if self._by_size is None:
                self._by_size = BySize(*self._made)
            return self._by_size
