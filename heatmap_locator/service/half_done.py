"""A photo of the half-done puzzle: kept, read against the picture, and let go again."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.grid import Grid
from heatmap_locator.service.storage import Record

if TYPE_CHECKING:
    from heatmap_locator.picture.done import Done

ROLE = "done"
"""Of the photo among a puzzle's files."""


def of_record(record: Record) -> "Done | None":
    """What a puzzle's photo shows; ``None`` where there is none."""
    values = record.get("done")  # not in older records
    if values is None:
        return None
    from heatmap_locator.picture.done import Done  # here: it loads OpenCV

    return Done.from_dict(values)


def open_cells(record: Record) -> list[list[int]] | None:
    """(row, col) of the cells that a puzzle's photo shows open, as the API shows them."""
    done = of_record(record)
    return None if done is None else [list(cell) for cell in done.open_cells]


def read(photo: np.ndarray, picture: np.ndarray, grid: Grid | None, name: str) -> dict[str, Any]:
    """What a photo shows, as a record keeps it.

    Raises:
        InputError: no finished part of the picture, or all of it, is seen in it, or the grid is not
            known.
    """
    from heatmap_locator.picture.done import find_done

    if grid is None:
        raise InputError("what is open needs the cells; give pieces or grid with the puzzle")
    return find_done(photo, picture, grid, name).to_dict()


def read_again(photo: np.ndarray, picture: np.ndarray, grid: Grid | None) -> dict[str, Any] | None:
    """The same of a photo that was read before, in another picture; ``None`` where it shows
    nothing of that."""
    try:
        return read(photo, picture, grid, "photo")
    except InputError:
        return None


def with_placed(done: "Done", cells: Iterable[tuple[int, int]]) -> "Done":
    """With cells open in which pieces lie that have been placed: the photo shows those."""
    chances = done.open.copy()
    for cell in cells:
        chances[cell] = 1.0
    return replace(done, open=chances)
