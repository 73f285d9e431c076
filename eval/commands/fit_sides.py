"""``heatmap-eval fit-sides``: what sides found in photos are off by, and how a cut's vary."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from heatmap_locator.errors import InputError
from heatmap_locator.options import pathname, whole

from ..options import (
    add_json_argument,
    add_pictures_argument,
    add_seed_argument,
    check_folders,
    check_written_weights,
)

if TYPE_CHECKING:
    from heatmap_locator.outline.by_network import OutlineFinder

    from ..answers.side_model import SidesSeen
    from ..protocols.whole import WholePuzzle

PIECES = 150
"""Of each puzzle; sides know nothing of how many there are."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    text = "the folder that was trained on: the pictures trained on are used; drawn without it"
    add_pictures_argument(parser, text)
    text = "safetensors file to write"
    add("--write", metavar="OUT", type=pathname, required=True, help=text)
    text = f"puzzles of {PIECES} pieces (default 16)"
    add("--puzzles", metavar="N", type=whole(1, 1000), default=16, help=text)
    text = "pieces photographed of each (default 25)"
    add("--per-puzzle", metavar="N", type=whole(10, 100), default=25, help=text)
    add_seed_argument(parser)
    add_json_argument(parser, "a line")


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    check_folders(args.pictures)
    check_written_weights(args.write)


def run(args: argparse.Namespace) -> int:
    """Draw puzzles, look for the sides of some of their pieces, fit, write."""
    import numpy as np
    import torch

    from heatmap_locator.assign.ratio import save_side_model
    from heatmap_locator.command.report import Progress
    from heatmap_locator.outline.by_network import OutlineFinder

    from ..answers.side_model import fit_side_model
    from ..protocols.whole import whole_puzzles

    torch.set_num_threads(1)
    finder, progress, puzzles = OutlineFinder(device="cpu"), Progress(), []
    try:
        drawn = whole_puzzles(args.pictures, "train", args.seed, PIECES, args.puzzles)
        for number, puzzle in enumerate(drawn, 1):
            progress.say(f"puzzle {number} of {args.puzzles}")
            puzzles.append(list(_seen(puzzle, args.per_puzzle, number, args.seed, finder)))
    finally:
        progress.clear()
    try:
        model = fit_side_model(puzzles)
    except ValueError as error:
        raise InputError(f"{error}; give more --puzzles or --per-puzzle") from error
    result = {
        "seed": args.seed,
        "puzzles": args.puzzles,
        "photos": args.puzzles * args.per_puzzle,
        "pieces": sum(map(len, puzzles)),
        "sides": sum(len(seen.found) for own in puzzles for seen in own),
        # Root of the mean variance of coefficients, in cells.
        "error": round(float(np.sqrt(np.diag(model.error).mean())), 5),
        "variety": round(float(np.sqrt(np.diag(model.variety).mean())), 5),
    }
    save_side_model(model, args.write, result)
    print(json.dumps(result) if args.json else _line(result, args.write))
    return 0


def _seen(
    puzzle: "WholePuzzle", count: int, number: int, seed: int, finder: "OutlineFinder"
) -> "Iterator[SidesSeen]":
    """Of ``count`` pieces those whose sides are sure."""
    import numpy as np

    from heatmap_locator.search.piece import prepare_piece

    from ..answers.side_model import sides_seen

    rng = np.random.default_rng([seed, number])
    for cell in rng.permutation(puzzle.grid.pieces)[:count]:
        piece = puzzle.photograph(*divmod(int(cell), puzzle.grid.cols))
        try:
            found = prepare_piece(piece.photo, finder).sides
        except InputError:  # no piece found
            continue
        seen = None if found is None else sides_seen(found, piece.corners, piece.edges)
        if seen is not None:
            yield seen


def _line(result: dict[str, int | float], file: Path) -> str:
    return (
        f"{result['photos']} photos, {result['pieces']} pieces with sure sides, "
        f"{result['sides']} knobs and blanks: off by {result['error']} of a cell a coefficient, "
        f"varying by {result['variety']}; wrote {file}"
    )
