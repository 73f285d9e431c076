"""What ``heatmap-predict`` can be asked.  Imports nothing heavy."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from heatmap_locator import __version__
from heatmap_locator.command.report import PROG
from heatmap_locator.completion import add_completion
from heatmap_locator.device import DEVICES, check_device
from heatmap_locator.errors import InputError, display_name
from heatmap_locator.files import check_weights_files
from heatmap_locator.options import Parser, whole
from heatmap_locator.picture.formats import NAMES

_DESCRIPTION = """\
Says where loose jigsaw pieces go: a box in the puzzle's picture, the angle, and how sure.
PIECE is a photo of one loose piece, a cut-out with transparency, or a folder of such images;
PUZZLE, always last, is the picture of the whole puzzle.  One of them may be -, standard input."""
_EPILOG = f"""\
Images are {NAMES}.
Boxes and centres are in pixels of PUZZLE; rotation is how many degrees clockwise the piece in
its photo is turned from its place; score is 0..1.  Rows and columns count from 1 in the table and
the overlay, from 0 in JSON and CSV.  With --corners pixels are those of the squared-up picture.
Exit status: 0 all answered, 1 some pieces failed, 2 bad input or options."""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments, checked as far as they can be without the files.

    Raises:
        InputError: they cannot be used, or there is no such device.
    """
    parser = build_parser()
    options, names = _before_and_after_dashes(sys.argv[1:] if argv is None else argv)
    args, unknown = parser.parse_known_intermixed_args(options)  # options between the images, too
    if unknown:
        # With them come names that are fine.
        unknown = [one for one in unknown if one.startswith("-")] or unknown
        file = any(os.path.lexists(one) for one in unknown)
        hint = "; name files that begin with - last, after --" if file else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    args.images += names
    _check(args, parser)
    return args


def _before_and_after_dashes(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What stands before ``--``, and the files named after it, whose names may begin with -."""
    # argparse loses the -- where options stand between the images, and takes all for options.
    at = argv.index("--") if "--" in argv else len(argv)
    return argv[:at], argv[at + 1 :]


def build_parser() -> Parser:
    """The options, each with its line of help."""
    parser = Parser(
        prog=PROG,
        usage=f"{PROG} [options] PIECE... PUZZLE",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("images", nargs="*", metavar="PIECE... PUZZLE", help="image files")
    _add_what_is_asked(parser)
    _add_what_is_written(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default auto")
    parser.add_argument("--weights", metavar="PATH", help="weights other than the packaged ones")
    parser.add_argument(
        "--outline-weights", metavar="PATH", help="the same for the network that finds the piece"
    )
    add_completion(parser)
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    return parser


def _add_what_is_asked(parser: argparse.ArgumentParser) -> None:
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--pieces", type=whole(1, 50_000), metavar="N", help="how many pieces the puzzle has"
    )
    size.add_argument("--grid", metavar="ROWSxCOLS", help="how it is cut, such as 25x38")
    parser.add_argument(
        "--top", type=whole(1, 100), default=1, metavar="K", help="places per piece (default 1)"
    )
    parser.add_argument(
        "--many", action="store_true", help="PIECE is a photo or scan of several loose pieces"
    )
    parser.add_argument(
        "--cutout",
        action="store_true",
        help="PIECE is a piece cut out, whatever its shape: its alpha, or without alpha all of it, "
        "is the outline",
    )
    parser.add_argument(
        "--assign",
        action="store_true",
        help="one answer for all: no two pieces in one cell; needs --pieces or --grid",
    )
    parser.add_argument(
        "--corners",
        metavar="auto|'X,Y X,Y X,Y X,Y'",
        help="PUZZLE is a photo taken at an angle: square it up by its corners in pixels, "
        "clockwise from the top left, or find them",
    )
    parser.add_argument(
        "--done",
        metavar="PHOTO",
        help="a photo of the half-done puzzle: pieces go into the cells that it shows open; needs "
        "--pieces or --grid",
    )
    parser.add_argument(
        "--watch",
        metavar="FOLDER",
        help="after the pieces named, if any, answer photos as they come into a folder, until "
        "Ctrl-C",
    )


def _add_what_is_written(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    form.add_argument(
        "--jsonl", action="store_true", help="a JSON object a line, as soon as a piece is done"
    )
    form.add_argument("--csv", action="store_true", help="comma-separated values, a row a place")
    parser.add_argument(
        "--overlay",
        metavar="OUT.png",
        help="draw the places; with several pieces, OUT-PIECE.png for each; with --many or "
        "--assign, all pieces in one",
    )


def _check(args: argparse.Namespace, parser: Parser) -> None:
    if len(args.images) < (2 if args.watch is None else 1):
        parser.error("give one or more pieces and then the picture of the puzzle")
    if args.assign and args.pieces is None and args.grid is None:
        parser.error("--assign needs to know the cells; give --pieces or --grid")
    if args.done is not None and args.pieces is None and args.grid is None:
        parser.error("--done needs to know the cells; give --pieces or --grid")
    if args.watch is not None:
        _check_watch(args, parser)
    check_device(args.device)
    check_weights_files(args.weights, args.outline_weights)


def _check_watch(args: argparse.Namespace, parser: Parser) -> None:
    for option in ("json", "assign"):
        if getattr(args, option):
            parser.error(f"--{option} waits for the last piece, and --watch has none")
    if args.many and args.overlay is not None:
        parser.error("--overlay with --many draws all pieces at the end, and --watch has none")
    folder = Path(args.watch)
    if not folder.is_dir():
        raise InputError("no such folder; --watch takes one", name=display_name(args.watch))
    if args.overlay is not None and os.path.realpath(folder) == os.path.realpath(
        Path(args.overlay).parent
    ):
        parser.error("--overlay would draw into the folder that is watched; choose another")
