"""``heatmap-predict PIECE... PUZZLE``: where loose pieces go, as a table or as JSON.

Exit status: 0 all pieces answered, 1 some failed, 2 nothing could be answered or an overlay could
not be written, 130 interrupted, 141 the reader of the output went away.  Everything that can be
told from the arguments and the files' headers is checked before torch is imported.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from heatmap_locator import __version__
from heatmap_locator.errors import HeatmapLocatorError, InputError, WeightsError
from heatmap_locator.options import whole
from heatmap_locator.report import (
    PROG,
    Progress,
    Table,
    complain,
    display_name,
    overlay_paths,
    save_overlay,
)

if TYPE_CHECKING:
    from heatmap_locator.grid import Grid
    from heatmap_locator.locator import Puzzle

_DESCRIPTION = """\
Says where loose jigsaw pieces go: a box in the puzzle's picture, the angle, and how sure.
PIECE is a photo of one loose piece, or a cut-out with transparency; PUZZLE, always last, is the
picture of the whole puzzle."""
_EPILOG = """\
Boxes and centres are in pixels of PUZZLE; rotation is how many degrees clockwise the piece in
its photo is turned from its place; cells are row,column from 0; score is 0..1.
Exit status: 0 all answered, 1 some pieces failed, 2 bad input or options."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without the usage."""
        raise InputError(f"{message} (see {PROG} --help)")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status.

    Args:
        argv: arguments without the program's name; ``sys.argv[1:]`` by default.
    """
    try:
        status = _run(_parse(argv))
        if sys.stdout is not None:  # closed by the caller
            sys.stdout.flush()
        return status
    except SystemExit as stop:  # argparse's --help and --version
        return stop.code if isinstance(stop.code, int) else 2
    except HeatmapLocatorError as error:
        complain(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes stdout once more on its way out, and must not fail there again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
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
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument(
        "--overlay",
        metavar="OUT.png",
        help="draw the places; with several pieces, OUT-PIECE.png for each",
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default auto"
    )
    parser.add_argument("--weights", metavar="PATH", help="weights other than the packaged ones")
    parser.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    args = parser.parse_args(argv)
    if len(args.images) < 2:
        parser.error("give one or more pieces and then the picture of the puzzle")
    return args


def _run(args: argparse.Namespace) -> int:
    from heatmap_locator.images import check_image

    pieces, picture = args.images[:-1], args.images[-1]
    width, height = check_image(picture)
    grid = _grid(args, width, height, display_name(picture))
    targets = overlay_paths(args.overlay, pieces, picture) if args.overlay is not None else None
    if args.weights is not None and not Path(args.weights).is_file():
        raise WeightsError(f"{display_name(args.weights)}: no such weights file; check the path")
    results: list[dict[str, Any] | None] = [None] * len(pieces)
    for index, piece in enumerate(pieces):
        try:
            check_image(piece)
        except InputError as error:
            results[index] = _failed(piece, error)
    if all(results):
        return 2

    progress = Progress()
    try:
        progress.say("loading the model")
        from heatmap_locator.locator import Locator

        locator = Locator.from_pretrained(args.weights, device=args.device)
        progress.say("reading the picture")
        puzzle = locator.encode(picture, grid=grid)
        table = None if args.json else Table(pieces)
        for index, piece in enumerate(pieces):
            if results[index] is None:
                progress.say(f"piece {index + 1} of {len(pieces)}: {display_name(piece)}")
                target = targets[index] if targets else None
                results[index] = _locate(puzzle, piece, args.top, target, table, progress)
    except RuntimeError as error:  # torch has no narrower class for it on every version
        if "out of memory" not in str(error):
            raise
        raise InputError(
            f"{display_name(picture)}: out of memory on the device; use --device cpu"
        ) from None
    finally:
        progress.clear()
    done = [result for result in results if result is not None]
    failed = sum("error" in result for result in done)
    if failed == len(done):
        return 2
    if args.json:
        about = {
            "path": picture,
            "width": puzzle.width,
            "height": puzzle.height,
            "pieces": None if puzzle.grid is None else puzzle.grid.pieces,
        }
        print(json.dumps({"puzzle": about, "results": done}, indent=2, allow_nan=False))
    return 1 if failed else 0


def _grid(args: argparse.Namespace, width: int, height: int, name: str) -> "Grid | None":
    from heatmap_locator.grid import Grid

    if args.grid is not None:
        return Grid.parse(args.grid).check(width, height, name)
    if args.pieces is not None:
        return Grid.from_pieces(args.pieces, width, height).check(width, height, name)
    return None


def _locate(
    puzzle: "Puzzle",
    piece: str,
    top: int,
    target: Path | None,
    table: Table | None,
    progress: Progress,
) -> dict[str, Any]:
    """Locates one piece, prints its rows, draws its overlay; the result as JSON has it."""
    start = time.perf_counter()
    try:
        if target is None:
            search = None
            placements = puzzle.locate(piece, top=top)
        else:
            search = puzzle.search(piece, top)
            placements = search.placements
    except InputError as error:
        progress.clear()
        return _failed(piece, error)
    seconds = time.perf_counter() - start
    progress.clear()
    if table is not None:
        table.add(piece, placements)
    if search is not None and target is not None:
        from heatmap_locator.overlay import draw_overlay

        save_overlay(
            draw_overlay(
                puzzle.picture, search.heatmap, placements, search.piece_rgb, search.piece_mask
            ),
            target,
        )
    return {
        "piece": piece,
        "placements": [placement.to_dict() for placement in placements],
        "seconds": round(seconds, 3),
    }


def _failed(piece: str, error: InputError) -> dict[str, Any]:
    complain(str(error))
    return {"piece": piece, "error": str(error)}


if __name__ == "__main__":
    sys.exit(main())
