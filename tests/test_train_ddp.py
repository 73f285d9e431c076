"""Two processes, gloo on the CPU: the same losses and weights as one with the doubled batch."""

import csv
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from conftest import draw_texture
from PIL import Image

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
warmup = 2

[run]
batch = 1
sampled_rotations = 5
validate_every = {STEPS}
validation_batches = 1
head_every = 0
"""

# What the command does, with figures logged at every step and in full precision.
COMMAND = """
import sys
from heatmap_train import cli, loop
trainer = loop.L.Trainer
loop.L.Trainer = lambda **kw: trainer(**{**kw, "log_every_n_steps": 1, "precision": "32-true"})
sys.exit(cli.main())
"""


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


def test_ranks_take_turns() -> None:
    def first(sampler: FromStep) -> list[int]:
        steps = iter(sampler)
        return [next(steps) for _ in range(3)]

    assert first(FromStep(5)) == [5, 6, 7]
    assert first(FromStep(5, rank=0, world=2)) == [10, 12, 14]
    assert first(FromStep(5, rank=1, world=2)) == [11, 13, 15]
    assert first(FromStep(0, repeat=0, rank=1, world=2)) == [1, 1, 1]


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
        timeout=280,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "MEMBER: 2/2" in done.stderr

    trainer = loop.L.Trainer
    monkeypatch.setattr(loop.L, "Trainer", lambda **kw: trainer(**{**kw, "log_every_n_steps": 1}))
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
    assert two[0] == pytest.approx(one[0], rel=1e-6)
    assert two == pytest.approx(one, rel=1e-4)  # sums are taken in another order
    weights = [
        torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("one", "two")
    ]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-2, atol=2e-4, msg=name)
