"""``heatmap-eval calibrate``: fits scores to be probabilities and writes them with the weights."""

import argparse
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from heatmap_locator.errors import InputError
from heatmap_locator.options import whole

from ..options import (
    KINDS,
    add_device_argument,
    add_json_argument,
    add_seed_argument,
    add_weights_argument,
    check_folders,
    check_weights,
    listed,
)

if TYPE_CHECKING:
    from ..answers.metrics import Record
    from ..methods.registry import Ours
    from ..protocols.tasks import PictureTask

FEWEST = 50
"""Pieces; less tells nothing of probabilities."""

PER_PICTURE = 2
"""Many pictures tell more than many pieces of few."""

ANSWERS = 40
"""Of each piece: as many as the library weighs against each other."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--corpus-pictures",
        metavar="DIR",
        type=Path,
        help="the folder that was trained on: the pictures held back from it are used; drawn "
        "without it",
    )
    add_weights_argument(parser)
    add(
        "--write",
        metavar="OUT",
        type=Path,
        required=True,
        help="weights file to write, the same but for the calibration",
    )
    add(
        "--pieces",
        metavar="N,...",
        type=listed(whole(2, 50_000)),
        default=[24, 150, 500, 1000],
        help="pieces of the puzzles (default 24,150,500,1000)",
    )
    add(
        "--per-count",
        metavar="N",
        type=whole(10, 10**6),
        default=200,
        help="pieces asked of each count, half of them from photos (default 200)",
    )
    add(
        "--kinds",
        metavar="KIND,...",
        type=listed(str),
        default=list(KINDS),
        help=f"kinds of pictures, of {','.join(KINDS)} (default all), as many pieces of each",
    )
    add_seed_argument(parser)
    add_device_argument(parser)
    add("--out", metavar="DIR", type=Path, help="keeps predictions, which a later run goes on with")
    add_json_argument(parser, "a table")


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    if args.corpus_pictures is not None:
        check_folders([args.corpus_pictures])
    check_weights(args)
    if odd := sorted(set(args.kinds) - set(KINDS)):
        raise InputError(f"--kinds {','.join(odd)}: give some of {','.join(KINDS)}")
    if not args.write.resolve().parent.is_dir():
        raise InputError(f"{args.write}: its folder does not exist; create it")
    if args.write.suffix != ".safetensors":
        raise InputError(f"{args.write}: name a .safetensors file")


def _tasks(args: argparse.Namespace, photos: bool) -> "Iterator[PictureTask]":
    from ..protocols.synthesis import captured_tasks
    from ..protocols.tasks import limited

    folder, split = args.corpus_pictures, "validation"
    for count, kind in product(args.pieces, args.kinds):
        groups = captured_tasks(folder, split, args.seed, count, PER_PICTURE, photos, kind=kind)
        yield from limited(groups, args.per_count // 2)


def _records(args: argparse.Namespace, method: "Ours", name: str) -> "list[Record]":
    """Answers of cut-outs and of photos, by the weights of that digest."""
    from heatmap_locator.command.report import Progress

    from ..answers.records import Predictions
    from ..answers.runner import run as ask
    from ..protocols.tasks import VERSION

    progress, records = Progress(), []
    try:
        for photos in (False, True):
            folder = None if args.out is None else args.out / ("photos" if photos else "cutouts")
            header = {"version": VERSION, "protocol": "calibration", "photos": photos}
            header |= {"seed": args.seed, "per_picture": PER_PICTURE, "answers": ANSWERS}
            predictions = Predictions(folder, header)
            predictions.check_weights("ours", name)
            tasks, digests = _tasks(args, photos), {"ours": name}
            ask(tasks, {"ours": method}, predictions, digests, progress.say, ANSWERS)
            records += predictions.records
    finally:
        progress.clear()
    return records


def run(args: argparse.Namespace) -> int:
    """Ask, fit, write the weights and print how the fit does."""
    from heatmap_locator.model.calibration import Calibration
    from heatmap_locator.model.files import save_model, shipped_weights
    from heatmap_train.shared.weights import stored_beside

    from ..answers.calibration import answers, assess, choose, rounded
    from ..methods.registry import Ours, digest

    source = Path(args.weights or shipped_weights())
    method = Ours(args.weights, args.device)
    before, method.locator.calibration = method.locator.calibration, Calibration()
    records = _records(args, method, digest(source))
    data = answers(records) if any(r.answers for r in records) else None
    if data is None or len(data.hits) < FEWEST or not 0 < data.hits.mean() < 1:
        count = 0 if data is None else len(data.hits)
        raise InputError(f"{count} answers, or all alike: too little to calibrate on; ask for more")
    rows = assess(data, before)
    chosen = choose(rows)
    calibration = rounded(chosen.calibration)
    extra = {**stored_beside(source), "calibration": calibration.to_extra()}
    save_model(method.locator.model, args.write, extra)
    if args.json:
        shown = [
            {
                "name": row.name,
                "log_loss": row.loss,
                "calibration_error": row.error,
                "calibration": row.calibration.to_extra(),
            }
            for row in rows
        ]
        result = {"pieces": len(data.hits), "right": float(data.hits.mean()), "rows": shown}
        result |= {"chosen": chosen.name, "written": str(args.write)}
        print(json.dumps(result, indent=2))
        return 0
    print(
        f"{len(data.hits)} pieces, {100 * data.hits.mean():.1f}% right; "
        "held-out pictures, 5-fold, but for the first row"
    )
    print(f"{'calibration':24}{'log loss':>10}{'ECE':>8}")
    for row in rows:
        mark = "  chosen" if row is chosen else ""
        print(f"{row.name:24}{row.loss:10.4f}{row.error:8.4f}{mark}")
    numbers = ", ".join(f"{key} {value:g}" for key, value in calibration.to_extra().items())
    print(f"wrote {args.write}: {numbers}")
    return 0
