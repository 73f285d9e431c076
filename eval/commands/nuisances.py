"""``heatmap-eval nuisances``: photos that go wrong, drawn by kind, beside the plain ones."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from heatmap_locator.options import whole

from ..options import (
    add_device_argument,
    add_json_argument,
    add_seed_argument,
    add_weights_argument,
    check_folders,
    check_weights,
    listed,
    one_of,
)

if TYPE_CHECKING:
    from ..answers.outcomes import Outcome, Outcomes

KINDS = (
    "plain",
    "finger",
    "hand",
    "glare",
    "shadow",
    "partly",
    "two",
    "cloth",
    "motion",
    "dark",
    "count",
    "mirrored",
    "back",
    "foreign",
    "none",
)
"""Of photos (``heatmap_train.draw.nuisances``)."""

SPLITS = ("validation", "all")

TEXT = """\
n: photos; plain: right among the plain photos of the same pieces; right: place and angle;
sure: score 0.9 and more; wrong: sure and not right; named: refused, or said to be mirrored or
probably not of this picture. All in per cent. The last four kinds show no piece of the picture
the right way round, and are never right."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--corpus-pictures",
        metavar="DIR",
        type=Path,
        help="a folder of pictures; drawn without it",
    )
    add(
        "--split",
        type=one_of(SPLITS),
        default="validation",
        metavar="NAME",
        help="validation: those that training on the folder held back (default); all",
    )
    add_weights_argument(parser)
    add(
        "--pieces",
        metavar="N,...",
        type=listed(whole(2, 50_000)),
        default=[24, 150, 500],
        help="pieces of the puzzles (default 24,150,500)",
    )
    add(
        "--per-count",
        metavar="N",
        type=whole(2, 10**5),
        default=20,
        help="pieces asked of each count, each in a photo of every kind (default 20)",
    )
    add(
        "--kinds",
        metavar="KIND,...",
        type=listed(one_of(KINDS)),
        default=list(KINDS),
        help=f"of {','.join(KINDS)} (default all)",
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
    add("--out", metavar="DIR", type=Path, help="keeps outcomes, which a later run goes on with")
    add_json_argument(parser, "a table")


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    if args.corpus_pictures is not None:
        check_folders([args.corpus_pictures])
    check_weights(args)


Job = tuple[int, int, tuple[str, ...], frozenset[tuple[str, str]]]
"""Index of a picture, pieces of the puzzle, kinds, and keys of the outcomes that are there."""


def _asker(
    folder: Path | None, split: str, seed: int, weights: str | None, device: str
) -> "Callable[[Job], list[Outcome]]":
    """Asks the photos of one picture."""
    from heatmap_locator.locator import Locator

    from ..answers.asking import ask_group
    from ..protocols.nuisances import nuisance_group

    locator = Locator.from_pretrained(weights, device)

    def outcomes(job: Job) -> "list[Outcome]":
        index, count, kinds, done = job
        return ask_group(locator, nuisance_group(folder, split, seed, index, count, kinds), done)

    return outcomes


def collect(args: argparse.Namespace) -> "Outcomes":
    """Every outcome that was asked for, those of earlier runs among them."""
    from heatmap_locator.command.report import Progress
    from heatmap_locator.model.files import shipped_weights
    from heatmap_train.shared.workers import in_processes

    from ..answers.outcomes import Outcomes
    from ..methods.registry import digest
    from ..protocols.nuisances import groups_of, picture_names, piece_ids

    header = {"version": 1, "seed": args.seed, "split": args.split}
    header["weights"] = digest(Path(args.weights or shipped_weights()))
    kept = Outcomes(args.out, header)
    done, jobs, wanted = kept.done(), list[Job](), set[tuple[str, str]]()
    names = picture_names(args.corpus_pictures, args.split)
    for index, count in groups_of(args.corpus_pictures, args.split, args.pieces, args.per_count):
        keys = {(kind, one) for kind in args.kinds for one in piece_ids(names[index], count)}
        wanted |= keys
        if not keys <= done:
            jobs.append((index, count, tuple(args.kinds), frozenset(keys & done)))
    made = (args.corpus_pictures, args.split, args.seed, args.weights, args.device)
    progress = Progress()
    try:
        progress.say(f"{len(jobs)} pictures")
        for number, found in enumerate(in_processes(_asker, made, jobs, args.workers), 1):
            kept.add(found)
            progress.say(f"{number} of {len(jobs)} pictures, {len(kept.all)} photos")
    finally:
        progress.clear()
    kept.all = [outcome for outcome in kept.all if outcome.key in wanted]
    return kept


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    from ..answers.outcomes import rows_of

    outcomes = collect(args).all
    order = {kind: at for at, kind in enumerate(args.kinds)}
    outcomes.sort(key=lambda o: order[o.kind])
    if args.json:
        rows = [asdict(row) for row in rows_of(outcomes)]
        print(json.dumps({"photos": len(outcomes), "kinds": rows}, indent=2))
        return 0
    _print(outcomes)
    return 0


def _print(outcomes: "Sequence[Outcome]") -> None:
    from ..answers.outcomes import rows_of

    columns = ("plain", "right", "sure", "wrong", "named")
    print(f"{'kind':10}{'n':>6}" + "".join(f"{name:>8}" for name in columns))
    for row in rows_of(outcomes):
        values = (getattr(row, name) for name in columns)
        shown = "".join(f"{'-' if v is None else f'{100 * v:.1f}':>8}" for v in values)
        print(f"{row.kind:10}{row.n:6}{shown}")
    print(TEXT)
