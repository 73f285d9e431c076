"""``heatmap-eval shape``: whole puzzles, all pieces given, nearly half of them flat."""

import argparse
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from heatmap_locator.errors import InputError
from heatmap_locator.options import pathname, whole

from ..options import (
    add_device_argument,
    add_json_argument,
    add_pictures_argument,
    add_pieces_argument,
    add_seed_argument,
    add_weights_argument,
    check_folders,
    check_weights,
)

if TYPE_CHECKING:
    import numpy as np

    from heatmap_locator.locator import Locator, Puzzle

    from ..answers.whole import Answered
    from ..protocols.whole import WholePuzzle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_pictures_argument(
        parser,
        "the folder that was trained on: the pictures held back from it are used; drawn without it",
    )
    add_pieces_argument(parser, [150], least=12, most=5_000)
    text = "puzzles of each count (default 2)"
    add("--puzzles", metavar="N", type=whole(1, 1000), default=2, help=text)
    add_weights_argument(parser)
    add_seed_argument(parser)
    add_device_argument(parser)
    text = (
        "of each a photo of it half done, 30 to 200 cells open: the pieces that belong there, each "
        "alone and all together"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--done", action="store_true", help=text)
    text = (
        "only the pieces of the border, each alone, by all that is known and once more with their "
        "sides not looked at, and as many of the inside"
    )
    which.add_argument("--border", action="store_true", help=text)
    text = "per cent of the picture cut off on each side: it shows less than the puzzle (default 0)"
    add("--crop", metavar="N", type=whole(0, 6), default=0, help=text)
    text = (
        "all photos of a puzzle are taken by one camera in one light, exposure and white balance "
        "drifting a little from photo to photo; without, each has a light of its own"
    )
    add("--one-light", action="store_true", help=text)
    text = (
        "of each only that share of its pieces, in percent, taken by chance: so many are "
        "photographed (default 100)"
    )
    which.add_argument("--share", metavar="N", type=whole(1, 100), default=100, help=text)
    out = "keeps answers, which a later run goes on with, and results.json"
    add("--out", metavar="DIR", type=pathname, help=out)
    add_json_argument(parser, "a table")


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    check_folders(args.pictures)
    check_weights(args)


def run(args: argparse.Namespace) -> int:
    """Locate every piece, assign all by print alone and by all that is known, and count."""
    from heatmap_locator.command.report import Progress
    from heatmap_locator.locator import Locator

    from ..protocols.whole import whole_puzzles
    from ..report.results import write_results
    from ..report.whole import table_of_border, table_of_done, table_of_whole

    progress, rows = Progress(), []
    measured, table = _measured, table_of_whole
    if args.done:
        measured, table = _half_done, table_of_done
    elif args.border:
        measured, table = _border, table_of_border
    try:
        progress.say("loading")
        locator = Locator.from_pretrained(args.weights, args.device)
        for count in args.pieces:
            own = []
            for puzzle in whole_puzzles(
                args.pictures, "validation", args.seed, count, args.puzzles, args.one_light
            ):
                own.append(measured(puzzle, locator, args, progress.say))
            rows += own
            if len(own) > 1 and measured is _measured:
                rows.append(_summed(own, f"{count}, all"))
    finally:
        progress.clear()
    result = write_results({"seed": args.seed, "results": rows}, args.out)
    print(result if args.json else table(rows))
    return 0


def _half_done(
    puzzle: "WholePuzzle", locator: "Locator", args: argparse.Namespace, say: Callable[[str], None]
) -> dict[str, Any]:
    """One puzzle's row with ``--done``."""
    from heatmap_locator.assign import assign

    from ..answers.half_done import judged
    from ..protocols.done import photograph_half_done

    half = photograph_half_done(puzzle, args.seed)
    encoded = locator.encode(_picture(puzzle, args), grid=puzzle.grid)
    started = time.perf_counter()
    try:
        known = encoded.with_done(half.photo)
    except InputError:
        return judged(puzzle.name, half.open, None, [], [])
    seconds = time.perf_counter() - started
    cells = [(int(row), int(col)) for row, col in zip(*half.open.nonzero(), strict=True)]
    named = f"{puzzle.name}-done"
    answers = _answers(puzzle, known, args, say, cells, named)
    located = [answer.located for answer in answers if answer.located is not None]
    together = assign(known, located, progress=lambda text: say(f"{named}: {text}"))
    assert known.done is not None
    return judged(named, half.open, known.done.open, answers, together, seconds)


def _border(
    puzzle: "WholePuzzle", locator: "Locator", args: argparse.Namespace, say: Callable[[str], None]
) -> dict[str, Any]:
    """One puzzle's row with ``--border``."""
    from ..answers.border import border_and_inside, border_shares, is_outermost
    from ..methods.ablated import ablations

    grid = puzzle.grid
    cells = border_and_inside(grid)
    encoded = locator.encode(_picture(puzzle, args), grid=grid)
    answers = _answers(puzzle, encoded, args, say, cells, puzzle.name)
    border = [cell for cell in cells if is_outermost(cell, grid)]
    plain = ablations(locator)["sides"].encode(_picture(puzzle, args), grid)
    without = _answers(puzzle, plain, args, say, border, f"{puzzle.name}-sideless")
    return {
        "puzzle": puzzle.name,
        "pieces": grid.pieces,
        **_counts(border_shares(answers, grid)),
        "sideless": _counts(border_shares(without, grid)),
    }


def _measured(
    puzzle: "WholePuzzle", locator: "Locator", args: argparse.Namespace, say: Callable[[str], None]
) -> dict[str, Any]:
    """One puzzle's row."""
    import numpy as np

    from heatmap_locator.assign import assign

    from ..answers.border import border_shares
    from ..answers.memory import PeakMemory
    from ..answers.whole import alone, judge

    encoded = locator.encode(_picture(puzzle, args), grid=puzzle.grid)
    count = max(1, round(args.share / 100 * puzzle.grid.pieces))
    chosen = np.random.default_rng([args.seed, count]).permutation(puzzle.grid.pieces)[:count]
    cells = [divmod(i, puzzle.grid.cols) for i in sorted(chosen.tolist())]
    answers = _answers(puzzle, encoded, args, say, cells, puzzle.name)
    located = [answer.located for answer in answers if answer.located is not None]
    by_print = judge(answers, assign(encoded, located, by_print=True))
    started, memory = time.perf_counter(), PeakMemory()
    with memory:
        assigned = assign(encoded, located, progress=lambda text: say(f"{puzzle.name}: {text}"))
    seconds = time.perf_counter() - started
    found = judge(answers, assigned)
    each = {"each": _counts(alone(answers))}
    if args.one_light:
        lit = encoded.with_light(located)
        again = _answers(puzzle, lit, args, say, cells, f"{puzzle.name}-lit-{args.share}")
        each["lit"] = _counts(alone(again))
    return {
        "puzzle": puzzle.name,
        "pieces": count,
        "located": len(located),
        "by_print": _counts(by_print),
        "together": _counts(found),
        "alone": _counts(border_shares(answers, puzzle.grid)),
        **each,
        "seconds": round(seconds, 1),
        "memory": None if memory.megabytes is None else round(memory.megabytes),
    }


def _answers(
    puzzle: "WholePuzzle",
    encoded: "Puzzle",
    args: argparse.Namespace,
    say: Callable[[str], None],
    cells: Sequence[tuple[int, int]],
    name: str,
) -> "list[Answered]":
    """The searches of some cells' pieces, those that are kept from an earlier run as they were."""
    from heatmap_locator.assign import ASSIGN_TOP, keep

    from ..answers.kept import KeptLines
    from ..answers.whole import Answered

    path = None if args.out is None else args.out / f"{name}.jsonl"
    header = {"version": 2, "seed": args.seed, "puzzle": name, "weights": args.weights}
    if args.crop:
        header["crop"] = args.crop
    kept = KeptLines(path, header, Answered.from_dict, Answered.to_dict)
    known = {answer.cell: answer for answer in kept.all}
    for number, cell in enumerate(cells, 1):
        if cell in known:
            continue
        say(f"{name}: piece {number} of {len(cells)}")
        piece = puzzle.photograph(*cell)
        started, located = time.perf_counter(), None
        with contextlib.suppress(InputError):  # no piece found: it counts as wrong
            found = encoded.search(piece.photo, ASSIGN_TOP)
            located = keep(found, puzzle.grid, colour=args.one_light)
        seconds = time.perf_counter() - started
        known[cell] = Answered(cell, piece.rotation, piece.texture, located, seconds)
        kept.add([known[cell]])
    return [known[cell] for cell in cells]


def _picture(puzzle: "WholePuzzle", args: argparse.Namespace) -> "np.ndarray":
    """(H, W, 3) uint8, the puzzle's picture, cropped as asked."""
    height, width = puzzle.picture.shape[:2]
    x, y = round(args.crop * width / 100), round(args.crop * height / 100)
    return puzzle.picture[y : height - y, x : width - x]


def _counts(shares: dict[str, Any]) -> dict[str, list[int]]:
    return {name: [share.right, share.of] for name, share in shares.items()}


def _summed(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Rows of puzzles as one; of seconds and memory the most."""

    def total(part: str) -> dict[str, list[int]]:
        return {
            key: [sum(row[part][key][i] for row in rows) for i in (0, 1)] for key in rows[0][part]
        }

    memory = [row["memory"] for row in rows if row["memory"] is not None]
    return {
        "puzzle": name,
        "pieces": sum(row["pieces"] for row in rows),
        "located": sum(row["located"] for row in rows),
        "by_print": total("by_print"),
        "together": total("together"),
        "alone": total("alone"),
        **{part: total(part) for part in ("each", "lit") if part in rows[0]},
        "seconds": max(row["seconds"] for row in rows),
        "memory": max(memory, default=None),
    }
