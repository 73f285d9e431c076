"""Writing files whole or not at all."""

import os
import tempfile
from pathlib import Path

from heatmap_locator.errors import InputError, WeightsError, display_name


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write a whole file or none: readers never see half of it, and a return means on disk.

    A process killed in the middle leaves at most a file whose name begins with a dot.
    """
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes the file private; what it replaces was readable by others.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        if os.name == "posix":  # the name is on disk once its folder is
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def check_output_folder(folder: Path, option: str) -> None:
    """Refuse a folder that results cannot be written to, before the work that makes them.

    Args:
        folder: may be missing; it is not made yet.
        option: that named it, for the message.

    Raises:
        InputError: it is a file, in a file, or in a folder that may not be written.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    name = display_name(folder)
    if not there.is_dir():
        what = "is" if there == folder else f"{display_name(there)} is"
        raise InputError(f"{what} not a folder; name another for {option}", name=name)
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"cannot be written; name another for {option}", name=name)


def check_weights_files(*files: str | Path | None) -> None:
    """Refuse weights that are not there, before anything is loaded.

    Args:
        files: ``None`` for those that ship.

    Raises:
        WeightsError: naming the file.
    """
    for file in files:
        if file is not None and not Path(file).is_file():
            raise WeightsError(f"{display_name(file)}: no such weights file; check the path")
