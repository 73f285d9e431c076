"""Targets and losses by hand, and where they could turn into NaN."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from heatmap_locator.geometry import STRIDE
from heatmap_locator.model.head import HeadMaps
from heatmap_train.locator.losses import (
    center_losses,
    focal_loss,
    splat_centers,
    volume_cross_entropy,
    volume_target,
)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def head_maps(b: int = 3, height: int = 6, width: int = 8) -> HeadMaps:
    names = {"heat": 1, "offset": 2, "rotation": 2}
    maps = {
        name: random(b, channels, height, width, seed=i).requires_grad_()
        for i, (name, channels) in enumerate(names.items())
    }
    return HeadMaps(**maps, best=torch.zeros(b, height, width, dtype=torch.long))


@pytest.mark.parametrize("beta", [0.0, 2.0, 4.0])
def test_focal_loss_without_focus_is_binary_cross_entropy(beta: float) -> None:
    logits = 3 * random(2, 1, 5, 6)
    target = (random(2, 1, 5, 6, seed=1) > 1).float()
    assert target.sum() > 1
    wanted = F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / target.sum()
    torch.testing.assert_close(focal_loss(logits, target, alpha=0.0, beta=beta), wanted)


def test_focal_loss_by_hand() -> None:
    p, near = torch.tensor([0.8, 0.3, 0.1]), torch.tensor([1.0, 0.5, 0.0])
    wanted = -(0.2**2 * np.log(0.8) + 0.5**4 * 0.3**2 * np.log(0.7) + 1.0 * 0.1**2 * np.log(0.9))
    found = focal_loss(p.logit().view(1, 1, 1, 3), near.view(1, 1, 1, 3))
    assert found.item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_focal_loss_of_huge_logits_is_finite(dtype: torch.dtype) -> None:
    logits = torch.tensor([6e4, -6e4, 6e4, -6e4, 0.0], dtype=dtype).view(1, 1, 1, 5)
    logits.requires_grad_()
    target = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.9], dtype=dtype).view(1, 1, 1, 5)
    loss = focal_loss(logits, target)
    loss.backward()
    assert loss.isfinite()
    assert loss > 1e4
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_focal_loss_without_positives_is_finite() -> None:
    logits = random(2, 1, 4, 4).requires_grad_()
    loss = focal_loss(logits, torch.zeros(2, 1, 4, 4))
    loss.backward()
    assert 0 < loss.item() < 100
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad >= 0).all()  # every cell is asked to cool down


def test_splat_is_one_at_the_centre_s_cell_alone() -> None:
    found = splat_centers(torch.tensor([[13.0, 6.5], [0.0, 19.9]]), 5, 7)
    assert found.shape == (2, 1, 5, 7)
    assert (found == 1).nonzero().tolist() == [[0, 0, 1, 3], [1, 0, 4, 0]]
    assert found[0, 0, 1, 4].item() == pytest.approx(np.exp(-0.5))
    assert found[0, 0, 0, 2].item() == pytest.approx(np.exp(-1.0))


def test_volume_target_is_a_distribution_about_the_centre() -> None:
    centers = torch.tensor([[13.0, 7.5], [2.0, 22.0], [20.3, 10.1]])
    weights = torch.tensor([[0.3, 0.7, 0.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    target = volume_target(centers, weights, 6, 7)
    assert target.shape == (3, 3, 6, 7)
    assert (target >= 0).all()
    torch.testing.assert_close(target.sum((2, 3)), weights)
    plane = target.sum(1)
    xs, ys = (torch.arange(n) * STRIDE + STRIDE / 2 for n in (7, 6))
    mean = torch.stack([(plane.sum(1) * xs).sum(1), (plane.sum(2) * ys).sum(1)], 1)
    torch.testing.assert_close(mean, centers)
    assert (plane > 0).flatten(1).sum(1).max() <= 4


def test_volume_target_beyond_the_edge_goes_to_the_edge() -> None:
    target = volume_target(torch.tensor([[0.5, 100.0]]), torch.ones(1, 1), 4, 5)
    assert target.sum() == 1
    assert target[0, 0, 3, 0] == 1


def test_volume_cross_entropy_by_hand() -> None:
    volume, target = random(2, 3, 2, 2), torch.zeros(2, 3, 2, 2)
    target[0, 1, 0, 1] = 1
    target[1, 0, 0, 0], target[1, 2, 1, 1] = 0.25, 0.75
    values = volume.double().numpy()
    partition = [np.log(np.exp(v).sum()) for v in values]
    wanted = (
        partition[0]
        - values[0, 1, 0, 1]
        + partition[1]
        - 0.25 * values[1, 0, 0, 0]
        - 0.75 * values[1, 2, 1, 1]
    ) / 2
    assert volume_cross_entropy(volume, target).item() == pytest.approx(wanted, rel=1e-5)


def test_volume_cross_entropy_of_halves_is_finite() -> None:
    volume = torch.tensor([6e4, -6e4], dtype=torch.float16).view(1, 2, 1, 1)
    target = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
    assert volume_cross_entropy(volume, target).item() == pytest.approx(1.2e5, rel=1e-3)


CENTERS = torch.tensor([[9.0, 6.0], [30.0, 22.0], [1.0, 13.0]])


def test_center_losses_vanish_where_the_heat_is_right() -> None:
    maps = head_maps()
    with torch.no_grad():
        maps.heat.copy_(40 * (splat_centers(CENTERS, 6, 8) == 1) - 20)
    terms = center_losses(maps, CENTERS, torch.ones(3, dtype=torch.bool))
    assert set(terms) == {"heat", "rank"}
    for name, value in terms.items():
        assert value.item() == pytest.approx(0, abs=1e-4), name


def test_the_rank_is_of_the_true_cell_where_the_rotation_is_right() -> None:
    maps = head_maps()
    correct = torch.tensor([True, False, True])
    terms = center_losses(maps, CENTERS, correct)
    log_p = maps.heat.detach().flatten(1).log_softmax(1).unflatten(1, (6, 8))
    wanted = -(log_p[0, 1, 2] + log_p[2, 3, 0]) / 2
    torch.testing.assert_close(terms["rank"].detach(), wanted, rtol=1e-3, atol=0)
    terms["rank"].backward()
    assert maps.heat.grad is not None
    assert maps.heat.grad.flatten(1).any(1).tolist() == correct.tolist()


def test_center_losses_without_a_positive_are_finite() -> None:
    maps = head_maps()
    terms = center_losses(maps, CENTERS, torch.zeros(3, dtype=torch.bool))
    torch.stack(list(terms.values())).sum().backward()
    assert terms["rank"] == 0
    assert terms["heat"] > 0
    assert maps.heat.grad is not None
    assert maps.heat.grad.isfinite().all()


def test_center_losses_stand_a_centre_off_the_picture() -> None:
    outside = torch.tensor([[-5.0, 3.0], [500.0, 3.0], [3.0, 500.0]])
    terms = center_losses(head_maps(), outside, torch.ones(3, dtype=torch.bool))
    assert all(value.isfinite() for value in terms.values())
