"""What the command is given: image files, folders of them, pipes and standard input."""

import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from heatmap_locator.command.report import complain
from heatmap_locator.errors import InputError, display_name

STDIN = "-"
"""Names standard input."""

_NAMED = 10
"""Files left out that are named, of each folder."""


@dataclass(frozen=True)
class Input:
    """An image that was given.

    Attributes:
        name: as it was given.
        source: its path, or the bytes of what came through a pipe, which can be read only once.
    """

    name: str
    source: str | bytes

    @property
    def shown(self) -> str:
        """What messages call it."""
        return "standard input" if self.name == STDIN else display_name(self.name)


def gather(images: Sequence[str]) -> tuple[list[Input], Input]:
    """Pieces, folders replaced by the images in them, and the picture, which comes last.

    Raises:
        InputError: standard input is named twice, or a folder holds no image or cannot be read.
    """
    if images.count(STDIN) > 1:
        raise InputError("standard input is one image: name a file for the others", name=STDIN)
    picture = _taken(images[-1])
    pieces: list[Input] = []
    for image in images[:-1]:
        if image != STDIN and os.path.isdir(image):
            pieces += [Input(file, file) for file in _in_folder(image, images[-1])]
        else:
            pieces.append(_taken(image))
    return pieces, picture


def _taken(image: str) -> Input:
    """What has been named; pipes are read at once."""
    from heatmap_locator.picture.opening import read_stream

    if image == STDIN:
        if sys.stdin is None:
            raise InputError("standard input is closed; name a file", name=STDIN)
        return Input(image, read_stream(sys.stdin.buffer, "standard input"))
    try:
        if stat.S_ISFIFO(os.stat(image).st_mode):
            with open(image, "rb") as stream:
                return Input(image, read_stream(stream, display_name(image)))
    except (OSError, ValueError):
        pass  # what reads it says what is wrong
    return Input(image, image)


def _in_folder(folder: str, picture: str) -> list[str]:
    """The image files directly in a folder, by their content; stderr names what is left out.

    A file that only its name makes an image stays, so that what is wrong with it is said.
    """
    name = display_name(folder)
    try:
        inside = sorted(path for path in Path(folder).iterdir() if not path.is_dir())
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", name=name) from None
    found: list[str] = []
    hidden: list[str] = []
    others: list[str] = []
    for path in inside:
        if path.name.startswith("."):
            hidden.append(path.name)
        elif not path.is_file():  # a link to nothing, a pipe
            others.append(path.name)
        elif _same_file(path, picture):
            continue
        elif looks_like_image(path):
            found.append(str(path))
        else:
            others.append(path.name)
    _leave_out(name, others, "no image")
    _leave_out(name, hidden, "hidden")
    if not found:
        raise InputError("a folder without images; name image files", name=name)
    return found


def looks_like_image(path: Path) -> bool:
    """By its name or its content."""
    from heatmap_locator.picture.formats import HEAD, SUFFIXES, identify

    return path.suffix.lower() in SUFFIXES or identify(_head(path, HEAD)) is not None


def _head(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError:
        return b""


def _leave_out(folder: str, names: list[str], why: str) -> None:
    if not names:
        return
    shown = ", ".join(display_name(name) for name in names[:_NAMED])
    if len(names) > _NAMED:
        shown += f" and {len(names) - _NAMED} more"
    files = "file" if len(names) == 1 else "files"
    complain(f"{folder}: {len(names)} {files} left out, {why}: {shown}")


def _same_file(a: Path, b: str) -> bool:
    return b != STDIN and os.path.exists(b) and a.samefile(b)
