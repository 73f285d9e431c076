"""The loop: Lightning with exact resume, checkpoints picked on held-back pictures, and logs."""

import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.tuner import Tuner

from heatmap_locator.command.report import Progress
from heatmap_locator.errors import InputError
from heatmap_locator.model.memory import keep_freed_memory
from heatmap_locator.model.precision import supports_bfloat16

from .draw.pictures import PictureSource
from .locator.module import TrainingModule
from .locator.observed import ObservedPuzzles, keep
from .locator.puzzles import PuzzleBatches
from .locator.recipe import Recipe
from .outline.batches import PhotoBatches
from .outline.module import OutlineModule
from .outline.recipe import OutlineRecipe
from .recipes import recipe_of
from .regressor.module import RegressionModule
from .regressor.recipe import RegressionRecipe
from .shared.batches import CapturedBatches, SceneBatches, train_loader, validation_loader
from .shared.module import RecipeModule
from .shared.recipe import LoopRecipe, SceneRecipe

SAVE_EVERY = 100
"""Steps between writes of last.ckpt."""

PARAMETER_GROUPS = 2
"""Of the optimizer: those that decay and those that do not; it once had one."""


class Throughput(Callback):
    """Samples (pieces) per second, in the progress bar and the logs."""

    def __init__(self, samples_per_step: int) -> None:
        self.samples, self.started, self.steps = samples_per_step, 0.0, 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        self.steps += 1
        if self.steps == 1 or self.steps % 20 == 0:
            now = time.monotonic()
            if self.started and self.steps > 1:
                rate = 20 * self.samples / (now - self.started)
                pl_module.log("samples_per_second", rate, prog_bar=True)
            self.started = now

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.started, self.steps = 0.0, 0


@dataclass(frozen=True)
class Machines:
    """What a run computes on.

    Attributes:
        device: ``cpu`` or ``cuda``.
        devices: GPUs, or processes on a CPU, a node.
        nodes: machines.
        precision: as Lightning names it.
    """

    device: str
    devices: int
    nodes: int
    precision: str


def pick_precision(device: str) -> str:
    """bf16 where the device computes in it, else 32 bits."""
    return "bf16-mixed" if supports_bfloat16(device) else "32-true"


def make_module(
    recipe: LoopRecipe, capture_on_device: SceneBatches | None = None, overfit: bool = False
) -> RecipeModule:
    """A fresh module of the kind that the recipe trains."""
    if isinstance(recipe, OutlineRecipe):
        return OutlineModule(recipe, overfit)
    if isinstance(recipe, RegressionRecipe):
        return RegressionModule(recipe, capture_on_device, overfit)
    assert isinstance(recipe, Recipe)
    return TrainingModule(recipe, capture_on_device, overfit)


def make_batches(
    recipe: LoopRecipe, source: PictureSource, stream: str, on_device: bool, kept: Path
) -> SceneBatches | PhotoBatches | PuzzleBatches | ObservedPuzzles:
    """The batches that the recipe trains on; scenes captured unless the device does that.

    Args:
        recipe: of the loop.
        source: of pictures.
        stream: "train" or "validation".
        on_device: whether batches are captured there.
        kept: where :func:`_keep_observed` keeps a stream's puzzles.
    """
    if isinstance(recipe, Recipe) and recipe.run.kept_puzzles:
        return ObservedPuzzles(kept / stream, recipe, vary=stream == "train")
    if isinstance(recipe, OutlineRecipe):
        return PhotoBatches(source, recipe, stream)
    if isinstance(recipe, Recipe) and recipe.puzzles is not None:
        return PuzzleBatches(source, recipe, stream)
    assert isinstance(recipe, SceneRecipe)
    return (SceneBatches if on_device else CapturedBatches)(source, recipe, stream)


def train(
    recipe: LoopRecipe,
    *,
    pictures: str | Path | None,
    out: Path,
    resume: bool = False,
    init: str | None = None,
    stop: int | None = None,
    overfit: bool = False,
    find_rate: bool = False,
    workers: int = 1,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    precision: str | None = None,
    progress: bool = True,
) -> int:
    """Train, and write ``weights.safetensors`` from the best checkpoint into ``out``.

    Raises:
        InputError: the pictures, the device or the run to resume cannot be used.
    """
    device = _chosen(device)
    keep_freed_memory()
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    source = PictureSource(pictures, "train")
    held_back = source if overfit else PictureSource(pictures, "validation")

    # On a GPU the photometric work belongs there; on a CPU the loader's workers do it.
    on_device = device == "cuda"
    kept = out / "observed"
    batches = make_batches(recipe, source, "train", on_device, kept)
    last = out / "last.ckpt"
    start = _step_reached(last, recipe) if resume else 0

    torch.manual_seed(recipe.run.seed)
    capture = batches if on_device and isinstance(batches, SceneBatches) else None
    module = make_module(recipe, capture, overfit)
    if init is not None:
        module.start_from(init)
    _keep_observed(recipe, init, pictures, kept, device, workers)
    validation = validation_loader(
        make_batches(recipe, held_back, "train" if overfit else "validation", on_device, kept),
        1 if overfit else recipe.run.validation_batches,
    )
    out.mkdir(parents=True, exist_ok=True)
    steps = recipe.optim.steps if stop is None else min(stop, recipe.optim.steps)
    machines = Machines(device, devices, nodes, precision or pick_precision(device))
    trainer = _make_trainer(recipe, out, module.MONITOR, start, steps, machines, progress)
    loader = train_loader(
        batches, start, workers, 0 if overfit else None, trainer.global_rank, trainer.world_size
    )
    if find_rate:
        found = Tuner(trainer).lr_find(module, train_dataloaders=loader, num_training=80)
        print(f"suggested learning rate: {found.suggestion() if found else None}")
        return 0
    trainer.fit(module, loader, validation, ckpt_path=str(last) if resume else None)
    _finish(trainer, out)
    return 0


def _keep_observed(
    recipe: LoopRecipe,
    init: str | None,
    pictures: str | Path | None,
    folder: Path,
    device: str,
    workers: int,
) -> None:
    """Where the recipe shows puzzles over and over, make those that are not there yet."""
    if not isinstance(recipe, Recipe) or not recipe.run.kept_puzzles:
        return
    progress = Progress()
    counts = {"train": recipe.run.kept_puzzles, "validation": recipe.run.validation_batches}
    for split, count in counts.items():
        own = folder / split
        keep(init, device, pictures, recipe, split, own, count, progress.say, workers)
    progress.clear()


def _chosen(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device here; use --device cpu")
    return device


def _step_reached(last: Path, recipe: LoopRecipe) -> int:
    """The step that a checkpoint goes on from, if it is of the recipe."""
    try:
        checkpoint = torch.load(last, map_location="cpu", weights_only=True)
        step, trained_by = int(checkpoint["global_step"]), recipe_of(checkpoint)
        groups = len(checkpoint["optimizer_states"][0]["param_groups"])
    except Exception as error:  # torch raises almost anything on a damaged file
        raise InputError("not a checkpoint of this program, or damaged", name=last) from error
    if trained_by != recipe:
        raise InputError("was trained by another recipe; name another --out folder", name=last)
    if groups != PARAMETER_GROUPS:
        raise InputError("is of an earlier version; name another --out folder", name=last)
    return step


def _make_trainer(
    recipe: LoopRecipe,
    out: Path,
    monitor: str,
    start: int,
    steps: int,
    machines: Machines,
    progress: bool,
) -> L.Trainer:
    """Lightning's trainer, set to write checkpoints and logs into ``out``."""
    best = ModelCheckpoint(
        out, filename="best", monitor=monitor, mode="max", enable_version_counter=False
    )
    latest = ModelCheckpoint(
        out,
        filename="last",
        every_n_train_steps=min(SAVE_EVERY, steps),
        enable_version_counter=False,
        save_on_train_epoch_end=False,
    )
    processes = machines.devices * machines.nodes
    # A resumed run must not truncate the figures of the run it goes on from.
    csv = CSVLogger(out, name="", version=f"csv/from_step_{start}")
    return L.Trainer(
        max_steps=steps,
        accelerator="gpu" if machines.device == "cuda" else "cpu",
        devices=machines.devices,
        num_nodes=machines.nodes,
        # Not every step trains every part: the head's turn comes every few steps.
        strategy="ddp_find_unused_parameters_true" if processes > 1 else "auto",
        precision=machines.precision,  # type: ignore[arg-type]
        val_check_interval=min(recipe.run.validate_every, steps),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        logger=[TensorBoardLogger(out, name="", version="tensorboard"), csv],
        log_every_n_steps=10,
        callbacks=[
            best,
            latest,
            LearningRateMonitor("step"),
            Throughput(recipe.samples * processes),
        ],
        use_distributed_sampler=False,
        enable_progress_bar=progress,
        enable_model_summary=False,
    )


def _finish(trainer: L.Trainer, out: Path) -> None:
    """Keep the last step, and write the weights of the best."""
    if trainer.interrupted:
        raise KeyboardInterrupt
    last, best, weights = out / "last.ckpt", out / "best.ckpt", out / "weights.safetensors"
    trainer.save_checkpoint(last)
    if trainer.is_global_zero:
        # A run resumed into another folder may have ended without a new best.
        export(best if best.exists() else last, weights)
        print(f"wrote {weights}")


def export(checkpoint: Path, weights: Path) -> None:
    """Turn a checkpoint into a weights file with its recipe and validation figure inside."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    recipe = recipe_of(state)
    module = make_module(recipe)
    module.load_state_dict(state["state_dict"])
    module.on_load_checkpoint(state)
    extra = {"step": int(state["global_step"]), "recipe": recipe.to_dict()}
    module.write_weights(weights, extra)
