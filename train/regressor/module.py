"""The training step of the direct box regressors."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_iou

from heatmap_locator.model.files import write_weights

from ..draw.scenes import Scenes
from ..shared.batches import SceneBatches
from ..shared.module import RecipeModule, collapse_gauge
from .losses import box_loss, corners
from .network import Regressor
from .recipe import RegressionRecipe

FORMAT = "heatmap-locator-regressor/1"


def true_boxes(batch: Scenes) -> Tensor:
    """``(B * P, 4)`` (cx, cy, w, h) in shares of the picture."""
    height, width = batch.pictures.shape[-2:]
    x1, y1, x2, y2 = batch.box.flatten(0, 1).unbind(1)
    return torch.stack(
        [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height], 1
    )


def paired_iou(found: Tensor, truth: Tensor) -> Tensor:
    """``(N,)`` overlaps of ``(N, 4)`` (cx, cy, w, h) boxes, each with its own truth."""
    return box_iou(corners(found), corners(truth)).diagonal()


class RegressionModule(RecipeModule):
    """A direct box regressor."""

    MONITOR = "val/iou"

    model: Regressor

    def __init__(
        self,
        recipe: RegressionRecipe,
        capture_on_device: SceneBatches | None = None,
        overfit: bool = False,
    ) -> None:
        super().__init__(recipe, capture_on_device, overfit)
        self.recipe = recipe
        self.model = Regressor(recipe.regressor, recipe.scenes.size)
        self._validation: list[tuple[Tensor, Tensor]] = []

    def write_weights(self, path: Path, extra: dict[str, Any]) -> None:
        """Read back by no part of the library: its format says that it is no locator."""
        write_weights(path, FORMAT, self.model.state_dict(), {"extra": extra})

    def boxes(self, batch: Scenes) -> Tensor:
        """``(B * P, 4)`` predicted (cx, cy, w, h) in shares of the picture."""
        found: Tensor = self.model(batch.pictures, batch.photos, batch.masks)
        return found

    def training_step(self, batch: Scenes, batch_idx: int) -> Tensor:
        batch = self.captured(batch, batch_idx)
        loss, terms = box_loss(
            self.boxes(batch), true_boxes(batch), self.recipe.loss, self.global_step
        )
        for name, value in terms.items():
            self.log(f"train/{name}", value, sync_dist=True)
        self.log("train/loss", loss, prog_bar=True, sync_dist=True)
        return loss

    def validation_step(self, batch: Scenes, batch_idx: int) -> None:
        batch = self.captured_validation(batch, batch_idx)
        self._validation.append((self.boxes(batch), true_boxes(batch)))

    def on_validation_epoch_end(self) -> None:
        if not self._validation:
            return
        found, truth = (torch.cat(boxes) for boxes in zip(*self._validation, strict=True))
        self._validation.clear()
        loss, _ = box_loss(found, truth, self.recipe.loss, self.global_step)
        self.log("val/loss", loss)
        self.log("val/iou", paired_iou(found, truth).mean(), prog_bar=True)
        self.log("val/collapse_gauge", collapse_gauge(found[:, :2], truth[:, :2]), prog_bar=True)
