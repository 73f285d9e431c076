"""``heatmap-predict PIECE... PUZZLE``: where loose pieces go, as a table or as JSON.

Exit status: 0 all pieces answered, 1 some failed, 2 nothing could be answered or an overlay could
not be written, 130 interrupted, 141 the reader of the output went away.  Everything that can be
told from the arguments and the files' headers is checked before torch is imported.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatmap_locator import __version__
from heatmap_locator.command.inputs import Input, gather
from heatmap_locator.command.interrupt import INTERRUPTED, end_at_once
from heatmap_locator.command.report import (
    PROG,
    Progress,
    Table,
    complain,
    flush,
    overlay_paths,
    say,
    say_what_is_damaged,
)
from heatmap_locator.errors import (
    HeatmapLocatorError,
    InputError,
    WeightsError,
    display_name,
)
from heatmap_locator.options import Parser, whole
from heatmap_locator.picture.formats import NAMES

if TYPE_CHECKING:
    import numpy as np

    from heatmap_locator.grid import Grid
    from heatmap_locator.puzzle import Puzzle

_DESCRIPTION = """\
Says where loose jigsaw pieces go: a box in the puzzle's picture, the angle, and how sure.
PIECE is a photo of one loose piece, a cut-out with transparency, or a folder of such images;
PUZZLE, always last, is the picture of the whole puzzle.  One of them may be -, standard input."""
_EPILOG = f"""\
Images are {NAMES}.
Boxes and centres are in pixels of PUZZLE; rotation is how many degrees clockwise the piece in
its photo is turned from its place; cells are row,column from 0; score is 0..1.  With --corners
they are pixels of the squared-up picture.
Exit status: 0 all answered, 1 some pieces failed, 2 bad input or options."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Args:
        argv: arguments without the program's name; ``sys.argv[1:]`` by default.
    """
    if argv is None:
        end_at_once()
    try:
        try:
            with warnings.catch_warnings():
                say_what_is_damaged()
                status = _run(_parse(argv))
        except SystemExit as stop:  # argparse's --help and --version
            status = stop.code if isinstance(stop.code, int) else 2
        flush()
        return status
    except HeatmapLocatorError as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more on its way out, and must not fail there again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog=PROG,
        usage=f"{PROG} [options] PIECE... PUZZLE",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("images", nargs="*", metavar="PIECE... PUZZLE", help="image files")
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
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument(
        "--overlay",
        metavar="OUT.png",
        help="draw the places; with several pieces, OUT-PIECE.png for each; with --many or "
        "--assign, all pieces in one",
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default auto"
    )
    parser.add_argument("--weights", metavar="PATH", help="weights other than the packaged ones")
    parser.add_argument(
        "--outline-weights", metavar="PATH", help="the same for the network that finds the piece"
    )
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    args = parser.parse_args(argv)
    if len(args.images) < 2:
        parser.error("give one or more pieces and then the picture of the puzzle")
    if args.assign and args.pieces is None and args.grid is None:
        parser.error("--assign needs to know the cells; give --pieces or --grid")
    return args


def _run(args: argparse.Namespace) -> int:
    from heatmap_locator.picture.read import check_image

    pieces, picture = gather(args.images)
    width, height = check_image(picture.source, picture.shown)
    name = picture.shown
    # With corners the cells follow from the squared-up picture; until then, from the photo.
    grid = _grid(args, width, height, name) if args.corners is None else None
    together = args.many or args.assign
    targets: list[Path] = []
    if args.overlay is not None:
        names = [piece.name for piece in pieces]
        targets = overlay_paths(args.overlay, names, picture.name, together)
    for weights in (args.weights, args.outline_weights):
        if weights is not None and not Path(weights).is_file():
            raise WeightsError(f"{display_name(weights)}: no such weights file; check the path")
    failed = _unreadable(pieces)
    if len(failed) == len(pieces):
        return 2
    flat, corners = _at_hand(picture), None
    if args.corners is not None:
        flat, corners = _square_up(picture, args.corners)
        grid = _grid(args, flat.shape[1], flat.shape[0], name)

    progress = Progress()
    try:
        progress.say("loading the model")
        from heatmap_locator.command.predict import Prediction
        from heatmap_locator.locator import Locator

        locator = Locator.from_pretrained(args.weights, args.device, args.outline_weights)
        progress.say("reading the picture")
        puzzle = locator.encode(picture.source if flat is None else flat, grid=grid)
        puzzle.progress = lambda text: progress.say(f"size of a piece not given: {text}")
        table = (
            None if args.json else Table([piece.name for piece in pieces], args.many, args.assign)
        )
        prediction = Prediction(puzzle, args.top, args.assign, table, progress, args.cutout)
        for index, piece in enumerate(pieces):
            if index in failed:
                prediction.results.append(failed[index])
                continue
            progress.say(f"piece {index + 1} of {len(pieces)}: {piece.shown}")
            if args.many:
                prediction.add_photo(piece, sheet=bool(targets))
            else:
                target = None if together or not targets else targets[index]
                prediction.add(piece, target, sheet=together and bool(targets))
        prediction.finish(targets[0] if together and targets else None)
    except RuntimeError as error:  # torch has no narrower class for it on every version
        if "out of memory" not in str(error):
            raise
        raise InputError("out of memory on the device; use --device cpu", name=name) from None
    finally:
        progress.clear()
    return _conclude(args, puzzle, prediction.results, corners)


def _at_hand(picture: Input) -> "np.ndarray | None":
    """The picture where it came through a pipe; None where its file will be read."""
    from heatmap_locator.picture.read import read_picture

    if isinstance(picture.source, str):
        return None
    return read_picture(picture.source, picture.shown)


def _unreadable(pieces: list[Input]) -> dict[int, dict[str, Any]]:
    """Results of those photos, by index, that are told to be no images before the model is loaded.

    Each has its line on stderr.
    """
    from heatmap_locator.picture.read import check_image

    failed: dict[int, dict[str, Any]] = {}
    for index, piece in enumerate(pieces):
        try:
            check_image(piece.source, piece.shown)
        except InputError as error:
            complain(str(error))
            failed[index] = {"piece": piece.name, "error": str(error)}
    return failed


def _conclude(
    args: argparse.Namespace,
    puzzle: "Puzzle",
    results: list[dict[str, Any]],
    corners: list[list[float]] | None,
) -> int:
    """Prints what concerns all pieces together; returns the exit status."""
    errors = sum("error" in result for result in results)
    if errors == len(results):
        return 2
    about_pieces = puzzle.size_estimate
    if about_pieces is not None and puzzle.grid is not None:
        complain(
            f"looks like about {about_pieces} pieces, not {puzzle.grid.pieces}; "
            f"give --pieces {about_pieces}, or their true number"
        )
    elif about_pieces is not None:
        complain(
            f"size of a piece not given: looks like about {about_pieces} pieces; "
            f"give --pieces {about_pieces} to be faster"
        )
    if args.json:
        about = {
            "path": args.images[-1],
            "width": puzzle.width,
            "height": puzzle.height,
            "pieces": None if puzzle.grid is None else puzzle.grid.pieces,
        }
        if puzzle.grid is None or about_pieces is not None:
            about["size_estimate"] = about_pieces
        if args.corners is not None:
            about |= {"squared_up": corners is not None, "corners": corners}
        answer = {"puzzle": about, "results": results}
        say(json.dumps(answer, indent=2, allow_nan=False))
    return 1 if errors else 0


def _square_up(picture: Input, text: str) -> "tuple[np.ndarray, list[list[float]] | None]":
    """The picture squared up, and the corners it was squared up by; None where none were found.

    Raises:
        InputError: the picture cannot be read, or the corners are none that it can have.
    """
    from heatmap_locator.picture.corners import find_corners, parse_corners, square_up
    from heatmap_locator.picture.read import read_picture

    given = None if text.strip() == "auto" else parse_corners(text)
    pixels = read_picture(picture.source, picture.shown)
    corners = find_corners(pixels) if given is None else given
    if corners is None:
        complain(f"{picture.shown}: no corners found; taking the whole picture")
        return pixels, None
    try:
        return square_up(pixels, corners), [[round(float(v), 2) for v in c] for c in corners]
    except InputError as error:
        raise InputError(str(error), name=picture.shown) from None


def _grid(args: argparse.Namespace, width: int, height: int, name: str) -> "Grid | None":
    from heatmap_locator.grid import Grid

    return Grid.make(size=(width, height), name=name, pieces=args.pieces, grid=args.grid)


if __name__ == "__main__":
    sys.exit(main())
