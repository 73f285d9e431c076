"""Agreement of aligned prints against closed forms and under what a camera does."""

import numpy as np
import pytest
import torch
from conftest import draw_texture

from heatmap_locator.model.ranker import CLOSEST, FEATURES, Ranker, evidence
from heatmap_locator.search.agreement import Pixels, agreement

COLOUR, DETAIL, LOCAL = range(3)


def agree(one: torch.Tensor, other: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    masks = mask.expand(len(one), -1, -1, -1)
    pairs = [_agree(*pair) for pair in zip(one, other, masks, strict=True)]
    found = {name: torch.cat([pair[name][0] for pair in pairs]) for name in pairs[0]}
    return torch.stack([found["colour"], found["detail"], found["local"]], 1)


def _agree(one: torch.Tensor, other: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
    index = torch.nonzero(mask.flatten() > 0.5)[:, 0]
    pixels = Pixels(index[None], torch.ones(1, len(index)), (mask.shape[1], mask.shape[2]))
    templates, seen = (t.flatten(1)[:, index][None] for t in (one, other))
    return agreement(templates, seen[:, :, None], pixels)


def patch(seed: int) -> torch.Tensor:
    return torch.from_numpy(draw_texture(48, 48, seed)).permute(2, 0, 1)[None].float() / 255


@pytest.fixture
def mask() -> torch.Tensor:
    ys, xs = np.mgrid[:48, :48] - 23.5
    return torch.from_numpy((np.hypot(xs, ys) < 18).astype(np.float32))[None, None]


def test_the_same_print_agrees_and_another_does_not(mask: torch.Tensor) -> None:
    same, other = agree(patch(1), patch(1), mask)[0], agree(patch(1), patch(2), mask)[0]
    assert (same > 3 * other).all()
    assert (other >= 0).all()


def test_an_affine_map_of_colours_costs_colour_nothing(mask: torch.Tensor) -> None:
    one = patch(1)
    matrix = torch.tensor([[0.5, 0.3, -0.2], [-0.4, 0.3, 0.2], [0.1, -0.3, 0.4]])
    mixed = torch.einsum("ij,njhw->nihw", matrix, one) + 0.3
    plain, mapped = agree(one, one, mask)[0], agree(one, mixed, mask)[0]
    assert float(mapped[COLOUR]) == pytest.approx(float(plain[COLOUR]), rel=0.25)
    # The other two channels' worth is lost to plain correlation: it is asked under local contrast.
    assert float(mapped[LOCAL]) < 0.5 * float(plain[LOCAL])


def test_uneven_light_costs_detail_less_than_colour(mask: torch.Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    one = patch(1) + 0.05 * torch.randn(1, 3, 48, 48, generator=generator)
    light = torch.linspace(-1, 1, 48).view(1, 1, 1, -1)
    lost = agree(one, patch(1), mask)[0] - agree(one, patch(1) + light, mask)[0]
    assert float(lost[DETAIL]) < 0.8 * float(lost[COLOUR])


def test_what_lies_outside_the_mask_does_not_count(mask: torch.Tensor) -> None:
    other = torch.where(mask > 0, patch(1), patch(7))
    torch.testing.assert_close(agree(patch(1), other, mask), agree(patch(1), patch(1), mask))


def test_pairs_do_not_touch_each_other(mask: torch.Tensor) -> None:
    first, second = torch.cat([patch(1), patch(2)]), torch.cat([patch(3), patch(2)])
    both = agree(first, second, mask.repeat(2, 1, 1, 1))
    torch.testing.assert_close(both[1:], agree(patch(2), patch(2), mask))


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_flat_prints_prove_nothing(mask: torch.Tensor, level: float) -> None:
    flat = torch.full((1, 3, 48, 48), level)
    found = agree(flat, patch(1), mask)
    assert torch.isfinite(found).all()
    assert (found < 0.05).all()
    assert torch.isfinite(agree(flat, flat, torch.zeros_like(mask))).all()


def test_evidence_grows_faster_towards_one() -> None:
    r = torch.tensor([0.5, 0.49, 0.95, 0.94, -0.5, 1.0])
    e = evidence(r).tolist()
    assert e[0] == pytest.approx(-np.log(0.75))
    assert e[2] - e[3] > 3 * (e[0] - e[1])
    assert e[4] == 0.0  # pixels that disagree prove nothing
    assert e[5] == pytest.approx(-np.log(1 - CLOSEST**2), rel=1e-4)


def test_the_unfitted_ranker_adds_pixels_to_the_head() -> None:
    features = torch.zeros(2, len(FEATURES))
    features[0, 0], features[1, 2] = 1.0, 1.0
    assert Ranker()(features).tolist() == [1.0, 8.0]
