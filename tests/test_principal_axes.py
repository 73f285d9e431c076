"""Windows' energies along the principal axes of many channels."""

import pytest
import torch
import torch.nn.functional as F

from heatmap_locator.model import overlap_save
from heatmap_locator.model.overlap_save import PictureTiles, principal_axes, window_energies


def test_windows_means_are_taken_along_few_axes() -> None:
    """Of 32 channels whose means lie near a plane two are left, and energies are the same."""
    generator = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(32, 32, generator=generator))[0]
    slow = F.interpolate(torch.randn(1, 2, 6, 7, generator=generator), (90, 120), mode="bicubic")[0]
    quick = torch.randn(30, 90, 120, generator=generator)
    field = torch.einsum("cd,dhw->chw", axes, torch.cat([slow, 0.1 * quick]))
    k, picture = 13, PictureTiles(field)
    kept = principal_axes(field, k)
    assert len(kept) == 2
    torch.testing.assert_close(kept.square().sum(0), slow.square().sum(0), atol=0.02, rtol=0.02)
    masks = torch.rand(3, k, k, generator=generator)
    weight, planned = masks.sum((1, 2)).view(3, 1, 1, 1), picture.plan(k)
    found = window_energies(picture, masks, weight, planned)
    assert picture.energies(planned).shape[-1] == 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlap_save, "MANY_MEANS", 33)
        wanted = window_energies(PictureTiles(field), masks, weight, planned)
    inside = wanted > 0.1 * wanted.mean()
    assert ((found / wanted)[inside] - 1).abs().max() < 0.02


def test_axes_are_all_kept_where_little_is_known() -> None:
    generator = torch.Generator().manual_seed(0)
    field = torch.randn(32, 40, 40, generator=generator)
    assert principal_axes(field, 13) is field  # few windows
    few = field[:6]
    assert principal_axes(few, 3) is few
    assert principal_axes(field, 50) is field  # none
    broken = torch.randn(32, 200, 200, generator=generator)
    broken[0, 0, 0] = float("nan")
    assert principal_axes(broken, 5) is broken
    assert len(principal_axes(broken[:, 1:].contiguous(), 5)) > 24  # noise has no axes
