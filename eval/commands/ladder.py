"""``heatmap-eval ladder``: every protocol with every method, in one process."""

import argparse
import datetime
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatmap_locator.errors import InputError
from heatmap_locator.options import pathname

from ..options import (
    METHODS,
    PROG,
    add_dataset_argument,
    add_method_arguments,
    add_seed_argument,
    check_datasets,
    check_folder_of,
    check_folders,
    check_weights,
    listed,
    one_of,
    usable_methods,
)
from .asking import ask_methods

if TYPE_CHECKING:
    from ..answers.metrics import Record
    from ..protocols.rungs import Rung

RUNGS = ("exact", "tiny", "captured", "captured-photos", "real", "real-photos")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--out",
        metavar="DIR",
        type=pathname,
        required=True,
        help="predictions, results.json, results.md and pictures; a later run goes on with them",
    )
    add("--quick", action="store_true", help="a small sample of every rung, in minutes")
    add(
        "--corpus",
        metavar="DIR",
        type=pathname,
        help="a folder with bench/, pictures to measure on; drawn without it",
    )
    add(
        "--real",
        metavar="DIR",
        type=pathname,
        help="a folder of sets, each with its manifest.csv; skipped without it",
    )
    add_dataset_argument(parser, "a set of your own, with its manifest.csv")
    add(
        "--rungs",
        metavar="NAME,...",
        type=listed(one_of(RUNGS)),
        default=list(RUNGS),
        help=f"of {', '.join(RUNGS)} (default all)",
    )
    add_method_arguments(parser, list(METHODS))
    add_seed_argument(parser)
    add("--write-results", metavar="PATH", type=pathname, help="write results.md there as well")
    add("--notes", metavar="PATH", type=pathname, help="Markdown to end that page with")


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    check_folders(args.corpus, args.real, *args.dataset)
    if args.corpus is not None and not (args.corpus / "bench").is_dir():
        raise InputError("holds no folder bench; put the pictures there", name=args.corpus)
    check_datasets(_datasets(args))
    check_weights(args)
    if args.notes is not None and not args.notes.is_file():
        raise InputError("no such file; check the path", name=args.notes)
    if args.write_results is not None:
        check_folder_of(args.write_results)


def _datasets(args: argparse.Namespace) -> list[Path]:
    """Every set given, by --real or one by one."""
    found: list[Path] = []
    if args.real is not None:
        found = sorted(file.parent for file in args.real.glob("*/manifest.csv"))
        if not found:
            raise InputError("no folder in it holds a manifest.csv; check the path", name=args.real)
    return [*found, *args.dataset]


def run(args: argparse.Namespace) -> int:
    from heatmap_locator.command.report import Progress
    from heatmap_locator.files import write_atomically

    from ..answers.records import Predictions
    from ..methods.registry import chosen_device
    from ..protocols import rungs as plans
    from ..protocols.tasks import VERSION
    from ..report.page import command_line, machine, page
    from ..report.results import write_results
    from ..report.table import summaries, table

    start = time.perf_counter()
    names = usable_methods(args)
    plan = plans.QUICK if args.quick else plans.FULL
    pictures = None if args.corpus is None else args.corpus / "bench"
    made = plans.make_rungs(plan, args.seed, pictures, _datasets(args))
    rungs = [rung for rung in made if rung.name in args.rungs]
    absent = [name for name in args.rungs if name not in {rung.name for rung in made}]
    if absent:
        print(f"{PROG}: {', '.join(absent)} skipped: give --real or --dataset", file=sys.stderr)
    if not rungs:
        raise InputError("--rungs: none left to run; give --real or --dataset, or name another")
    # All files before any work: one of another run is told at once.
    predictions = {rung.name: Predictions(args.out / rung.name, rung.header) for rung in rungs}
    progress = Progress()
    try:
        asked = [(rung.tasks(None), predictions[rung.name]) for rung in rungs]
        weights = ask_methods(names, args, asked, progress.say)
        for rung in rungs:
            progress.say(f"drawing {rung.name}")
            _draw(rung, predictions[rung.name].records, args.out)
    finally:
        progress.clear()
    rows = {rung.name: summaries(predictions[rung.name].records) for rung in rungs}
    facts: dict[str, Any] = {
        "command": command_line(PROG, args.argv),
        "date": datetime.date.today().isoformat(),
        "seed": args.seed,
        "machine": machine(chosen_device(args.device)),
        "weights": weights,
    }
    results = {"version": VERSION, **facts}
    results["rungs"] = {r.name: {**r.header, "results": rows[r.name]} for r in rungs}
    write_results(results, args.out)
    notes = "" if args.notes is None else args.notes.read_text(encoding="utf-8")
    written = page(rungs, rows, facts, notes).encode()
    for path in (args.out / "results.md", args.write_results):
        if path is not None:
            write_atomically(path, written)
    for rung in rungs:
        print(f"{rung.name}: {rung.title}\n{table(rows[rung.name])}\n")
    print(f"{(time.perf_counter() - start) / 60:.1f} minutes; see {args.out / 'results.md'}")
    return 0


def _draw(rung: "Rung", records: "Sequence[Record]", out: Path) -> None:
    """The rung's charts and, for every method, the sheet of its worst misses."""
    from ..report.contact_sheet import contact_sheet, worst_misses
    from ..report.plots import (
        accuracy_by_angle,
        accuracy_by_pieces,
        precision_by_coverage,
        reliability_diagram,
    )

    folder = out / rung.name
    if len({r.pieces for r in records}) > 1:
        accuracy_by_pieces(records, rung.name, folder / "pieces.png")
    accuracy_by_angle(records, rung.name, folder / "angle.png")
    precision_by_coverage(records, rung.name, folder / "coverage.png")
    ours = [r for r in records if r.method == "ours"]
    if ours:
        reliability_diagram(
            ours, f"{rung.name}: is the score a probability?", folder / "reliability.png"
        )
    misses = worst_misses(ours)
    if misses:
        title = f"{rung.name}, ours: the surest wrong answers"
        contact_sheet(misses, rung.tasks, title, folder / "misses.png")
    else:
        (folder / "misses.png").unlink(missing_ok=True)  # of an earlier, smaller run
