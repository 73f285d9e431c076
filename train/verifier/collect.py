"""Puzzles searched for examples, a file each, so that a run that was stopped goes on."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.locator import Locator
from heatmap_locator.model.comparison import SCALARS
from heatmap_locator.model.ranker import FEATURES

from ..draw.pictures import PictureSource
from ..draw.puzzles import cut_puzzle
from ..shared.arrays import MADE_BY, require_made_by
from ..shared.batches import STREAMS
from ..shared.workers import in_processes
from .kept import pack, write
from .mining import Miner
from .recipe import VerifierRecipe


def collect(
    init: str,
    model: str,
    device: str,
    pictures: str | Path | None,
    recipe: VerifierRecipe,
    split: str,
    folder: Path,
    say: Callable[[str], None],
    workers: int = 1,
) -> list[Path]:
    """Files of examples of all puzzles of a split, those that are there and those made now.

    Args:
        init: weights of the model.
        model: what tells its first stage from others.
        device: where it runs.
        pictures: the folder, ``None`` for drawn ones.
        recipe: how puzzles are drawn and searched.
        split: as in :class:`PictureSource`.
        folder: where the files are kept.
        say: told how far it is.
        workers: processes.

    Raises:
        InputError: the folder holds examples of another recipe or model, or an earlier run's is
            missing, or is of another model or number of places.
    """
    count = recipe.mining.puzzles if split == "train" else recipe.mining.validation_puzzles
    files = [folder / f"{number:05d}.npz" for number in range(count)]
    others = [
        file
        for name in recipe.mining.earlier
        for file in _earlier(Path(name) / split, recipe.mining.places, model)
    ]
    _check(folder, recipe, model)
    missing = [number for number, file in enumerate(files) if not file.exists()]
    settings = init, device, pictures, split, recipe, folder
    for done, _ in enumerate(in_processes(_miner, settings, missing, workers), 1):
        say(f"{split}: {count - len(missing) + done} of {count} puzzles")
    return [file for file in files if file.exists()] + others


def _earlier(folder: Path, places: int, model: str) -> list[Path]:
    """Another run's files, of this first stage and so many places."""
    path = folder / MADE_BY
    if not path.is_file():
        raise InputError(f"holds no {MADE_BY}: no run of this recipe's kind", name=folder)
    mining, _, *by = json.loads(path.read_text())
    if by != [model, list(FEATURES), SCALARS] or mining["places"] != places:
        raise InputError("of another model or number of places; leave it out", name=folder)
    return sorted(folder.glob("*.npz"))


def _check(folder: Path, recipe: VerifierRecipe, model: str) -> None:
    """That files in the folder, if any, are of this recipe, but for how many there are."""
    kept = recipe.to_dict()["mining"].items()
    mining = {k: v for k, v in kept if "puzzles" not in k and k != "earlier"}
    puzzles = recipe.to_dict()["puzzles"]
    require_made_by(folder, [mining, puzzles, model, list(FEATURES), SCALARS])


def _miner(
    init: str,
    device: str,
    pictures: str | Path | None,
    split: str,
    recipe: VerifierRecipe,
    folder: Path,
) -> Callable[[int], None]:
    """Draws a puzzle by its number, searches it and keeps what it finds."""
    mining = recipe.mining
    source = PictureSource(pictures, split)
    miner = Miner(Locator.from_pretrained(init, device), mining.places)

    def mine(number: int) -> None:
        rng = np.random.default_rng([mining.seed, STREAMS[split], number])
        puzzle = cut_puzzle(source, recipe.puzzles, rng)
        write(folder / f"{number:05d}.npz", pack(miner.examples(puzzle, rng), mining.places))

    return mine
