"""From the picture as it was sent to the one that pieces are looked for in."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.grid import Grid
from heatmap_locator.likely_cuts import likely_cuts
from heatmap_locator.picture.read import require_print
from heatmap_locator.service import half_done, records
from heatmap_locator.service.images import Decoders
from heatmap_locator.service.storage import GoneError, Record, Storage

if TYPE_CHECKING:
    from heatmap_locator.picture.done import Done

Corners = list[list[float]]
"""Four [x, y] in the original's pixels, clockwise from the top left."""

MAX_SIDE = 65_500
"""Pixels of a side that a JPEG, as which pictures are kept, can have in OpenCV."""


class Loaded(NamedTuple):
    """A puzzle's picture, (H, W, 3) uint8, squared up; its grid; what a photo shows done of it."""

    picture: np.ndarray
    grid: Grid | None
    done: "Done | None" = None


def find_corners(original: np.ndarray) -> Corners | None:
    """Corners of the puzzle in a photo of it, (H, W, 3) uint8; ``None`` where none are found."""
    from heatmap_locator.picture import corners

    found = corners.find_corners(original)
    return None if found is None else [[round(float(v), 2) for v in point] for point in found]


def square_up(original: np.ndarray, corners: Corners | None) -> np.ndarray:
    """The picture within the corners as seen from above; the original without any."""
    if corners is None:
        return original
    from heatmap_locator.picture import corners as library

    return library.square_up(original, np.asarray(corners, np.float64))


def squared(
    record: Record,
    original: np.ndarray,
    corners: Corners | None,
    version: int,
    name: str,
    max_pieces: int,
) -> tuple[Record, dict[str, bytes]]:
    """What corners change in a puzzle's record, and its new files.

    Raises:
        InputError: corners, pieces or grid make no sense for the picture, or are over a limit; or
            it is of one colour.
    """
    picture = square_up(original, corners)
    height, width = picture.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise InputError(f"a side is over {MAX_SIDE} pixels; shrink or crop the image", name=name)
    require_print(picture, name)
    asked = record["asked"]
    grid = Grid.make(size=(width, height), name=name, pieces=asked["pieces"], grid=asked["grid"])
    if grid is not None and grid.pieces > max_pieces:
        raise InputError(
            f"{grid.pieces} pieces are over this server's limit of {max_pieces}; give "
            "a part of the puzzle",
            name=name,
        )
    files = {
        f"picture-{version}.jpg": records.to_jpeg(picture),
        f"thumbnail-{version}.jpg": records.to_jpeg(picture, records.THUMBNAIL),
    }
    changes: Record = {
        "version": version,
        "width": width,
        "height": height,
        "grid": None if grid is None else [grid.rows, grid.cols],
        "corners": corners,
        "state": "encoding",
        "error": None,
        "files": {"picture": f"picture-{version}.jpg", "thumbnail": f"thumbnail-{version}.jpg"},
    }
    return changes, files


def read_original(storage: Storage, decoders: Decoders, record: Record) -> np.ndarray:
    """(H, W, 3) uint8, a puzzle's picture as it was sent; GoneError if it has been deleted."""
    data = storage.file(record["id"], record["files"]["original"])
    if data is None:
        raise GoneError(record["id"])
    return decoders.decode(data, "picture", record["name"])


def grid_of(record: Record) -> Grid | None:
    """A puzzle's grid, exact where rows and columns were given; ``None`` where it is not known."""
    if record["grid"] is None:
        return None
    (rows, cols), asked = record["grid"], record["asked"]
    if asked["grid"] is not None:
        return Grid(rows, cols)
    likely = likely_cuts(asked["pieces"], record["width"], record["height"])
    return Grid(rows, cols, exact=False, likely=likely)


def load_picture(storage: Storage, decoders: Decoders, puzzle: str, version: int) -> Loaded:
    """The squared-up picture with what is known of it; GoneError where that version is no more."""
    record = storage.puzzle(puzzle)
    if record is None or record["version"] != version:
        raise GoneError(puzzle)
    picture = square_up(read_original(storage, decoders, record), record["corners"])
    return Loaded(picture, grid_of(record), half_done.of_record(record))
