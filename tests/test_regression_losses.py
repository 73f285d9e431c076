"""The direct regressors' losses against closed forms."""

import math

import pytest
import torch
from regression_support import LEFT, NARROW, RIGHT, WIDE, recipe, scenes

from heatmap_train.regressor.losses import TERMS, BoxLossSettings, box_loss, corners
from heatmap_train.regressor.module import paired_iou, true_boxes
from heatmap_train.shared.module import collapse_gauge


def loss(name: str, found: torch.Tensor, truth: torch.Tensor, step: int = 0) -> float:
    return float(box_loss(found, truth, recipe(name).loss, step)[0])


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


def test_collapse_gauge_of_a_constant_and_of_an_oracle() -> None:
    truth = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    assert collapse_gauge(torch.full((50, 2), 0.5), truth) == 0
    assert collapse_gauge(truth, truth) == pytest.approx(1)
    assert collapse_gauge(0.25 * truth + 0.3, truth) == pytest.approx(0.25)
