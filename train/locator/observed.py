"""What the head observes of whole puzzles, kept: computed once, shown to it over and over.

Where the encoder does not learn, correlations stay as they are, and they are what a step spends its
time on.  A puzzle's file is made once, in any number of processes; each time it is shown it is
turned and mirrored another way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from heatmap_locator.errors import InputError
from heatmap_locator.geometry import STRIDE
from heatmap_locator.model.bank import rotate_all_round
from heatmap_locator.model.files import load_model
from heatmap_locator.model.head import OBSERVED
from heatmap_locator.model.network import HeatmapLocator

from ..draw.pictures import PictureSource
from ..draw.scenes import Scenes
from ..shared.arrays import damaged, read_arrays, require_made_by, write_arrays
from ..shared.weights import digest_without
from ..shared.workers import in_processes
from .places import map_points, masked_centroid
from .puzzles import PuzzleBatches
from .recipe import Recipe

SYMMETRIES = 8
"""Ways to lay a picture: four quarter turns, each as it is and mirrored."""

_ENDS = np.cumsum(list(OBSERVED.values())).tolist()
_CHANNELS = {
    name: slice(end - count, end)
    for (name, count), end in zip(OBSERVED.items(), _ENDS, strict=True)
}


@dataclass(frozen=True, eq=False)
class Observed:
    """N pieces of one picture, as the head observes them.

    Attributes:
        seen: (N, CHANNELS, H, W) float32, channels as ``OBSERVED`` says.
        index: (N, H, W) long, the best rotation of the bank at each place.
        centers: (N, 2) true reference points, (x, y) in working pixels.
        rotation: (N,) true rotations, degrees.
    """

    seen: Tensor
    index: Tensor
    centers: Tensor
    rotation: Tensor

    def channels(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What ``CenterHead.read`` takes."""
        best = self.seen[:, _CHANNELS["best"]].squeeze(1) * 10
        return self.seen, self.seen[:, _CHANNELS["readout"]], best, self.index

    def laid(self, way: int, rotations: int) -> "Observed":
        """The same with the picture laid another way.

        Args:
            way: from 0, as it is, up to ``SYMMETRIES`` - 1.
            rotations: of the bank.
        """
        laid = self._mirrored(rotations) if way >= 4 else self
        for _ in range(way % 4):
            laid = laid._turned(rotations)
        return laid

    def _mirrored(self, rotations: int) -> "Observed":
        """Picture and piece, left to right: rotations run the other way round."""
        seen, width = self.seen.clone(), self.seen.shape[3]
        for name in ("feature", "pixel", "quarters"):
            own = _CHANNELS[name]
            seen[:, own] = self.seen[:, own].flip(1)
        x, y, sine, cosine = self.seen[:, _CHANNELS["readout"]].unbind(1)
        seen[:, _CHANNELS["readout"]] = torch.stack([1 - x, y, -sine, cosine], 1)
        index = -self.index % rotations
        x, y = self.centers.unbind(1)
        centers = torch.stack([width * STRIDE - x, y], 1)
        return Observed(seen.flip(3), index.flip(2), centers, -self.rotation % 360)

    def _turned(self, rotations: int) -> "Observed":
        """The picture turned counter-clockwise by 90 degrees, the piece as it is."""
        seen, width = self.seen.clone(), self.seen.shape[3]
        x, y, sine, cosine = self.seen[:, _CHANNELS["readout"]].unbind(1)
        seen[:, _CHANNELS["readout"]] = torch.stack([y, 1 - x, sine, cosine], 1)
        index = (self.index + rotations // 4) % rotations
        x, y = self.centers.unbind(1)
        centers = torch.stack([y, width * STRIDE - x], 1)
        return Observed(
            seen.rot90(1, (2, 3)), index.rot90(1, (1, 2)), centers, (self.rotation + 90) % 360
        )


@torch.no_grad()
def observe(model: HeatmapLocator, scenes: Scenes) -> Observed:
    """All pieces of one picture, over the whole bank.

    Args:
        model: whose head observes.
        scenes: of one picture, as photographed.
    """
    photos, masks = scenes.photos[0], scenes.masks[0]
    reference = masked_centroid(masks)
    centers = map_points(scenes.homographies[0], reference)
    picture = model.encode_picture(scenes.pictures).kept()
    parts = []
    for photo, mask, own in zip(photos.split(1), masks.split(1), reference.split(1), strict=True):
        bank = model.encode_pieces(*rotate_all_round(photo, mask, own, model.config.rotations))
        feature, pixel = model.correlate_bank(picture, bank.trimmed())
        seen, _, _, index = model.head.observe(feature, pixel)
        parts.append((seen, index))
    seen, index = (torch.cat(part) for part in zip(*parts, strict=True))
    return Observed(seen, index, centers, scenes.rotation[0])


def write(path: Path, observed: Observed) -> None:
    """A puzzle's file, whole or not at all; numbers observed in half precision."""
    low = {"seen": observed.seen.half(), "index": observed.index.short()}
    kept = {name: value.cpu().numpy() for name, value in (vars(observed) | low).items()}
    write_arrays(path, kept)


def read(path: Path) -> Observed:
    """A file of :func:`write`.

    Raises:
        InputError: it is damaged.
    """
    arrays = read_arrays(path)
    try:
        kept = {name: torch.from_numpy(value) for name, value in arrays.items()}
        return Observed(**kept | {"seen": kept["seen"].float(), "index": kept["index"].long()})
    except (KeyError, TypeError) as error:
        raise damaged(path) from error


class ObservedPuzzles(Dataset[Observed]):
    """Kept puzzles by step: all in another order each time, each laid another way.

    Args:
        folder: with a file for each puzzle.
        recipe: which says how many there are, and whose seed decides the order.
        vary: whether; otherwise step n shows puzzle n as it is.
    """

    def __init__(self, folder: Path, recipe: Recipe, vary: bool) -> None:
        self.folder, self.count, self.vary = folder, recipe.run.kept_puzzles, vary
        self.seed, self.rotations = recipe.run.seed, recipe.model.rotations

    def __getitem__(self, step: int) -> Observed:
        if not self.vary:
            return read(puzzle_file(self.folder, step))
        time, place = divmod(step, self.count)
        order = np.random.default_rng([self.seed, time]).permutation(self.count)
        # So that a puzzle is laid every way once in as many times.
        number = int(order[place])
        ways = np.random.default_rng([self.seed, time // SYMMETRIES, number])
        way = int(ways.permutation(SYMMETRIES)[time % SYMMETRIES])
        return read(puzzle_file(self.folder, number)).laid(way, self.rotations)


def puzzle_file(folder: Path, number: int) -> Path:
    """Where a puzzle is kept."""
    return folder / f"{number:05d}.npz"


def keep(
    init: str | None,
    device: str,
    pictures: str | Path | None,
    recipe: Recipe,
    split: str,
    folder: Path,
    count: int,
    say: Callable[[str], None],
    workers: int,
) -> None:
    """Make the files of so many puzzles of a split that are not there yet.

    Args:
        init: weights whose encoder's features, and weights of the correlations, are observed.
        device: where they are.
        pictures: the folder, ``None`` for drawn ones.
        recipe: how puzzles are drawn.
        split: as in :class:`PictureSource`.
        folder: where files are kept.
        count: puzzles.
        say: told how far it is.
        workers: processes.

    Raises:
        InputError: there are no weights, or the folder holds those of another recipe or model.
    """
    missing = [n for n in range(count) if not puzzle_file(folder, n).exists()]
    if init is None:
        if not missing:
            return
        raise InputError("--init: name the weights whose head is to be trained")
    model, _ = load_model(init)
    by = [recipe.to_dict()["puzzles"], recipe.run.seed, digest_without(model, "ranker.")]
    require_made_by(folder, by)
    settings = init, device, pictures, split, recipe, folder
    for done, _ in enumerate(in_processes(_observer, settings, missing, workers), 1):
        say(f"{split}: {count - len(missing) + done} of {count} puzzles observed")


def _observer(
    init: str,
    device: str,
    pictures: str | Path | None,
    split: str,
    recipe: Recipe,
    folder: Path,
) -> Callable[[int], None]:
    """Draws a puzzle by its number and keeps what is observed of it."""
    model = load_model(init)[0].eval().to(device)
    puzzles = PuzzleBatches(PictureSource(pictures, split), recipe, split)

    def observed(number: int) -> None:
        scenes = puzzles[number]
        moved = Scenes(**{name: value.to(device) for name, value in vars(scenes).items()})
        write(puzzle_file(folder, number), observe(model, moved))

    return observed
