"""Trains the outline network: loss, validation."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.errors import InputError
from heatmap_locator.outline.body import body_size
from heatmap_locator.outline.network import OutlineNet, load_outline_net, save_outline_net

from ..shared.module import RecipeModule
from .batches import PhotoBatch
from .losses import outline_loss, overlap
from .recipe import OutlineRecipe

_CLOSE = 0.4
"""Pieces whose cell takes this much of the photo's side are measured for their size."""


class OutlineModule(RecipeModule):
    """The outline network in training."""

    MONITOR = "val/iou"

    def __init__(self, recipe: OutlineRecipe, overfit: bool = False) -> None:
        super().__init__(recipe, None, overfit)
        self.recipe = recipe
        net = OutlineNet(recipe.outline)
        self.model: OutlineNet = net.to(memory_format=torch.channels_last)
        self._found: list[tuple[Tensor, list[float]]] = []

    def start_from(self, weights: str) -> None:
        net = load_outline_net(weights)
        if dataclasses.replace(net.config, size=self.model.config.size) != self.model.config:
            raise InputError("its network is not the recipe's; change its [outline]", name=weights)
        self.model.load_state_dict(net.state_dict())

    def write_weights(self, path: Path, extra: dict[str, Any]) -> None:
        save_outline_net(self.model, path, extra)

    def training_step(self, batch: PhotoBatch, batch_idx: int) -> Tensor:
        entropy, dice = outline_loss(self.model(batch.images), batch)
        self.log("train/entropy", entropy, prog_bar=True)
        self.log("train/dice", dice, prog_bar=True)
        return entropy + dice

    def validation_step(self, batch: PhotoBatch, batch_idx: int) -> None:
        seen = self.model(batch.images).sigmoid() * batch.counts
        sizes = []
        for mask, side in zip(seen[:, 0].float().cpu().numpy(), batch.sides.tolist(), strict=True):
            if side > _CLOSE * mask.shape[0]:
                sizes.append(float(np.log(body_size(mask) / side)))
        self._found.append((overlap(seen, batch.masks), sizes))

    def on_validation_epoch_end(self) -> None:
        found, self._found = self._found, []
        if not found:
            return
        ious = torch.cat([iou for iou, _ in found])
        sizes = np.array([s for _, row in found for s in row] or [0.0])
        self.log("val/iou", ious.mean(), prog_bar=True)
        self.log("val/iou_10th", ious.quantile(0.1))
        # Robust: a piece that is missed altogether says nothing of the edge's accuracy.
        middle = float(np.median(sizes))
        self.log("val/size_bias", middle)
        self.log("val/size_spread", 1.48 * float(np.median(np.abs(sizes - middle))), prog_bar=True)
