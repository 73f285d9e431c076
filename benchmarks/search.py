"""How long one piece takes, by the number of pieces: ours beside masked NCC and OpenCV.

    python benchmarks/search.py [--pieces 24,150,500,1000,2000] [--repeat 3]
    python benchmarks/search.py --growth [--pieces 1000,10000,40000] [--megapixels 1,10,100]

The picture is ``examples/puzzle.jpg``, enlarged to 60 pixels a cell; pieces are cut from it with a
knob and a blank, turned and dimmed.  ``ours`` is ``Puzzle.locate``, its picture encoded before.
``ncc`` is this repository's masked NCC, exhaustively in 36 turns and 5 sizes at 24 pixels a cell
(``eval/methods/ncc.py``), its picture transformed before.  ``OpenCV`` is the best that
``cv2.matchTemplate`` can do in the same search: the square inside the piece, without a mask and
without looking for peaks, in as many turns and sizes.  Times are of the clock (``s``) and of all
processors together (``cpu``), which other programs disturb less; the median of ``--repeat`` pieces
of ours, one of the others.

``--growth`` asks one piece each, of ever more pieces in a picture of the same 12 megapixels, then
of 1,000 in pictures of ever more pixels: seconds to encode the picture and to search, and the
highest memory above that of the process before.  What does not fit is refused in a line.

``--busy N`` runs beside as many processes that compute all the time, as other programs would; the
times of the clock are then what counts.

OMP_NUM_THREADS is the number of threads; GOMP_SPINCOUNT=20000, which the package sets where torch
is not loaded yet, is how long they wait before they sleep; ATEN_CPU_CAPABILITY=avx2
ONEDNN_MAX_CPU_ISA=AVX2 hold a newer processor to the instructions that most have.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from correlation import machine
from throughput import CELL, PICTURE, cut_pieces

from heatmap_eval.answers.memory import PeakMemory
from heatmap_eval.methods import ncc
from heatmap_locator import InputError, Locator
from heatmap_locator.picture.read import read_picture

PIECES, GROWN = (24, 150, 500, 1000, 2000), (150, 500, 1000, 2000, 5000, 10_000, 40_000)
MEGAPIXELS = (1, 10, 50, 100)
SAME = 12
"""Megapixels of the picture whose pieces become more."""

Spent = tuple[float, float]
"""Seconds of the clock and of all processors together."""


def spent(run: Callable[..., object], *given: object) -> Spent:
    clock, cpu = time.perf_counter(), time.process_time()
    run(*given)
    return time.perf_counter() - clock, time.process_time() - cpu


def median(taken: list[Spent]) -> Spent:
    clocks, cpus = zip(*taken, strict=True)
    return statistics.median(clocks), statistics.median(cpus)


def enlarged(picture: np.ndarray, pixels: float) -> np.ndarray:
    """A picture of about so many pixels."""
    scale = np.sqrt(pixels / (picture.shape[0] * picture.shape[1]))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=way)


def match_squares(small: np.ndarray, piece: np.ndarray) -> None:
    """``cv2.matchTemplate`` of a piece's inside in every turn and size of the masked NCC."""
    side = round(ncc.CELL * 0.7)
    middle = piece.shape[1] / 2, piece.shape[0] / 2
    for turn in range(ncc.TURNS):
        for size in ncc.SCALES:
            scale = size * ncc.CELL / (2 * CELL)
            into = cv2.getRotationMatrix2D(middle, 360.0 * turn / ncc.TURNS, scale)
            into[:, 2] += side / 2 - np.array(middle)
            square = cv2.warpAffine(piece[..., :3], into, (side, side))
            cv2.matchTemplate(small, square, cv2.TM_CCOEFF_NORMED)


def beside_others(locator: Locator, picture: np.ndarray, args: argparse.Namespace) -> None:
    print(
        f"{'pieces':>6} {'ours s':>8} {'cpu':>7} {'ncc s':>8} {'cpu':>7} {'OpenCV s':>9}"
        f" {'cpu':>7} {'ncc/ours':>9} {'OpenCV/ours':>12}"
    )
    for count in args.pieces or PIECES:
        whole = enlarged(picture, CELL**2 * count)
        puzzle = locator.encode(whole, pieces=count)
        pieces = cut_pieces(whole, args.repeat + 1, np.random.default_rng(count))
        puzzle.locate(pieces[0])
        ours = median([spent(puzzle.locate, piece) for piece in pieces[1:]])
        assert puzzle.grid is not None
        prepared = ncc.Ncc().prepare(whole, puzzle.grid)
        masked = spent(prepared.locate, pieces[1], 1)
        small = enlarged(whole, ncc.CELL**2 * count)
        squares = spent(match_squares, small, pieces[1])
        cells = [f"{clock:8.3f} {cpu:7.3f}" for clock, cpu in (ours, masked, squares)]
        ratios = masked[1] / ours[1], squares[1] / ours[1]
        print(f"{count:6d} {' '.join(cells)} {ratios[0]:10.1f} {ratios[1]:12.1f}", flush=True)


def growth(locator: Locator, picture: np.ndarray, args: argparse.Namespace) -> None:
    print(
        f"{'pieces':>6} {'megapixels':>10} {'encode s':>9} {'cpu':>7} {'piece s':>8} {'cpu':>7} MB"
    )
    cases = [(count, SAME) for count in args.pieces or GROWN]
    cases += [(1000, size) for size in args.megapixels or MEGAPIXELS]
    for count, size in cases:
        whole = enlarged(picture, size * 1e6)
        piece = cut_pieces(whole, 1, np.random.default_rng(count), np.sqrt(size * 1e6 / count))[0]
        start = f"{count:6d} {whole.shape[0] * whole.shape[1] / 1e6:10.1f}"
        try:
            with PeakMemory() as memory:
                clock, cpu = time.perf_counter(), time.process_time()
                puzzle = locator.encode(whole, pieces=count)
                encoded = time.perf_counter() - clock, time.process_time() - cpu
                searched = spent(puzzle.locate, piece)
        except InputError as error:
            print(f"{start} {error}", flush=True)
            continue
        used = "unknown" if memory.megabytes is None else f"{memory.megabytes:.0f}"
        cells = [f"{clock:8.2f} {cpu:7.2f}" for clock, cpu in (encoded, searched)]
        print(f"{start} {' '.join(cells)} {used}", flush=True)


def compute() -> None:
    """For ever, as another program would."""
    while True:
        sum(range(100_000))


def numbers(text: str) -> list[int]:
    return [int(value) for value in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--growth", action="store_true", help="time and memory by pieces and by pixels instead")
    add("--pieces", type=numbers, metavar="N,...", help="of the puzzles")
    add("--megapixels", type=numbers, metavar="N,...", help="of the pictures of 1,000 pieces")
    add("--repeat", type=int, default=3, help="pieces of ours (default 3)")
    add("--busy", type=int, default=0, metavar="N", help="processes that compute all the time")
    add("--device", choices=("cpu", "cuda"), default="cpu")
    args = parser.parse_args()
    cv2.setNumThreads(torch.get_num_threads())
    for _ in range(args.busy):
        multiprocessing.get_context("spawn").Process(target=compute, daemon=True).start()
    print(machine(args.device))
    locator = Locator.from_pretrained(device=args.device)
    (growth if args.growth else beside_others)(locator, read_picture(Path(PICTURE)), args)


if __name__ == "__main__":
    main()
