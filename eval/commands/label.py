"""``heatmap-eval label FOLDER``: a manifest of one's own pieces, for ``heatmap-eval real``."""

import argparse
import os
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from heatmap_locator.errors import InputError
from heatmap_locator.files import check_output_folder, check_weights_files
from heatmap_locator.options import pathname
from heatmap_locator.outcome import flush, say

from ..options import add_device_argument, add_weights_argument, check_folders

if TYPE_CHECKING:
    from heatmap_locator.grid import Grid

    from ..label.manifest import Labels

ABOUT = """\
Photograph each piece by itself, put the photos and the picture of the puzzle into FOLDER, and say
of each proposed place whether it is right:

    heatmap-eval label FOLDER --puzzle FOLDER/box.jpg --grid 25x38
    heatmap-eval real --photos --dataset FOLDER

Keys: y right, n the next proposal, t type row and column from 1 and the angle, s skip, b back to
the photo before, q quit.  FOLDER/manifest.csv is written whole after each; the same command goes on
where it was left.  A page beside it shows the piece in its place; --open opens it in a browser.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = ABOUT
    add = parser.add_argument
    add("folder", metavar="FOLDER", type=pathname, help="of photos; gets manifest.csv")
    add("--puzzle", metavar="FILE", type=pathname, required=True, help="the whole puzzle's picture")
    add("--grid", metavar="ROWSxCOLS", required=True, help="counted along its edges: 25x38")
    add("--open", action="store_true", help="show the proposals in the default browser")
    add_weights_argument(parser)
    add_device_argument(parser)


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    check_folders(args.folder)
    check_output_folder(args.folder, "FOLDER")
    check_weights_files(args.weights)
    if not args.puzzle.is_file():
        raise InputError("no such file; --puzzle takes the picture of the puzzle", name=args.puzzle)


def run(args: argparse.Namespace) -> int:
    """Ask for each photo that has no row yet."""
    from heatmap_locator.command.inputs import looks_like_image
    from heatmap_locator.grid import Grid
    from heatmap_locator.picture.read import check_image

    from ..label.manifest import Labels

    folder: Path = args.folder
    size = check_image(str(args.puzzle), str(args.puzzle))
    grid = Grid.make(size=size, name=str(args.puzzle), pieces=None, grid=args.grid)
    labels = Labels.of(folder)
    inside = sorted(
        path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")
    )
    photos = [p.name for p in inside if not p.samefile(args.puzzle) and looks_like_image(p)]
    if not photos:
        raise InputError("no photos in it; put one of each piece there", name=folder)
    left = [photo for photo in photos if photo not in labels.photos()]
    if left:
        _label(args, grid, labels, left)
    done = len(photos) - sum(photo not in labels.photos() for photo in photos)
    say(f"{done} of {len(photos)} photos have their place in {folder / 'manifest.csv'}")
    return 0


def _label(
    args: argparse.Namespace, grid: "Grid | None", labels: "Labels", photos: list[str]
) -> None:
    from heatmap_locator.locator import Locator

    from ..label.session import Console, Session, Viewer

    puzzle = Locator.from_pretrained(args.weights, args.device).encode(args.puzzle, grid=grid)
    name = os.path.relpath(args.puzzle, args.folder)
    viewer = Viewer(args.folder / "proposal")
    try:
        say(f"see {viewer.page}")
        if args.open:
            webbrowser.open(viewer.page.resolve().as_uri())
        Session(puzzle, name, labels, Console(_say, _key, _line), viewer).run(photos)
    finally:
        viewer.close()


def _say(text: str) -> None:
    say(text)
    flush()


def _line(text: str) -> str:
    """A line that is typed after a text; empty at the end of the input."""
    print(text, end="", flush=True)
    return sys.stdin.readline().strip()


def _key() -> str:
    """A key, without Enter where a terminal is read; else the first of a line, empty at the end."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return line.strip()[:1] or ("?" if line else "")
    try:
        import termios
        import tty
    except ModuleNotFoundError:  # Windows
        import msvcrt

        return str(msvcrt.getwch())  # type: ignore[attr-defined]
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)
        return sys.stdin.read(1)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
