"""The head: nothing it says depends on how much a piece was turned or where it lies."""

import pytest
import torch

from heatmap_locator.model.head import CHANNELS, SLOPE_GAIN, CenterHead

ROTATIONS = 16


@pytest.fixture(scope="module")
def head() -> CenterHead:
    """With a last layer that says something: a fresh one's is zero."""
    torch.manual_seed(0)
    made = CenterHead(ROTATIONS, "timm-mobilenetv3_small_minimal_100", (16, 16, 16)).eval()
    torch.nn.init.normal_(made.fuse[-1].weight, std=0.1)
    return made


def volumes(height: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, ROTATIONS, height, width)
    return torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)


@pytest.mark.parametrize("steps", [1, 4, 15])
@torch.no_grad()
def test_rolling_the_rotations_moves_only_the_best(head: CenterHead, steps: int) -> None:
    feature, pixel = volumes(16, 24)
    plain = head(feature, pixel)
    rolled = head(feature.roll(steps, 1), pixel.roll(steps, 1))
    for name in ("heat", "offset", "rotation"):
        torch.testing.assert_close(getattr(rolled, name), getattr(plain, name))
    assert torch.equal(rolled.best, (plain.best + steps) % ROTATIONS)


@torch.no_grad()
def test_mirroring_the_rotations_is_not_a_symmetry(head: CenterHead) -> None:
    feature, pixel = volumes(16, 16)
    flipped = head(feature.flip(1), pixel.flip(1))
    assert (flipped.rotation - head(feature, pixel).rotation).abs().max() > 1e-4


@torch.no_grad()
def test_shifting_by_eight_cells_shifts_the_maps(head: CenterHead) -> None:
    feature, pixel = (0.2 * v for v in volumes(96, 104))
    feature[..., 40:44, 44:48] += 0.5  # the highest peak lies in both views
    here = head(feature[..., :96], pixel[..., :96])
    moved = head(feature[..., 8:], pixel[..., 8:])
    inner = slice(40, 56)
    for name in ("heat", "offset", "rotation"):
        first = getattr(here, name)[..., inner, 40:56]
        second = getattr(moved, name)[..., inner, 32:48]
        torch.testing.assert_close(second, first, atol=2e-3, rtol=0)
    assert here.heat[..., inner, 40:56].std() > 0.05


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 23), (3, 50)])
@torch.no_grad()
def test_maps_have_the_volume_s_size(head: CenterHead, height: int, width: int) -> None:
    maps = head(*volumes(height, width))
    sizes = {"heat": 1, "offset": 2, "rotation": 2}
    for name, channels in sizes.items():
        values = getattr(maps, name)
        assert values.shape == (2, channels, height, width)
        assert values.isfinite().all()
    assert maps.best.shape == (2, height, width)


@torch.no_grad()
def test_observation_by_hand(head: CenterHead) -> None:
    feature, pixel = volumes(5, 6)
    x, readout, best, index = head.observe(feature, pixel)
    assert x.shape == (2, CHANNELS, 5, 6)
    combined = head.combine(feature, pixel)
    r = int(index[1, 2, 3])
    column = combined[1, :, 2, 3]
    assert best[1, 2, 3] == column.max() == column[r]
    # neighbours -2..2 of both volumes: the best as it is, the others by their difference from it
    around = [(r + d) % ROTATIONS for d in (-2, -1, 0, 1, 2)]
    for volume, first in ((feature, 0), (pixel, 5)):
        near = volume[1, around, 2, 3]
        wanted = torch.where(torch.arange(5) == 2, near, (near - near[2]) * SLOPE_GAIN)
        torch.testing.assert_close(x[1, first : first + 5, 2, 3], wanted)
    for quarter in (1, 2, 3):
        turned = [(r + quarter * 4 + d) % ROTATIONS for d in (-1, 0, 1)]
        wanted = (column[turned].max() - column[r]) / 10
        torch.testing.assert_close(x[1, 9 + quarter, 2, 3], wanted)
    others = [i for i in range(ROTATIONS) if i not in around]
    torch.testing.assert_close(x[1, 13, 2, 3], (column[others].max() - column[r]) / 10)
    torch.testing.assert_close(x[1, 14, 2, 3], (column[r] - best[1].max()) / 10)
    torch.testing.assert_close(x[1, 15, 2, 3], column[r] / 10)
    torch.testing.assert_close(x[:, 16:], readout)


@pytest.mark.parametrize(
    ("x", "y", "turn"), [(0.0, 0.0, 0.0), (0.3, -0.2, 0.4), (-0.45, 0.1, -0.25)]
)
def test_parabolas_find_the_top_between_the_samples(
    head: CenterHead, x: float, y: float, turn: float
) -> None:
    """A volume that is a paraboloid about (4 + x, 3 + y, 5 + turn) is read without training."""
    steps = torch.arange(ROTATIONS) - 5 - turn
    rows, cols = torch.arange(8) - 3 - y, torch.arange(9) - 4 - x
    volume = (
        0.9
        - 0.02 * steps.square()[:, None, None]
        - 0.02 * rows.square()[:, None]
        - 0.02 * cols.square()
    )[None]
    index = head.combine(volume, volume).argmax(1)
    assert index[0, 3, 4] == 5
    combined = head.combine(volume, volume)
    beside = torch.stack([combined.gather(1, (index + d)[:, None])[:, 0] for d in (-1, 0, 1)], 1)
    shift, turned = head.interpolate(volume, beside, index)
    torch.testing.assert_close(shift[0, :, 3, 4], torch.tensor([x, y]), atol=1e-3, rtol=0)
    torch.testing.assert_close(turned[0, 3, 4], torch.tensor(turn), atol=1e-3, rtol=0)


@torch.no_grad()
def test_a_fresh_head_reads_the_best_correlation() -> None:
    fresh = CenterHead(ROTATIONS, "timm-mobilenetv3_small_minimal_100", (16, 16, 16)).eval()
    feature, pixel = volumes(8, 8)
    maps = fresh(feature, pixel)
    best = fresh.combine(feature, pixel).amax(1, keepdim=True)
    torch.testing.assert_close(maps.heat, fresh.readout[0] * best + fresh.readout[1])
    _, readout, _, _ = fresh.observe(feature, pixel)
    torch.testing.assert_close(maps.offset, readout[:, :2])
    torch.testing.assert_close(maps.rotation, readout[:, 2:])
    assert maps.offset.min() >= 0
    assert maps.offset.max() <= 1


def test_gain_turns_half_a_step_into_45_degrees(head: CenterHead) -> None:
    assert 360 / ROTATIONS / 2 * head.rotation_gain == 45


@pytest.mark.parametrize("rotations", [12, 18, 0])
def test_a_bank_without_quarter_turns_is_refused(rotations: int) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        CenterHead(rotations, "timm-mobilenetv3_small_minimal_100", (16, 16, 16))
