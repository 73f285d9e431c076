"""``heatmap-eval PROTOCOL``: how well pieces are placed, beside the classical methods.

Arguments are checked before torch is imported.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from heatmap_locator import __version__
from heatmap_locator.errors import HeatmapLocatorError, InputError, WeightsError
from heatmap_locator.options import whole

if TYPE_CHECKING:
    from .tasks import PictureTask

PROG = "heatmap-eval"
_METHODS = ("ours", "ncc", "sift", "sift-ncc")
_DESCRIPTION = """\
Measures how well pieces are placed.  PROTOCOL is one of
  exact       rectangles of the picture's own pixels, 25 x 38, in quarter turns
  captured    interlocking pieces at any angle, picture and piece photographed apart
  validation  the same on the pictures that training holds back
  real        labelled photos and scans of real pieces"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, without the usage."""
        raise InputError(f"{message} (see {PROG} --help)")


def _list(kind: Any) -> Any:
    def parse(text: str) -> list[Any]:
        return list(dict.fromkeys(kind(part.strip()) for part in text.split(",")))

    return parse


def _method(text: str) -> str:
    if text not in _METHODS:
        raise argparse.ArgumentTypeError(f"'{text}' is none of {', '.join(_METHODS)}")
    return text


def build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROG,
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("protocol", metavar="PROTOCOL", choices=("exact", "captured", "validation", "real"))
    add("--pictures", metavar="DIR", type=Path, help="folder of pictures; drawn without it")
    add("--dataset", metavar="DIR", type=Path, action="append", help="real: a set with its "
        "manifest.csv; may be repeated")  # fmt: skip
    add("--photos", action="store_true", help="pieces on their background, not cut out")
    add("--pieces", metavar="N,...", type=_list(whole(2, 50_000)), default=[150],
        help="captured, validation: pieces of the puzzle (default 150)")  # fmt: skip
    add("--per-picture", metavar="N", type=whole(1, 1000), default=8,
        help="pieces taken from each picture (default 8)")  # fmt: skip
    add("--limit", metavar="N", type=whole(1, 10**9), help="pieces of each set and count")
    add("--seed", metavar="N", type=whole(0, 2**32), default=0, help="default 0")
    add("--methods", metavar="NAME,...", type=_list(_method), default=["ours"],
        help=f"of {', '.join(_METHODS)} (default ours)")  # fmt: skip
    add("--weights", metavar="PATH", help="weights other than the packaged ones")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default auto")
    add("--out", metavar="DIR", type=Path, help="keeps predictions.jsonl, which a later run goes "
        "on with, and results.json")  # fmt: skip
    add("--json", action="store_true", help="one JSON object instead of a table")
    add("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status: 0, 2 for bad input, 130 interrupted."""
    try:
        args = build_parser().parse_args(argv)
        _check(args)
        return _run(args)
    except HeatmapLocatorError as error:
        print(f"{PROG}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{PROG}: stopped; with --out the same command goes on", file=sys.stderr)
        return 130


def _check(args: argparse.Namespace) -> None:
    """Refuses what can be told from the arguments alone."""
    if args.protocol == "real":
        if not args.dataset:
            raise InputError("real: give --dataset, a folder with a manifest.csv")
        if args.pictures:
            raise InputError("real: takes --dataset, not --pictures")
    elif args.dataset:
        raise InputError(f"{args.protocol}: takes --pictures, not --dataset")
    if args.protocol == "exact" and args.photos:
        raise InputError("exact: pieces have no background; leave out --photos")
    for folder in [*(args.dataset or []), *([args.pictures] if args.pictures else [])]:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; check the path")
    names = [folder.resolve().name for folder in args.dataset or []]
    if len(set(names)) < len(names):
        raise InputError("--dataset: two folders of the same name; rename one")
    if args.weights is not None and not Path(args.weights).is_file():
        raise WeightsError(f"{args.weights}: no such weights file; check the path")


def _tasks(args: argparse.Namespace) -> "Iterator[PictureTask]":
    from .real import real_tasks
    from .synthesis import captured_tasks, exact_tasks
    from .tasks import limited

    groups: list[Iterator[PictureTask]]
    if args.protocol == "real":
        groups = [real_tasks(folder, args.photos) for folder in args.dataset]
    elif args.protocol == "exact":
        groups = [exact_tasks(args.pictures, args.seed, args.per_picture)]
    else:
        split = "validation" if args.protocol == "validation" else "all"
        groups = [
            captured_tasks(args.pictures, split, args.seed, n, args.per_picture, args.photos)
            for n in args.pieces
        ]
    return chain.from_iterable(limited(group, args.limit) for group in groups)


def _run(args: argparse.Namespace) -> int:
    try:
        tasks = _tasks(args)
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed; run: pip install 'heatmap-locator[train]'"
        ) from error
    from heatmap_locator.report import Progress
    from heatmap_locator.weights import shipped_weights, write_atomically

    from .methods import digest, make_method
    from .records import Predictions
    from .report import LEGEND, summaries, table
    from .runner import run
    from .tasks import VERSION

    header = {"version": VERSION, "protocol": args.protocol, "photos": args.photos}
    if args.protocol != "real":
        header |= {"seed": args.seed, "per_picture": args.per_picture}
    predictions = Predictions(args.out, header)
    progress = Progress()
    try:
        progress.say("loading")
        # Methods first: weights that cannot be used are told before any work.
        methods = {name: make_method(name, args.weights, args.device) for name in args.methods}
        weights = {}
        if "ours" in methods:
            weights["ours"] = digest(Path(args.weights or shipped_weights()))
            predictions.check_weights("ours", weights["ours"])
        run(tasks, methods, predictions, weights, progress.say)
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
