"""How the puzzle is cut: rows and columns, from a count of pieces or as the caller says."""

import math
import re
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from heatmap_locator.errors import InputError, one_line
from heatmap_locator.geometry import Array
from heatmap_locator.likely_cuts import Cut, likely_cuts
from heatmap_locator.options import as_whole

MAX_PIECES = 50_000
"""Of a puzzle."""

MIN_CELL = 4.0
"""Picture pixels on the shorter side of a cell."""

Edges: TypeAlias = tuple[float, float, float, float]
"""(left, top, right, bottom) of a puzzle, in shares of its picture's width and height."""

WHOLE: Edges = (0.0, 0.0, 1.0, 1.0)
"""Those of a puzzle that its picture shows all of, and no more."""

# An exact product is believed while its cells are at most this far from square.
_EXACT_ASPECT = 1.12
# What a count that is off by 1% costs, against a cell that is 1% from square.
_COUNT_WEIGHT = 1.0
# Boxes seldom hold fewer pieces than they say: "1000" is 1026 more often than 988.
_SHORT_PENALTY = 0.01
# Counts further off than this are looked at only if nothing nearer has cells like a puzzle's.
_COUNT_TOLERANCE = 0.05
_LOOSE_ASPECT = 1.5
# Probability from which a guess is the cut: that of a number that is not round.  Set by hand.
_CERTAIN = 0.8


@dataclass(frozen=True)
class Grid:
    """Rows and columns of a puzzle; at least 1 each, at most ``MAX_PIECES`` cells.

    Attributes:
        rows, cols: of cells.
        exact: whether they are the puzzle's own, so that cells can be relied on, and not what
            fits a number of pieces best.
        edges: where the puzzle ends in the picture, which is seldom cropped as the puzzle is.
        ends_known: whether they are, and not only where the lines between cells lie.
        likely: of a guess, the cuts that are likely for the number of pieces.

    Raises:
        InputError: on construction, for anything else.
    """

    rows: int
    cols: int
    exact: bool = field(default=True, compare=False)
    edges: Edges = WHOLE
    ends_known: bool = field(default=True, compare=False)
    likely: tuple[Cut, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("rows", "cols"):
            value = as_whole(getattr(self, name))
            if value is None or value < 1:
                raise InputError(
                    "rows and columns are whole numbers from 1; give ROWSxCOLS, such as 25x38",
                    name=f"grid {self.rows}x{self.cols}",
                )
            object.__setattr__(self, name, value)
        if self.pieces > MAX_PIECES:
            raise InputError(
                f"{self.pieces} pieces is over the limit of {MAX_PIECES}; give a smaller grid",
                name=f"grid {self.rows}x{self.cols}",
            )

    def __str__(self) -> str:
        return f"{self.rows}x{self.cols}"

    @property
    def certain(self) -> bool:
        """Whether there is hardly another cut: it was given, or is the one that a number allows."""
        sure = [(cut.rows, cut.cols) for cut in self.likely if cut.chance >= _CERTAIN]
        return self.exact or (self.rows, self.cols) in sure

    @property
    def pieces(self) -> int:
        """Number of cells."""
        return self.rows * self.cols

    def outer(self, width: float, height: float) -> tuple[float, float, float, float]:
        """(x1, y1, x2, y2) of the puzzle in pixels, for a picture of ``width`` x ``height``."""
        left, top, right, bottom = self.edges
        return width * left, height * top, width * right, height * bottom

    def origin(self, width: float, height: float) -> tuple[float, float]:
        """(x, y) of the first cell's outer corner in pixels, for such a picture."""
        return self.outer(width, height)[:2]

    def cell_size(self, width: float, height: float) -> tuple[float, float]:
        """(width, height) of a cell in pixels, for such a picture."""
        x1, y1, x2, y2 = self.outer(width, height)
        return (x2 - x1) / self.cols, (y2 - y1) / self.rows

    def in_cells(self, points: Array, width: float, height: float) -> Array:
        """``(..., 2)`` (x, y) in pixels as (column, row) from the first cell's outer corner."""
        found: Array = (points - np.array(self.origin(width, height))) / np.array(
            self.cell_size(width, height)
        )
        return found

    def middle_of(self, cell: tuple[int, int], width: float, height: float) -> tuple[float, float]:
        """(x, y) in pixels of the middle of a cell (row, col)."""
        (left, top), (wide, high) = self.origin(width, height), self.cell_size(width, height)
        return left + (cell[1] + 0.5) * wide, top + (cell[0] + 0.5) * high

    def cell_at(self, x: float, y: float, width: float, height: float) -> tuple[int, int]:
        """(row, col) of the cell under a point in pixels; points outside go to the nearest."""
        left, top, right, bottom = self.edges
        col = math.floor((x / width - left) / (right - left) * self.cols)
        row = math.floor((y / height - top) / (bottom - top) * self.rows)
        return min(max(row, 0), self.rows - 1), min(max(col, 0), self.cols - 1)

    def check(self, width: int, height: int, name: str) -> "Grid":
        """Return the grid if its cells are at least ``MIN_CELL`` pixels in the picture ``name``.

        Raises:
            InputError: the picture is too small for so many pieces.
        """
        cell = min(self.cell_size(width, height))
        if cell < MIN_CELL:
            raise InputError(
                f"a {self} grid leaves {cell:.1f} pixels a piece in a {width}x{height} picture, "
                f"and {MIN_CELL:.0f} are needed; use a larger picture or fewer pieces",
                name=name,
            )
        return self

    @classmethod
    def make(
        cls,
        *,
        size: tuple[int, int],
        name: str,
        pieces: int | None = None,
        grid: "str | tuple[int, int] | Grid | None" = None,
    ) -> "Grid | None":
        """The grid of a puzzle from what its owner knows: the one way that all callers share.

        Args:
            size: (width, height) of the picture in pixels.
            name: what errors call the picture.
            pieces: number of pieces.
            grid: ``(rows, cols)`` or ``"ROWSxCOLS"``, instead.

        Returns:
            its cells are at least ``MIN_CELL`` pixels; None where neither is known.

        Raises:
            InputError: both are given, one is out of range, or the picture is too small for it.
        """
        if pieces is not None and grid is not None:
            raise InputError("give pieces or grid, not both", name=name)
        if pieces is not None:
            return cls.from_pieces(pieces, *size).check(*size, name)
        if grid is None:
            return None
        if isinstance(grid, str):
            return cls.parse(grid).check(*size, name)
        if isinstance(grid, Grid):
            return grid.check(*size, name)
        try:
            rows, cols = grid
        except (TypeError, ValueError):
            raise InputError("give (rows, cols), such as (25, 38)", name=f"grid {grid!r}") from None
        return cls(rows, cols).check(*size, name)

    @classmethod
    def parse(cls, text: str) -> "Grid":
        """A grid from ``"ROWSxCOLS"``, such as ``"25x38"``: 25 rows of 38 pieces.

        Raises:
            InputError: the text has another form, or the grid is out of range.
        """
        # \d would also take digits of other scripts; six digits are past any limit already.
        match = re.fullmatch(r"\s*([0-9]{1,6})\s*[xX×]\s*([0-9]{1,6})\s*", text)  # noqa: RUF001
        if match is None:
            name = f"grid '{one_line(text[:40])}'"
            raise InputError("give it as ROWSxCOLS, such as 25x38", name=name)
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def from_pieces(cls, pieces: int, width: float, height: float) -> "Grid":
        """The most likely grid for the count on the box and the picture's shape.

        An exact product with nearly square cells wins; otherwise squareness is traded against
        the count, because counts are often nominal (a "1000" is often 27 x 38 = 1026).

        Args:
            pieces: count of pieces, 1..``MAX_PIECES``.
            width, height: of the picture; only their ratio counts.

        Raises:
            InputError: the count is out of range.
        """
        whole = as_whole(pieces)
        if whole is None or whole < 1:
            raise InputError(f"give a whole number from 1 to {MAX_PIECES}", name=f"pieces {pieces}")
        pieces = whole
        if pieces > MAX_PIECES:
            raise InputError(
                f"over the limit of {MAX_PIECES}; check the number", name=f"pieces {pieces}"
            )
        candidates = []
        for rows in range(1, int(pieces * 1.5) + 2):
            for cols in {pieces // rows, pieces // rows + 1, round(rows * width / height)}:
                if cols < 1 or rows * cols > min(MAX_PIECES, 2 * pieces):
                    continue
                off = math.log(rows * cols / pieces)
                aspect = abs(math.log(width * rows / (height * cols)))
                cost = aspect + _COUNT_WEIGHT * abs(off) + (_SHORT_PENALTY if off < 0 else 0.0)
                candidates.append((cost, aspect, off, rows, cols))
        exact = [c for c in candidates if c[2] == 0 and c[1] <= math.log(_EXACT_ASPECT)]
        near = [
            c
            for c in candidates
            if abs(c[2]) <= _COUNT_TOLERANCE and c[1] <= math.log(_LOOSE_ASPECT)
        ]
        best = min(exact or near or candidates)
        likely = likely_cuts(pieces, width, height)
        return cls(best[3], best[4], exact=False, likely=likely)
