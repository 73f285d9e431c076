"""Masked normalised correlation against a loop that computes it by its definition."""

import numpy as np
import pytest
import torch

from heatmap_locator.model import correlation, correlation_around
from heatmap_locator.model.correlation import (
    correlate,
    masked_ncc,
)
from heatmap_locator.model.correlation_around import Framed, masked_ncc_around

NOISE = 0.3


def by_definition(
    field: np.ndarray, template: np.ndarray, mask: np.ndarray, noise: float
) -> np.ndarray:
    """One (C, H, W) field, one (C, k, k) template; the window's divisor from every second place."""
    k = mask.shape[-1]
    _, height, width = field.shape
    rows, cols = (height, width) if k % 2 else (height + 1, width + 1)
    padded = np.pad(field, ((0, 0), (k // 2, k // 2 + 1), (k // 2, k // 2 + 1)))
    count = mask.sum()
    centred = template - (template * mask).sum((1, 2), keepdims=True) / count
    numerator = np.zeros((rows + 1, cols + 1))
    energy = np.zeros((rows + 1, cols + 1))
    for y in range(rows + 1 - rows % 2):
        for x in range(cols + 1 - cols % 2):
            window = padded[:, y : y + k, x : x + k]
            numerator[y, x] = (window * centred * mask).sum()
            mean = (window * mask).sum((1, 2), keepdims=True) / count
            energy[y, x] = ((window - mean) ** 2 * mask).sum()
    own = (centred**2 * mask).sum()
    floor = noise * count
    over = 1 / np.sqrt(energy + floor)
    over[1:-1:2] = (over[0:-2:2] + over[2::2]) / 2
    over[:, 1:-1:2] = (over[:, 0:-2:2] + over[:, 2::2]) / 2
    result: np.ndarray = numerator * over / np.sqrt(own + floor)
    return result[:rows, :cols]


def make(
    k: int, height: int, width: int, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    field = torch.randn(2, 3, height, width, generator=generator)
    templates = torch.randn(2, 4, 3, k, k, generator=generator)
    masks = torch.rand(2, 4, 1, k, k, generator=generator)
    return field, templates, masks


@pytest.mark.parametrize("k", [4, 5])
@pytest.mark.parametrize(("height", "width"), [(11, 13), (12, 14), (11, 12), (8, 9)])
def test_equals_the_definition(k: int, height: int, width: int) -> None:
    field, templates, masks = make(k, height, width)
    found = masked_ncc(field, templates, masks, NOISE)
    grow = 1 - k % 2
    assert found.shape == (2, 4, height + grow, width + grow)
    for b in range(2):
        for r in range(4):
            wanted = by_definition(
                field[b].double().numpy(),
                templates[b, r].double().numpy(),
                masks[b, r].double().numpy(),
                NOISE,
            )
            np.testing.assert_allclose(found[b, r].numpy(), wanted, atol=2e-5)


@pytest.mark.parametrize("k", [4, 5])
def test_an_exact_paste_scores_one_and_no_place_scores_more(k: int) -> None:
    field = make(k, 20, 20)[0]
    # Even entries: there the window's energy is not interpolated.
    y, x = 8, 10
    top, left = y - k // 2, x - k // 2
    templates = field[:, None, :, top : top + k, left : left + k]
    found = masked_ncc(field, templates, torch.ones(2, 1, 1, k, k), 1e-6)
    np.testing.assert_allclose(found[:, 0, y, x].numpy(), 1, atol=1e-4)
    assert (found.flatten(1).argmax(1) == y * found.shape[-1] + x).all()


def test_offsets_of_channels_and_a_common_gain_change_nothing() -> None:
    field, templates, masks = make(5, 16, 16)
    shift = torch.tensor([3.0, -1.0, 0.5]).view(3, 1, 1)
    plain = masked_ncc(field, templates, masks, 1e-9)
    inner = (..., slice(2, -2), slice(2, -2))  # beyond the edge counts as zero, not as the offset
    # Odd places near the border take part of their energy from beyond it.
    deeper = (..., slice(4, -4), slice(4, -4))
    moved = masked_ncc(4 * field + shift, templates, masks, 1e-9)
    torch.testing.assert_close(moved[deeper], plain[deeper], atol=1e-4, rtol=0)
    retouched = masked_ncc(field, 4 * templates + shift, masks, 1e-9)
    torch.testing.assert_close(retouched[inner], plain[inner], atol=1e-4, rtol=0)


def test_what_the_mask_leaves_out_has_no_part() -> None:
    field, templates, masks = make(5, 12, 12)
    masks[..., :2, :] = 0
    changed = templates.clone()
    changed[..., :2, :] = 100
    torch.testing.assert_close(
        masked_ncc(field, changed, masks, NOISE), masked_ncc(field, templates, masks, NOISE)
    )


def test_a_flat_window_is_no_match() -> None:
    _, templates, masks = make(5, 16, 16)
    field = torch.full((2, 3, 16, 16), 0.7)
    inner = masked_ncc(field, templates, masks, 1e-3)[..., 4:-4, 4:-4]
    assert inner.abs().max() < 1e-3


def test_noise_holds_back_a_faint_window() -> None:
    template = make(5, 16, 16)[1][:1, :1]
    field = torch.zeros(1, 3, 16, 16)
    field[..., 6:11, 6:11] = 0.01 * template[0, 0]
    found = masked_ncc(field, template, torch.ones(1, 1, 1, 5, 5), NOISE)
    assert 0 < found[0, 0, 8, 8] < 0.2


@pytest.mark.parametrize("empty", ["field", "templates", "masks"])
def test_empty_input_gives_zeros_and_finite_gradients(empty: str) -> None:
    field, templates, masks = make(4, 10, 10)
    {"field": field, "templates": templates, "masks": masks}[empty].zero_()
    field.requires_grad_()
    templates.requires_grad_()
    found = masked_ncc(field, templates, masks, 1e-3)
    found.sum().backward()
    assert found.detach().abs().max() < 1e-5
    assert field.grad is not None
    assert templates.grad is not None
    assert field.grad.isfinite().all()
    assert templates.grad.isfinite().all()


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_gradients_of_correlate(k: int) -> None:
    generator = torch.Generator().manual_seed(k)
    field = torch.randn(2, 2, 6, 7, dtype=torch.double, generator=generator, requires_grad=True)
    kernels = torch.randn(
        2, 3, 2, k, k, dtype=torch.double, generator=generator, requires_grad=True
    )
    assert torch.autograd.gradcheck(correlate, (field, kernels))


def test_autocast_stays_near_and_gives_float32() -> None:
    field, templates, masks = make(5, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        low = masked_ncc(field, templates, masks, NOISE)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, masked_ncc(field, templates, masks, NOISE), atol=0.02, rtol=0)


def by_every_place(field: torch.Tensor, templates: torch.Tensor, masks: torch.Tensor) -> np.ndarray:
    """Exact correlation, energies included, of a field padded by the template's side."""
    k = templates.shape[-1]
    padded = np.pad(field.numpy(), ((0, 0), (k, k), (k, k))).astype(np.float64)
    rows, cols = padded.shape[1] - k + 1, padded.shape[2] - k + 1
    result = np.zeros((len(templates), rows, cols))
    pairs = zip(templates.double().numpy(), masks.double().numpy(), strict=True)
    for r, (template, mask) in enumerate(pairs):
        count = mask.sum()
        centred = template - (template * mask).sum((1, 2), keepdims=True) / count
        own = (centred**2 * mask).sum()
        for y in range(rows):
            for x in range(cols):
                window = padded[:, y : y + k, x : x + k]
                mean = (window * mask).sum((1, 2), keepdims=True) / count
                energy = ((window - mean) ** 2 * mask).sum()
                top = (window * centred * mask).sum()
                result[r, y, x] = top / np.sqrt((own + NOISE * count) * (energy + NOISE * count))
    return result


@pytest.mark.parametrize("together", [1, 2**23])
def test_around_places_every_template_is_its_own(
    together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlation_around, "AROUND_BYTES", {"cpu": together})
    generator = torch.Generator().manual_seed(4)
    field = torch.randn(2, 15, 17, generator=generator)
    templates = torch.randn(4, 2, 2, 5, 5, generator=generator)
    masks = torch.rand(4, 2, 1, 5, 5, generator=generator)
    corners = torch.tensor([[3, 4], [-2, 9], [8, -1], [-9, 40]])
    which = torch.tensor([[0, 1], [3, 0], [2, 2], [0, 1]])
    found = masked_ncc_around(Framed.of(field, 7), templates, masks, NOISE, corners, 3, which)
    assert found.shape == (4, 4, 3, 3)
    assert (found[3] == 0).all()  # far outside
    for m, (row, col) in enumerate(corners[:3].tolist()):
        own, covers = (t[which[m]].flatten(0, 1) for t in (templates, masks))
        wanted = by_every_place(field, own, covers)
        np.testing.assert_allclose(
            found[m], wanted[:, row + 5 : row + 8, col + 5 : col + 8], atol=1e-5
        )


@pytest.mark.parametrize("by_fft", [False, True])
def test_one_picture_for_all_pieces_is_as_one_for_each(
    by_fft: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlation, "by_fft", lambda device: by_fft)
    generator = torch.Generator().manual_seed(6)
    field = torch.randn(1, 2, 20, 23, generator=generator)
    templates = torch.randn(3, 6, 2, 5, 5, generator=generator)
    masks = torch.rand(3, 6, 1, 5, 5, generator=generator)
    shared = masked_ncc(field.expand(3, -1, -1, -1), templates, masks, NOISE, 3)
    each = masked_ncc(field.repeat(3, 1, 1, 1), templates, masks, NOISE, 3)
    torch.testing.assert_close(shared, each, atol=1e-5, rtol=0)


def test_energies_of_every_third_turn_change_little() -> None:
    generator = torch.Generator().manual_seed(5)
    field = torch.nn.functional.avg_pool2d(
        torch.randn(1, 3, 64, 64, generator=generator), 5, 1, padding=2
    )
    angles = torch.arange(12) * (2 * np.pi / 12)
    ys, xs = torch.meshgrid(torch.arange(9.0) - 4, torch.arange(9.0) - 4, indexing="ij")
    along = xs * angles.cos().view(-1, 1, 1) + ys * angles.sin().view(-1, 1, 1)
    masks = torch.sigmoid(3 * (3 - along.abs()))[None, :, None]  # a turning bar
    templates = torch.randn(1, 12, 3, 9, 9, generator=generator)
    exact = masked_ncc(field, templates, masks, NOISE)
    quick = masked_ncc(field, templates, masks, NOISE, energy_every=3)
    assert quick.shape == exact.shape
    np.testing.assert_allclose(quick[:, ::3], exact[:, ::3], atol=1e-6)
    assert float((quick - exact).abs().max()) < 0.05 * float(exact.abs().max())
