"""``heatmap-eval exact|tiny|captured|validation|real``: one protocol, any methods."""

import argparse
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from heatmap_locator.errors import InputError
from heatmap_locator.options import whole

from .options import (
    add_method_arguments,
    add_seed_argument,
    check_datasets,
    check_folders,
    check_weights,
    listed,
    usable_methods,
)

if TYPE_CHECKING:
    from .tasks import PictureTask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    if parser.prog.endswith(" real"):
        add("--dataset", metavar="DIR", type=Path, action="append", default=[], help="a set with "
            "its manifest.csv; may be repeated")  # fmt: skip
    else:
        add("--pictures", metavar="DIR", type=Path, help="folder of pictures; drawn without it")
        add("--per-picture", metavar="N", type=whole(1, 1000), default=8,
            help="pieces taken from each picture (default 8)")  # fmt: skip
        add_seed_argument(parser)
    if parser.prog.endswith((" captured", " validation")):
        add("--pieces", metavar="N,...", type=listed(whole(2, 50_000)), default=[150],
            help="pieces of the puzzle (default 150)")  # fmt: skip
    if not parser.prog.endswith((" exact", " tiny")):
        add("--photos", action="store_true", help="pieces on their background, not cut out")
    add("--limit", metavar="N", type=whole(1, 10**9), help="pieces of each set and count")
    add_method_arguments(parser, ["ours"])
    add("--out", metavar="DIR", type=Path, help="keeps predictions.jsonl, which a later run goes "
        "on with, and results.json")  # fmt: skip
    add("--json", action="store_true", help="one JSON object instead of a table")


def check(args: argparse.Namespace) -> None:
    """Refuses what can be told from the arguments alone."""
    if args.command == "real":
        if not args.dataset:
            raise InputError("real: give --dataset, a folder with a manifest.csv")
        check_folders(args.dataset)
        check_datasets(args.dataset)
    elif args.pictures:
        check_folders([args.pictures])
    check_weights(args)


def _tasks(args: argparse.Namespace) -> "Iterator[PictureTask]":
    from .real import real_tasks
    from .synthesis import captured_tasks, exact_tasks, tiny_tasks
    from .tasks import limited

    groups: list[Iterator[PictureTask]]
    if args.command == "real":
        groups = [real_tasks(folder, args.photos) for folder in args.dataset]
    elif args.command == "exact":
        groups = [exact_tasks(args.pictures, args.seed, args.per_picture)]
    elif args.command == "tiny":
        groups = [tiny_tasks(args.pictures, args.seed, args.per_picture)]
    else:
        split = "validation" if args.command == "validation" else "all"
        groups = [
            captured_tasks(args.pictures, split, args.seed, n, args.per_picture, args.photos)
            for n in args.pieces
        ]
    return chain.from_iterable(limited(group, args.limit) for group in groups)


def run(args: argparse.Namespace) -> int:
    from heatmap_locator.command.report import Progress
    from heatmap_locator.files import write_atomically

    from .methods import make_methods
    from .records import Predictions
    from .report import LEGEND, summaries, table
    from .runner import run as ask
    from .tasks import VERSION

    tasks, names = _tasks(args), usable_methods(args)
    header = {"version": VERSION, "protocol": args.command}
    header["photos"] = getattr(args, "photos", False)
    if args.command != "real":
        header |= {"seed": args.seed, "per_picture": args.per_picture}
    predictions = Predictions(args.out, header)
    progress = Progress()
    try:
        progress.say("loading")
        # Methods first: weights that cannot be used are told before any work.
        methods, weights = make_methods(names, args.weights, args.loftr_weights, args.device)
        for name, digest in weights.items():
            predictions.check_weights(name, digest)
        ask(tasks, methods, predictions, weights, progress.say)
    finally:
        progress.clear()
    if not predictions.records:
        raise InputError("no piece to ask; see the rows skipped, or use another folder")
    rows = summaries(predictions.records)
    result = json.dumps({**header, "results": rows}, indent=2, allow_nan=False)
    if args.out is not None:
        write_atomically(args.out / "results.json", (result + "\n").encode())
    print(result if args.json else f"{table(rows)}\n\n{LEGEND}")
    return 0
