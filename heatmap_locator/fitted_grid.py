"""Rows and columns, and where they lie in the picture, by pieces that were placed.

The picture on a box is seldom cropped as the puzzle is, and a number of pieces leaves rows and
columns open.  Pieces tell: the middles of their bodies lie in the middles of cells, and straight
sides at the puzzle's edge (``cell_lines.py``).
"""

import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Protocol

import numpy as np

from heatmap_locator.cell_lines import Axis, fit_axis
from heatmap_locator.cuts_by_pieces import FITTING, cuts_by_pieces
from heatmap_locator.geometry import Array
from heatmap_locator.grid import Grid
from heatmap_locator.likely_cuts import Cut
from heatmap_locator.placement import Placement

HEARD = 0.5
"""Score from which a piece's place tells where cells lie, with the weight of its score."""

FEWEST = 4
"""Pieces that it takes at least."""

FEWEST_GUESSED, FEWEST_OPEN = 2, 6
"""The same where not even their number was given: for a guess, if the picture shows just the
puzzle, and for its lines, however it is cropped, where there is none."""

SAME_SIZE = math.log(1.12)
"""Of the log of a cell's side: what outlines are off by, and sizes lie apart that are one."""

NO_NEWS = 0.02
"""Difference of probabilities of cuts that changes nothing: levels would be made anew for it."""

REMEMBERED = 100
"""Pieces, the last ones, whose places count."""


@dataclass(frozen=True)
class Told:
    """What a placed piece tells.

    Attributes:
        middle: (x, y) of its body in shares of the picture's width and height.
        score: of its place, 0..1.
        straight: whether the side that faces up, right, down, left there is; ``None``: not known.
    """

    middle: tuple[float, float]
    score: float
    straight: tuple[bool, bool, bool, bool] | None = None


class SidesLike(Protocol):
    """What is read of ``outline.sides.Sides``."""

    @property
    def outward(self) -> np.ndarray: ...
    @property
    def kinds(self) -> tuple[str, str, str, str]: ...
    @property
    def tell(self) -> bool: ...


def told_by(
    place: Placement,
    middle: tuple[float, float] | Array,
    size: tuple[int, int],
    sides: SidesLike | None,
) -> Told:
    """What a piece tells where it lies.

    Args:
        place: in the picture, with its matrix.
        middle: (x, y) of its body in pixels of the photo.
        size: (width, height) of the picture.
        sides: of the piece; they tell nothing where they are those of no regular cut.
    """
    x, y = np.reshape(place.matrix, (2, 3)) @ [*middle, 1.0]
    shares = float(x) / size[0], float(y) / size[1]
    if sides is None or not sides.tell:
        return Told(shares, place.score)
    faces = np.round((sides.outward - place.rotation) / 90.0).astype(int) % 4
    facing = dict(zip(faces.tolist(), sides.kinds, strict=True))
    if len(facing) < 4:
        return Told(shares, place.score)
    up, right, down, left = (facing[face] == "straight" for face in range(4))
    return Told(shares, place.score, (up, right, down, left))


class FittedGrid:
    """A grid that the pieces of a session correct.  Threads may share it.

    The answer depends on what was told, not on its order.

    Args:
        given: as ``fit_grid`` takes it.
    """

    def __init__(self, given: Grid) -> None:
        self._given, self._grid = given, given
        # Places are told apart by these, whatever is believed later.
        self._rows, self._cols = given.rows, given.cols
        self._told: OrderedDict[tuple[int, int], Told] = OrderedDict()
        self._lock = Lock()

    @property
    def grid(self) -> Grid:
        """As the pieces have it; as given while they leave it open, or agree."""
        with self._lock:
            return self._grid

    def tell(self, *told: Told) -> None:
        """Pieces were placed; one that lies where another did takes its place."""
        with self._lock:
            for one in told:
                across, down = one.middle
                place = int(across * 2 * self._cols), int(down * 2 * self._rows)
                self._told.pop(place, None)
                self._told[place] = one
                if len(self._told) > REMEMBERED:
                    self._told.popitem(last=False)
            known = list(self._told.values())
            self._given = self._guess(known)
            self._grid = fit_grid(self._given, known)

    def _guess(self, told: Sequence[Told]) -> Grid:
        """What is believed where those leave it open."""
        return self._given


class GuessedGrid(FittedGrid):
    """One that follows from a few pieces, and is doubted by those after them.

    Args:
        cuts: that are likely, likeliest first; at least one.
        side: of a cell, picture pixels, as pieces agree on it.
        size: (width, height) of the picture.
    """

    def __init__(self, cuts: Sequence[Cut], side: float, size: tuple[int, int]) -> None:
        super().__init__(_guessed(cuts))
        self._side, self._size = side, size

    def _guess(self, told: Sequence[Told]) -> Grid:
        cuts = _cuts(told, self._side, self._size, fitting=0.0)
        before = self._given.likely
        same = [(one.rows, one.cols) for one in cuts] == [(one.rows, one.cols) for one in before]
        if same and all(
            abs(one.chance - other.chance) < NO_NEWS
            for one, other in zip(cuts, before, strict=True)
        ):
            return self._given
        return _guessed(cuts) if cuts else replace(self._given, likely=())


def _guessed(cuts: Sequence[Cut]) -> Grid:
    return Grid(cuts[0].rows, cuts[0].cols, exact=False, likely=tuple(cuts))


def _cuts(
    told: Sequence[Told], side: float, size: tuple[int, int], fitting: float = FITTING
) -> tuple[Cut, ...]:
    """``cuts_by_pieces`` of what pieces told."""
    middles = np.array([one.middle for one in told]).reshape(-1, 2)
    return cuts_by_pieces(middles, np.array([one.score for one in told]), side, size, fitting)


class OpenGrid:
    """Rows and columns where not even the number of pieces was given.  Threads may share it.

    Args:
        size: (width, height) of the picture.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._told: deque[tuple[Told, float]] = deque(maxlen=REMEMBERED)
        self._lock = Lock()

    def tell(self, told: Told, side: float, agreed: float | None) -> FittedGrid | None:
        """A piece was placed.

        Args:
            told: by it.
            side: of its cell, picture pixels, as its outline has it.
            agreed: the same as pieces agree on it; ``None`` while they do not.

        Returns:
            the grid, which further pieces correct, once there is little doubt about its lines.
        """
        with self._lock:
            # A piece that is photographed twice tells nothing more.
            for known in [one for one in self._told if self._same_place(one[0], told, side)]:
                self._told.remove(known)
            self._told.append((told, side))
            if agreed is None:
                return None
            agreeing = [one for one, own in self._told if abs(math.log(own / agreed)) <= SAME_SIZE]
        cuts = _cuts(agreeing, agreed, self._size) if len(agreeing) >= FEWEST_GUESSED else ()
        if cuts:
            guessed = GuessedGrid(cuts, agreed, self._size)
            guessed.tell(*agreeing)
            return guessed
        if len(agreeing) < FEWEST_OPEN:
            return None
        width, height = self._size
        guess = Grid.from_pieces(max(1, round(width * height / agreed**2)), width, height)
        found = FittedGrid(guess)
        found.tell(*agreeing)
        return found if found.grid is not guess else None

    def _same_place(self, one: Told, other: Told, side: float) -> bool:
        """Whether two lie within half a cell of each other."""
        apart = np.subtract(one.middle, other.middle) * self._size
        return bool(np.abs(apart).max() < side / 2)


def fit_grid(given: Grid, told: Sequence[Told]) -> Grid:
    """Rows, columns and edges that pieces tell.

    Args:
        given: rows and columns as they were given, exact, or as a number of pieces has them.
        told: by pieces that were placed, with scores of ``HEARD`` and more.

    Returns:
        ``given`` itself while that is likely enough; else exact, with the edges that were found.
    """
    if len(told) < FEWEST:
        return given
    scores = np.array([one.score for one in told])
    middles = np.array([one.middle for one in told])
    straight = np.array([one.straight or (math.nan,) * 4 for one in told], float)
    fits = [
        fit_axis(middles[:, axis], scores, straight[:, ends], count, given.exact)
        for axis, ends, count in ((0, (3, 1), given.cols), (1, (0, 2), given.rows))
    ]
    if fits == [None, None] or (not given.exact and None in fits):
        return given
    across, down = (
        Axis(count) if fit is None else fit
        for fit, count in zip(fits, (given.cols, given.rows), strict=True)
    )
    edges = across.start, down.start, across.end, down.end
    ends_known = across.ends_known and down.ends_known
    return Grid(down.count, across.count, edges=edges, ends_known=ends_known)
