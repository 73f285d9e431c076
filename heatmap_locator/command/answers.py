"""The answers as they come: a table for people, CSV for spreadsheets, JSON lines for programs."""

import csv
import io
import json
import sys
from typing import Any, Protocol

from heatmap_locator.command.report import printable
from heatmap_locator.errors import display_name
from heatmap_locator.outcome import flush, say
from heatmap_locator.placement import Placement, counted


class Answers(Protocol):
    """Takes each piece's answer when nothing about it changes any more."""

    def add(
        self,
        label: str,
        result: dict[str, Any],
        placements: list[Placement],
        sure: bool | None = None,
    ) -> None:
        """Print an answer.

        Args:
            label: what messages call the piece.
            result: JSON-ready; holds ``error`` where there is no place.
            placements: best first; the one of its cell where pieces are assigned to cells.
            sure: of that cell, where they are.
        """


class Silent:
    """Prints nothing: all comes in one object at the end."""

    def add(
        self,
        label: str,
        result: dict[str, Any],
        placements: list[Placement],
        sure: bool | None = None,
    ) -> None:
        """Nothing."""


class JsonLines:
    """A JSON object a line and piece, which is written at once."""

    def add(
        self,
        label: str,
        result: dict[str, Any],
        placements: list[Placement],
        sure: bool | None = None,
    ) -> None:
        say(json.dumps(result, allow_nan=False))
        flush()


COLUMNS = (
    *("piece", "number", "rank", "x1", "y1", "x2", "y2", "center_x", "center_y", "rotation"),
    *("row", "col", "score", "sure", "error"),
)
"""Of CSV."""


class Csv:
    """A row a place under a row of names, rows and columns of cells from 0 as in JSON.

    A piece without a place has its error in a row.
    """

    def __init__(self) -> None:
        self._begun = False

    def add(
        self,
        label: str,
        result: dict[str, Any],
        placements: list[Placement],
        sure: bool | None = None,
    ) -> None:
        piece = {"piece": result["piece"], "number": result.get("number")}
        if "error" in result:
            self._write(piece | {"error": result["error"]})
        elif not placements and "problem" in result:
            self._write(piece | {"error": result["problem"]["text"]})
        for rank, place in enumerate(placements, 1):
            shown = place.to_dict()
            values = dict(zip(("x1", "y1", "x2", "y2"), shown["box"], strict=True))
            values |= dict(zip(("center_x", "center_y"), shown["center"], strict=True))
            values |= {key: shown[key] for key in ("rotation", "score")}
            told = None if sure is None else ("yes" if sure else "no")
            cell = {"row": place.row, "col": place.col, "sure": told}
            self._write(piece | {"rank": rank} | values | cell)
        flush()

    def _write(self, row: dict[str, Any]) -> None:
        text = io.StringIO()
        # Values with what ends lines are put in quotes; the last end of line is say's own.
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
        if not self._begun:
            say(",".join(COLUMNS))
            self._begun = True
        writer.writerow(row)
        say(printable(text.getvalue().removesuffix("\r\n"), sys.stdout))


class Table:
    """The answers for people to read, rows and columns from 1; the heading comes with the first.

    Args:
        pieces: their names.
        many: each is a photo of several, which have numbers behind its name.
        assign: whether a column says what is sure.
    """

    def __init__(self, pieces: list[str], many: bool = False, assign: bool = False) -> None:
        room = 4 if many else 0
        self._width = max([5, *(len(display_name(piece)) + room for piece in pieces)])
        self._assign = assign
        self._begun = False

    def add(
        self,
        label: str,
        result: dict[str, Any],
        placements: list[Placement],
        sure: bool | None = None,
    ) -> None:
        if placements and not self._begun:
            head = "piece", "rank", "box", "centre", "rotation", "row", "col", "score", "sure"
            self._row(*head)
            self._begun = True
        for rank, place in enumerate(placements, 1):
            self._row(
                display_name(label),
                str(rank),
                " ".join(f"{v:.1f}" for v in place.box),
                " ".join(f"{v:.1f}" for v in place.center),
                f"{place.rotation % 360.0:.1f}",
                *("--" if place.cell is None else (str(n) for n in counted(place.cell))),
                f"{place.score:.3f}",
                "yes" if sure else "no",
            )

    def _row(self, *cells: str) -> None:
        piece, rank, box, centre, rotation, row, col, score, sure = cells
        line = f"{piece:<{self._width}}  {rank:>4}  {box:<31}  {centre:<15}  "
        line += f"{rotation:>8}  {row:>3}  {col:>3}  {score:>5}" + (
            f"  {sure:>4}" if self._assign else ""
        )
        say(printable(line, sys.stdout))
        flush()
