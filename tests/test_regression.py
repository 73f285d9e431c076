"""The direct regressors: losses against closed forms, and every recipe takes a step."""

import math
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
import torch

from heatmap_locator.errors import InputError, WeightsError
from heatmap_locator.model.files import load_model
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.scenes import Scenes
from heatmap_train.loop import make_module, train
from heatmap_train.recipes import load_recipe, loop_recipe, recipe_names
from heatmap_train.regressor.losses import TERMS, BoxLossSettings, box_loss, corners
from heatmap_train.regressor.module import RegressionModule, paired_iou, true_boxes
from heatmap_train.regressor.network import Regressor, _correlate
from heatmap_train.regressor.recipe import RegressionRecipe
from heatmap_train.shared.batches import CapturedBatches
from heatmap_train.shared.module import collapse_gauge

FAMILY = {
    "giou",
    "ciou",
    "ciou_smoothl1",
    "ciou_ramped",
    "l1",
    "l1_no_sigmoid",
    "center_size",
    "mse_center",
    "bias_mean",
    "variance_penalty",
    "fpn_correlation",
    "lr_1e-3",
    "lr_2e-3",
    "lr_1e-2",
}

# Side 0.2, beside each other: a gap of 0.2 between them, so no overlap.  The enclosing box is
# 0.6 x 0.2 (area 0.12, of which 0.08 is covered), its squared diagonal 0.4, the squared distance
# of the centres 0.16.
LEFT = torch.tensor([[0.3, 0.5, 0.2, 0.2]])
RIGHT = torch.tensor([[0.7, 0.5, 0.2, 0.2]])
# Half as wide inside a box: IoU 1/2, the centres agree, the aspects are 1 and 2.
WIDE, NARROW = torch.tensor([[0.5, 0.5, 0.4, 0.2]]), torch.tensor([[0.5, 0.5, 0.2, 0.2]])


def recipe(name: str) -> RegressionRecipe:
    found = load_recipe(f"regression/{name}")
    assert isinstance(found, RegressionRecipe)
    return found


def small(name: str) -> RegressionRecipe:
    """The recipe on small pictures, two of them, a step or two."""
    own = recipe(name)
    return replace(
        own,
        scenes=replace(own.scenes, size=96, pieces=2),
        regressor=replace(own.regressor, piece_size=32, channels=32),
        optim=replace(own.optim, steps=2, warmup=1),
        run=replace(own.run, batch=2, validate_every=1, validation_batches=1),
    )


@lru_cache(maxsize=1)
def scenes() -> Scenes:
    return CapturedBatches(PictureSource(None, "train"), small("giou"), "train")[0]


def loss(name: str, found: torch.Tensor, truth: torch.Tensor, step: int = 0) -> float:
    return float(box_loss(found, truth, recipe(name).loss, step)[0])


def test_the_family_is_complete() -> None:
    assert set(recipe_names("regression")) == {f"regression/{name}" for name in FAMILY}
    for name in FAMILY:
        assert loop_recipe(recipe(name).to_dict()) == recipe(name)


@pytest.mark.parametrize(
    ("name", "found", "truth", "wanted"),
    [
        ("giou", LEFT, RIGHT, 1 + 0.04 / 0.12),
        ("giou", LEFT, LEFT, 0.0),
        ("giou", NARROW, WIDE, 0.5),
        ("ciou", LEFT, RIGHT, 1 + 0.16 / 0.4),
        ("ciou", LEFT, LEFT, 0.0),
        # smooth L1: half the square of 0.4, over four numbers
        ("ciou_smoothl1", LEFT, RIGHT, 1.4 + 0.5 * 0.16 / 4),
        ("lr_1e-2", LEFT, RIGHT, 1.4 + 0.5 * 0.16 / 4),
        ("fpn_correlation", LEFT, RIGHT, 1.4 + 0.5 * 0.16 / 4),
        ("bias_mean", LEFT, RIGHT, 1.4),
        ("l1", LEFT, RIGHT, 0.1),
        ("l1_no_sigmoid", LEFT, RIGHT, 0.1),
        ("center_size", LEFT, RIGHT, 0.2),
        ("center_size", NARROW, WIDE, 0.1),
        ("mse_center", LEFT, RIGHT, 0.08),
        ("mse_center", NARROW, WIDE, 0.1),
    ],
)
def test_losses_of_the_recipes_by_hand(
    name: str, found: torch.Tensor, truth: torch.Tensor, wanted: float
) -> None:
    assert loss(name, found, truth) == pytest.approx(wanted, abs=1e-5)


def test_ciou_adds_the_aspect() -> None:
    v = 4 / math.pi**2 * (math.atan(2) - math.atan(1)) ** 2
    assert loss("ciou", NARROW, WIDE) == pytest.approx(0.5 + v * v / (0.5 + v), abs=1e-5)


def test_variance_penalty_by_hand() -> None:
    truth = torch.cat([LEFT, RIGHT])  # centres deviate by 0.2 across and not down
    constant = torch.tensor([[0.5, 0.5, 0.2, 0.2]]).expand(2, 4)
    # L1: 0.2 off in one of four numbers; the penalty: 0.2 across, nothing down
    wanted = 0.05 + 0.1
    assert loss("variance_penalty", constant, truth) == pytest.approx(wanted, abs=1e-3)
    assert loss("variance_penalty", truth, truth) == pytest.approx(0, abs=1e-6)


def test_variance_penalty_has_a_finite_gradient_where_all_are_alike() -> None:
    constant = torch.full((4, 4), 0.5).requires_grad_()
    truth = torch.rand(4, 4, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.1
    box_loss(constant, truth, recipe("variance_penalty").loss, 0)[0].backward()
    assert constant.grad is not None
    assert constant.grad.isfinite().all()


def test_the_weight_of_ciou_is_ramped_over_five_epochs() -> None:
    settings = recipe("ciou_ramped").loss
    assert (settings.ciou_ramp_epochs, settings.epoch) == (5, 200)
    for step, wanted in ((0, 0.0), (200, 0.2), (500, 0.5), (1000, 1.0), (2999, 1.0)):
        assert settings.weights(step) == {"ciou": pytest.approx(wanted), "smooth_l1": 1.0}
    smooth = 0.5 * 0.16 / 4
    assert loss("ciou_ramped", LEFT, RIGHT, 0) == pytest.approx(smooth, abs=1e-6)
    assert loss("ciou_ramped", LEFT, RIGHT, 500) == pytest.approx(0.7 + smooth, abs=1e-5)


def test_a_box_without_size_has_a_finite_loss_and_gradient() -> None:
    found = torch.tensor([[0.3, 0.5, 0.0, -0.1]]).requires_grad_()
    settings = BoxLossSettings(**{term: 1.0 for term in TERMS})
    box_loss(found, RIGHT, settings, 0)[0].backward()
    assert found.grad is not None
    assert found.grad.isfinite().all()


def test_corners_and_overlap() -> None:
    torch.testing.assert_close(corners(LEFT), torch.tensor([[0.2, 0.4, 0.4, 0.6]]))
    torch.testing.assert_close(paired_iou(NARROW, WIDE), torch.tensor([0.5]))


def test_true_boxes_are_shares_of_the_picture() -> None:
    truth = true_boxes(scenes())
    assert truth.shape == (4, 4)
    torch.testing.assert_close(corners(truth) * 96, scenes().box.flatten(0, 1))


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


def test_collapse_gauge_of_a_constant_and_of_an_oracle() -> None:
    truth = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    assert collapse_gauge(torch.full((50, 2), 0.5), truth) == 0
    assert collapse_gauge(truth, truth) == pytest.approx(1)
    assert collapse_gauge(0.25 * truth + 0.3, truth) == pytest.approx(0.25)


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
