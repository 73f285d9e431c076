"""Batches of photos drawn, pooled and varied, by step number."""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..draw.photos import Photo, draw_photo
from ..draw.pictures import PictureSource
from ..shared.batches import STREAMS
from .recipe import OutlineRecipe


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
    return Photo(rgb, mask, (x, y, x + w, y + h), photo.side, np.zeros((0, 2)))


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
