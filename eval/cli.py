"""``heatmap-eval COMMAND``: how well pieces are placed, beside the classical methods.

A command imports torch and OpenCV in ``run`` alone, so that help and bad arguments are answered at
once.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from heatmap_locator import __version__
from heatmap_locator.completion import add_completion
from heatmap_locator.errors import InputError
from heatmap_locator.options import Parser
from heatmap_locator.outcome import run_command

from .commands import (
    ablate,
    calibrate,
    collapse,
    fit_sides,
    label,
    ladder,
    nuisances,
    outline,
    shape,
    sides,
)
from .commands.measure import Captured, Exact, Real, Tiny
from .options import PROG, check_common


class Command(Protocol):
    """A module of ``commands``, or an object like one."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def check(self, args: argparse.Namespace) -> None:
        """Refuse what can be told from the arguments alone."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the command; return its exit status."""


COMMANDS: dict[str, tuple[Command, str]] = {
    "ladder": (ladder, "every protocol with every method, tables and pictures"),
    "exact": (Exact("exact"), "rectangles of the picture's own pixels, 25 x 38, in quarter turns"),
    "tiny": (
        Tiny("tiny"),
        "interlocking pieces on black, 4 x 4 of 256 x 256 pixels, quarter turns",
    ),
    "captured": (
        Captured("captured", "all"),
        "interlocking pieces, any angle, picture and piece photographed apart",
    ),
    "validation": (
        Captured("validation", "validation"),
        "the same on the pictures that training holds back",
    ),
    "real": (Real("real"), "labelled photos and scans of real pieces, yours too"),
    "label": (label, "places of your own pieces, proposed and confirmed, as a manifest for real"),
    "outline": (outline, "the piece found in its photo: overlap, size and time, drawn and real"),
    "sides": (sides, "corners and sides of drawn pieces, against the cut's, by pixels a cell"),
    "nuisances": (nuisances, "photos that go wrong, by kind: finger, glare, shadow, foreign, ..."),
    "shape": (shape, "whole puzzles, many pieces flat: by print, and by outlines as well"),
    "fit-sides": (fit_sides, "what sides found in photos are off by, which fitting together needs"),
    "collapse": (collapse, "direct box regressors trained beside the locator, and their spread"),
    "ablate": (ablate, "the same pieces with parts of the method taken out, row by row"),
    "calibrate": (calibrate, "make scores probabilities, on the pictures training holds back"),
}
"""The command and one line of help by its name."""


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROG,
        description="Measures how well pieces are placed.",
        epilog=f"{PROG} COMMAND --help tells a command's own.",
        allow_abbrev=False,
    )
    add_completion(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (command, line) in COMMANDS.items():
        text = f"{line[0].upper()}{line[1:]}."
        own = commands.add_parser(name, help=line, description=text, allow_abbrev=False)
        command.add_arguments(own)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 2 for bad input, 130 interrupted."""
    work = partial(_from_arguments, argv)
    return run_command(PROG, work, "stopped; with --out the same command goes on")


def _from_arguments(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    # As it was typed, for the pages that name the command they come from.
    args.argv = list(sys.argv[1:] if argv is None else argv)
    command, _ = COMMANDS[args.command]
    check_common(args)
    command.check(args)
    try:
        return command.run(args)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed; run: pip install 'heatmap-locator[train]'"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
