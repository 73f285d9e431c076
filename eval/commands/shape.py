"""``heatmap-eval shape``: whole puzzles, all pieces given, nearly half of them flat."""

import argparse
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatmap_locator.errors import InputError
from heatmap_locator.options import whole

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
    text = (
        "all photos of a puzzle are taken by one camera in one light, exposure and white balance "
        "drifting a little from photo to photo; without, each has a light of its own"
    )
    add("--one-light", action="store_true", help=text)
    out = "keeps answers, which a later run goes on with, and results.json"
    add("--out", metavar="DIR", type=Path, help=out)
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

    progress, rows = Progress(), []
    measured, table = _measured, _table
    if args.done:
        measured, table = _half_done, _table_of_done
    elif args.border:
        measured, table = _border, _table_of_border
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
    encoded = locator.encode(puzzle.picture, grid=puzzle.grid)
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
    encoded = locator.encode(puzzle.picture, grid=grid)
    answers = _answers(puzzle, encoded, args, say, cells, puzzle.name)
    border = [cell for cell in cells if is_outermost(cell, grid)]
    plain = ablations(locator)["sides"].encode(puzzle.picture, grid)
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
    from heatmap_locator.assign import assign

    from ..answers.border import border_shares
    from ..answers.memory import PeakMemory
    from ..answers.whole import judge

    encoded = locator.encode(puzzle.picture, grid=puzzle.grid)
    cells = [divmod(i, puzzle.grid.cols) for i in range(puzzle.grid.pieces)]
    answers = _answers(puzzle, encoded, args, say, cells, puzzle.name)
    located = [answer.located for answer in answers if answer.located is not None]
    by_print = judge(answers, assign(encoded, located, by_print=True))
    started, memory = time.perf_counter(), PeakMemory()
    with memory:
        assigned = assign(encoded, located, progress=lambda text: say(f"{puzzle.name}: {text}"))
    seconds = time.perf_counter() - started
    found = judge(answers, assigned)
    return {
        "puzzle": puzzle.name,
        "pieces": puzzle.grid.pieces,
        "located": len(located),
        "by_print": _counts(by_print),
        "together": _counts(found),
        "alone": _counts(border_shares(answers, puzzle.grid)),
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
    kept = KeptLines(path, header, Answered.from_dict, Answered.to_dict)
    known = {answer.cell: answer for answer in kept.all}
    for number, cell in enumerate(cells, 1):
        if cell in known:
            continue
        say(f"{name}: piece {number} of {len(cells)}")
        piece = puzzle.photograph(*cell)
        started, located = time.perf_counter(), None
        with contextlib.suppress(InputError):  # no piece found: it counts as wrong
            located = keep(encoded.search(piece.photo, ASSIGN_TOP), puzzle.grid)
        seconds = time.perf_counter() - started
        known[cell] = Answered(cell, piece.rotation, piece.texture, located, seconds)
        kept.add([known[cell]])
    return [known[cell] for cell in cells]


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
        "seconds": max(row["seconds"] for row in rows),
        "memory": max(memory, default=None),
    }


def _percent(counts: list[int]) -> str:
    """Of (right, all)."""
    return f"{100 * counts[0] / counts[1]:.1f}" if counts[1] else "-"


def _table_of_done(rows: list[dict[str, Any]]) -> str:
    """For people, with ``--done``."""
    names = ("open", "missed", "mistaken", "alone", "together", "low", "surest", "seconds")
    lines = [f"{'puzzle':>14}" + "".join(f"{name:>10}" for name in names)]
    for row in rows:
        values = [str(row[name]) for name in names[:3]]
        values += [_percent(row[name]) for name in names[3:7]]
        values.append("-" if row["seconds"] is None else f"{row['seconds']:.1f}")
        lines.append(f"{row['puzzle']:>14}" + "".join(f"{value:>10}" for value in values))
    return "\n".join(lines) + (
        "\n\nopen: cells without a piece; missed: those taken for done, and mistaken: done ones "
        "taken for open; %, cell and angle right, of their pieces: each alone, all together, of "
        "those with low texture, of the 90% with the highest scores; seconds to read the photo"
    )


def _table_of_border(rows: list[dict[str, Any]]) -> str:
    """For people, with ``--border``."""
    names = ("pieces", "border", "right", "angle", "sideless", "angle", "inside", "sent")
    lines = [f"{'puzzle':>12}" + "".join(f"{name:>10}" for name in names)]
    for row in rows:
        plain = row["sideless"]
        values = [str(row["pieces"]), str(row["border"][1])]
        values += [_percent(row["border"]), _percent(row["angle"])]
        values += [_percent(plain["border"]), _percent(plain["angle"])]
        values += [str(row["sent"][1]), str(row["sent"][0])]
        lines.append(f"{row['puzzle']:>12}" + "".join(f"{value:>10}" for value in values))
    return "\n".join(lines) + (
        "\n\neach alone. border: pieces of it; right: %, cell and angle; angle: %, that alone; "
        "sideless: % right with sides not looked at, and their angle; inside: pieces that are not "
        "of the border, and how many of them are sent there"
    )


def _table(rows: list[dict[str, Any]]) -> str:
    """For people."""
    head = ("puzzle", "pieces", "located", "print", "low", "right", "low", "surest", "sure")
    more = ("of", "border", "angle", "sent", "s", "MB")
    lines = [f"{head[0]:>12}" + "".join(f"{name:>9}" for name in (*head[1:], *more))]
    for row in rows:
        printed, found = row["by_print"], row["together"]
        values = [row["pieces"], row["located"]]
        values += [_percent(printed["all"]), _percent(printed["low"])]
        values += [_percent(found[key]) for key in ("all", "low", "surest", "sure")]
        values += [found["sure"][1], *(_percent(row["alone"][key]) for key in ("border", "angle"))]
        values += [row["alone"]["sent"][0], row["seconds"], row["memory"] if row["memory"] else "-"]
        lines.append(f"{row['puzzle']:>12}" + "".join(f"{value!s:>9}" for value in values))
    return "\n".join(lines) + (
        "\n\n%, cell and angle right, of all pieces. print: assigned by print alone; low: of those "
        "with low texture; surest: of the 90% with the highest scores; sure: of those said to be, "
        "and how many; border, angle: pieces of it, each alone, and the angle alone; sent: others "
        "that alone are sent there; s, MB: to assign them all"
    )
