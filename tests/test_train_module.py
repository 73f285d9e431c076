"""The locator's training module: what decays, how gradients are clipped, where it starts."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from training_support import tiny

from heatmap_locator.errors import InputError
from heatmap_locator.model.backbones import MOBILENET
from heatmap_locator.model.files import load_model, shipped_weights
from heatmap_locator.model.verifier import Verifier
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.locator.module import TrainingModule
from heatmap_train.locator.places import masked_centroid
from heatmap_train.locator.recipe import Recipe
from heatmap_train.loop import export
from heatmap_train.recipes import load_recipe
from heatmap_train.shared.batches import CapturedBatches


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


@pytest.mark.parametrize("name", ["encoder", "encoder_puzzles", "head", "head_puzzles"])
def test_training_begins_from_the_weights_that_ship(name: str) -> None:
    """They have a second stage, which recipes of the locator have not."""
    recipe = load_recipe(name)
    assert isinstance(recipe, Recipe)
    module = TrainingModule(recipe)
    module.start_from(str(shipped_weights()))
    shipped, _ = load_model(None)
    assert isinstance(shipped.ranker.verifier, Verifier)
    kept, wanted = module.model.encoder.state_dict(), shipped.encoder.state_dict()
    assert all(torch.equal(kept[key], value) for key, value in wanted.items())


def test_features_may_get_a_floor_only_where_the_encoder_learns_it(tmp_path: Path) -> None:
    TrainingModule(tiny()).write_weights(tmp_path / "none.safetensors", {})
    floored = dataclasses.replace(
        tiny(), model=dataclasses.replace(tiny().model, feature_floor=1.5)
    )
    TrainingModule(floored).start_from(str(tmp_path / "none.safetensors"))
    run = dataclasses.replace(tiny().run, train_encoder=False)
    head = TrainingModule(dataclasses.replace(floored, run=run))
    with pytest.raises(InputError, match="not the recipe's"):
        head.start_from(str(tmp_path / "none.safetensors"))


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


@pytest.mark.parametrize(
    ("encoder", "head_encoder"), [("resnet18", MOBILENET), (MOBILENET, "resnet18")]
)
def test_a_step_of_training_leaves_no_parameter_without_a_gradient(
    encoder: str, head_encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But the ranker's weights, which are fitted on their own."""
    recipe = tiny()
    model = dataclasses.replace(recipe.model, encoder=encoder, head_encoder=head_encoder)
    # Pieces as they were cut are told apart by an encoder that has learnt nothing.
    scenes = dataclasses.replace(recipe.scenes, exact_share=1.0)
    recipe = dataclasses.replace(recipe, model=model, scenes=scenes)
    torch.manual_seed(0)
    module = TrainingModule(recipe)
    monkeypatch.setattr(module, "log", lambda *args, **kwargs: None)
    with torch.no_grad():
        for parameter in module.parameters():  # what begins at zero hides what comes before it
            if not parameter.any():
                parameter.normal_(std=0.01)
    batch = CapturedBatches(PictureSource(None), recipe, "train")[0]
    module.training_step(batch, 0).backward()
    without = {k: p.numel() for k, p in module.named_parameters() if p.grad is None}
    assert without == {"model.ranker.weights": 9}
    useless = [k for k, p in module.named_parameters() if p.grad is not None and not p.grad.any()]
    assert useless == []


def test_weights_written_lie_between_where_it_began_and_where_it_ended(tmp_path: Path) -> None:
    TrainingModule(tiny()).write_weights(tmp_path / "began.safetensors", {})
    recipe = dataclasses.replace(tiny(), run=dataclasses.replace(tiny().run, written_share=0.25))
    module = TrainingModule(recipe)
    module.start_from(str(tmp_path / "began.safetensors"))
    began = {k: v.clone() for k, v in module.model.state_dict().items()}
    with torch.no_grad():
        for parameter in module.model.parameters():
            parameter += 1.0
    # As a run that was stopped has it.
    state = {"state_dict": module.state_dict(), "hyper_parameters": {"recipe": recipe.to_dict()}}
    module.on_save_checkpoint(state)
    torch.save({**state, "global_step": 1}, tmp_path / "last.ckpt")
    export(tmp_path / "last.ckpt", tmp_path / "ended.safetensors")
    ended = load_model(tmp_path / "ended.safetensors")[0].state_dict()
    for key, _ in module.model.named_parameters():
        torch.testing.assert_close(ended[key], began[key] + 0.25)


def test_a_second_stage_is_taken_along_where_the_recipe_s_model_has_one(tmp_path: Path) -> None:
    recipe = tiny()
    model = dataclasses.replace(recipe.model, verifier=2, verifier_hidden=8)
    torch.manual_seed(0)
    made = TrainingModule(dataclasses.replace(recipe, model=model))
    beside = {"calibration": {"scale": 0.5}, "ranker": {"seed": 2}, "step": 900}
    made.write_weights(tmp_path / "two.safetensors", beside)
    before = made.model.state_dict()
    module = TrainingModule(dataclasses.replace(recipe, model=model))
    module.start_from(str(tmp_path / "two.safetensors"))
    after = module.model.state_dict()
    assert any(key.startswith("ranker.verifier.") for key in after)
    assert all(torch.equal(after[key], value) for key, value in before.items())
    state = {"state_dict": module.state_dict(), "hyper_parameters": {"recipe": {}}}
    module.on_save_checkpoint(state)
    resumed = TrainingModule(module.recipe)
    resumed.on_load_checkpoint(state)
    resumed.write_weights(tmp_path / "on.safetensors", {"step": 7})
    assert load_model(tmp_path / "on.safetensors")[1] == {**beside, "step": 7}
    without = TrainingModule(recipe)
    without.start_from(str(tmp_path / "two.safetensors"))
    assert not any(key.startswith("ranker.verifier.") for key in without.model.state_dict())
    without.write_weights(tmp_path / "one.safetensors", {})
    assert load_model(tmp_path / "one.safetensors")[1] == {}
    with pytest.raises(InputError, match="not the recipe's"):
        module.start_from(str(tmp_path / "one.safetensors"))
