"""Two processes, gloo on the CPU: the same losses and gradients as one with the doubled batch.

The optimizer is plain gradient descent here.  AdamW divides by a gradient's size: where that is
all but zero its rounding, another one on every processor, decides the sign of a whole step.
"""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import HANG, draw_texture
from lightning.pytorch.callbacks import Callback
from PIL import Image
from torch import Tensor

from heatmap_train import loop
from heatmap_train.draw.pictures import in_validation
from heatmap_train.draw.scenes import Scenes
from heatmap_train.recipes import load_recipe
from heatmap_train.shared.batches import CapturedBatches, FromStep

STEPS = 4
RECIPE = f"""
[model]
features = 8
rotations = 24
head_decoder = [8, 8, 8]

[scenes]
size = 96
pieces = 2

[optim]
steps = {STEPS}
learning_rate = 0.1
warmup = 2

[run]
batch = 1
sampled_rotations = 5
validate_every = {STEPS}
validation_batches = 1
head_every = 0
"""

# What the command does, seen as ``observe`` sees it, by each of its processes.
COMMAND = """
import os, sys
from heatmap_train import cli
from test_train_ddp import observe
observe(os.environ["SEEN"])
sys.exit(cli.main())
"""


class Recorder(Callback):
    """Keeps each step's gradients and the last weights in ``folder/<rank>.pt``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.gradients = folder, []

    def on_before_optimizer_step(self, trainer: Any, module: Any, optimizer: Any) -> None:
        named = module.model.named_parameters()
        self.gradients.append({n: p.grad.clone() for n, p in named if p.grad is not None})

    def on_train_end(self, trainer: Any, module: Any) -> None:
        self.folder.mkdir(exist_ok=True)
        seen = {"gradients": self.gradients, "weights": module.model.state_dict()}
        torch.save(seen, self.folder / f"{trainer.global_rank}.pt")


def observe(folder: str, patch: Callable[..., None] = setattr) -> None:
    """From here on the loop descends the plain gradient, and what it sees is kept in full."""
    trainer = loop.L.Trainer

    def observed(**settings: Any) -> Any:
        settings["callbacks"] = [*settings["callbacks"], Recorder(Path(folder))]
        return trainer(**{**settings, "log_every_n_steps": 1, "precision": "32-true"})

    def descent(parameters: Any, lr: float, **_: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=lr)

    patch(loop.L, "Trainer", observed)
    patch(torch.optim, "AdamW", descent)


class Doubled(CapturedBatches):
    """At each step the batches of both processes, one after the other."""

    def __getitem__(self, step: int) -> Scenes:
        if self.stream:
            return super().__getitem__(step)
        both = [super(Doubled, self).__getitem__(2 * step + rank) for rank in (0, 1)]
        return Scenes(
            **{f.name: torch.cat([getattr(half, f.name) for half in both]) for f in fields(Scenes)}
        )


def losses(out: Path, name: str) -> dict[int, float]:
    (path,) = (out / "csv").glob("*/metrics.csv")
    with path.open() as file:
        return {int(r["step"]): float(r[name]) for r in csv.DictReader(file) if r.get(name)}


def assert_close(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Each tensor as a whole: single elements may be nothing but rounding."""
    assert found.keys() == wanted.keys()
    largest = max(float(tensor.norm()) for tensor in wanted.values())
    assert largest > 0
    for name, tensor in wanted.items():
        apart = float((found[name] - tensor).norm())
        assert apart <= 1e-3 * float(tensor.norm()) + 1e-5 * largest, name


def test_ranks_take_turns() -> None:
    def first(sampler: FromStep) -> list[int]:
        steps = iter(sampler)
        return [next(steps) for _ in range(3)]

    assert first(FromStep(5)) == [5, 6, 7]
    assert first(FromStep(5, rank=0, world=2)) == [10, 12, 14]
    assert first(FromStep(5, rank=1, world=2)) == [11, 13, 15]
    assert first(FromStep(0, repeat=0, rank=1, world=2)) == [1, 1, 1]


@pytest.mark.slow
def test_two_processes_are_one_with_the_doubled_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    wanted = {True: 1, False: 3}
    for i in range(200):
        if wanted[in_validation(f"{i}.png")]:
            wanted[in_validation(f"{i}.png")] -= 1
            Image.fromarray(draw_texture(130, 150, i)).save(pictures / f"{i}.png")
    recipe, script = tmp_path / "recipe.toml", tmp_path / "train.py"
    recipe.write_text(RECIPE)
    script.write_text(COMMAND)
    done = subprocess.run(
        [
            *(sys.executable, script, recipe, "--pictures", pictures, "--out", tmp_path / "two"),
            *("--device", "cpu", "--devices", "2", "--nodes", "1", "--workers", "0"),
        ],
        capture_output=True,
        text=True,
        timeout=4 * HANG,
        cwd=tmp_path,
        env={
            **{**os.environ, "SEEN": str(tmp_path / "seen by two")},
            "PYTHONPATH": str(Path(__file__).parent),
        },
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "MEMBER: 2/2" in done.stderr

    observe(str(tmp_path / "seen by one"), monkeypatch.setattr)
    monkeypatch.setattr(loop, "CapturedBatches", Doubled)
    status = loop.train(
        load_recipe(str(recipe)),
        pictures=str(pictures),
        out=tmp_path / "one",
        workers=0,
        device="cpu",
        precision="32-true",
        progress=False,
    )
    assert status == 0
    one, two = (losses(tmp_path / name, "train/loss") for name in ("one", "two"))
    assert list(one) == list(two) == list(range(STEPS))
    assert len({round(value, 3) for value in one.values()}) == STEPS
    assert two[0] == pytest.approx(one[0], rel=1e-6)
    assert two == pytest.approx(one, rel=1e-4)  # sums are taken in another order

    (alone,) = (torch.load(path) for path in (tmp_path / "seen by one").iterdir())
    first, second = (torch.load(tmp_path / "seen by two" / f"{rank}.pt") for rank in (0, 1))
    # What the processes exchange is the same to the last digit, and so is what they make of it.
    torch.testing.assert_close(second, first, rtol=0, atol=0)
    assert len(alone["gradients"]) == len(first["gradients"]) == STEPS
    for wanted, found in zip(alone["gradients"], first["gradients"], strict=True):
        assert_close(found, wanted)
    assert_close(first["weights"], alone["weights"])
