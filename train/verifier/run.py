"""``heatmap-train verifier``: mines examples, trains the second stage on them, writes weights."""

from dataclasses import replace
from pathlib import Path

import torch

from heatmap_locator.command.report import Progress
from heatmap_locator.errors import InputError
from heatmap_locator.model.files import save_model
from heatmap_locator.model.network import HeatmapLocator

from ..shared.weights import digest_without, weights_to_extend
from .batches import shown
from .collect import collect
from .fit import Gain, gains, judged, recall, train_on
from .kept import Packed, joined, read
from .recipe import VerifierRecipe

_FEWEST = 50
"""Photos; less teaches nothing."""


def train_verifier(
    recipe: VerifierRecipe,
    *,
    pictures: str | Path | None,
    out: Path,
    init: str | None,
    resume: bool,
    device: str,
    workers: int = 1,
) -> int:
    """Train the second stage of the weights ``init``, and write them with it into ``out``.

    Raises:
        InputError: there are no weights to start from, examples of another run in ``out``, or too
            few of them.
    """
    init, model, extra = weights_to_extend(init, device, "second stage is to be trained")
    searched = init, digest_without(model, "ranker.verifier."), device, pictures, recipe
    data, progress = dict[str, Packed](), Progress()
    for split in ("train", "validation"):
        folder = out / split
        if folder.exists() and not resume:
            raise InputError(
                "holds a run already; add --resume or name another folder", name=folder
            )
        files = collect(*searched, split, folder, progress.say, workers)
        data[split] = joined([read(file) for file in files])
    if len(data["train"].first) < _FEWEST:
        raise InputError(f"{len(data['train'].first)} photos to learn from: too few; mine more")
    verifier = train_on(shown(data["train"]), recipe.verifier, recipe.mining.seed, progress.say)
    progress.clear()
    held = data["validation"]
    now, loss = judged(verifier, shown(held))
    print(f"{len(data['train'].first)} photos to learn from, {len(held.first)} held back")
    print(f"loss, held back: {loss:.3f}")
    shares = ", ".join(f"{k}: {100 * share:.1f}%" for k, share in recall(held).items())
    print(f"right place among the first, as ranked before: {shares}")
    print(table(gains(held, held.ranked, now)))
    config = replace(
        model.config, verifier=recipe.verifier.members, verifier_hidden=recipe.verifier.hidden
    )
    made = HeatmapLocator(config)
    made.load_state_dict(model.state_dict() | _prefixed(verifier.state_dict()))
    extra["verifier"] = recipe.to_dict()
    # Where folders lie on the machine of the run is nobody's affair.
    earlier = [Path(name).name for name in recipe.mining.earlier]
    extra["verifier"]["mining"]["earlier"] = earlier
    save_model(made, out / "weights.safetensors", extra)
    print(f"wrote {out / 'weights.safetensors'}")
    return 0


def _prefixed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"ranker.verifier.{key}": value for key, value in state.items()}


def table(rows: list[Gain]) -> str:
    """What :func:`fit.gains` counts, in columns."""
    headings = ("photos", "before", "now", "gained", "lost", "of")
    lines = [f"{'held back':20}" + "".join(f"{heading:>8}" for heading in headings)]
    for row in rows:
        numbers = (row.pieces, row.before, row.now, row.gained, row.lost, row.reached)
        lines.append(f"{row.name:20}" + "".join(f"{number:8}" for number in numbers))
    return "\n".join(lines)
