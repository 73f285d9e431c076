"""Trains the outline network: photos drawn, pooled and varied; loss, validation."""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from heatmap_locator.errors import InputError
from heatmap_locator.outline.find import body_size
from heatmap_locator.outline.network import OutlineNet, load_outline_net, save_outline_net

from .base import RecipeModule
from .config import OutlineRecipe
from .data import STREAMS
from .photos import Photo, draw_photo
from .pictures import PictureSource

_NEAR = 9
"""Side in pixels of the square that an edge is near in."""

_CLOSE = 0.4
"""Pieces whose cell takes this much of the photo's side are measured for their size."""


@dataclass
class PhotoBatch:
    """Photos and their truth.

    Attributes:
        images: ``(N, 3, S, S)``, 0..1.
        masks: ``(N, 1, S, S)``, 0..1.
        counts: ``(N, 1, S, S)``, 1 in what the camera took, 0 in what was padded.
        sides: ``(N,)`` of the pieces' cells in pixels; 0 where there is none.
    """

    images: Tensor
    masks: Tensor
    counts: Tensor
    sides: Tensor


def _varied(photo: Photo, rng: np.random.Generator) -> Photo:
    """The same photo turned or mirrored, in other light."""
    rgb, mask, size = photo.rgb, photo.mask, photo.rgb.shape[0]
    counts = np.zeros((size, size), np.uint8)
    x1, y1, x2, y2 = photo.frame
    counts[y1:y2, x1:x2] = 1
    quarters, mirrored = int(rng.integers(4)), rng.random() < 0.5
    parts = [np.rot90(a, quarters) for a in (rgb, mask, counts)]
    if mirrored:
        parts = [a[:, ::-1] for a in parts]
    rgb, mask, counts = (np.ascontiguousarray(a) for a in parts)
    levels = (np.arange(256) / 255)[:, None] ** np.exp(rng.normal(0, 0.12, 3))
    levels = 255 * levels * np.exp(rng.normal(0, 0.08) + rng.normal(0, 0.05, 3))
    if rng.random() < 0.2:
        rgb = rgb[..., rng.permutation(3)]
    rgb = cv2.LUT(np.ascontiguousarray(rgb), levels.clip(0, 255).astype(np.uint8)[None])
    x, y, w, h = cv2.boundingRect(counts)
    return Photo(rgb, mask, (x, y, x + w, y + h), photo.side)


class PhotoBatches(Dataset[PhotoBatch]):
    """Batches by step number.

    Training draws from a pool of ``recipe.pool`` photos, each varied anew whenever it comes:
    drawing one costs as much as learning from it.  Validation photos are as drawn.
    """

    def __init__(self, source: PictureSource, recipe: OutlineRecipe, stream: str) -> None:
        self.source, self.recipe, self.stream = source, recipe, STREAMS[stream]
        self._drawn = lru_cache(recipe.pool)(self._draw)

    def _draw(self, index: int) -> Photo:
        rng = np.random.default_rng([self.recipe.run.seed, self.stream, index])
        photo = draw_photo(self.source, self.recipe.photos, rng)
        # A quarter of the memory.
        return dataclasses.replace(photo, mask=np.rint(photo.mask * 255).astype(np.uint8))

    def __getitem__(self, step: int) -> PhotoBatch:
        batch = self.recipe.run.batch
        if self.stream == STREAMS["train"]:
            rng = np.random.default_rng([self.recipe.run.seed, self.stream, step, 1])
            indices = rng.integers(0, self.recipe.pool, batch)
            photos = [_varied(self._drawn(int(i)), rng) for i in indices]
        else:
            photos = [self._drawn(step * batch + i) for i in range(batch)]
        counts = torch.zeros(batch, 1, *photos[0].rgb.shape[:2])
        for i, photo in enumerate(photos):
            x1, y1, x2, y2 = photo.frame
            counts[i, :, y1:y2, x1:x2] = 1
        return PhotoBatch(
            torch.from_numpy(np.stack([p.rgb for p in photos])).permute(0, 3, 1, 2) / 255,
            torch.from_numpy(np.stack([p.mask for p in photos]))[:, None] / 255,
            counts,
            torch.tensor([p.side for p in photos]),
        )


def outline_loss(logits: Tensor, batch: PhotoBatch) -> tuple[Tensor, Tensor]:
    """Cross-entropy, four times dearer near the true edge, and the Dice loss of each photo."""
    masks, counts = batch.masks, batch.counts
    near = F.avg_pool2d(masks, _NEAR, 1, _NEAR // 2)
    weights = counts * (1 + 3 * (4 * near * (1 - near)))
    entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    entropy = (weights * entropy).sum() / weights.sum().clamp_min(1)
    seen = logits.sigmoid() * counts
    both = (seen * masks * counts).sum((1, 2, 3))
    either = seen.sum((1, 2, 3)) + (masks * counts).sum((1, 2, 3))
    # The constant keeps photos without a piece from asking for more than the entropy does.
    dice = 1 - (2 * both + 50) / (either + 50)
    return entropy, dice.mean()


def overlap(seen: Tensor, masks: Tensor) -> Tensor:
    """(N,) intersection over union of ``(N, 1, H, W)`` masks at 0.5; 1 where both are empty."""
    a, b = seen > 0.5, masks > 0.5
    union = (a | b).sum((1, 2, 3))
    return torch.where(union > 0, (a & b).sum((1, 2, 3)) / union.clamp_min(1), 1.0)


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
        """Take over the parameters of a weights file.

        Raises:
            WeightsError: the file cannot be read.
            InputError: it is of another shape than the recipe's network.
        """
        net = load_outline_net(weights)
        if dataclasses.replace(net.config, size=self.model.config.size) != self.model.config:
            raise InputError(f"{weights}: its network is not the recipe's; change its [outline]")
        self.model.load_state_dict(net.state_dict())

    def write_weights(self, path: Path, extra: dict[str, Any]) -> None:
        save_outline_net(self.model, path, extra)

    def transfer_batch_to_device(  # type: ignore[override]
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> PhotoBatch:
        names = [f.name for f in dataclasses.fields(PhotoBatch)]
        return PhotoBatch(**{name: getattr(batch, name).to(device) for name in names})

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
