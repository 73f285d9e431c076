"""``heatmap-eval COMMAND``: how well pieces are placed, beside the classical methods.

A command is a module with ``add_arguments(parser)``, ``check(args)`` and ``run(args)``; it imports
torch and OpenCV in ``run`` alone, so that help and bad arguments are answered at once.
"""

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from heatmap_locator import __version__
from heatmap_locator.errors import HeatmapLocatorError, InputError

from .commands import calibrate, collapse, ladder, measure, outline
from .options import PROG, Parser

COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "ladder": (ladder, "every protocol with every method, tables and pictures"),
    "exact": (measure, "rectangles of the picture's own pixels, 25 x 38, in quarter turns"),
    "tiny": (measure, "interlocking pieces on black, 4 x 4 of 256 x 256 pixels, quarter turns"),
    "captured": (measure, "interlocking pieces, any angle, picture and piece photographed apart"),
    "validation": (measure, "the same on the pictures that training holds back"),
    "real": (measure, "labelled photos and scans of real pieces, yours too"),
    "outline": (outline, "the piece found in its photo: overlap, size and time, drawn and real"),
    "collapse": (collapse, "direct box regressors trained beside the locator, and their spread"),
    "calibrate": (calibrate, "make scores probabilities, on the pictures training holds back"),
}
"""Module and one line of help by name of the command."""


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROG, description="Measures how well pieces are placed.",
        epilog=f"{PROG} COMMAND --help tells a command's own.", allow_abbrev=False)  # fmt: skip
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (module, line) in COMMANDS.items():
        own = commands.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.",
            allow_abbrev=False)  # fmt: skip
        module.add_arguments(own)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: 0, 2 for bad input, 130 interrupted."""
    try:
        args = build_parser().parse_args(argv)
        # As it was typed, for the pages that name the command they come from.
        args.argv = list(sys.argv[1:] if argv is None else argv)
        module, _ = COMMANDS[args.command]
        module.check(args)
        try:
            status: int = module.run(args)
        except ModuleNotFoundError as error:
            raise InputError(
                f"{error.name} is not installed; run: pip install 'heatmap-locator[train]'"
            ) from error
        return status
    except HeatmapLocatorError as error:
        print(f"{PROG}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{PROG}: stopped; with --out the same command goes on", file=sys.stderr)
        return 130
