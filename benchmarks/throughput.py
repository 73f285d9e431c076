"""Pieces a second by device, batch and stage, beside the floor of arithmetic and memory.

    python benchmarks/throughput.py [--device cuda] [--pieces 1000] [--batches 1,8,32]

The picture is ``examples/puzzle.jpg``, enlarged to 60 pixels a cell; pieces are cut from it with a
knob and a blank, turned and dimmed, so that every stage has its usual work: ``cut out`` makes them
ready with their outline given, ``outline`` finds it on a plain background.  Stages are timed one
after the other, the device waited for in between; ``all`` is ``Puzzle.search_many`` as users call
it.  ``floor`` is the least time of a stage: the larger of its floating point operations over the
rate of a large matrix product and its bytes over the rate of a large copy, both measured here.
Times are medians of ``--repeat`` runs after one that is not counted.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from heatmap_locator import Locator, Puzzle
from heatmap_locator.model.network import EncodedImages
from heatmap_locator.model.precision import autocast, supports_bfloat16
from heatmap_locator.picture.read import read_picture
from heatmap_locator.resample import resize
from heatmap_locator.search.answer import Ranked, lay_best, rank_seen, recognise
from heatmap_locator.search.identical import CANDIDATES
from heatmap_locator.search.levels import Level, encode_levels
from heatmap_locator.search.piece import prepare_pieces
from heatmap_locator.search.see import see

PICTURE = Path(__file__).resolve().parents[1] / "examples" / "puzzle.jpg"
CELL = 60


def cut_pieces(
    picture: np.ndarray, count: int, rng: np.random.Generator, cell: float = CELL
) -> list[np.ndarray]:
    """``count`` pieces of (H, W, 3) uint8 as (h, w, 4): a square with a knob and a blank.

    ``cell`` is the side of a cell in pixels of the picture; in the photos it is ``2 * CELL``.
    """
    side, pieces = 2 * CELL, []
    mask = np.zeros((2 * side, 2 * side), np.uint8)
    low, high = side // 2, side // 2 + side
    mask[low:high, low:high] = 255
    cv2.circle(mask, (high + side // 10, side), side // 6, 255, -1)
    cv2.circle(mask, (side, high - side // 10), side // 6, 0, -1)
    for _ in range(count):
        x, y = (rng.uniform(cell, n - cell) for n in (picture.shape[1], picture.shape[0]))
        into = cv2.getRotationMatrix2D((x, y), float(rng.uniform(0, 360)), side / cell)
        into[:, 2] += [side - x, side - y]
        crop = cv2.warpAffine(picture, into, mask.shape[::-1], flags=cv2.INTER_CUBIC)
        dim = (crop * 0.8 + rng.normal(10, 3, crop.shape)).clip(0, 255).astype(np.uint8)
        pieces.append(np.dstack([dim, mask]))
    return pieces


def on_table(piece: np.ndarray) -> np.ndarray:
    """A piece of (h, w, 4) as a photo, (h, w, 3), of it on a plain background."""
    noise = np.random.default_rng(0).normal(60, 4, piece.shape[:2])[..., None]
    photo: np.ndarray = np.where(piece[..., 3:] > 0, piece[..., :3], noise).astype(np.uint8)
    return photo


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds(run: Callable[[], object], device: torch.device, repeat: int) -> float:
    """Median time of a call, the first not counted."""
    run()
    taken = []
    for _ in range(repeat):
        wait(device)
        start = time.perf_counter()
        run()
        wait(device)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def rates(device: torch.device) -> tuple[float, float]:
    """Floating point operations and bytes a second that the device does at its best."""
    side, size = (8192, 2**30) if device.type == "cuda" else (1024, 2**26)
    kind = torch.bfloat16 if supports_bfloat16(device.type) else torch.float32
    a = torch.randn(side, side, device=device).to(kind)
    source = torch.randn(size // 4, device=device)
    target = torch.empty_like(source)
    product = seconds(lambda: a @ a, device, 5)
    copy = seconds(lambda: target.copy_(source), device, 5)
    return 2 * side**3 / product, 2 * size / copy


def floor(run: Callable[[], object], bytes_moved: float, best: tuple[float, float]) -> float:
    """Seconds that what a call computes takes at the least."""
    with FlopCounterMode(display=False) as counter:
        run()
    return max(counter.get_total_flops() / best[0], bytes_moved / best[1])


@torch.inference_mode()
def stages(
    puzzle: Puzzle, photos: list[np.ndarray], repeat: int, best: tuple[float, float]
) -> list[tuple[str, float, float | None]]:
    """(name, seconds, floor) of every stage for these photos together."""
    model, device, picture = puzzle.model, puzzle.device, puzzle.picture
    levels = encode_levels(picture, puzzle.grid, model, device)
    loose = [on_table(photo) for photo in photos]
    prepared = [one[0] for one in prepare_pieces(photos, puzzle.outlines) if isinstance(one, list)]
    wanted = [levels for _ in prepared]

    def encode_picture() -> list[Level]:
        return encode_levels(picture, puzzle.grid, model, device)

    def encode_pieces() -> EncodedImages:
        with autocast(device):
            banks = [piece.rotated(model.config.rotations, device) for piece in prepared]
            templates, masks = (torch.cat(t) for t in zip(*banks, strict=True))
            return model.encode_pieces(templates, masks).trimmed()

    bank = encode_pieces()

    def correlate() -> tuple[Tensor, Tensor]:
        with autocast(device):
            return model.correlate_bank(levels[0].encoded.repeated(len(prepared)), bank)

    volumes = correlate()
    volume_bytes = float(sum(v.numel() * v.element_size() for v in volumes))

    def head() -> object:
        with autocast(device):
            return model.head(*volumes)

    seen = see(prepared, wanted, model, device)

    def rank() -> list[list[Ranked]]:
        return rank_seen(seen, prepared, model.ranker, device)

    ranked = rank()

    def conclude() -> object:
        own = zip(ranked, prepared, strict=True)
        laid = [(lay_best(r, piece, CANDIDATES), piece) for r, piece in own]
        return [recognise(one, piece, picture, puzzle.grid) for one, piece in laid]

    pixels = float(picture.size * 4)
    rows: list[tuple[str, Callable[[], object], float | None]] = [
        ("picture", encode_picture, pixels),
        ("cut out", lambda: prepare_pieces(photos, puzzle.outlines), None),
        ("outline", lambda: prepare_pieces(loose, puzzle.outlines), None),
        ("pieces", encode_pieces, 4.0 * 4 * 48**2 * model.config.rotations * len(prepared)),
        ("correlate", correlate, volume_bytes),
        ("head", head, 2 * volume_bytes),
        ("see, all", lambda: see(prepared, wanted, model, device), None),
        ("rank", rank, None),
        ("conclude", conclude, None),
        ("all", lambda: puzzle.search_many(photos), None),
    ]
    return [(name, *timed(run, device, repeat, moved, best)) for name, run, moved in rows]


def timed(
    run: Callable[[], object],
    device: torch.device,
    repeat: int,
    moved: float | None,
    best: tuple[float, float],
) -> tuple[float, float | None]:
    """Seconds of a call, and its floor where the bytes that it moves are known."""
    return seconds(run, device, repeat), None if moved is None else floor(run, moved, best)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--pieces", type=int, default=1000, help="of the puzzle (default 1000)")
    add("--batches", default="1,4", help="pieces asked together (default 1,4)")
    add("--repeat", type=int, default=3)
    args = parser.parse_args()
    locator = Locator.from_pretrained(device=args.device)
    device = locator.device
    picture = read_picture(PICTURE)
    scale = CELL / np.sqrt(picture.shape[0] * picture.shape[1] / args.pieces)
    size = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    picture = resize(picture, size, scale)
    puzzle = locator.encode(picture, pieces=args.pieces)
    best = rates(device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
    capability = torch.backends.cpu.get_cpu_capability()
    print(
        f"{name or 'cpu'}, {capability}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}; {best[0] / 1e12:.2f} TFLOP/s, {best[1] / 1e9:.0f} GB/s; "
        f"{args.pieces} pieces, {picture.shape[1]} x {picture.shape[0]} pixels"
    )
    print("batch  stage       ms a batch  pieces/s    floor ms")
    for batch in (int(b) for b in args.batches.split(",")):
        photos = cut_pieces(picture, batch, np.random.default_rng(batch))
        for stage, took, least in stages(puzzle, photos, args.repeat, best):
            shown = "" if least is None else f"{1e3 * least:10.3f}"
            print(f"{batch:5d}  {stage:10s}  {1e3 * took:10.2f}  {batch / took:8.1f}  {shown}")


if __name__ == "__main__":
    main()
