"""What the command prints and writes beside its answers: errors, progress, overlays."""

import errno
import os
import sys
import warnings
from pathlib import Path
from typing import Any, TextIO

from heatmap_locator import outcome
from heatmap_locator.command.interrupt import unfinished
from heatmap_locator.errors import DamagedImageWarning, InputError, display_name

PROG = "heatmap-predict"
_OVERLAY_TYPES = (".png", ".jpg", ".jpeg", ".webp")


def complain(message: str) -> None:
    """Print one line on stderr."""
    outcome.complain(PROG, message)


def say_what_is_damaged() -> None:
    """Make warnings of damaged images one line on stderr each, whatever ``python -W`` says."""
    show = warnings.showwarning

    def tell(message: Warning | str, category: type[Warning], *args: Any, **kwargs: Any) -> None:
        if issubclass(category, DamagedImageWarning):
            complain(str(message))
        else:
            show(message, category, *args, **kwargs)

    warnings.showwarning = tell
    warnings.simplefilter("always", DamagedImageWarning)


def printable(text: str, stream: TextIO | None) -> str:
    """The text with what the stream's encoding lacks written as escapes."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def overlay_paths(
    overlay: str, pieces: list[str], picture: str, together: bool = False
) -> list[Path]:
    """One file per piece, or one for all; none an input, all in a folder that can be written."""
    out, name = Path(overlay), display_name(overlay)
    if out.suffix.lower() not in _OVERLAY_TYPES:
        raise InputError("cannot tell the overlay's format; end it with .png or .jpg", name=name)
    if not out.parent.is_dir():
        raise InputError("its folder does not exist; create it first", name=name)
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise InputError("its folder cannot be written; choose another", name=name)
    paths: list[Path] = []
    taken: set[str] = set()
    for piece in pieces[:1] if together else pieces:
        stem, number = out.stem, 1
        if len(pieces) > 1 and not together:
            stem = f"{out.stem}-{'stdin' if piece == '-' else Path(piece).stem}"
        path = out.with_name(stem + out.suffix)
        # Case is folded because some file systems do not tell a.png from A.png.
        while path.name.casefold() in taken:
            number += 1
            path = out.with_name(f"{stem}-{number}{out.suffix}")
        taken.add(path.name.casefold())
        paths.append(path)
    inputs = {os.path.realpath(path) for path in [*pieces, picture]}
    for path in paths:
        try:
            folder = path.is_dir()
        except OSError as error:  # its name is too long
            raise _unwritable(error, path) from None
        if folder:
            raise InputError("is a folder; name a file for the overlay", name=display_name(path))
        same = any(path.exists() and os.path.exists(i) and path.samefile(i) for i in inputs)
        if same or os.path.realpath(path) in inputs:
            raise InputError(
                "the overlay would overwrite an input; choose another name", name=display_name(path)
            )
    return paths


def save_overlay(image: Any, path: Path) -> None:
    """Write (H, W, 3) uint8 so that the file is there whole or not at all."""
    from PIL import Image

    # Not by the file's own name, which may be as long as names can be.
    partial = path.with_name(f".{os.getpid()}-overlay{path.suffix}")
    try:
        with unfinished(partial):
            Image.fromarray(image).save(partial)
            os.replace(partial, path)
    except OSError as error:
        raise _unwritable(error, path) from None
    finally:
        partial.unlink(missing_ok=True)


def _unwritable(error: OSError, path: Path) -> InputError:
    fix = "a shorter name" if error.errno == errno.ENAMETOOLONG else "another place"
    reason = error.strerror or error
    return InputError(f"cannot be written ({reason}); choose {fix}", name=display_name(path))


LARGE = 4000
"""Pieces of a puzzle above which reading its picture takes seconds, and each search as well: of
5,000 3 and 2 s of a processor (docs/performance.md)."""


class Progress:
    """A line on a terminal that says what takes long; silent elsewhere.

    Args:
        large: the puzzle is: what begins is told elsewhere as well, in a line each.
    """

    def __init__(self, large: bool = False) -> None:
        self._live = sys.stderr is not None and sys.stderr.isatty()
        self._large = large
        self._shown = False

    def say(self, text: str) -> None:
        """Show what begins now."""
        if self._large and not self._live:
            complain(text)
        elif self._live:
            print(
                f"\r\x1b[K{printable(text[:78], sys.stderr)}", end="", file=sys.stderr, flush=True
            )
            self._shown = True

    def clear(self) -> None:
        """Leave the line empty."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False
