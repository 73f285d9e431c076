"""What every trained module shares: its recipe, the optimizer, clipping, the collapse gauge."""

import math
from abc import ABC, abstractmethod
from dataclasses import fields
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from heatmap_locator.errors import InputError

from ..draw.scenes import Scenes
from .batches import SceneBatches
from .recipe import LoopRecipe


def collapse_gauge(found: Tensor, truth: Tensor) -> Tensor:
    """Spread of predicted centres over that of the true ones, the mean of x and y.

    Args:
        found, truth: ``(N, 2)`` centres in the same units, N at least 2.

    Returns:
        A scalar: 0 where every answer is the same place, 1 where they are spread as the truth is,
        right or wrong.
    """
    return (found.std(0) / truth.std(0).clamp_min(1e-6)).mean()


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW's groups: convolutions and matrices, which decay, and all others, which do not.

    Gains and biases of norms, biases of layers, and the head's own ``log_weights`` and
    ``readout`` are of one dimension or none.  There zero is no neutral value, so that decay would
    be a wrong prior instead of a mild one (Loshchilov and Hutter, "Decoupled Weight Decay
    Regularization", 2019, decay everything; leaving these out is usual since He et al., "Bag of
    Tricks for Image Classification", 2019).
    """
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    return [
        {"params": decayed, "weight_decay": weight_decay, "name": "decayed"},
        {"params": others, "weight_decay": 0.0, "name": "spared"},
    ]


class RecipeModule(L.LightningModule, ABC):
    """A model trained by a recipe; everything random in it follows from the seed and the step.

    A subclass assigns ``self.model``.

    Attributes:
        place: this process' rank among those that train together, and how many they are; alone
            until a trainer has said otherwise.

    Args:
        recipe: travels inside the checkpoints.
        capture_on_device: batches that arrive before capture, to be captured here; ``None`` where
            they arrive captured.
        overfit: whether every step is the first step's batch.
    """

    MONITOR = "val/both"
    """The figure, larger is better, by which the best checkpoint is picked."""

    model: nn.Module

    def __init__(
        self,
        recipe: LoopRecipe,
        capture_on_device: SceneBatches | None = None,
        overfit: bool = False,
    ) -> None:
        super().__init__()
        self.save_hyperparameters({"recipe": recipe.to_dict()})
        self.lr = recipe.optim.learning_rate
        self.capture_on_device = capture_on_device
        self.overfit = overfit
        self.place = 0, 1
        self._optim = recipe.optim

    @abstractmethod
    def write_weights(self, path: Path, extra: dict[str, Any]) -> None:
        """Write the model as one safetensors file with ``extra`` inside."""

    def start_from(self, weights: str) -> None:
        """Take over the parameters of a weights file.

        Raises:
            WeightsError: the file cannot be read.
            InputError: it is of another shape than the recipe's model, or none is to be given.
        """
        raise InputError("--init: this recipe starts from scratch; leave it out")

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """The batch, a dataclass of tensors, on the device."""
        return type(batch)(**{f.name: getattr(batch, f.name).to(device) for f in fields(batch)})

    def captured(self, batch: Scenes, batch_idx: int) -> Scenes:
        """The training batch as photographed."""
        if self.capture_on_device is None:
            return batch
        step = 0 if self.overfit else batch_idx
        rank, world = self.place
        batches = self.capture_on_device
        return batches.photographed(batch, batches.generator(step * world + rank))

    def setup(self, stage: str) -> None:
        self.place = self.trainer.global_rank, self.trainer.world_size

    def captured_validation(self, batch: Scenes, batch_idx: int) -> Scenes:
        """The validation batch as photographed, the same each time."""
        if self.capture_on_device is None:
            return batch
        generator = torch.Generator().manual_seed(batch_idx)
        return self.capture_on_device.photographed(batch, generator)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.global_step % 50:
            return
        for name, part in self.model.named_children():
            norms = [p.grad.norm() for p in part.parameters() if p.grad is not None]
            if norms:
                self.log(f"grad_norm/{name}", torch.stack(norms).norm())

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        # By hand: Lightning refuses to clip for fused optimizers, which only matters to fp16.
        # Each part on its own: the head's gradients spike, and would mute the encoder's.
        for part in self.model.children():
            if parameters := list(part.parameters()):
                torch.nn.utils.clip_grad_norm_(parameters, self._optim.clip)

    def configure_optimizers(self) -> Any:
        settings = self._optim
        groups = parameter_groups(self.model, settings.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=self.lr, fused=True)

        def factor(step: int) -> float:
            warm = min(1.0, (step + 1) / max(1, settings.warmup))
            done = min(1.0, step / settings.steps)
            return warm * 0.5 * (1 + math.cos(math.pi * done))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
