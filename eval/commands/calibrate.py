"""``heatmap-eval calibrate``: fits scores to be probabilities and writes them with the weights."""

import argparse
import json
from collections.abc import Callable
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
    add(
        "--workers",
        metavar="N",
        type=whole(1, 256),
        default=1,
        help="processes that search side by side (default 1)",
    )
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
        raise InputError("its folder does not exist; create it", name=args.write)
    if args.write.suffix != ".safetensors":
        raise InputError("name a .safetensors file", name=args.write)


Part = tuple[bool, int, str]
"""From photos or cut out, pieces of the puzzle, kind of picture: what one process does at once."""


def _asker(args: argparse.Namespace) -> "Callable[[Part], list[Record]]":
    """Asks parts; their records have the plain sigmoid of the logit for a score."""
    from heatmap_locator.model.calibration import Uncalibrated
    from heatmap_locator.model.files import shipped_weights

    from ..answers.records import Predictions
    from ..answers.runner import run as ask
    from ..methods.registry import Ours, digest
    from ..protocols.synthesis import captured_tasks
    from ..protocols.tasks import VERSION, limited

    method, digests = (
        Ours(args.weights, args.device),
        digest(Path(args.weights or shipped_weights())),
    )
    method.locator.calibration = Uncalibrated()

    def records(part: Part) -> "list[Record]":
        photos, count, kind = part
        asked = f"{'photos' if photos else 'cutouts'}-{count}-{kind}"
        header = {"version": VERSION, "protocol": "calibration", "part": asked}
        header |= {"seed": args.seed, "per_picture": PER_PICTURE, "answers": ANSWERS}
        predictions = Predictions(None if args.out is None else args.out / asked, header)
        predictions.check_weights("ours", digests)
        folder, split = args.corpus_pictures, "validation"
        groups = captured_tasks(folder, split, args.seed, count, PER_PICTURE, photos, kind=kind)
        tasks = limited(groups, args.per_count // 2)
        ask(tasks, {"ours": method}, predictions, {"ours": digests}, top=ANSWERS)
        return predictions.records

    return records


def _records(args: argparse.Namespace) -> "list[Record]":
    """Answers of cut-outs and of photos, in all sizes of puzzles and kinds of pictures."""
    from heatmap_locator.command.report import Progress
    from heatmap_train.shared.workers import in_processes

    parts: list[Part] = list(product((False, True), args.pieces, args.kinds))
    progress, records = Progress(), []
    try:
        progress.say(f"{len(parts)} parts")
        for done, found in enumerate(in_processes(_asker, (args,), parts, args.workers), 1):
            records += found
            progress.say(f"{done} of {len(parts)} parts, {len(records)} pieces")
    finally:
        progress.clear()
    return records


def run(args: argparse.Namespace) -> int:
    """Ask, fit, write the weights and print how the fit does."""
    from heatmap_locator.locator import Locator
    from heatmap_locator.model.files import save_model, shipped_weights
    from heatmap_train.shared.weights import stored_beside

    from ..answers.calibration import answers, assess, choose, rounded

    source = Path(args.weights or shipped_weights())
    locator = Locator.from_pretrained(source, "cpu")
    before, records = locator.calibration, _records(args)
    data = answers(records) if any(r.answers for r in records) else None
    if data is None or len(data.hits) < FEWEST or not 0 < data.hits.mean() < 1:
        count = 0 if data is None else len(data.hits)
        raise InputError(f"{count} answers, or all alike: too little to calibrate on; ask for more")
    rows = assess(data, before)
    chosen = choose(rows)
    calibration = rounded(chosen.calibration)
    extra = {**stored_beside(source), "calibration": calibration.to_extra()}
    save_model(locator.model, args.write, extra)
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
