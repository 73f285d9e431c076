"""Fits the ranker: which of the places that were compared is the piece's own.

Every example is a search of a whole puzzle, as a user's search is, stopped before the ranking.
A conditional logistic regression (McFadden, 1974) then weighs what was measured at each place, so
that the truth comes out above its rivals.  It is convex, small and fitted in seconds; finding the
examples takes the time, and they are kept.
"""

import hashlib
import io
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.command.report import Progress
from heatmap_locator.errors import InputError, NoPieceError
from heatmap_locator.files import write_atomically
from heatmap_locator.geometry import RIGHT_ANGLE, angle_difference
from heatmap_locator.locator import Locator
from heatmap_locator.model.files import load_model, save_model
from heatmap_locator.model.ranker import FEATURES

from .config import RankerRecipe
from .pictures import PictureSource
from .puzzles import PhotographedPuzzle, make_puzzle

EXAMPLES = "examples.npz"
_FEWEST = 50
_STREAMS = {"train": 0, "validation": 1}


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
            measured, places = encoded.measure(piece.image)
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

    def __init__(self, path: Path, recipe: RankerRecipe, model: str, stream: str) -> None:
        self.path = path
        self.made_by = json.dumps([recipe.to_dict(), model, FEATURES, stream], sort_keys=True)
        self.done, self.rows = 0, list[Example]()
        if path.exists():
            self._read()

    def _read(self) -> None:
        try:
            with np.load(self.path, allow_pickle=False) as file:
                made_by, self.done = str(file["made_by"]), int(file["done"])
                counts, features, right = file["counts"], file["features"], file["right"]
        except Exception as error:  # numpy raises almost anything on a damaged file
            raise InputError(f"{self.path}: damaged; delete it and start again") from error
        if made_by != self.made_by:
            raise InputError(f"{self.path}: of another recipe or model; name another --out folder")
        ends = np.cumsum(counts)[:-1]
        pairs = zip(np.split(features, ends), np.split(right, ends), strict=True)
        self.rows = [Example(f, r) for f, r in pairs]

    def save(self) -> None:
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            made_by=np.array(self.made_by),
            done=np.array(self.done),
            counts=np.array([len(e.right) for e in self.rows], np.int64),
            features=np.concatenate([e.features for e in self.rows]).astype(np.float32),
            right=np.concatenate([e.right for e in self.rows]),
        )
        write_atomically(self.path, buffer.getvalue())


def collect(
    locator: Locator,
    source: PictureSource,
    recipe: RankerRecipe,
    count: int,
    kept: Examples,
    say: Callable[[str], None],
) -> list[Example]:
    """Examples of ``count`` puzzles, going on from those kept."""
    saved = time.monotonic()
    while kept.done < count:
        rng = np.random.default_rng([recipe.ranker.seed, _STREAMS[source.split], kept.done])
        kept.rows += examples_of(locator, make_puzzle(source, recipe.puzzles, rng))
        kept.done += 1
        say(f"{source.split}: {kept.done} of {count} puzzles, {len(kept.rows)} pieces")
        if kept.rows and (kept.done == count or time.monotonic() - saved > 30):
            kept.save()
            saved = time.monotonic()
    return kept.rows


def fit(examples: list[Example], penalty: float) -> Tensor:
    """(F,) weights by which right places come out above the others.

    Pieces of which no place is right, or all, teach nothing.

    Raises:
        InputError: fewer than 50 teach something.
    """
    telling = [e for e in examples if e.right.any() and not e.right.all()]
    if len(telling) < _FEWEST:
        raise InputError(f"{len(telling)} pieces to learn from: too few; ask for more puzzles")
    deviation = torch.from_numpy(np.concatenate([e.features for e in telling]).std(0)).double()
    deviation = deviation.clamp_min(1e-6)
    most = max(len(e.right) for e in telling)
    features = torch.zeros(len(telling), most, len(deviation), dtype=torch.float64)
    right = torch.zeros(len(telling), most, dtype=torch.bool)
    there = torch.zeros(len(telling), most, dtype=torch.bool)
    for i, example in enumerate(telling):
        n = len(example.right)
        features[i, :n] = torch.from_numpy(example.features).double() / deviation
        right[i, :n] = torch.from_numpy(example.right)
        there[i, :n] = True
    weights = torch.zeros(len(deviation), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        scores = (features @ weights).masked_fill(~there, float("-inf"))
        hit = scores.masked_fill(~right, float("-inf")).logsumexp(1) - scores.logsumexp(1)
        return -hit.mean() + penalty * weights.square().sum()

    def closure() -> float:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return float(value.detach())

    optimizer.step(closure)
    return (weights.detach() / deviation).float()


def first_right(examples: list[Example], weights: Tensor) -> float:
    """Share of pieces whose right place comes first, those without any counted as missed."""
    own = weights.numpy()
    return float(np.mean([e.right[int(np.argmax(e.features @ own))] for e in examples]))


def train_ranker(
    recipe: RankerRecipe,
    *,
    pictures: str | None,
    out: Path,
    init: str | None,
    resume: bool,
    device: str,
) -> int:
    """Fit the ranker of the weights ``init``, and write them with it into ``out``.

    Raises:
        InputError: there are no weights to start from, or examples of another run in ``out``.
    """
    if init is None:
        raise InputError("--init: name the weights whose ranker is to be fitted")
    model, extra = load_model(init)
    locator = Locator.from_pretrained(init, device)
    state = b"".join(
        t.detach().cpu().numpy().tobytes()
        for k, t in sorted(model.state_dict().items())
        if not k.startswith("ranker.")
    )
    digest = hashlib.sha256(state).hexdigest()[:12]
    out.mkdir(parents=True, exist_ok=True)
    rows, progress = {}, Progress()
    for split, count in (
        ("train", recipe.ranker.puzzles),
        ("validation", recipe.ranker.validation_puzzles),
    ):
        path = out / f"{split}_{EXAMPLES}"
        if path.exists() and not resume:
            raise InputError(f"{path}: holds a run already; add --resume or name another folder")
        kept = Examples(path, recipe, digest, split)
        source = PictureSource(pictures, split)
        rows[split] = collect(locator, source, recipe, count, kept, progress.say)
    progress.clear()
    weights = fit(rows["train"], recipe.ranker.penalty)
    before = locator.model.ranker.weights.detach().cpu()
    reached = float(np.mean([e.right.any() for e in rows["validation"]]))
    print(f"{len(rows['train'])} pieces to learn from, {len(rows['validation'])} held back")
    for name, weight in zip(FEATURES, weights.tolist(), strict=True):
        print(f"  {name:16}{weight:9.3f}")
    print(
        f"right place first, held back: {100 * first_right(rows['validation'], before):.1f}% "
        f"before, {100 * first_right(rows['validation'], weights):.1f}% now, "
        f"{100 * reached:.1f}% among the places compared"
    )
    with torch.no_grad():
        model.ranker.weights.copy_(weights)
    extra["ranker"] = recipe.to_dict()
    save_model(model, out / "weights.safetensors", extra)
    print(f"wrote {out / 'weights.safetensors'}")
    return 0
