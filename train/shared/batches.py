"""Batches by step number: step n of a seed is the same batch in every run, resumed or not."""

import itertools
from collections.abc import Iterator
from dataclasses import fields
from typing import TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ..draw.capture import capture_pictures, capture_pieces
from ..draw.pictures import PictureSource
from ..draw.scenes import Scenes, collate, make_scene
from .recipe import SceneRecipe

STREAMS = {"train": 0, "validation": 1}
"""Part of the seed: what is trained on and what is held back never meet."""

Batch = TypeVar("Batch")


class SceneBatches(Dataset[Scenes]):
    """Scenes before capture, indexed by step."""

    def __init__(self, source: PictureSource, recipe: SceneRecipe, stream: str) -> None:
        self.source, self.recipe, self.stream = source, recipe, STREAMS[stream]

    def __getitem__(self, step: int) -> Scenes:
        rng = np.random.default_rng([self.recipe.run.seed, self.stream, step])
        indices = rng.integers(0, len(self.source), self.recipe.run.batch)
        return collate([make_scene(self.source[i], self.recipe.scenes, rng) for i in indices])

    def generator(self, step: int) -> torch.Generator:
        """The generator that captures and samples step ``step``."""
        seed = np.random.SeedSequence([self.recipe.run.seed, self.stream, step, 1])
        return torch.Generator().manual_seed(int(seed.generate_state(1)[0]))

    def photographed(self, scenes: Scenes, generator: torch.Generator) -> Scenes:
        """The scenes captured as the recipe asks."""
        return capture(scenes, generator, self.recipe.scenes.mildest)


def capture(scenes: Scenes, generator: torch.Generator, mildest: float = 1.0) -> Scenes:
    """Photograph pictures and pieces, on whichever device they lie; exact scenes stay as cut."""
    pictures = capture_pictures(scenes.pictures, generator, mildest)
    b, p = scenes.photos.shape[:2]
    photos, masks = capture_pieces(
        scenes.photos.flatten(0, 1), scenes.masks.flatten(0, 1), generator, mildest
    )
    keep = scenes.exact.view(-1, 1, 1, 1)
    keep_all = keep[:, None]
    values = {f.name: getattr(scenes, f.name) for f in fields(Scenes)}
    values["pictures"] = torch.where(keep, scenes.pictures, pictures)
    values["photos"] = torch.where(keep_all, scenes.photos, photos.unflatten(0, (b, p)))
    values["masks"] = torch.where(keep_all, scenes.masks, masks.unflatten(0, (b, p)))
    return Scenes(**values)


class CapturedBatches(SceneBatches):
    """Captured scenes, for machines where the loader's workers are the place to make them."""

    def __getitem__(self, step: int) -> Scenes:
        with torch.no_grad():
            return self.photographed(super().__getitem__(step), self.generator(step))


class FromStep(Sampler[int]):
    """``start, start + 1, ...`` without end, or ``repeat`` for ever.

    Of ``world`` processes that train together, the one of ``rank`` takes batch
    ``step * world + rank`` at each step: together they see a batch ``world`` times as large.
    """

    def __init__(
        self, start: int, repeat: int | None = None, rank: int = 0, world: int = 1
    ) -> None:
        self.start, self.repeat = start, repeat
        self.rank, self.world = rank, world

    def __iter__(self) -> Iterator[int]:
        if self.repeat is not None:
            return itertools.repeat(self.repeat * self.world + self.rank)
        return itertools.count(self.start * self.world + self.rank, self.world)


def _one_thread(_: int) -> None:
    torch.set_num_threads(1)


def train_loader(
    batches: Dataset[Batch],
    start: int,
    workers: int,
    repeat: int | None = None,
    rank: int = 0,
    world: int = 1,
) -> DataLoader[Batch]:
    """Endless batches from step ``start``; with ``repeat`` that one step's batch for ever."""
    return DataLoader(
        batches,
        batch_size=None,
        sampler=FromStep(start, repeat, rank, world),
        num_workers=workers,
        worker_init_fn=_one_thread,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
    )


def validation_loader(batches: Dataset[Batch], count: int) -> DataLoader[Batch]:
    """The same ``count`` batches at every validation."""
    return DataLoader(batches, batch_size=None, sampler=range(count))
