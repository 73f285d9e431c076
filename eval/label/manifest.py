"""The manifest as labels are added to it: written whole after each, never half."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from heatmap_locator.files import write_atomically
from heatmap_locator.grid import Grid
from heatmap_locator.placement import Placement

from ..protocols.real import FILE, read_manifest

COLUMNS = ("puzzle", "photo", "x1", "y1", "x2", "y2", "rotation", "rows", "cols", "by")
"""Written for each piece; a manifest that is there keeps its own besides.  ``by`` says where the
box is from: ``proposed``, aligned by the model and confirmed, or ``typed``, the cell's."""


@dataclass
class Labels:
    """The rows of a folder's manifest.

    Attributes:
        folder: that holds it.
        rows: by column.
        columns: in their order.
    """

    folder: Path
    rows: list[dict[str, str]] = field(default_factory=list)
    columns: list[str] = field(default_factory=lambda: list(COLUMNS))

    @classmethod
    def of(cls, folder: Path) -> "Labels":
        """What a folder holds so far.

        Raises:
            InputError: its manifest cannot be used.
        """
        if not (folder / FILE).exists():
            return cls(folder)
        rows = read_manifest(folder)
        columns = list(dict.fromkeys([*(c for row in rows for c in row), *COLUMNS]))
        return cls(folder, rows, columns)

    def photos(self) -> set[str]:
        """Those that have a row."""
        return {row.get("photo") or "" for row in self.rows}

    def add(self, puzzle: str, photo: str, place: Placement, grid: Grid, by: str) -> None:
        """Add a row and write the manifest."""
        x1, y1, x2, y2 = (f"{value:.2f}" for value in place.box)
        values = (puzzle, photo, x1, y1, x2, y2, f"{place.rotation:.2f}", grid.rows, grid.cols, by)
        self.rows.append(dict(zip(COLUMNS, map(str, values), strict=True)))
        self._write()

    def take_back(self, photo: str) -> None:
        """Remove a photo's row, if it has one, and write the manifest."""
        if photo not in self.photos():
            return
        self.rows = [row for row in self.rows if row.get("photo") != photo]
        self._write()

    def _write(self) -> None:
        if not self.rows:
            (self.folder / FILE).unlink(missing_ok=True)
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(self.folder / FILE, text.getvalue().encode())
