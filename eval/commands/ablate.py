"""``heatmap-eval ablate``: the same pieces with parts of the method taken out, row by row."""

import argparse
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatmap_locator.errors import InputError
from heatmap_locator.options import pathname, whole

from ..options import (
    ABLATIONS,
    add_dataset_argument,
    add_device_argument,
    add_json_argument,
    add_pictures_argument,
    add_pieces_argument,
    add_seed_argument,
    add_weights_argument,
    check_datasets,
    check_folders,
    check_weights,
    listed,
    one_of,
)
from .asking import ask_made

if TYPE_CHECKING:
    from ..answers.metrics import Record
    from ..protocols.tasks import PictureTask

LEGEND = """\
both: centre within half a cell and angle within 15 degrees, pieces right of those asked and per
cent; kept, lost, gained: of the pieces that the first row has right, and has not.  angle: median
error in degrees of those placed right."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_pictures_argument(parser)
    add_pieces_argument(parser, [300, 1000], "pieces of the puzzles that are cut from them")
    each = "pieces taken from each picture (default 2)"
    add("--per-picture", metavar="N", type=whole(1, 1000), default=2, help=each)
    add_dataset_argument(parser, "a set of real pieces instead, with its manifest.csv")
    add("--photos", action="store_true", help="pieces on their background, not cut out")
    add(
        "--limit",
        metavar="N",
        type=whole(1, 10**9),
        default=40,
        help="pieces of each set and count, the same in every row (default 40)",
    )
    rows = "; ".join(f"{name}: {text}" for name, text in ABLATIONS.items())
    add(
        "--rows",
        metavar="NAME,...",
        type=listed(one_of(tuple(ABLATIONS))),
        default=list(ABLATIONS),
        help=f"default all. {rows}",
    )
    add_seed_argument(parser)
    add_weights_argument(parser)
    add_device_argument(parser)
    out = "keeps predictions.jsonl, which a later run goes on with, and results.json"
    add("--out", metavar="DIR", type=pathname, help=out)
    add_json_argument(parser, "a table")


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    check_folders(args.pictures, *args.dataset)
    check_datasets(args.dataset)
    if args.pictures and args.dataset:
        raise InputError("--pictures, --dataset: give one of them")
    check_weights(args)


def _groups(args: argparse.Namespace) -> "list[Iterator[PictureTask]]":
    from ..protocols.real import real_tasks
    from ..protocols.synthesis import captured_tasks

    if args.dataset:
        return [real_tasks(folder, args.photos) for folder in args.dataset]
    return [
        captured_tasks(args.pictures, "all", args.seed, count, args.per_picture, args.photos)
        for count in args.pieces
    ]


def run(args: argparse.Namespace) -> int:
    """Ask what is missing, and print and write the table."""
    from heatmap_locator.command.report import Progress
    from heatmap_locator.locator import Locator
    from heatmap_locator.model.files import shipped_weights

    from ..answers.records import Predictions
    from ..methods.ablated import ablations
    from ..methods.registry import digest
    from ..protocols.tasks import VERSION, limited
    from ..report.columns import in_columns
    from ..report.results import write_results

    header = {"version": VERSION, "protocol": "ablate", "photos": args.photos}
    if not args.dataset:
        header |= {"seed": args.seed, "per_picture": args.per_picture}
    predictions, progress = Predictions(args.out, header), Progress()
    try:
        progress.say("loading")
        made = ablations(Locator.from_pretrained(args.weights, args.device))
        methods = {name: made[name] for name in args.rows}
        weights = dict.fromkeys(methods, digest(Path(args.weights or shipped_weights())))
        tasks = chain.from_iterable(limited(group, args.limit) for group in _groups(args))
        ask_made(methods, weights, [(tasks, predictions)], progress.say)
    finally:
        progress.clear()
    rows = summaries(predictions.records)
    if not rows:
        raise InputError("no piece to ask; see the rows skipped, or use another folder")
    result = write_results({**header, "results": rows}, args.out)
    headings = ("pieces", "n", "both", "%", "kept", "lost", "gained", "angle")
    table = in_columns(("row", "set", *headings), [_cells(row) for row in rows], names=2)
    print(result if args.json else f"{table}\n\n{LEGEND}")
    return 0


def summaries(records: "Sequence[Record]") -> list[dict[str, Any]]:
    """A row for each set, number of pieces and ablation, in that order, JSON-ready."""
    from ..answers.metrics import both, summarize

    rows = []
    for key in dict.fromkeys((r.dataset, r.pieces) for r in records):
        asked = [r for r in records if (r.dataset, r.pieces) == key]
        names = [name for name in ABLATIONS if any(r.method == name for r in asked)]
        right = {name: {r.piece: both(r) for r in asked if r.method == name} for name in names}
        first = right[names[0]]
        for name in names:
            own = summarize([r for r in asked if r.method == name])
            shared = [(first[p], hit) for p, hit in right[name].items() if p in first]
            rows.append(
                {
                    "row": name,
                    "dataset": key[0],
                    "pieces": key[1],
                    "n": own["n"],
                    "right": sum(right[name].values()),
                    "both": own["both"],
                    "kept": sum(before and after for before, after in shared),
                    "lost": sum(before and not after for before, after in shared),
                    "gained": sum(after and not before for before, after in shared),
                    "angle_error": own["angle_error"],
                }
            )
    return rows


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    angle = row["angle_error"]
    return (
        ABLATIONS[row["row"]],
        row["dataset"],
        *(str(row[key]) for key in ("pieces", "n", "right")),
        f"{100 * row['both']:.1f}",
        *(str(row[key]) for key in ("kept", "lost", "gained")),
        "-" if angle is None else f"{angle:.1f}",
    )
