"""How long correlation with large kernels takes: convolution beside FFT in tiles.

Random pictures and kernels in the shapes that a puzzle's search has, 36 kernels at a time:

  plain      the correlation alone
  ncc        masked and normalised, with the windows' energies, as the search asks for it
  gradients  plain, and the gradients of picture and kernels

OMP_NUM_THREADS is the number of threads; ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 hold a
newer processor to the instructions that most have.
"""

import argparse
import os
import platform
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.model import correlation
from heatmap_locator.model.overlap_save import PictureTiles
from heatmap_locator.model.plain_correlation import OverlapSave, correlate_plain

TURNS, EVERY, NOISE = 36, 3, 0.02
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
WHAT = ("plain", "ncc", "gradients")


@dataclass(frozen=True)
class Case:
    """What is correlated: features or pixels of a puzzle of so many pieces."""

    name: str
    pieces: int
    channels: int
    size: tuple[int, int]
    kernel: int

    def make(self, device: str) -> tuple[Tensor, Tensor, Tensor]:
        """``(C, H, W)`` field, ``(R, C, k, k)`` templates, ``(R, 1, k, k)`` masks."""
        random = torch.Generator().manual_seed(0)
        k = self.kernel
        field = torch.rand(self.channels, *self.size, generator=random)
        templates = torch.rand(TURNS, self.channels, k, k, generator=random) - 0.5
        along = torch.arange(k) - (k - 1) / 2
        disc = (torch.hypot(along[:, None], along) < k / 2.2).float()
        masks = disc * torch.rand(TURNS, 1, k, k, generator=random)
        return field.to(device), templates.to(device), masks.to(device)


CASES = (
    Case("features", 150, 32, (84, 116), 13),
    Case("pixels", 150, 3, (168, 232), 26),
    Case("features", 1000, 32, (216, 296), 13),
    Case("pixels", 1000, 3, (432, 592), 26),
)


def main() -> None:
    args = _parse()
    print(machine(args.device))
    print(
        f"{'':10} {'':8} {'pieces':>6} {'picture':>14} {'kernel':>6}"
        f" {'conv2d ms':>10} {'FFT ms':>8} {'first ms':>8} {'ratio':>6} {'error':>8}"
    )
    with torch.autocast(args.device, torch.bfloat16, enabled=args.bfloat16):
        for what in args.what:
            for case in CASES:
                if args.pieces in (None, case.pieces):
                    _row(what, case, args)


def _row(what: str, case: Case, args: argparse.Namespace) -> None:
    made = case.make(args.device)
    ways = {"plain": _plain, "ncc": _ncc, "gradients": _gradients}[what](*made)
    convolved, kept, _ = ways
    found, wanted = kept(), _wanted(what, *made) if what == "plain" else convolved()
    error = float((found[: len(wanted)] - wanted).abs().max() / wanted.abs().max())
    slow, quick, new = (_milliseconds(way, args) for way in ways)
    picture = f"{case.channels}x{case.size[0]}x{case.size[1]}"
    print(
        f"{what:10} {case.name:8} {case.pieces:6} {picture:>14} {case.kernel:6}"
        f" {slow:10.1f} {quick:8.1f} {new:8.1f} {slow / quick:6.1f} {error:8.0e}",
        flush=True,
    )


Ways = tuple[Callable[[], Tensor], Callable[[], Tensor], Callable[[], Tensor]]
"""By convolution; by FFT, the picture's transforms kept from the piece before; and without."""


def _plain(field: Tensor, kernels: Tensor, masks: Tensor) -> Ways:
    picture = PictureTiles(field)
    return (
        lambda: F.conv2d(field[None], kernels, padding=kernels.shape[-1] // 2)[0].float(),
        lambda: correlate_plain(picture, kernels),
        lambda: correlate_plain(PictureTiles(field), kernels),
    )


def _ncc(field: Tensor, templates: Tensor, masks: Tensor) -> Ways:
    picture = PictureTiles(field)

    def ask(by_fft: bool, tiles: PictureTiles | None = None) -> Tensor:
        # The library decides in one place how it correlates.
        with patch.object(correlation, "by_fft", return_value=by_fft):
            return correlation.masked_ncc(
                field[None], templates[None], masks[None], NOISE, EVERY, tiles=tiles
            )[0]

    return lambda: ask(False), lambda: ask(True, picture), lambda: ask(True)


def _gradients(field: Tensor, kernels: Tensor, masks: Tensor) -> Ways:
    def ask(way: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        own = field.clone().requires_grad_(), kernels.clone().requires_grad_()
        way(*own).sum().backward()
        return torch.cat([t.grad.flatten() for t in own if t.grad is not None])

    def convolve(field: Tensor, kernels: Tensor) -> Tensor:
        return F.conv2d(field[None], kernels, padding=kernels.shape[-1] // 2)[0].float()

    return lambda: ask(convolve), lambda: ask(OverlapSave.apply), lambda: ask(OverlapSave.apply)


def _wanted(what: str, field: Tensor, kernels: Tensor, masks: Tensor) -> Tensor:
    """Two of the kernels in double precision, directly."""
    with torch.autocast(field.device.type, enabled=False):
        few = kernels[:2].double()
        return F.conv2d(field[None].double(), few, padding=few.shape[-1] // 2)[0]


def _milliseconds(way: Callable[[], Tensor], args: argparse.Namespace) -> float:
    """The best of several."""
    clock = time.process_time if args.cpu_time else time.perf_counter
    best = float("inf")
    for _ in range(args.repeats):
        start = clock()
        way()
        if args.device == "cuda":
            torch.cuda.synchronize()
        best = min(best, clock() - start)
    return 1000 * best


def machine(device: str) -> str:
    """Processor or GPU, its instructions, those in use, and threads, in a line."""
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}; torch {torch.__version__}"
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    name = re.search(r"model name\s*: (.*)", text)
    has = [one for one in INSTRUCTIONS if re.search(rf"\b{one}\b", text)]
    return (
        f"{name[1] if name else platform.machine()} ({', '.join(has) or 'instructions unknown'}); "
        f"in use: {torch.backends.cpu.get_cpu_capability()} by torch, "
        f"{os.environ.get('ONEDNN_MAX_CPU_ISA', 'all')} by oneDNN; "
        f"{torch.get_num_threads()} threads; torch {torch.__version__}"
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--what", nargs="+", choices=WHAT, default=WHAT[:2], help="default: plain ncc"
    )
    parser.add_argument("--pieces", type=int, choices=(150, 1000), help="only this puzzle's shapes")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="best of N, default 3")
    parser.add_argument("--bfloat16", action="store_true", help="conv2d in bfloat16, by autocast")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="time of all processors together, not of the clock: for a machine that is busy",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    args = parser.parse_args()
    if args.repeats < 1:
        parser.error(f"--repeats {args.repeats}: 1 at least")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: no CUDA device here")
    return args


if __name__ == "__main__":
    main()
