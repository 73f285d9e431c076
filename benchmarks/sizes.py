"""What not knowing the number of pieces costs: right answers and time, beside knowing it.

    python benchmarks/sizes.py --pictures DIR [--counts 24,192,1000] [--puzzles 2] [--pieces 5]

Every puzzle is drawn from pictures that training holds back, its picture and its pieces captured
apart.  Its pieces are asked with their number ``known``; without it, each as if it were the first,
``alone``; one after the other in a ``session``; and, ``--in-full`` of them, at every size in full.
``size`` is how often the number of pieces found is right to 12%.  ``time`` is relative to known:
of a puzzle's ``first`` piece, with the encoding of the picture, and of ``later`` ones in a session.
``sure`` is how often an answer is right that ended the search.  Time is the processor's, which
other programs disturb less than the clock; ``--clock`` reads the clock.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from heatmap_locator import InputError, Locator, Placement, Puzzle
from heatmap_locator.geometry import RIGHT_ANGLE, angle_difference, bounds
from heatmap_locator.grid import Grid
from heatmap_locator.puzzle import Search
from heatmap_locator.search import by_size
from heatmap_locator.search.sizes import SURE, Sizes
from heatmap_train.draw.cutter import cut_grid
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.prints import photograph_picture, photograph_piece
from heatmap_train.draw.puzzles import LoosePiece, PhotographedPuzzle, paste

COUNTS = (24, 54, 100, 192, 300, 500, 1000, 1500, 2000)
PHOTO_CELL = (64.0, 160.0)
"""Fewest and most photo pixels of a cell's side."""

SAME = 0.12
"""Part by which a number of pieces found may be off."""


@torch.no_grad()
def draw_puzzle(
    source: PictureSource, count: int, pieces: int, rng: np.random.Generator
) -> PhotographedPuzzle:
    """A puzzle of about ``count`` pieces, pasted of several pictures where one has too few pixels.

    Args:
        source: of pictures.
        count: pieces of the puzzle; its grid fits the picture's shape.
        pieces: taken of it.
        rng: decides everything.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    side = 1 if count < 150 else 2 if count < 600 else 3
    chosen = rng.choice(len(source), side**2, replace=len(source) < side**2)
    image = paste([source[int(i)] for i in chosen], side)
    height, width = image.shape[:2]
    grid = Grid.from_pieces(count, width, height)
    cut, cell = (
        cut_grid(grid.rows, grid.cols, width, height, rng),
        math.sqrt(image.size / 3 / grid.pieces),
    )
    picture = photograph_picture(image, generator)
    taken = []
    for index in rng.permutation(grid.pieces)[:pieces]:
        outline = cut.outline(*divmod(int(index), grid.cols))
        rotation = float(rng.uniform(0, 360))
        pixels = float(np.exp(rng.uniform(*np.log(PHOTO_CELL))))
        one = photograph_piece(image, outline, rotation, pixels / cell, 0.15 * pixels, generator)
        taken.append(LoosePiece(np.dstack([one.photo, one.alpha]), bounds(outline), rotation))
    return PhotographedPuzzle(picture, grid, taken)


@dataclass(frozen=True)
class Asked:
    """A piece that was located: seconds, whether the answer is right, its score, and the part by
    which the number of pieces found is off."""

    seconds: float
    right: bool
    score: float
    off: float | None = None


def is_right(place: Placement, piece: LoosePiece, cell: float) -> bool:
    x1, y1, x2, y2 = piece.box
    off = math.dist(place.center, ((x1 + x2) / 2, (y1 + y2) / 2))
    turn = abs(angle_difference(place.rotation, piece.rotation))
    return off <= cell / 2 and turn <= RIGHT_ANGLE


def ask(
    whole: Puzzle, drawn: PhotographedPuzzle, clock: Callable[[], float], pieces: list[LoosePiece]
) -> Iterator[Asked]:
    """Locate pieces one after the other."""
    cell = math.sqrt(whole.width * whole.height / drawn.grid.pieces)
    for piece in pieces:
        start = clock()
        try:
            found: Search | None = whole.search(piece.image)
        except InputError:
            found = None
        seconds = clock() - start
        if found is None or not found.placements:
            yield Asked(seconds, False, 0.0)
            continue
        place, off = found.placements[0], None
        if found.size_estimate is not None:
            off = abs(found.size_estimate / drawn.grid.pieces - 1)
        yield Asked(seconds, is_right(place, piece, cell), place.score, off)


class InFull(by_size.BySize):
    """Every size searched in full, without any saving."""

    def look(self, piece, seen, most, say):  # type: ignore[no-untyped-def]
        every = self._see(piece, [self.level(side) for side in self._sides])
        (ranked,) = by_size.rank_seen([every], [piece], self._model.ranker, self._device)
        yield by_size.Look(ranked, by_size.heats_of(every), self._every)

    def settled(self) -> list[by_size.Level]:
        return []


@dataclass
class Tally:
    """The answers to the same pieces, in order of puzzles: with the number of pieces known, each
    on its own without it, one after the other without it; and of some, at every size in full."""

    known: list[Asked]
    alone: list[Asked]
    session: list[Asked]
    in_full: list[Asked]
    firsts: list[int]

    def add(self, other: "Tally") -> None:
        self.firsts += [len(self.known) + n for n in other.firsts]
        for name in ("known", "alone", "session", "in_full"):
            getattr(self, name).extend(getattr(other, name))

    def row(self, name: str) -> str:
        """Shares in percent of right answers and of sizes found; times relative to known."""

        def share(values: list[bool]) -> str:
            return f"{100 * np.mean(values):6.1f}" if values else "     -"

        def ratio(some: list[int], asked: list[Asked]) -> str:
            spent = sum(asked[n].seconds for n in some), sum(self.known[n].seconds for n in some)
            return f"{spent[0] / spent[1]:6.2f}" if some else "     -"

        def found(asked: list[Asked]) -> str:
            return share([a.off is not None and a.off <= SAME for a in asked])

        later = [n for n in range(len(self.known)) if n not in self.firsts]
        sure = [a for a in self.alone if a.score >= SURE]
        cells = [
            f"{name:>6} {len(self.known):4d} ",
            *(share([a.right for a in asked]) for asked in (self.known, self.alone, self.session)),
            share([a.right for a in self.in_full]) + f" of {len(self.in_full):3d}",
            found(self.alone),
            found(self.session),
            ratio(self.firsts, self.alone),
            ratio(later, self.session),
            share([a.right for a in sure]) + f" of {len(sure):3d}",
        ]
        return " ".join(cells)


HEADING = (
    "pieces    n  known  alone session  in full     size: alone session  time: first later  sure"
)


def ask_puzzle(
    locator: Locator, drawn: PhotographedPuzzle, clock: Callable[[], float], in_full: int
) -> Tally:
    """One puzzle, asked in every way."""
    start = clock()
    known = locator.encode(drawn.picture, pieces=drawn.grid.pieces)
    encoding = clock() - start
    with_number = list(ask(known, drawn, clock, drawn.pieces))
    # Encoding the picture belongs to the first piece: without the number it happens there.
    with_number[0] = replace(with_number[0], seconds=with_number[0].seconds + encoding)
    session = list(ask(locator.encode(drawn.picture), drawn, clock, drawn.pieces))
    alone = session[:1]
    # Another one: that session's pieces may have shown rows and columns.
    unknown = locator.encode(drawn.picture)
    by = unknown._searcher.by_size
    assert by is not None
    for piece in drawn.pieces[1:]:
        by.sizes = Sizes(by.sizes.area, by.sizes.choices)
        alone += ask(unknown, drawn, clock, [piece])
    full: list[Asked] = []
    if in_full:
        unknown._searcher.by_size = InFull(drawn.picture, locator.model, locator.device)
        unknown._searcher.levels = unknown._searcher.by_size.levels
        full += ask(unknown, drawn, clock, drawn.pieces[:in_full])
    return Tally(with_number, alone, session, full, [0])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="drawn without it")
    parser.add_argument("--counts", default=",".join(map(str, COUNTS)))
    parser.add_argument("--puzzles", type=int, default=2, help="of each count")
    parser.add_argument("--pieces", type=int, default=5, help="of each puzzle")
    parser.add_argument("--in-full", type=int, default=0, help="pieces of each puzzle")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clock", action="store_true", help="the clock, not processor time")
    args = parser.parse_args()
    clock = time.perf_counter if args.clock else time.process_time
    locator = Locator.from_pretrained(device="cpu")
    source = PictureSource(args.pictures, "validation")
    every = Tally([], [], [], [], [])
    print(HEADING, flush=True)
    for count in map(int, args.counts.split(",")):
        own = Tally([], [], [], [], [])
        for number in range(args.puzzles):
            rng = np.random.default_rng([args.seed, count, number])
            drawn = draw_puzzle(source, count, args.pieces, rng)
            own.add(ask_puzzle(locator, drawn, clock, args.in_full))
        print(own.row(str(count)), flush=True)
        every.add(own)
    print(every.row("all"))


if __name__ == "__main__":
    main()
