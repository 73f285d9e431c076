"""``heatmap-eval outline``: how well the piece is found in its photo, by each way and by both."""

import argparse
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from heatmap_locator.errors import InputError
from heatmap_locator.files import check_weights_files
from heatmap_locator.options import pathname, whole

from ..options import (
    add_dataset_argument,
    add_json_argument,
    add_pictures_argument,
    add_seed_argument,
    check_datasets,
    check_folders,
)

if TYPE_CHECKING:
    import numpy as np

    from ..protocols.outlines import Judged

    Case = tuple["np.ndarray", "np.ndarray", "np.ndarray", float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_pictures_argument(
        parser,
        "the folder that was trained on: photos are drawn of the pictures held back from it; "
        "without it, of drawn pictures",
    )
    add(
        "--count", metavar="N", type=whole(0, 10**6), default=400, help="photos drawn (default 400)"
    )
    add(
        "--size",
        metavar="N",
        type=whole(96, 4000),
        default=480,
        help="their side in pixels (default 480)",
    )
    add_dataset_argument(
        parser, "a set with its manifest.csv, whose cut-outs are the truth of its photos"
    )
    text = "an outline network other than the packaged"
    add("--weights", metavar="PATH", type=pathname, help=text)
    add_seed_argument(parser)
    add_json_argument(parser, "a table")


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    check_folders(args.pictures, *args.dataset)
    check_datasets(args.dataset)
    check_weights_files(args.weights)
    if not args.count and not args.dataset:
        raise InputError("outline: nothing to measure; give --count or --dataset")


def _sets(args: argparse.Namespace) -> Iterator[tuple[str, "Iterator[Case]"]]:
    from heatmap_train.draw.photos import PhotoSettings

    from ..protocols.outlines import drawn_cases, real_cases

    if args.count:
        yield "drawn", drawn_cases(args.pictures, args.size, args.count, args.seed)
        crops = PhotoSettings(empty_share=0, crop_share=1)
        yield "crops", drawn_cases(args.pictures, args.size, args.count, args.seed, crops)
    for folder in args.dataset:
        yield folder.resolve().name, real_cases(folder)


def run(args: argparse.Namespace) -> int:
    import torch

    from heatmap_locator.command.report import Progress
    from heatmap_locator.outline.by_colour import outline_by_colour
    from heatmap_locator.outline.by_network import OutlineFinder, find_piece

    from ..protocols.outlines import judge, summary, sure_outline

    torch.set_num_threads(1)
    finder = OutlineFinder(args.weights)

    methods: dict[str, Callable[[np.ndarray], np.ndarray | None]] = {
        "shipped": lambda rgb: sure_outline(rgb, finder),
        "network": lambda rgb: find_piece(rgb, finder),
        "colour": outline_by_colour,
    }
    progress, rows = Progress(), []
    try:
        for name, cases in _sets(args):
            found: dict[str, list[Judged]] = {method: [] for method in methods}
            for number, case in enumerate(cases, 1):
                for method, find in methods.items():
                    found[method].append(judge(find, *case))
                progress.say(f"{name}: {number} photos")
            rows += [{"set": name, "method": m, **summary(judged)} for m, judged in found.items()]
    finally:
        progress.clear()
    if args.json:
        print(json.dumps({"seed": args.seed, "size": args.size, "results": rows}, indent=2))
        return 0
    columns = list(rows[0])
    print("  ".join(f"{c:>12}" for c in columns))
    for row in rows:
        print("  ".join(f"{row[c]:>12}" if row[c] is not None else f"{'-':>12}" for c in columns))
    print(
        "\nfound: % piece-shaped; iou: % mean, those not found as 0; iou>95: % above 0.95; "
        "size_bias, size_spread: % of the side, median and robust deviation where found; "
        "within5: % of all within 5% of the side; alarms: % of photos without a piece"
    )
    return 0
