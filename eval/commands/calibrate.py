"""``heatmap-eval calibrate``: fits scores to be probabilities and writes them with the weights."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatmap_locator.errors import InputError
from heatmap_locator.options import whole

from ..options import (
    KINDS,
    add_device_argument,
    add_json_argument,
    add_pictures_argument,
    add_pieces_argument,
    add_seed_argument,
    add_weights_argument,
    add_workers_argument,
    check_folders,
    check_weights,
    check_written_weights,
    listed,
    one_of,
)

if TYPE_CHECKING:
    import numpy as np

    from heatmap_locator.model.calibration import Calibration

    from ..answers.metrics import Record

FEWEST = 50
"""Pieces; less tells nothing of probabilities."""

PER_PICTURE = 2
"""Many pictures tell more than many pieces of few."""

CROP_ERRORS = (0.0, 0.02)
"""Half of the puzzles are cut a little otherwise than their picture is cropped."""

SURE = 0.9
"""Scores whose answers are counted by kind of picture."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_pictures_argument(
        parser,
        "the folder that was trained on: the pictures held back from it are used; drawn without it",
        "--corpus-pictures",
    )
    add_weights_argument(parser)
    add(
        "--write",
        metavar="OUT",
        type=Path,
        required=True,
        help="weights file to write, the same but for the calibration",
    )
    add_pieces_argument(parser, [24, 150, 500, 1000])
    add(
        "--per-count",
        metavar="N",
        type=whole(4, 10**6),
        default=200,
        help="pieces asked of each count, half of them from photos (default 200)",
    )
    add(
        "--kinds",
        metavar="KIND,...",
        type=listed(one_of(KINDS)),
        default=list(KINDS),
        help=f"kinds of pictures, of {','.join(KINDS)} (default all), as many pieces of each",
    )
    add_seed_argument(parser)
    add_device_argument(parser)
    add_workers_argument(parser)
    add("--out", metavar="DIR", type=Path, help="keeps predictions, which a later run goes on with")
    add_json_argument(parser, "a table")


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    check_folders(args.corpus_pictures)
    check_weights(args)
    check_written_weights(args.write)


Part = tuple[bool, int, str, float]
"""From photos or cut out, pieces of the puzzle, kind of picture, how far its edges are off: what
one process does at once."""


def _asker(args: argparse.Namespace) -> "Callable[[Part], list[Record]]":
    """Asks parts; their records have the logits for scores."""
    from heatmap_locator.model.calibration import WEIGHED, Uncalibrated
    from heatmap_locator.model.files import shipped_weights

    from ..answers.records import Predictions
    from ..answers.runner import run as ask
    from ..methods.registry import Ours, digest
    from ..protocols.synthesis import captured_tasks
    from ..protocols.tasks import VERSION, limited

    method = Ours(args.weights, args.device, Uncalibrated())
    digests = digest(Path(args.weights or shipped_weights()))

    def records(part: Part) -> "list[Record]":
        photos, count, kind, crop = part
        asked = f"{'photos' if photos else 'cutouts'}-{count}-{kind}-{crop:g}"
        header = {"version": VERSION, "protocol": "calibration", "part": asked}
        header |= {"seed": args.seed, "per_picture": PER_PICTURE, "answers": WEIGHED}
        predictions = Predictions(None if args.out is None else args.out / asked, header)
        predictions.check_weights("ours", digests)
        folder, split = args.corpus_pictures, "validation"
        groups = captured_tasks(
            folder, split, args.seed, count, PER_PICTURE, photos, kind=kind, crop_error=crop
        )
        tasks = limited(groups, args.per_count // (2 * len(CROP_ERRORS)))
        ask(tasks, {"ours": method}, predictions, {"ours": digests}, top=WEIGHED)
        return predictions.records

    return records


def _records(args: argparse.Namespace) -> "list[Record]":
    """Answers of cut-outs and of photos, in all sizes of puzzles and kinds of pictures."""
    from heatmap_locator.command.report import Progress
    from heatmap_train.shared.workers import in_processes

    parts: list[Part] = list(product((False, True), args.pieces, args.kinds, CROP_ERRORS))
    progress, records = Progress(), []
    try:
        progress.say(f"{len(parts)} parts")
        for done, found in enumerate(in_processes(_asker, (args,), parts, args.workers), 1):
            records += found
            progress.say(f"{done} of {len(parts)} parts, {len(records)} pieces")
    finally:
        progress.clear()
    return records


def _before(extra: dict[str, Any]) -> "Calibration":
    """What the weights hold, or none where it is of another kind."""
    from heatmap_locator.model.calibration import Calibration

    try:
        return Calibration.from_extra(extra.get("calibration", {}))
    except ValueError:
        return Calibration()


def _sure(records: "Sequence[Record]", scores: "np.ndarray") -> list[dict[str, Any]]:
    """By kind of picture: pieces, share right, those scored SURE or more, and share right of them.

    Args:
        records: answered.
        scores: (N,) of their first answers.
    """
    from ..answers.metrics import both

    rows = []
    for kind in dict.fromkeys(r.dataset for r in records):
        own = [
            (both(r), s >= SURE) for r, s in zip(records, scores, strict=True) if r.dataset == kind
        ]
        sure = [right for right, is_sure in own if is_sure]
        rows.append(
            {
                "pictures": kind,
                "pieces": len(own),
                "right": sum(right for right, _ in own) / len(own),
                "sure": len(sure),
                "sure_right": sum(sure) / len(sure) if sure else None,
            }
        )
    return rows


def run(args: argparse.Namespace) -> int:
    """Ask, fit, write the weights and print how the fit does."""
    from heatmap_locator.model.files import load_model, save_model, shipped_weights
    from heatmap_train.shared.weights import stored_beside

    from ..answers.calibration import answers, assess, choose, rounded

    source = Path(args.weights or shipped_weights())
    model, extra = load_model(source)
    records = [r for r in _records(args) if r.answers]
    data = answers(records) if records else None
    if data is None or len(data.hits) < FEWEST or not 0 < data.hits.mean() < 1:
        count = 0 if data is None else len(data.hits)
        raise InputError(f"{count} answers, or all alike: too little to calibrate on; ask for more")
    before = _before(extra)
    rows = assess(data, before)
    chosen = choose(rows)
    # What heatmap-eval nuisances --write has fitted stays.
    calibration = replace(rounded(chosen.calibration), trust=before.trust, foreign=before.foreign)
    extra = {**stored_beside(source), "calibration": calibration.to_extra()}
    save_model(model, args.write, extra)
    sure = _sure(records, chosen.scores)
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
        result |= {"sure": sure, "chosen": chosen.name, "written": str(args.write)}
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
    print(f"{'pictures':32}{'pieces':>8}{'right':>8}{f'at {SURE}':>8}{'right':>8}")
    for one in sure:
        share = "-" if one["sure_right"] is None else f"{100 * one['sure_right']:.1f}%"
        right = f"{100 * one['right']:.1f}%"
        print(f"{one['pictures']:32}{one['pieces']:8}{right:>8}{one['sure']:8}{share:>8}")
    numbers = ", ".join(f"{key} {value:g}" for key, value in calibration.to_extra().items())
    print(f"wrote {args.write}: {numbers}")
    return 0
