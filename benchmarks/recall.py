"""Which places a search names, in order, and whether a change loses any that another run had.

    python benchmarks/recall.py --pictures DIR --out before.jsonl
    python benchmarks/recall.py --pictures DIR --out after.jsonl --against before.jsonl

Pieces of the pictures in DIR that training holds back, drawn as ``heatmap-eval validation`` draws
them.  A line a piece goes to ``--out``: its places, best first, as ranked and then, of those that
were compared and not aligned, as compared.  Printed are the pieces whose true place is among the
first K, and with ``--against`` of the other run's first K places those that this one named as well,
and every piece whose answer is another.
"""

import argparse
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from heatmap_eval.protocols.synthesis import captured_tasks, names_of
from heatmap_eval.protocols.tasks import PictureTask
from heatmap_locator import InputError, Locator
from heatmap_locator.geometry import CELL, RIGHT_ANGLE, angle_difference, invert, transform
from heatmap_locator.model.precision import single_precision
from heatmap_locator.puzzle import Puzzle
from heatmap_locator.search import answer
from heatmap_locator.search.named import Candidate
from heatmap_train.draw.pictures import PictureSource

FIRST = (1, 5, 30, 60, 120, 180)
NEAR = 0.5
"""Sides of a cell within which two places are one, if turned alike."""

Place = tuple[float, float, float]
"""(x, y) in sides of a cell, degrees."""


def tasks(args: argparse.Namespace) -> Iterator[PictureTask]:
    """Pictures in turn through the numbers of pieces, each picture once."""
    names = names_of(PictureSource(args.pictures, "validation"), args.pictures)
    names = names[:: max(1, len(names) // args.limit)]
    counts = args.pieces
    each = (
        captured_tasks(
            args.pictures, "validation", args.seed, count, args.each, only=names[n :: len(counts)]
        )
        for n, count in enumerate(counts)
    )
    return chain.from_iterable(each)


def same(one: Place, other: Place) -> bool:
    near = abs(one[0] - other[0]) < NEAR and abs(one[1] - other[1]) < NEAR
    return near and abs(angle_difference(one[2], other[2])) <= RIGHT_ANGLE


def named(puzzle: Puzzle, image: np.ndarray) -> tuple[list[Place], Place | None, float]:
    """The places named of a piece, the first of its readings; its answer and that one's score."""
    seen: list[list[Candidate]] = []
    rank = answer.rank

    def kept(*given: Any, **more: Any) -> list[list[Candidate]]:
        found = rank(*given, **more)
        seen.extend(found)
        return found

    answer.rank = kept
    try:
        found = puzzle.search(image).placements
    except InputError:
        found = []
    finally:
        answer.rank = rank
    places = [(c.x / CELL, c.y / CELL, c.rotation) for c in seen[0]] if seen else []
    if not found:
        return places, None, 0.0
    (level,) = puzzle._searcher.levels
    x, y = transform(invert(level.to_picture), np.array([found[0].center]))[0] / CELL
    return places, (float(x), float(y), found[0].rotation), found[0].score


def ask(args: argparse.Namespace) -> list[dict[str, Any]]:
    """All pieces, those left out that ``--out`` has; written as they are answered."""
    lines = args.out.read_text().splitlines() if args.out.exists() else []
    rows = [json.loads(line) for line in lines]
    done = {row["piece"] for row in rows}
    locator = Locator.from_pretrained(args.weights, device="cpu")
    with args.out.open("a") as file:
        for task in tasks(args):
            labels = [task.piece_id(piece) for piece in task.pieces]
            if done.issuperset(labels):
                continue
            puzzle = locator.encode(task.image, grid=task.grid)
            (level,) = puzzle._searcher.levels
            for label, piece in zip(labels, task.pieces, strict=True):
                if label in done:
                    continue
                places, first, score = named(puzzle, piece.image)
                scale = np.diag(level.to_picture[:, :2]) * CELL
                x1, y1, x2, y2 = piece.box
                true = (*(np.array([x1 + x2, y1 + y2]) / 2 / scale).tolist(), piece.rotation)
                row = {"piece": label, "texture": piece.texture, "true": true, "score": score}
                rows.append(row | {"first": first, "places": places})
                print(json.dumps(rows[-1]), file=file, flush=True)
    return rows


def show(rows: list[dict[str, Any]], against: list[dict[str, Any]]) -> None:
    def within(row: dict[str, Any], most: int) -> bool:
        return any(same(place, row["true"]) for place in row["places"][:most])

    def right(row: dict[str, Any]) -> bool:
        return row["first"] is not None and same(row["first"], row["true"])

    def percent(values: list[bool]) -> str:
        return f"{100 * np.mean(values):7.1f}" if values else "      -"

    print(f"{'first':42}" + "".join(f"{k:7}" for k in FIRST) + "   answer")
    cells = "".join(percent([within(row, k) for row in rows]) for k in FIRST)
    print(
        f"{f'true place, % of {len(rows)} pieces':42}{cells}  {percent([right(r) for r in rows])}"
    )
    before = {row["piece"]: row for row in against}
    pairs = [(before[row["piece"]], row) for row in rows if row["piece"] in before]
    if not pairs:
        return
    cells = "".join(percent([within(old, k) for old, _ in pairs]) for k in FIRST)
    print(f"{'the same, of the other run':42}{cells}  {percent([right(old) for old, _ in pairs])}")
    kept = {
        k: [any(same(p, q) for q in new["places"]) for old, new in pairs for p in old["places"][:k]]
        for k in FIRST
    }
    print(f"{'places of the other run, % named here':42}" + "".join(map(percent, kept.values())))
    for old, new in pairs:
        alike = old["first"] == new["first"] or (
            old["first"] and new["first"] and same(old["first"], new["first"])
        )
        if not alike:
            turned = {(False, True): "gained", (True, False): "lost"}
            said = turned.get((right(old), right(new)), "another, wrong as before")
            scores = f"score {old['score']:.2f} to {new['score']:.2f}"
            print(f"{said}: {new['piece']}, texture {new['texture']}, {scores}")


def numbers(text: str) -> list[int]:
    return [int(value) for value in text.split(",")]


@single_precision()
@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--pictures", type=Path, required=True, metavar="DIR")
    add("--out", type=Path, required=True, metavar="FILE", help="goes on with what it holds")
    add("--against", type=Path, metavar="FILE", help="that another run has written")
    add("--pieces", type=numbers, default=[300, 600, 1000, 2000], metavar="N,...")
    add("--limit", type=int, default=48, help="pictures (default 48)")
    add("--each", type=int, default=4, help="pieces of a picture (default 4)")
    add("--seed", type=int, default=0)
    add("--weights", type=Path, metavar="FILE", help="others than those that ship")
    args = parser.parse_args()
    against = args.against.read_text().splitlines() if args.against else []
    show(ask(args), [json.loads(line) for line in against])


if __name__ == "__main__":
    main()
