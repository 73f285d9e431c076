"""Arrays that a run keeps in files, each whole or not at all, so that it goes on if stopped."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.files import write_atomically

MADE_BY = "made_by.json"
"""File of a folder that says by what its arrays were made."""


def write_arrays(path: Path, arrays: dict[str, np.ndarray], compressed: bool = False) -> None:
    """Write a file of arrays by name."""
    buffer, save = io.BytesIO(), np.savez_compressed if compressed else np.savez
    save(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """What :func:`write_arrays` wrote.

    Raises:
        InputError: it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # numpy raises almost anything on a damaged file
        raise damaged(path) from error


def damaged(path: Path) -> InputError:
    """The error for a file that does not hold what it should."""
    return InputError("damaged; delete it and start again", name=path)


def require_made_by(folder: Path, made_by: list[Any]) -> None:
    """Make a folder, or check that what is kept in it was made by the same.

    Raises:
        InputError: it was made by something else.
    """
    text, path = json.dumps(made_by, sort_keys=True), folder / MADE_BY
    if path.exists() and path.read_text() != text:
        raise InputError("of another recipe or model; name another --out folder", name=folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())
