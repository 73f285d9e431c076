"""``heatmap-eval nuisances``: photos that go wrong, drawn by kind, beside the plain ones."""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatmap_locator.errors import InputError
from heatmap_locator.options import pathname
from heatmap_train.draw.names import PHOTOS

from ..options import add_pictures_argument, listed, one_of
from .fitting import (
    add_asked_arguments,
    check_asked,
    in_steps,
    loaded,
    percent,
    source_of,
    write_calibrated,
)

if TYPE_CHECKING:
    from ..answers.outcomes import Outcome

FEWEST = 40
"""Photos of a sort, for a fit to tell anything."""

FITTED = ("trust", "foreign")
"""What is fitted, as the calibration calls it."""

SPLITS = ("validation", "all")

TEXT = """\
n: photos; plain: right among the plain photos of the same pieces; right: place and angle;
sure: score 0.9 and more; wrong: sure and not right; named: refused, or said to be mirrored or
probably not of this picture. All in per cent. The last four kinds show no piece of the picture
the right way round, and are never right."""

SAID = """\
named: refused, or said to be mirrored or probably not of this picture; told: named, or said to be
perhaps not of it. All in per cent."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_pictures_argument(parser, "a folder of pictures; drawn without it", "--corpus-pictures")
    add(
        "--split",
        type=one_of(SPLITS),
        default="validation",
        metavar="NAME",
        help="validation: those that training on the folder held back (default); all",
    )
    asked = 2, 20, "pieces asked of each count, each in a photo of every kind"
    add_asked_arguments(parser, [24, 150, 500], asked, (PHOTOS, "photos", ""), "outcomes")
    add(
        "--write",
        metavar="OUT",
        type=pathname,
        help="weights file to write, the same but for what these photos say of misleading ones "
        "and of foreign ones; the table is then of fits to other pictures",
    )
    add(
        "--fit",
        metavar="NAME,...",
        type=listed(one_of(FITTED)),
        default=list(FITTED),
        help="what --write fits: trust, how far a photo is trusted; foreign, how likely it shows "
        "no piece of the picture (default both; the other stays)",
    )


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    check_asked(args)


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


def collect(args: argparse.Namespace) -> "list[Outcome]":
    """Every outcome that was asked for, those of earlier runs among them."""
    from ..answers.outcomes import Outcomes
    from ..methods.registry import digest
    from ..protocols.nuisances import groups_of, picture_names, piece_ids

    header = {"version": 1, "seed": args.seed, "split": args.split}
    header["weights"] = digest(source_of(args))
    kept = Outcomes(args.out, header)
    done, jobs, wanted = kept.done(), list[Job](), set[tuple[str, str]]()
    names = picture_names(args.corpus_pictures, args.split)
    for index, count in groups_of(args.corpus_pictures, args.split, args.pieces, args.per_count):
        keys = {(kind, one) for kind in args.kinds for one in piece_ids(names[index], count)}
        wanted |= keys
        if not keys <= done:
            jobs.append((index, count, tuple(args.kinds), frozenset(keys & done)))
    made = (args.corpus_pictures, args.split, args.seed, args.weights, args.device)

    def counted() -> str:
        return f"{len(kept.all)} photos"

    for found in in_steps(_asker, made, jobs, args.workers, "pictures", counted):
        kept.add(found)
    return [outcome for outcome in kept.all if outcome.key in wanted]


def _fit(args: argparse.Namespace, outcomes: "list[Outcome]") -> "list[Outcome]":
    """Fit to outcomes, write the weights, and return what fits to other pictures make of them."""
    from heatmap_locator.search.remarks import MOST_CUT_OFF

    from ..answers.trust import fit

    model, base = loaded(args)
    if sum(o.right for o in outcomes) < FEWEST or sum(o.truth is None for o in outcomes) < FEWEST:
        raise InputError(
            f"fewer than {FEWEST} right answers, or photos of no piece; ask for more",
            name="--write",
        )
    found = fit(outcomes, base, MOST_CUT_OFF, args.fit)
    write_calibrated(args, model, found.calibration)
    return found.held_out


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    from ..answers.named import named_rows
    from ..answers.outcomes import SURE, rows_of
    from ..answers.reliability import calibration_error, reliability

    outcomes = collect(args)
    if args.write is not None:
        outcomes = _fit(args, outcomes)
    order = {kind: at for at, kind in enumerate(args.kinds)}
    outcomes.sort(key=lambda o: order[o.kind])
    scores, hits = [o.score for o in outcomes], [o.right for o in outcomes]
    sure = [o.right for o in outcomes if o.score >= SURE]
    result = {
        "photos": len(outcomes),
        "kinds": [asdict(row) for row in rows_of(outcomes)],
        "sure": len(sure),
        "sure_right": sum(sure) / len(sure) if sure else None,
        "calibration_error": calibration_error(scores, hits),
        "reliability": [asdict(one) for one in reliability(scores, hits)],
        "named": [asdict(row) for row in named_rows(outcomes)],
    }
    if args.json:
        print(json.dumps(result, indent=2))
        return 0
    _print(result)
    if args.write is not None:
        print(f"wrote {args.write}; all of the above by fits to other pictures, 5-fold")
    return 0


def _print(result: dict[str, Any]) -> None:
    columns = ("plain", "right", "sure", "wrong", "named")
    print(f"{'kind':10}{'n':>6}" + "".join(f"{name:>8}" for name in columns))
    for row in result["kinds"]:
        shown = "".join(f"{percent(row[name]):>8}" for name in columns)
        print(f"{row['kind']:10}{row['n']:6}{shown}")
    print(TEXT)
    print(f"\n{'score':12}{'n':>6}{'mean':>8}{'right':>8}")
    for one in result["reliability"]:
        span = f"{one['low']:.1f} to {one['high']:.1f}"
        print(f"{span:12}{one['n']:6}{percent(one['confidence']):>8}{percent(one['share']):>8}")
    print(
        f"{result['photos']} photos, {result['sure']} sure, {percent(result['sure_right'])}% of "
        f"them right; expected calibration error {result['calibration_error']:.3f}"
    )
    print(f"\n{'said of':32}{'n':>6}{'named':>8}{'told':>8}")
    for row in result["named"]:
        shares = f"{percent(row['named']):>8}{percent(row['told']):>8}"
        print(f"{row['group']:32}{row['n']:6}{shares}")
    print(SAID)
