"""Labelled real pieces: folders with a ``manifest.csv``."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.grid import Grid
from heatmap_locator.picture.read import read_picture, read_piece

from .tasks import PictureTask, PieceTask

FILE = "manifest.csv"
"""The manifest's name in its folder."""

_NUMBERS = ("x1", "y1", "x2", "y2", "rotation", "rows", "cols")
_COLUMNS = ("puzzle", *_NUMBERS)
_IMAGES = ("cutout", "photo")
"""At least one of these; ``texture``, ``kind`` and any other column may be absent."""


def read_manifest(folder: Path) -> list[dict[str, str]]:
    """The rows of a set's manifest, checked but for the images themselves.

    Columns: ``puzzle``, a file, and ``cutout`` or ``photo`` or both, files of the piece, all
    relative to the folder; ``x1``, ``y1``, ``x2``, ``y2``, box of the outline in pixels of the
    puzzle's picture; ``rotation``, degrees clockwise; ``rows`` and ``cols`` of the cut.

    Raises:
        InputError: no manifest, a column missing, or a value that is no number.
    """
    path = folder / FILE
    if not path.is_file():
        raise InputError("no such file; --dataset takes a folder with a manifest.csv", name=path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            missing = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read ({error}); save it as UTF-8 CSV", name=path) from None
    if missing:
        raise InputError(f"no column {', '.join(missing)}; name {', '.join(_COLUMNS)}", name=path)
    if not any(c in (reader.fieldnames or ()) for c in _IMAGES):
        raise InputError("no column cutout or photo; name the files of the pieces", name=path)
    if not rows:
        raise InputError("holds no rows; add one per piece", name=path)
    for line, row in enumerate(rows, 2):
        try:
            values = [float(row[c]) for c in _NUMBERS]
            Grid(int(row["rows"]), int(row["cols"]))
        except (TypeError, ValueError):
            raise InputError(
                f"line {line}: {', '.join(_NUMBERS)} must be numbers; correct it", name=path
            ) from None
        if not row["puzzle"]:
            raise InputError(
                f"line {line}: no puzzle; name the file of the whole picture", name=path
            )
        if not np.isfinite(values).all() or values[0] >= values[2] or values[1] >= values[3]:
            raise InputError(f"line {line}: needs x1 < x2 and y1 < y2; correct it", name=path)
    return rows


def _usable(folder: Path, photos: bool) -> list[dict[str, str]]:
    """The rows that can be asked; says on stderr how many cannot."""
    rows = read_manifest(folder)
    if photos:
        # A photo of several joined pieces does not say which of them is meant.
        kept = [
            r for r in rows if r.get("photo") and not (r.get("kind") or "").startswith("cluster")
        ]
        why = "without a photo of one loose piece"
    else:
        kept = [r for r in rows if r.get("cutout")]
        why = "without a cut-out (--photos takes photos)"
    if len(kept) < len(rows):
        skipped = len(rows) - len(kept)
        print(f"heatmap-eval: {folder.name}: {skipped} rows {why} skipped", file=sys.stderr)
    return kept


def real_tasks(folder: Path, photos: bool = False) -> Iterator[PictureTask]:
    """One task per puzzle and grid of a set, in the manifest's order.

    Raises:
        InputError: the manifest or an image of it cannot be used.
    """
    puzzles: dict[tuple[str, int, int], list[dict[str, str]]] = {}
    for row in _usable(folder, photos):
        puzzles.setdefault((row["puzzle"], int(row["rows"]), int(row["cols"])), []).append(row)
    for (name, rows, cols), members in puzzles.items():
        picture = read_picture(folder / name)
        grid = Grid(rows, cols).check(picture.shape[1], picture.shape[0], name)
        pieces = []
        for row in members:
            file = row["photo"] if photos else row["cutout"]
            rgb, alpha = read_piece(folder / file)
            image = rgb if photos or alpha is None else np.dstack([rgb, alpha])
            box = (float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"]))
            rotation = float(row["rotation"]) % 360.0
            pieces.append(PieceTask(file, image, box, rotation, row.get("texture") or None))
        yield PictureTask(folder.resolve().name, name, picture, grid, grid.pieces, pieces)
