"""What tests of the training loop share: a tiny recipe, a run of it, what a run leaves behind."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from heatmap_train import loop
from heatmap_train.cli import main
from heatmap_train.locator.recipe import Recipe
from heatmap_train.recipes import load_recipe


def tiny(steps: int = 6, **run: int) -> Recipe:
    recipe = load_recipe("tiny")
    return dataclasses.replace(
        recipe,
        model=dataclasses.replace(recipe.model, features=8, head_decoder=(8, 8, 8)),
        scenes=dataclasses.replace(recipe.scenes, size=96),
        optim=dataclasses.replace(recipe.optim, steps=steps, warmup=2),
        run=dataclasses.replace(
            recipe.run, **{"validate_every": 2, "validation_batches": 1, **run}
        ),
    )


def often(patch: pytest.MonkeyPatch) -> None:
    """Makes the loop log every step and save every third."""
    trainer = loop.L.Trainer
    patch.setattr(loop.L, "Trainer", lambda **kw: trainer(**{**kw, "log_every_n_steps": 1}))
    patch.setattr(loop, "SAVE_EVERY", 3)


def run(recipe: Recipe, pictures: Path | None, out: Path, **settings: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        often(patch)
        status = loop.train(
            recipe,
            pictures=None if pictures is None else str(pictures),
            out=out,
            workers=0,
            device="cpu",
            precision="32-true",
            progress=False,
            **settings,
        )
    assert status == 0


def checkpoint(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def columns(out: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of every figure in the run's CSV files."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted((out / "csv").glob("*/metrics.csv")):
        with path.open() as file:
            for row in csv.DictReader(file):
                for name, value in row.items():
                    if value and name not in ("step", "epoch"):
                        found.setdefault(name, []).append((int(row["step"]), float(value)))
    return found


def assert_same(one: Any, other: Any, where: str) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{i}]")
    else:
        assert one == other, where


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says as it refuses with status 2: one line."""
    try:
        status = main(list(arguments))
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    assert said.err.startswith("heatmap-train: ")
    return said.err
