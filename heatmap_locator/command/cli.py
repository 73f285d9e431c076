"""``heatmap-predict PIECE... PUZZLE``: where loose pieces go, as a table or as JSON.

Exit status: 0 all pieces answered, 1 some failed, 2 nothing could be answered or an overlay could
not be written, 130 interrupted, 141 the reader of the output went away.  Everything that can be
told from the arguments and the files' headers is checked before torch is imported.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatmap_locator.command.answers import Answers, Csv, JsonLines, Silent, Table
from heatmap_locator.command.arguments import parse
from heatmap_locator.command.inputs import Input, gather
from heatmap_locator.command.interrupt import end_at_once
from heatmap_locator.command.report import (
    LARGE,
    PROG,
    Progress,
    complain,
    overlay_paths,
    say_what_is_damaged,
)
from heatmap_locator.command.watch import Arrivals
from heatmap_locator.errors import InputError, display_name
from heatmap_locator.outcome import run_command, say

if TYPE_CHECKING:
    import numpy as np

    from heatmap_locator.command.predict import Prediction
    from heatmap_locator.grid import Grid
    from heatmap_locator.picture.read import ImageSource
    from heatmap_locator.puzzle import Puzzle


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status.

    Args:
        argv: arguments without the program's name; ``sys.argv[1:]`` by default.
    """
    if argv is None:
        end_at_once()
    return run_command(PROG, partial(_from_arguments, argv))


def _from_arguments(argv: Sequence[str] | None) -> int:
    with warnings.catch_warnings():
        say_what_is_damaged()
        return _run(parse(argv))


def _run(args: argparse.Namespace) -> int:
    from heatmap_locator.picture.read import check_image

    # What is in the folder now, or comes from now on: nothing is answered twice, or missed.
    arrivals = None if args.watch is None else Arrivals(Path(args.watch), complain)
    pieces, picture = gather(args.images)
    width, height = check_image(picture.source, picture.shown)
    if args.done is not None:
        check_image(args.done)
    name = picture.shown
    # With corners the cells follow from the squared-up picture; until then, from the photo.
    grid = _grid(args, width, height, name) if args.corners is None else None
    together = args.many or args.assign
    targets: list[Path] = []
    if args.overlay is not None:
        names = [piece.name for piece in pieces]
        targets = overlay_paths(args.overlay, names, picture.name, together)
    failed = _unreadable(pieces)
    if len(failed) == len(pieces) and args.watch is None:
        return 2
    flat, corners = _at_hand(picture), None
    if args.corners is not None:
        flat, corners = _square_up(picture, args.corners)
        grid = _grid(args, flat.shape[1], flat.shape[0], name)

    # As it was given: the grid may hold a few more or less.
    count = args.pieces or (0 if grid is None else grid.pieces)
    progress = Progress(large=count > LARGE)
    try:
        source = picture.source if flat is None else flat
        puzzle = _encode(args, source, grid, count, progress)
        answers = _answers(args, [piece.shown for piece in pieces])
        from heatmap_locator.command.predict import Prediction

        prediction = Prediction(puzzle, args.top, args.assign, answers, progress, args.cutout)
        searched = prediction.asked([p.source for n, p in enumerate(pieces) if n not in failed])
        for index, piece in enumerate(pieces):
            if index in failed:
                prediction.fail(failed[index])
                continue
            progress.say(f"piece {index + 1} of {len(pieces)}: {piece.shown}")
            if args.many:
                prediction.add_photo(piece, sheet=bool(targets))
            else:
                target = None if together or not targets else targets[index]
                prediction.add(piece, target, together and bool(targets), searched)
        prediction.finish(targets[0] if together and targets else None)
        if arrivals is not None:
            _watch(args, arrivals, prediction, progress)
    except RuntimeError as error:  # torch has no narrower class for it on every version
        if "out of memory" not in str(error):
            raise
        raise InputError("out of memory on the device; use --device cpu", name=name) from None
    finally:
        progress.clear()
    return _conclude(args, puzzle, prediction.results, corners)


def _encode(
    args: argparse.Namespace,
    source: "ImageSource",
    grid: "Grid | None",
    count: int,
    progress: Progress,
) -> "Puzzle":
    """The picture encoded, and what is done of it known."""
    progress.say("loading the model")
    from heatmap_locator.locator import Locator

    locator = Locator.from_pretrained(args.weights, args.device, args.outline_weights)
    progress.say("reading the picture" + (f" for {count} pieces" if count else ""))
    puzzle = locator.encode(source, grid=grid)
    if args.done is not None:
        progress.say("looking for what is done")
        puzzle = puzzle.with_done(args.done)
    why = "size of a piece not given" if grid is None else "no sure fit at the size given"
    puzzle.progress = lambda text: progress.say(f"{why}: {text}")
    return puzzle


def _answers(args: argparse.Namespace, names: list[str]) -> Answers:
    """What prints the answers in the form asked for."""
    if args.json:
        return Silent()
    if args.jsonl:
        return JsonLines()
    if args.csv:
        return Csv()
    # Names to come are not known; those of cameras are about so long.
    longest = [] if args.watch is None else [str(Path(args.watch) / "IMG_20260101_120000.jpg")]
    return Table([*names, *longest], args.many, args.assign)


def _watch(
    args: argparse.Namespace, arrivals: Arrivals, prediction: "Prediction", progress: Progress
) -> None:
    """Answers what comes, for ever."""
    progress.say(f"waiting for photos in {display_name(args.watch)}")
    for path in arrivals:
        piece = Input(str(path), str(path))
        progress.say(piece.shown)
        if args.many:
            prediction.add_photo(piece, sheet=False)
        else:
            out = args.overlay and Path(args.overlay)
            # With the photo's whole name: no two in a folder have the same.
            target = out.with_name(f"{out.stem}-{path.name}{out.suffix}") if out else None
            prediction.add(piece, target, sheet=False, answers=None)
        progress.say(f"waiting for photos in {display_name(args.watch)}")


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
        given = args.pieces or puzzle.grid.pieces  # the grid may hold a few more or less
        complain(
            f"looks like about {about_pieces} pieces, not {given}; "
            f"give --pieces {about_pieces}, or their true number"
        )
    elif about_pieces is not None:
        cut = puzzle.cut
        known = f"about {about_pieces} pieces; give --pieces {about_pieces}"
        if cut is not None and cut.ends_known:
            known = f"{cut.rows} rows of {cut.cols}; give --grid {cut}"
        complain(f"size of a piece not given: looks like {known} to be faster")
    fitted = _fitted(puzzle)
    if fitted is not None:
        x1, y1, x2, y2 = fitted["edges"]
        complain(
            f"by the pieces placed, the puzzle has {fitted['rows']} rows of {fitted['cols']} and "
            f"its edges lie at x {x1:.0f} and {x2:.0f}, y {y1:.0f} and {y2:.0f} of the picture"
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
        if fitted is not None:
            about["cut"] = fitted
        if puzzle.done is not None:
            about["open"] = [list(cell) for cell in puzzle.done.open_cells]
        if args.corners is not None:
            about |= {"squared_up": corners is not None, "corners": corners}
        answer = {"puzzle": about, "results": results}
        say(json.dumps(answer, indent=2, allow_nan=False))
    return 1 if errors else 0


def _fitted(puzzle: "Puzzle") -> dict[str, Any] | None:
    """Rows and columns that pieces have shown, and the puzzle's edges in pixels of the picture,
    JSON-ready; ``None`` where they are those given."""
    cut = puzzle.cut
    if cut is None or cut is puzzle.grid:
        return None
    edges = [round(value, 2) for value in cut.outer(puzzle.width, puzzle.height)]
    return {"rows": cut.rows, "cols": cut.cols, "edges": edges}


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
