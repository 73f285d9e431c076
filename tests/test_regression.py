"""The direct regressors: every recipe takes a step, and bad ones are told in one line."""

from pathlib import Path

import pytest
import torch
from regression_support import FAMILY, recipe, scenes, small

from heatmap_locator.errors import InputError, WeightsError
from heatmap_locator.model.files import load_model
from heatmap_train.loop import make_module, train
from heatmap_train.recipes import loop_recipe, recipe_names
from heatmap_train.regressor.losses import box_loss
from heatmap_train.regressor.module import RegressionModule, true_boxes
from heatmap_train.regressor.network import Regressor, _correlate


def test_the_family_is_complete() -> None:
    assert set(recipe_names("regression")) == {f"regression/{name}" for name in FAMILY}
    for name in FAMILY:
        assert loop_recipe(recipe(name).to_dict()) == recipe(name)


@pytest.mark.parametrize("name", sorted(FAMILY))
def test_every_recipe_takes_a_step(name: str) -> None:
    torch.manual_seed(0)
    module = make_module(small(name))
    assert isinstance(module, RegressionModule)
    module.log = lambda *_, **__: None  # type: ignore[assignment,misc]
    # Further on than the ramp's start, where CIoU weighs nothing.
    found = module.boxes(scenes())
    assert found.shape == (4, 4)
    value, terms = box_loss(found, true_boxes(scenes()), module.recipe.loss, 100)
    value.backward()
    assert value.isfinite()
    assert set(terms) == set(module.recipe.loss.weights(0))
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert all(g.isfinite().all() for g in gradients)
    # The loss reaches the encoder's first layer.
    assert module.model.encoder.stem[0].weight.grad.norm() > 0
    configured = module.configure_optimizers()
    before = module.model.heads[0][-1].bias.detach().clone()
    configured["optimizer"].step()
    assert not torch.equal(before, module.model.heads[0][-1].bias)


def test_rates() -> None:
    rates = {name: recipe(name).optim.learning_rate for name in FAMILY}
    assert {n: r for n, r in rates.items() if n.startswith("lr_")} == {
        "lr_1e-3": 1e-3,
        "lr_2e-3": 2e-3,
        "lr_1e-2": 1e-2,
    }
    assert {r for n, r in rates.items() if not n.startswith("lr_")} == {3e-4}


def test_fpn_correlation_is_as_large_as_reported() -> None:
    own = recipe("fpn_correlation")
    assert own.scenes.size == 512
    model = Regressor(own.regressor, own.scenes.size)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(13e6, rel=0.03)


def test_correlation_by_hand() -> None:
    """Each piece is correlated with its own picture, channel by channel."""
    generator = torch.Generator().manual_seed(0)
    area = torch.randn(2, 3, 5, 5, generator=generator)
    pieces = torch.randn(4, 3, 3, 3, generator=generator)
    found = _correlate(area, pieces, 2)
    assert found.shape == (4, 3, 5, 5)
    for i in range(4):
        for c in range(3):
            wanted = (area[i // 2, c, 1:4, 0:3] * pieces[i, c]).sum() / 9
            torch.testing.assert_close(found[i, c, 2, 1], wanted)


def test_sigmoid_and_bias() -> None:
    model = Regressor(recipe("bias_mean").regressor, 256)
    mean = model.heads[0][-1].bias.detach().sigmoid()
    torch.testing.assert_close(mean[:2], torch.tensor([0.5, 0.5]))
    # The mean side of the truth, cells of 32 with their tabs.
    assert 32 / 256 < float(mean[2]) < 45 / 256
    bounded, free = (Regressor(recipe(n).regressor, 256) for n in ("l1", "l1_no_sigmoid"))
    for module in (bounded, free):
        with torch.no_grad():
            module.heads[0][-1].bias.fill_(5.0)
            batch = scenes()
            out = module(batch.pictures, batch.photos, batch.masks)
        assert bool((out < 1).all()) == (module is bounded)


def test_a_picture_of_its_own_for_every_piece() -> None:
    """The pieces of a picture are asked of that picture, whatever stands beside it."""
    torch.manual_seed(0)
    for name in ("l1", "fpn_correlation"):
        model, batch = Regressor(small(name).regressor, 96).eval(), scenes()
        with torch.no_grad():
            both = model(batch.pictures, batch.photos, batch.masks)
            second = model(batch.pictures[1:], batch.photos[1:], batch.masks[1:])
        torch.testing.assert_close(both[2:], second, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"regressor": {"sigmoids": True}}, "'regressor.sigmoids'"),
        ({"regressor": {}, "loss": {"giuo": 1.0}}, "'loss.giuo'"),
        ({"regressor": {}, "loss": {"l1": 1.0}, "model": {}}, "'model'"),
        ({"regressor": {}, "loss": {"l1": 1.0}, "run": {"head_every": 1}}, "'run.head_every'"),
        ({"loss": {"giou": 1.0}}, "'loss'"),
        ({"regressor": {}}, "at least one of giou"),
        ({"regressor": {}, "loss": {"l1": -1.0}}, "loss.l1 must be at least 0, not -1.0"),
        ({"regressor": {}, "loss": {"l1": 1.0, "epoch": 0}}, "loss.epoch"),
        ({"regressor": {"architecture": "x"}, "loss": {"l1": 1.0}}, "pooled, correlation"),
        ({"regressor": {"piece_size": 48}, "loss": {"l1": 1.0}}, "multiple of 32"),
    ],
)
def test_bad_recipes_are_one_line(values: dict[str, dict[str, object]], message: str) -> None:
    with pytest.raises(InputError) as caught:
        loop_recipe(values, "mine.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("mine.toml: ")
    assert "\n" not in str(caught.value)


def test_a_table_keeps_the_defaults_of_the_family() -> None:
    """Naming one key of a table leaves the table's others as the family has them."""
    own = loop_recipe({"regressor": {}, "loss": {"l1": 1.0}, "scenes": {"pieces": 3}})
    assert (own.scenes.size, own.scenes.pieces) == (256, 3)


@pytest.mark.slow
def test_the_loop_trains_resumes_and_exports_a_regressor(tmp_path: Path) -> None:
    def go(out: Path, **settings: object) -> None:
        torch.manual_seed(5)
        train(
            small("variance_penalty"),
            pictures=None,
            out=out,
            workers=0,
            device="cpu",
            precision="32-true",
            progress=False,
            **settings,
        )  # type: ignore[arg-type]

    go(tmp_path / "whole")
    go(tmp_path / "parts", stop=1)
    go(tmp_path / "parts", resume=True)
    whole, parts = (
        torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("whole", "parts")
    )
    assert whole["global_step"] == parts["global_step"] == 2
    for name, tensor in whole["state_dict"].items():
        assert torch.equal(tensor, parts["state_dict"][name]), name
    with pytest.raises(WeightsError, match="heatmap-locator-regressor"):
        load_model(tmp_path / "whole" / "weights.safetensors")
    with pytest.raises(InputError, match="--init"):
        go(tmp_path / "other", init="weights.safetensors")
