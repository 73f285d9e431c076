"""The training loop: exact resume, a loss that falls, logs, exported weights, clear errors."""

import csv
import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import draw_texture
from PIL import Image

from heatmap_locator import Locator
from heatmap_locator.errors import InputError
from heatmap_train import loop
from heatmap_train.cli import main
from heatmap_train.draw.pictures import PictureSource, in_validation
from heatmap_train.locator.module import TrainingModule, masked_centroid
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


def often(patch: pytest.MonkeyPatch) -> None:
    """Makes the loop log every step and save every third."""
    trainer = loop.L.Trainer
    patch.setattr(loop.L, "Trainer", lambda **kw: trainer(**{**kw, "log_every_n_steps": 1}))
    patch.setattr(loop, "SAVE_EVERY", 3)


def run(recipe: Recipe, pictures: Path, out: Path, **settings: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        often(patch)
        status = loop.train(
            recipe,
            pictures=str(pictures),
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
        "train/size",
        "train/offset",
        "train/rotation",
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


def test_a_deeper_encoder_begins_where_the_shallower_stands(tmp_path: Path) -> None:
    small = TrainingModule(tiny())
    small.write_weights(tmp_path / "small.safetensors", {})
    model = dataclasses.replace(tiny().model, encoder="resnet34")
    large = TrainingModule(dataclasses.replace(tiny(), model=model))
    assert len(large.state_dict()) > len(small.state_dict())
    large.start_from(str(tmp_path / "small.safetensors"))
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(large.model.encoder(images), small.model.encoder(images))
    large.write_weights(tmp_path / "large.safetensors", {})
    with pytest.raises(InputError, match="not the recipe's"):
        small.start_from(str(tmp_path / "large.safetensors"))


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


def test_gradients_are_clipped_part_by_part() -> None:
    module = TrainingModule(tiny())
    for parameter in module.parameters():
        parameter.grad = torch.full_like(parameter, 10.0)
    module.configure_gradient_clipping()
    for part in module.model.children():
        norm = torch.stack([p.grad.norm() for p in part.parameters() if p.grad is not None]).norm()
        assert norm.item() == pytest.approx(module.recipe.optim.clip, rel=1e-3)


def decay_by_name(module: TrainingModule) -> dict[str, float]:
    """Weight decay of every parameter of the model, by name, as its optimizer has it."""
    groups = module.configure_optimizers()["optimizer"].param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    return {name: decay[id(p)] for name, p in module.model.named_parameters()}


def test_only_convolutions_and_matrices_decay() -> None:
    module = TrainingModule(tiny())
    decay = decay_by_name(module)
    wanted = module.recipe.optim.weight_decay
    assert wanted > 0
    assert decay["head.log_weights"] == decay["head.readout"] == 0
    norms = {
        f"{name}.{part}"
        for name, layer in module.model.named_modules()
        if "Norm" in type(layer).__name__
        for part in ("weight", "bias")
    }
    assert len(norms & decay.keys()) == 40
    for name, parameter in module.model.named_parameters():
        left_out = name in norms or name.endswith("bias") or parameter.dim() <= 1
        assert decay[name] == (0 if left_out else wanted), name
    assert wanted in decay.values()


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


def test_a_module_takes_its_place_from_the_trainer() -> None:
    module = TrainingModule(tiny())
    assert module.place == (0, 1)
    module.trainer = SimpleNamespace(global_rank=1, world_size=3)
    module.setup("fit")
    assert module.place == (1, 3)


def test_masked_centroid() -> None:
    masks = torch.zeros(2, 1, 6, 8)
    masks[0, 0, 2, 5] = 1
    masks[1, 0, 1:3, 0:4] = 0.5
    torch.testing.assert_close(masked_centroid(masks), torch.tensor([[5.5, 2.5], [2.0, 2.0]]))


def test_training_and_validation_pictures_are_apart(pictures: Path) -> None:
    train, held_back, both = (
        {p.name for p in PictureSource(pictures, split).files or []}
        for split in ("train", "validation", "all")
    )
    assert train
    assert held_back
    assert not train & held_back
    assert train | held_back == both


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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tiny", "--pictures", "no-such-folder"], "no-such-folder: no such folder"),
        (["nonesuch"], "nonesuch: no such recipe"),
        (["tiny", "--steps", "0"], "--steps must be at least 1"),
        (["tiny", "--steps", "many"], "--steps"),
        (["tiny", "--stop", "0"], "--stop must be at least 1"),
        (["tiny", "--init", "none.safetensors"], "none.safetensors: no such weights file"),
        (["tiny", "--workers", "-1"], "--workers must be"),
        (["tiny", "--devices", "0"], "--devices must be"),
        (["tiny", "--resume"], "nothing to resume"),
        (["tiny", "--nonsense"], "--nonsense"),
    ],
)
def test_the_command_refuses_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert message in complaint(capsys, *arguments, "--out", str(out))
    assert not out.exists()


def test_the_command_does_not_overwrite_a_run(
    cut_short: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (cut_short / "last.ckpt").read_bytes()
    assert "--resume" in complaint(capsys, "tiny", "--out", str(cut_short))
    assert (cut_short / "last.ckpt").read_bytes() == before


def test_out_may_not_be_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    out.write_text("mine")
    assert "not a folder" in complaint(capsys, "tiny", "--out", str(out))
    assert out.read_text() == "mine"


def test_a_folder_without_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("none")
    said = complaint(capsys, "tiny", "--pictures", str(tmp_path), "--out", str(tmp_path / "run"))
    assert "no train images" in said


def test_a_damaged_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"half")
    assert "last.ckpt" in complaint(capsys, "tiny", "--out", str(tmp_path), "--resume")
