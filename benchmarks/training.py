"""Pairs of piece and picture a second in training: correlation by convolution beside FFT, and
observations that were kept beside those made anew.

    python benchmarks/training.py [--recipes head,encoder] [--steps 2] [--pictures DIR]

Steps as ``heatmap-train`` takes them, from the shipped weights: pictures and pieces drawn and
captured, the loss, its gradients, the optimizer's step.  Both ways take the same steps, one after
the other in the same run; what is drawn is drawn once and counted for both.  ``draw`` is the time
of that, ``step`` of the rest, in milliseconds of all processors together, medians of ``--steps``.
Pairs a second are of one processor.  ``times`` is how many times longer than by FFT the whole
takes, and the step.  ``loss`` of the first differs by rounding and the energies of windows.

Of a recipe that keeps what the head observes (``head_puzzles``) the ways are ``kept`` and ``anew``,
and ``times`` is to the first.  There ``draw`` is drawing, correlating and writing, shared out over
the times that the recipe shows a puzzle, and reading.

OMP_NUM_THREADS is the number of threads: with one, convolutions with kernels of 25 and more take
minutes.  ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 hold a newer processor to the
instructions that most have.
"""

import argparse
import statistics
import tempfile
import time
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from correlation import machine

from heatmap_locator.model import correlation
from heatmap_locator.model.files import load_model, shipped_weights
from heatmap_locator.model.memory import keep_freed_memory
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.scenes import Scenes
from heatmap_train.locator.module import TrainingModule
from heatmap_train.locator.observed import SYMMETRIES, observe, read, write
from heatmap_train.locator.puzzles import PuzzleBatches
from heatmap_train.locator.recipe import Recipe
from heatmap_train.recipes import load_recipe
from heatmap_train.shared.batches import CapturedBatches

WAYS = ("FFT", "conv2d")


def spent(start: float) -> float:
    """Milliseconds of all processors since."""
    return 1000 * (time.process_time() - start)


def take_steps(module: TrainingModule, batches: list[Any], way: str) -> tuple[float, list[Any]]:
    """Median milliseconds of a step, and the losses."""
    made = module.configure_optimizers()
    optimizer, taken, losses = made["optimizer"], [], []
    by_fft = nullcontext() if way != "conv2d" else patch.object(correlation, "by_fft", never)
    with by_fft, patch.object(module, "log"):
        for number, batch in enumerate(batches):
            start = time.process_time()
            loss = module.training_step(batch, number)
            optimizer.zero_grad()
            loss.backward()
            module.configure_gradient_clipping()
            optimizer.step()
            taken.append(spent(start))
            losses.append(loss.item())
    return statistics.median(taken), losses


def never(device: torch.device) -> bool:
    return False


def keep(
    module: TrainingModule, scenes: list[Scenes], recipe: Recipe
) -> tuple[float, float, list[Any]]:
    """Median milliseconds to observe and write a puzzle, those to read one, and what was read."""
    making, reading, kept = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for way, one in enumerate(scenes):
            start, path = time.process_time(), Path(folder) / "puzzle.npz"
            write(path, observe(module.model, one))
            making.append(spent(start))
            start = time.process_time()
            kept.append(read(path).laid(way % SYMMETRIES, recipe.model.rotations))
            reading.append(spent(start))
    return statistics.median(making), statistics.median(reading), kept


def row(name: str, args: argparse.Namespace) -> None:
    recipe = load_recipe(name)
    if not isinstance(recipe, Recipe):
        raise SystemExit(f"{name}: no recipe of the locator")
    # Features may have another floor than the recipe's, which no time depends on.
    floor = load_model(None)[0].config.feature_floor
    recipe = replace(recipe, model=replace(recipe.model, feature_floor=floor))
    module = TrainingModule(recipe)
    module.start_from(str(shipped_weights()))
    source, run = PictureSource(args.pictures), recipe.run
    kind = PuzzleBatches if recipe.puzzles else CapturedBatches
    drawn = kind(source, recipe, "train")
    drawing, scenes = [], []
    for number in range(args.steps):
        start = time.process_time()
        scenes.append(drawn[number])
        drawing.append(spent(start))
    draw = statistics.median(drawing)
    drawn_pieces = (recipe.puzzles or recipe.scenes).pieces
    pairs = run.batch * (drawn_pieces if run.train_encoder else run.head_pieces)
    ways = {way: (draw, scenes) for way in WAYS}
    if run.kept_puzzles:
        made, reading, observed = keep(module, scenes, recipe)
        shown = recipe.optim.steps / run.kept_puzzles
        ways = {"kept": ((draw + made) / shown + reading, observed), "anew": (draw, scenes)}
    first = None
    for way, (draw, batches) in ways.items():
        step, losses = take_steps(deepcopy(module), batches, way)
        first = first or (draw + step, step)
        times = (draw + step) / first[0], step / first[1]
        print(
            f"{name:8} {way:7} {pairs:6} {draw:8.0f} {step:8.0f}"
            f" {1000 * pairs / (draw + step):8.2f} {times[0]:6.1f} {times[1]:6.1f}"
            f" {losses[0]:8.4f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipes", default="head,encoder", help="default head,encoder")
    parser.add_argument("--steps", type=int, default=2, help="taken each way (default 2)")
    parser.add_argument("--pictures", help="a folder; drawn without it")
    args = parser.parse_args()
    if args.steps < 1:
        parser.error(f"--steps {args.steps}: 1 at least")
    print(machine("cpu"))
    keep_freed_memory()
    print(
        f"{'recipe':8} {'way':7} {'pairs':>6} {'draw':>8} {'step':>8} {'pairs/s':>8}"
        f" {'times':>6} {'step':>6} {'loss':>8}"
    )
    for name in args.recipes.split(","):
        row(name, args)


if __name__ == "__main__":
    main()
