"""The loop: Lightning with exact resume, checkpoints picked on held-back pictures, and logs."""

import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.tuner import Tuner

from heatmap_locator.errors import InputError
from heatmap_locator.model.files import load_model
from heatmap_locator.model.precision import supports_bfloat16

from .base import RecipeModule
from .config import BaseRecipe, LoopRecipe, OutlineRecipe, Recipe, RegressionRecipe
from .data import CapturedBatches, SceneBatches, train_loader, validation_loader
from .module import TrainingModule
from .outline import OutlineModule, PhotoBatches
from .pictures import PictureSource
from .regression import RegressionModule

SAVE_EVERY = 100
"""Steps between writes of last.ckpt."""


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
    recipe: LoopRecipe, source: PictureSource, stream: str, on_device: bool
) -> SceneBatches | PhotoBatches:
    """The batches that the recipe trains on; scenes captured unless the device does that."""
    if isinstance(recipe, OutlineRecipe):
        return PhotoBatches(source, recipe, stream)
    assert isinstance(recipe, BaseRecipe)
    return (SceneBatches if on_device else CapturedBatches)(source, recipe, stream)


def train(
    recipe: LoopRecipe,
    *,
    pictures: str | None,
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
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no CUDA device here; use --device cpu")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    source = PictureSource(pictures, "train")
    held_back = source if overfit else PictureSource(pictures, "validation")

    # On a GPU the photometric work belongs there; on a CPU the loader's workers do it.
    on_device = device == "cuda"
    batches = make_batches(recipe, source, "train", on_device)
    last = out / "last.ckpt"
    start = 0
    if resume:
        try:
            checkpoint = torch.load(last, map_location="cpu", weights_only=True)
            start, trained_by = int(checkpoint["global_step"]), RecipeModule.recipe_of(checkpoint)
        except Exception as error:  # torch raises almost anything on a damaged file
            raise InputError(f"{last}: not a checkpoint of this program, or damaged") from error
        if trained_by != recipe:
            raise InputError(f"{last}: was trained by another recipe; name another --out folder")

    torch.manual_seed(recipe.run.seed)
    capture = batches if on_device and isinstance(batches, SceneBatches) else None
    module = make_module(recipe, capture, overfit)
    if init is not None:
        if isinstance(module, TrainingModule):
            start_from(module, init)
        elif isinstance(module, OutlineModule):
            module.start_from(init)
        else:
            raise InputError("--init: this recipe starts from scratch; leave it out")
    validation = validation_loader(
        make_batches(recipe, held_back, "train" if overfit else "validation", on_device),
        1 if overfit else recipe.run.validation_batches,
    )
    steps = recipe.optim.steps if stop is None else min(stop, recipe.optim.steps)
    out.mkdir(parents=True, exist_ok=True)
    best = ModelCheckpoint(
        out, filename="best", monitor=module.MONITOR, mode="max", enable_version_counter=False
    )
    latest = ModelCheckpoint(
        out,
        filename="last",
        every_n_train_steps=min(SAVE_EVERY, steps),
        enable_version_counter=False,
        save_on_train_epoch_end=False,
    )
    trainer = L.Trainer(
        max_steps=steps,
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=devices,
        num_nodes=nodes,
        # Not every step trains every part: the head's turn comes every few steps.
        strategy="ddp_find_unused_parameters_true" if devices * nodes > 1 else "auto",
        precision=precision or pick_precision(device),  # type: ignore[arg-type]
        val_check_interval=min(recipe.run.validate_every, steps),
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        logger=[TensorBoardLogger(out, name="", version="tensorboard"), _csv(out, start)],
        log_every_n_steps=10,
        callbacks=[
            best,
            latest,
            LearningRateMonitor("step"),
            Throughput(recipe.samples * devices * nodes),
        ],
        use_distributed_sampler=False,
        enable_progress_bar=progress,
        enable_model_summary=False,
    )
    loader = train_loader(
        batches, start, workers, 0 if overfit else None, trainer.global_rank, trainer.world_size
    )
    if find_rate:
        found = Tuner(trainer).lr_find(module, train_dataloaders=loader, num_training=80)
        print(f"suggested learning rate: {found.suggestion() if found else None}")
        return 0
    trainer.fit(module, loader, validation, ckpt_path=str(last) if resume else None)
    if trainer.interrupted:
        raise KeyboardInterrupt
    trainer.save_checkpoint(last)
    if trainer.is_global_zero:
        # A run resumed into another folder may have ended without a new best.
        chosen = out / "best.ckpt"
        export(chosen if chosen.exists() else last, out / "weights.safetensors")
        print(f"wrote {out / 'weights.safetensors'}")
    return 0


def start_from(module: TrainingModule, weights: str) -> None:
    """Give a fresh module the parameters of a weights file.

    The file's model may have another encoder with the same layers and fewer blocks (resnet18 for
    resnet34): the blocks it lacks start as the identity, so that the larger model begins where
    the smaller one stands (Chen et al., "Net2Net", 2016).  Where the recipe trains the head
    alone, the head starts afresh and only the encoder and the weights of the two correlations
    are taken.

    Raises:
        WeightsError: the file cannot be read.
        InputError: it is of another shape than the recipe's model.
    """
    model, _ = load_model(weights)
    state, own = model.state_dict(), module.model.state_dict()
    # A residual block whose last norm is zero adds nothing to what passes it.
    added = {
        k: torch.zeros_like(v) if ".bn2." in k else v for k, v in own.items() if k not in state
    }
    if (
        replace(model.config, encoder=module.recipe.model.encoder) != module.recipe.model
        or any(k not in own or own[k].shape != v.shape for k, v in state.items())
        or not all(k.startswith("encoder.backbone.layer1.") for k in added)
    ):
        raise InputError(f"{weights}: its model is not the recipe's; change the recipe's [model]")
    if not module.recipe.run.train_encoder:
        fresh = {k: v for k, v in own.items() if k.startswith("head.") and k != "head.log_weights"}
        state.update(fresh)
    module.model.load_state_dict({**state, **added})


def _csv(out: Path, start: int) -> CSVLogger:
    # A resumed run must not truncate the figures of the run it goes on from.
    return CSVLogger(out, name="", version=f"csv/from_step_{start}")


def export(checkpoint: Path, weights: Path) -> None:
    """Turn a checkpoint into a weights file with its recipe and validation figure inside."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    recipe = RecipeModule.recipe_of(state)
    module = make_module(recipe)
    module.load_state_dict(state["state_dict"])
    extra = {"step": int(state["global_step"]), "recipe": recipe.to_dict()}
    module.write_weights(weights, extra)
