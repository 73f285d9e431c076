"""Fits the ranker: which of the places that were compared is the piece's own.

A conditional logistic regression (McFadden, 1974) weighs what was measured at each place, so
that the truth comes out above its rivals.  It is convex, small and fitted in seconds; finding the
examples takes the time, and they are kept.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.command.report import Progress
from heatmap_locator.errors import InputError
from heatmap_locator.model.files import save_model
from heatmap_locator.model.ranker import FEATURES

from ..shared.weights import digest_without, weights_to_extend
from .examples import Example, Examples, collect
from .recipe import RankerRecipe

EXAMPLES = "examples.npz"

_FEWEST = 50
"""Pieces; the weights cannot be told from fewer."""


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
    pictures: str | Path | None,
    out: Path,
    init: str | None,
    resume: bool,
    device: str,
    workers: int = 1,
) -> int:
    """Fit the ranker of the weights ``init``, and write them with it into ``out``.

    Raises:
        InputError: there are no weights to start from, or examples of another run in ``out``.
    """
    init, model, extra = weights_to_extend(init, device, "ranker is to be fitted")
    digest = digest_without(model, "ranker.")
    out.mkdir(parents=True, exist_ok=True)
    rows, progress = {}, Progress()
    for split, count in (
        ("train", recipe.ranker.puzzles),
        ("validation", recipe.ranker.validation_puzzles),
    ):
        path = out / f"{split}_{EXAMPLES}"
        if path.exists() and not resume:
            raise InputError("holds a run already; add --resume or name another folder", name=path)
        kept = Examples(path, recipe, digest, split)
        rows[split] = collect(init, device, pictures, recipe, count, kept, progress.say, workers)
    progress.clear()
    weights = fit(rows["train"], recipe.ranker.penalty)
    before = model.ranker.weights.detach().cpu().clone()
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
