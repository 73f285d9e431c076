"""The training loop: exact resume, a loss that falls, logs, exported weights."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import draw_texture
from PIL import Image
from training_support import assert_same, checkpoint, columns, complaint, run, tiny

from heatmap_locator import Locator
from heatmap_locator.errors import InputError
from heatmap_train.draw.pictures import PictureSource, in_validation
from heatmap_train.locator.module import TrainingModule
from heatmap_train.recipes import load_recipe


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images of both splits."""
    folder = tmp_path_factory.mktemp("pictures")
    wanted = {True: 2, False: 3}
    for i in range(200):
        name = f"{i}.png"
        if wanted[in_validation(name)]:
            wanted[in_validation(name)] -= 1
            Image.fromarray(draw_texture(150, 170, i)).save(folder / name)
    assert not any(wanted.values())
    return folder


@pytest.fixture(scope="module")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps, never interrupted."""
    out = tmp_path_factory.mktemp("finished") / "run"
    run(tiny(), pictures, out)
    return out


class _PowerCut(Exception):
    pass


@pytest.fixture(scope="module")
def cut_short(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, ended during its fifth step; its last checkpoint is of step 3."""
    out = tmp_path_factory.mktemp("cut") / "run"
    whole = TrainingModule.training_step

    def step(self: TrainingModule, batch: Any, batch_idx: int) -> torch.Tensor:
        if batch_idx == 4:
            raise _PowerCut
        return whole(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", step)
        with pytest.raises(_PowerCut):
            run(tiny(), pictures, out)
    assert checkpoint(out / "last.ckpt")["global_step"] == 3
    return out


@pytest.mark.slow
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_resumed_run_is_the_uninterrupted_one(
    finished: Path, cut_short: Path, pictures: Path, tmp_path: Path, elsewhere: bool
) -> None:
    out = tmp_path / "again"
    if elsewhere:
        out.mkdir()
        shutil.copy(cut_short / "last.ckpt", out)
    else:
        shutil.copytree(cut_short, out)
    torch.manual_seed(99)  # nothing may depend on what the process did before
    run(tiny(), pictures, out, resume=True)
    wanted, found = checkpoint(finished / "last.ckpt"), checkpoint(out / "last.ckpt")
    assert found["global_step"] == wanted["global_step"] == 6
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        assert_same(found[part], wanted[part], part)
    for name in ("train/loss", "train/volume", "train/heat", "lr-AdamW/decayed"):
        last = dict(columns(finished)[name])
        again = dict(columns(out)[name])
        assert {k: v for k, v in again.items() if k >= 3} == {
            k: v for k, v in last.items() if k >= 3
        }, name
    assert (out / "weights.safetensors").is_file()


def test_a_resumed_run_keeps_its_earlier_figures(
    cut_short: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    shutil.copytree(cut_short, out)
    run(tiny(), pictures, out, resume=True)
    steps = {step for step, _ in columns(out)["train/loss"]}
    assert steps == set(range(6))


def test_every_step_has_its_own_batch(finished: Path) -> None:
    losses = [value for _, value in columns(finished)["train/volume"]]
    assert len(set(losses)) == 6


def test_figures_are_logged(finished: Path) -> None:
    found = columns(finished)
    assert {
        "train/loss",
        "train/volume",
        "train/heat",
        "train/rank",
        "val/heat",
        "val/both",
        "val/place",
        "val/collapse_gauge",
        "grad_norm/encoder",
        "grad_norm/head",
        "lr-AdamW/decayed",
    } <= found.keys()
    assert all(np.isfinite(value) for values in found.values() for _, value in values)
    assert found["grad_norm/encoder"][0][1] > 0
    assert found["val/collapse_gauge"][0][1] >= 0
    assert len(found["val/both"]) == 3  # every second step of six


def test_the_events_hold_the_figures_and_pictures(finished: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(finished / "tensorboard"))
    events.Reload()
    tags = events.Tags()
    assert {"train/loss", "train/heat", "val/collapse_gauge", "grad_norm/head"} <= set(
        tags["scalars"]
    )
    assert {"picture", "piece", "heatmap", "correlation/features"} <= set(tags["images"])


def test_the_rate_warms_up_and_decays(finished: Path) -> None:
    rates = [value for _, value in columns(finished)["lr-AdamW/decayed"]]
    assert len(rates) == 6
    assert rates[0] < rates[1]
    assert rates[1] > rates[2] > rates[3] > rates[4] > rates[5] > 0


def test_exported_weights_load_and_tell_their_recipe(finished: Path) -> None:
    from heatmap_locator.model.files import load_model

    model, extra = load_model(finished / "weights.safetensors")
    best = checkpoint(finished / "best.ckpt")
    assert extra["step"] == best["global_step"]
    assert extra["recipe"]["run"]["validate_every"] == 2
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, best["state_dict"][f"model.{name}"]), name
    locator = Locator.from_pretrained(finished / "weights.safetensors", device="cpu")
    picture = draw_texture(64, 96)
    placements = locator.encode(picture, grid=(2, 3)).locate(picture[:32, :32])
    assert len(placements) == 1


def test_a_run_of_another_recipe_is_not_resumed(
    cut_short: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    shutil.copytree(cut_short, out)
    before = (out / "last.ckpt").read_bytes()
    with pytest.raises(InputError, match="another recipe"):
        run(tiny(steps=7), pictures, out, resume=True)
    assert (out / "last.ckpt").read_bytes() == before


@pytest.mark.slow
def test_a_stopped_run_goes_on_as_if_it_had_not(
    finished: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    run(tiny(), pictures, out, stop=3)
    assert checkpoint(out / "last.ckpt")["global_step"] == 3
    run(tiny(), pictures, out, resume=True)
    wanted, found = checkpoint(finished / "last.ckpt"), checkpoint(out / "last.ckpt")
    assert found["global_step"] == 6
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        assert_same(found[part], wanted[part], part)


def test_training_starts_from_given_weights(finished: Path) -> None:
    module = TrainingModule(tiny())
    module.start_from(str(finished / "weights.safetensors"))
    best = checkpoint(finished / "best.ckpt")["state_dict"]
    assert_same(dict(module.state_dict()), dict(best), "state_dict")
    other = dataclasses.replace(tiny(), model=load_recipe("tiny").model)
    with pytest.raises(InputError, match="not the recipe's"):
        TrainingModule(other).start_from(str(finished / "weights.safetensors"))


@pytest.mark.slow
def test_one_batch_is_learnt(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny(steps=40, validate_every=40)
    recipe = dataclasses.replace(
        recipe, optim=dataclasses.replace(recipe.optim, learning_rate=3e-3)
    )
    run(recipe, pictures, tmp_path / "run", overfit=True)
    losses = [value for _, value in columns(tmp_path / "run")["train/loss"]]
    assert len(losses) == 40
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])


def test_a_checkpoint_of_the_optimizer_before_is_told(
    cut_short: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "again"
    shutil.copytree(cut_short, out)
    state = torch.load(out / "last.ckpt", weights_only=True)
    state["optimizer_states"][0]["param_groups"].pop()
    torch.save(state, out / "last.ckpt")
    with pytest.raises(InputError, match="is of an earlier version; name another --out"):
        run(tiny(), pictures, out, resume=True)


def test_names_of_any_bytes_and_hidden_files_among_pictures(tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff.png")
    for name in (odd, "._a.png"):
        (tmp_path / name).write_bytes(b"")
    assert [p.name for p in PictureSource(tmp_path, "all").files or []] == [odd]
    assert in_validation(odd) in (True, False)


def test_training_and_validation_pictures_are_apart(pictures: Path) -> None:
    train, held_back, both = (
        {p.name for p in PictureSource(pictures, split).files or []}
        for split in ("train", "validation", "all")
    )
    assert train
    assert held_back
    assert not train & held_back
    assert train | held_back == both


def test_the_command_does_not_overwrite_a_run(
    cut_short: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (cut_short / "last.ckpt").read_bytes()
    assert "--resume" in complaint(capsys, "tiny", "--out", str(cut_short))
    assert (cut_short / "last.ckpt").read_bytes() == before
