"""``heatmap-eval calibrate``: fits scores to be probabilities and writes them with the weights."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from heatmap_locator.errors import InputError
from heatmap_locator.options import pathname
from heatmap_train.draw.names import PICTURES

from ..options import add_pictures_argument
from .fitting import (
    add_asked_arguments,
    check_asked,
    in_steps,
    loaded,
    shown_share,
    source_of,
    write_calibrated,
)

if TYPE_CHECKING:
    import numpy as np

    from ..answers.metrics import Record

FEWEST = 50
"""Pieces; less tells nothing of probabilities."""

CROP_ERRORS = (0.0, 0.02)
"""Half of the puzzles are cut a little otherwise than their picture is cropped."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_pictures_argument(
        parser,
        "the folder that was trained on: the pictures held back from it are used; drawn without it",
        "--corpus-pictures",
    )
    add(
        "--write",
        metavar="OUT",
        type=pathname,
        required=True,
        help="weights file to write, the same but for the calibration",
    )
    asked = 4, 200, "pieces asked of each count, half of them from photos"
    kinds = PICTURES, "pictures", ", as many pieces of each"
    add_asked_arguments(parser, [24, 150, 500, 1000], asked, kinds, "predictions")


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    check_asked(args)


Part = tuple[bool, int, str, float]
"""From photos or cut out, pieces of the puzzle, kind of picture, how far its edges are off: what
one process does at once."""


def _asker(args: argparse.Namespace) -> "Callable[[Part], list[Record]]":
    """Asks parts; their records have the logits for scores."""
    from heatmap_locator.model.calibration import WEIGHED, Uncalibrated

    from ..answers.records import Predictions
    from ..answers.runner import run as ask
    from ..methods.registry import Ours, digest
    from ..protocols.synthesis import captured_tasks
    from ..protocols.tasks import PER_PICTURE, VERSION, limited

    method = Ours(args.weights, args.device, Uncalibrated())
    digests = digest(source_of(args))

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
    parts: list[Part] = list(product((False, True), args.pieces, args.kinds, CROP_ERRORS))
    records: list[Record] = []

    def counted() -> str:
        return f"{len(records)} pieces"

    for found in in_steps(_asker, (args,), parts, args.workers, "parts", counted):
        records += found
    return records


def _sure(records: "Sequence[Record]", scores: "np.ndarray") -> list[dict[str, Any]]:
    """By kind of picture: pieces, share right, those scored SURE or more, and share right of them.

    Args:
        records: answered.
        scores: (N,) of their first answers.
    """
    from ..answers.metrics import both
    from ..answers.outcomes import SURE

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
    from ..answers.calibration import answers, assess, choose, rounded
    from ..answers.outcomes import SURE

    model, before = loaded(args)
    records = [r for r in _records(args) if r.answers]
    data = answers(records) if records else None
    if data is None or len(data.hits) < FEWEST or not 0 < data.hits.mean() < 1:
        count = 0 if data is None else len(data.hits)
        raise InputError(f"{count} answers, or all alike: too little to calibrate on; ask for more")
    rows = assess(data, before)
    chosen = choose(rows)
    # What heatmap-eval nuisances --write has fitted stays.
    found = rounded(chosen.calibration)
    calibration = replace(before, scale=found.scale, unseen=found.unseen, places=found.places)
    write_calibrated(args, model, calibration)
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
        right, share = (shown_share(one[name]) for name in ("right", "sure_right"))
        print(f"{one['pictures']:32}{one['pieces']:8}{right:>8}{one['sure']:8}{share:>8}")
    # What is said of photos is no number, and is as it was.
    fitted = {k: v for k, v in calibration.to_extra().items() if not isinstance(v, dict)}
    numbers = ", ".join(f"{key} {value:g}" for key, value in fitted.items())
    print(f"wrote {args.write}: {numbers}")
    return 0
