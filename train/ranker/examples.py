"""Examples for the ranker: searches of whole puzzles, kept in a file as they come.

Every example is a search as a user's is, stopped before the ranking.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatmap_locator.errors import InputError, NoPieceError
from heatmap_locator.geometry import RIGHT_ANGLE, angle_difference
from heatmap_locator.locator import Locator
from heatmap_locator.model.ranker import FEATURES

from ..draw.pictures import PictureSource
from ..draw.puzzles import PhotographedPuzzle, make_puzzle
from ..shared.arrays import damaged, read_arrays, write_arrays
from ..shared.batches import STREAMS
from ..shared.workers import in_processes
from .recipe import RankerRecipe

SAVE_EVERY = 30
"""Seconds between writes of the examples; a puzzle takes some."""


@dataclass(frozen=True)
class Example:
    """What was measured for one piece: ``(N, F)`` features and (N,) bool, which are right."""

    features: np.ndarray
    right: np.ndarray


def examples_of(locator: Locator, puzzle: PhotographedPuzzle) -> list[Example]:
    """Search for every piece of a puzzle."""
    encoded = locator.encode(puzzle.picture, grid=puzzle.grid)
    height, width = puzzle.picture.shape[:2]
    reach = math.sqrt(height * width / puzzle.grid.pieces) / 2
    found = []
    for piece in puzzle.pieces:
        try:
            measured, places = encoded.measure(piece.image, cutout=piece.image.shape[2] == 4)
        except NoPieceError:
            continue
        x1, y1, x2, y2 = piece.box
        truth = (x1 + x2) / 2, (y1 + y2) / 2
        right = [
            math.dist(place.center, truth) < reach
            and abs(angle_difference(place.rotation, piece.rotation)) <= RIGHT_ANGLE
            for place in places
        ]
        found.append(Example(measured.cpu().numpy(), np.array(right, bool)))
    return found


class Examples:
    """Examples by puzzle number, kept in a file as they come."""

    def __init__(self, path: Path, recipe: RankerRecipe, model: str, split: str) -> None:
        self.path, self.split = path, split
        self.made_by = json.dumps([recipe.to_dict(), model, FEATURES, split], sort_keys=True)
        self.done, self.rows = 0, list[Example]()
        if path.exists():
            self._read()

    def _read(self) -> None:
        kept = read_arrays(self.path)
        try:
            made_by, self.done = str(kept["made_by"]), int(kept["done"])
            counts, features, right = kept["counts"], kept["features"], kept["right"]
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(self.path) from error
        if made_by != self.made_by:
            raise InputError(
                "of another recipe or model; name another --out folder", name=self.path
            )
        ends = np.cumsum(counts)[:-1]
        pairs = zip(np.split(features, ends), np.split(right, ends), strict=True)
        self.rows = [Example(f, r) for f, r in pairs]

    def save(self) -> None:
        kept = {
            "made_by": np.array(self.made_by),
            "done": np.array(self.done),
            "counts": np.array([len(e.right) for e in self.rows], np.int64),
            "features": np.concatenate([e.features for e in self.rows]).astype(np.float32),
            "right": np.concatenate([e.right for e in self.rows]),
        }
        write_arrays(self.path, kept, compressed=True)


def collect(
    init: str,
    device: str,
    pictures: str | Path | None,
    recipe: RankerRecipe,
    count: int,
    kept: Examples,
    say: Callable[[str], None],
    workers: int = 1,
) -> list[Example]:
    """Examples of ``count`` puzzles, going on from those kept.

    Args:
        init: weights of the model.
        device: where it runs.
        pictures: the folder, ``None`` for drawn ones.
        recipe: how puzzles are drawn.
        count: puzzles.
        kept: those there are, of one split; more are added.
        say: told how far it is.
        workers: processes.
    """
    saved = time.monotonic()
    settings = init, device, pictures, kept.split, recipe
    for found in in_processes(_searcher, settings, range(kept.done, count), workers):
        kept.rows += found
        kept.done += 1
        say(f"{kept.split}: {kept.done} of {count} puzzles, {len(kept.rows)} pieces")
        if kept.rows and (kept.done == count or time.monotonic() - saved > SAVE_EVERY):
            kept.save()
            saved = time.monotonic()
    return kept.rows


def _searcher(
    init: str, device: str, pictures: str | Path | None, split: str, recipe: RankerRecipe
) -> Callable[[int], list[Example]]:
    """Draws a puzzle by its number and searches for its pieces."""
    locator, source = Locator.from_pretrained(init, device), PictureSource(pictures, split)

    def examples(number: int) -> list[Example]:
        rng = np.random.default_rng([recipe.ranker.seed, STREAMS[split], number])
        return examples_of(locator, make_puzzle(source, recipe.puzzles, rng))

    return examples
