"""What the command prints and writes: the table, the line of progress, errors, overlays."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from heatmap_locator.command.interrupt import unfinished
from heatmap_locator.errors import DamagedImageWarning, InputError, display_name

if TYPE_CHECKING:
    from heatmap_locator.placement import Placement

PROG = "heatmap-predict"
_OVERLAY_TYPES = (".png", ".jpg", ".jpeg", ".webp")


def complain(message: str) -> None:
    """Print one line on stderr."""
    line = " ".join(message.split())
    encoding = sys.stderr.encoding or "utf-8"
    print(f"{PROG}: {line}".encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)


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


def say(text: str) -> None:
    """Print on stdout.

    Raises:
        InputError: it cannot be written: a full disk.
        BrokenPipeError: its reader has gone.
    """
    with _writing():
        print(text)


def flush() -> None:
    """Write what has been printed; errors as in :func:`say`."""
    if sys.stdout is not None:  # closed by the caller
        with _writing():
            sys.stdout.flush()


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        # Python writes the rest once more on its way out, and must not fail there again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise InputError(
            f"cannot be written ({error.strerror or error}); choose another place",
            name="standard output",
        ) from None


def _printable(text: str, stream: TextIO | None) -> str:
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
        if path.is_dir():
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

    partial = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        with unfinished(partial):
            Image.fromarray(image).save(partial)
            os.replace(partial, path)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"cannot be written ({reason}); choose another place", name=display_name(path)
        ) from None
    finally:
        partial.unlink(missing_ok=True)


class Table:
    """The answers for people to read; the heading comes with the first row."""

    def __init__(self, pieces: list[str], many: bool = False, assign: bool = False) -> None:
        # A photo of many pieces has their numbers behind its name.
        room = 4 if many else 0
        self._width = max(5, *(len(display_name(piece)) + room for piece in pieces))
        self._assign = assign
        self._begun = False

    def add(self, piece: str, placements: "list[Placement]", sure: bool | None = None) -> None:
        """Print a row per placement; ``sure`` is for a table of assignments."""
        if not self._begun:
            self._row("piece", "rank", "box", "centre", "rotation", "cell", "score", "sure")
            self._begun = True
        for rank, place in enumerate(placements, 1):
            self._row(
                display_name(piece),
                str(rank),
                " ".join(f"{v:.1f}" for v in place.box),
                " ".join(f"{v:.1f}" for v in place.center),
                f"{place.rotation % 360.0:.1f}",
                "-" if place.cell is None else f"{place.cell[0]},{place.cell[1]}",
                f"{place.score:.3f}",
                "yes" if sure else "no",
            )

    def _row(self, *cells: str) -> None:
        piece, rank, box, centre, rotation, cell, score, sure = cells
        line = f"{piece:<{self._width}}  {rank:>4}  {box:<31}  {centre:<15}  "
        line += f"{rotation:>8}  {cell:>7}  {score:>5}" + (f"  {sure:>4}" if self._assign else "")
        say(_printable(line, sys.stdout))
        flush()


class Progress:
    """A line on a terminal that says what takes long; silent elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr is not None and sys.stderr.isatty()
        self._shown = False

    def say(self, text: str) -> None:
        """Show what begins now."""
        if self._live:
            print(
                f"\r\x1b[K{_printable(text[:78], sys.stderr)}", end="", file=sys.stderr, flush=True
            )
            self._shown = True

    def clear(self) -> None:
        """Leave the line empty."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False
