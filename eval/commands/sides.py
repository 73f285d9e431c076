"""``heatmap-eval sides``: how well corners and sides of pieces are found, by pixels a cell."""

import argparse
import json
from typing import TYPE_CHECKING

from heatmap_locator.options import whole

from ..options import (
    add_json_argument,
    add_pictures_argument,
    add_seed_argument,
    check_folders,
    listed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from heatmap_locator.outline.by_network import OutlineFinder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_pictures_argument(
        parser,
        "the folder that was trained on: pieces are drawn of the pictures held back from it; "
        "without it, of drawn pictures",
    )
    text = "pixels of the photo on the side of a cell (default 40,80,150,250)"
    add(
        "--cells",
        metavar="N,...",
        type=listed(whole(16, 1000)),
        default=[40, 80, 150, 250],
        help=text,
    )
    text = "pieces of each set and size (default 100)"
    add("--count", metavar="N", type=whole(1, 10**6), default=100, help=text)
    add_seed_argument(parser)
    add_json_argument(parser, "a table")


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    check_folders(args.pictures)


def run(args: argparse.Namespace) -> int:
    import torch

    from heatmap_locator.command.report import Progress
    from heatmap_locator.outline.by_network import OutlineFinder

    from ..protocols.sides import SETS, judge_sides, sides_cases, sides_summary

    torch.set_num_threads(1)
    finder, progress, rows = OutlineFinder(), Progress(), []
    try:
        for which in SETS:
            for cell in args.cells:
                judged = []
                for case in sides_cases(which, args.pictures, cell, args.count, args.seed):
                    judged.append(judge_sides(case, _outlines(finder)))
                    progress.say(f"{which}, {cell} pixels a cell: {len(judged)}")
                rows.append({"set": which, "cell": cell, **sides_summary(judged)})
    finally:
        progress.clear()
    if args.json:
        print(json.dumps({"seed": args.seed, "results": rows}, indent=2, allow_nan=False))
        return 0
    columns = list(rows[0])
    print("  ".join(f"{c:>9}" for c in columns))
    for row in rows:
        print("  ".join(f"{row[c] if row[c] is not None else '-':>9}" for c in columns))
    print(
        "\n%, of all pieces. found: four corners, in an outline that is sure; kinds: those of all "
        "four sides right; regular: the corners said to be right, and kinds right of those; "
        "corner, curve: error in % of a side, median and 90th percentile where found; straight, "
        "mistaken: straight sides of regular ones seen as such, others taken for one"
    )
    return 0


def _outlines(
    finder: "OutlineFinder",
) -> "Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None] | None]":
    """The outline of an image whose sides the library reads, and the photo it was found in."""
    from heatmap_locator.outline.find import find_outlines

    def outline(image: "np.ndarray") -> "tuple[np.ndarray, np.ndarray | None] | None":
        cutout = image.shape[2] == 4
        rgb, alpha = image[..., :3], image[..., 3] if cutout else None
        best = find_outlines(rgb, alpha, "piece", finder, cutout)[0]
        if not best.sure or best.cut_off:
            return None
        return best.mask, rgb if best.searched else None

    return outline
