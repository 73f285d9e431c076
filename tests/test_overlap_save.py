"""Correlation by FFT in tiles against convolution in double precision."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F

from heatmap_locator.model import correlation, overlap_save, tiling
from heatmap_locator.model.correlation import correlate, masked_ncc
from heatmap_locator.model.overlap_save import PictureTiles, window_energies
from heatmap_locator.model.plain_correlation import OverlapSave
from heatmap_locator.model.tiling import Tiling, chunks, cut, join, plan

NOISE = 0.3
SIZES = [(1, 1), (3, 2), (6, 7), (20, 33), (90, 71)]


@pytest.fixture(params=["own tiles", "small tiles"])
def tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both what is planned and, for small pictures too, many tiles in as many chunks."""
    if request.param == "small tiles":
        monkeypatch.setattr(tiling, "SIDES", {20: 1.0, 24: 1.0, 32: 1.0})
        monkeypatch.setattr(tiling, "CHUNK_BYTES", 1)
    plan.cache_clear()
    yield
    plan.cache_clear()


def make(
    channels: int, size: tuple[int, int], k: int, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(k)
    field = torch.randn(channels, *size, generator=generator, dtype=torch.float64)
    kernels = torch.randn(3, channels, k, k, generator=generator, dtype=torch.float64)
    return field.to(dtype), kernels.to(dtype)


def convolved(field: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    return F.conv2d(field[None], kernels, padding=kernels.shape[-1] // 2)[0]


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("channels", [3, 6])
@pytest.mark.parametrize("k", [1, 2, 5, 8, 13, 18])
@pytest.mark.parametrize("size", SIZES)
def test_equals_convolution(channels: int, k: int, size: tuple[int, int]) -> None:
    field, kernels = make(channels, size, k)
    wanted = convolved(field, kernels)
    found = OverlapSave.apply(field, kernels)
    torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0)
    single = OverlapSave.apply(field.float(), kernels.float())
    assert single.dtype == torch.float32
    assert float((single - wanted).abs().max()) <= 1e-5 * max(1.0, float(wanted.abs().max()))


@pytest.mark.parametrize(("channels", "k"), [(3, 26), (3, 27), (32, 13), (32, 12)])
def test_single_precision_stays_within_a_hundred_thousandth(channels: int, k: int) -> None:
    field, kernels = make(channels, (131, 150), k, torch.float32)
    wanted = convolved(field.double(), kernels.double())
    worst = (OverlapSave.apply(field, kernels) - wanted).abs().max()
    assert float(worst) <= 1e-5 * float(wanted.abs().max())


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("channels", [2, 5])
@pytest.mark.parametrize("k", [2, 3, 6])
@pytest.mark.parametrize("size", [(2, 3), (6, 7), (12, 5)])
def test_gradients_are_the_derivatives(channels: int, k: int, size: tuple[int, int]) -> None:
    field, kernels = (t.requires_grad_() for t in make(channels, size, k))
    assert torch.autograd.gradcheck(OverlapSave.apply, (field, kernels))


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("channels", [2, 5])
@pytest.mark.parametrize("k", [9, 12])
def test_gradients_equal_those_of_convolution(channels: int, k: int) -> None:
    field, kernels = (t.requires_grad_() for t in make(channels, (53, 70), k))
    wanted = convolved(field, kernels)
    grad = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1)).double()
    for one, other in zip(
        torch.autograd.grad(OverlapSave.apply(field, kernels), (field, kernels), grad),
        torch.autograd.grad(wanted, (field, kernels), grad),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=0)


@pytest.mark.parametrize("which", [0, 1])
def test_only_the_gradient_that_is_asked_for(which: int) -> None:
    both = list(make(5, (12, 13), 4))
    both[which].requires_grad_()
    OverlapSave.apply(*both).sum().backward()
    assert both[which].grad is not None
    assert both[1 - which].grad is None


@pytest.mark.parametrize("k", [1, 5, 12, 13, 26, 30, 60])
@pytest.mark.parametrize("size", [(1, 1), (30, 41), (216, 296), (601, 840), (3000, 70)])
@pytest.mark.parametrize("channels", [3, 32])
def test_tiles_cover_every_position_once(k: int, size: tuple[int, int], channels: int) -> None:
    planned = plan(*size, k, channels)
    assert planned.kernel - k in (0, 2)
    for axis in (0, 1):
        step, count, positions = planned.step[axis], planned.count[axis], planned.size[axis]
        assert positions == size[axis] + 1 - k % 2
        assert step % 2 == 0
        assert (count - 1) * step < positions <= count * step
        # One position more than a step, as the next tile's first is needed beside the last.
        assert planned.tile[axis] >= step + planned.kernel
    assert planned.reach[0] >= size[0] + planned.kernel // 2


def test_sides_near_each_other_share_their_tiles() -> None:
    assert plan(432, 592, 24, 3) == plan(432, 592, 26, 3)
    assert plan(216, 296, 11, 32) == plan(216, 296, 13, 32)


def test_kernels_larger_than_any_tile_are_an_error() -> None:
    with pytest.raises(ValueError, match="side 600"):
        plan(1000, 1000, 600, 3)


def test_tiles_cut_and_joined_are_the_picture() -> None:
    field = torch.rand(2, 23, 31)
    one = Tiling(1, (23, 31), (16, 16), (8, 12), (3, 3))
    parts = cut(field, one)[..., :8, :12]
    torch.testing.assert_close(join(parts, one.count)[:, :23, :31], field)


def test_chunks_are_all_tiles_in_order() -> None:
    for numbers in (1, 10**5, 10**9):
        assert [i for some in chunks(7, numbers) for i in range(7)[some]] == list(range(7))


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("channels", [3, 6])
@pytest.mark.parametrize("k", [4, 5, 13, 14])
@pytest.mark.parametrize("size", [(7, 9), (30, 37), (64, 41)])
def test_window_energies_equal_their_definition(
    channels: int, k: int, size: tuple[int, int]
) -> None:
    field, _ = make(channels, size, k)
    masks = torch.rand(3, k, k, generator=torch.Generator().manual_seed(2)).double()
    weight = masks.sum((1, 2)).view(3, 1, 1, 1)
    picture = PictureTiles(field)
    planned = picture.plan(k)
    found = window_energies(picture, masks, weight, planned)
    padded = F.pad(field, (k // 2,) * 4)
    seen = padded.unfold(1, k, 2).unfold(2, k, 2)
    mean = torch.einsum("chwyx,ryx->rchw", seen, masks)
    square = torch.einsum("chwyx,ryx->rhw", seen.square(), masks)
    wanted = square - mean.square().sum(1) / weight[..., 0]
    inner = tuple(n // 2 for n in planned.step)
    whole = join(found[..., : inner[0], : inner[1]], planned.count)
    rows, columns = wanted.shape[1:]
    torch.testing.assert_close(whole[:, :rows, :columns], wanted, atol=1e-9, rtol=0)


def pieces(
    k: int, size: tuple[int, int] = (40, 47), channels: int = 3
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(k)
    field = torch.rand(2, channels, *size, generator=generator)
    templates = torch.rand(2, 6, channels, k, k, generator=generator)
    return field, templates, torch.rand(2, 6, 1, k, k, generator=generator)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("channels", [3, 6])
@pytest.mark.parametrize("k", [9, 12])
@pytest.mark.parametrize("every", [1, 3])
def test_ncc_is_the_same_by_convolution_and_with_a_graph(
    channels: int, k: int, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    field, templates, masks = pieces(k, channels=channels)
    found = masked_ncc(field, templates, masks, NOISE, every)
    graph = masked_ncc(field.requires_grad_(), templates, masks, NOISE, every)
    assert graph.requires_grad
    torch.testing.assert_close(found, graph.detach(), atol=1e-5, rtol=0)
    monkeypatch.setattr(correlation, "by_fft", lambda device: False)
    torch.testing.assert_close(
        found, masked_ncc(field.detach(), templates, masks, NOISE, every), atol=1e-5, rtol=0
    )


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("size", [(40, 46), (41, 47)])
@pytest.mark.parametrize("k", [9, 12])
def test_coarsened_is_the_highest_of_three_by_three(size: tuple[int, int], k: int) -> None:
    field, templates, masks = pieces(k, size)
    fine = masked_ncc(field, templates, masks, NOISE, 3)
    wanted = F.max_pool2d(fine, 3, 2)
    found = masked_ncc(field, templates, masks, NOISE, 3, coarsen=True)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    graph = masked_ncc(field.requires_grad_(), templates, masks, NOISE, 3, coarsen=True)
    torch.testing.assert_close(graph.detach(), wanted, atol=1e-5, rtol=0)


def test_every_picture_of_a_batch_is_its_own() -> None:
    field, templates, masks = pieces(12)
    both = masked_ncc(field, templates, masks, NOISE, 3)
    for i in range(2):
        one = slice(i, i + 1)
        alone = masked_ncc(field[one], templates[one], masks[one], NOISE, 3)
        torch.testing.assert_close(both[one], alone, atol=0, rtol=0)


@pytest.mark.parametrize("channels", [3, 6])
def test_kept_transforms_give_the_same_and_are_made_once(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, ...]] = []
    plain = overlap_save.forward

    def counted(images: torch.Tensor) -> torch.Tensor:
        made.append(tuple(images.shape))
        return plain(images)

    monkeypatch.setattr(overlap_save, "forward", counted)
    field = pieces(10, channels=channels)[0][:1]
    kept = PictureTiles(field[0])
    for k in (10, 8, 10, 7, 10):
        _, templates, masks = (t[:1] for t in pieces(k, channels=channels))
        wanted = masked_ncc(field, templates, masks, NOISE, 3)
        made.clear()
        found = masked_ncc(field, templates, masks, NOISE, 3, tiles=kept)
        torch.testing.assert_close(found, wanted, atol=0, rtol=0)
    assert made == []


def test_one_picture_serves_a_batch_of_pieces() -> None:
    field, templates, masks = pieces(12)
    same = field[:1].expand(2, -1, -1, -1)
    found = masked_ncc(same, templates, masks, NOISE, 3, tiles=PictureTiles(field[0]))
    wanted = masked_ncc(same, templates, masks, NOISE, 3)
    torch.testing.assert_close(found, wanted, atol=0, rtol=0)


def test_what_a_picture_keeps_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = PictureTiles(torch.rand(3, 60, 70))
    sides = (5, 10, 14, 18)
    for k in sides:
        picture.channels(picture.plan(k))
        picture.energies(picture.plan(k))
    everything = picture.kept_bytes
    limit = everything * 2 // 3
    monkeypatch.setattr(overlap_save, "KEPT_BYTES", limit)
    picture.channels(picture.plan(sides[-1]))
    assert 0 < picture.kept_bytes <= limit
    monkeypatch.setattr(overlap_save, "KEPT_BYTES", 0)
    last = picture.plan(sides[0])
    kept = picture.channels(last), picture.energies(last)
    assert picture.kept_bytes == sum(t.numel() * t.element_size() for t in kept)
    assert picture.channels(last) is kept[0]


def test_half_precision_around_it_changes_nothing() -> None:
    field, templates, masks = pieces(12, channels=6)
    plain = masked_ncc(field, templates, masks, NOISE, 3)
    graph = masked_ncc(field, templates.clone().requires_grad_(), masks, NOISE)
    with torch.autocast("cpu", torch.bfloat16):
        low = masked_ncc(field, templates, masks, NOISE, 3)
        leaf = templates.clone().requires_grad_()
        low_graph = masked_ncc(field, leaf, masks, NOISE)
        low_graph.sum().backward()
    torch.testing.assert_close(low, plain, atol=0, rtol=0)
    torch.testing.assert_close(low_graph, graph, atol=0, rtol=0)
    assert leaf.grad is not None
    assert leaf.grad.dtype == torch.float32


def test_a_cpu_convolves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one thread a large convolution takes half a minute there, which nothing interrupts."""

    def never(*args: object, **kwargs: object) -> torch.Tensor:
        raise AssertionError("a convolution with a large kernel")

    field, templates, masks = pieces(12)
    monkeypatch.setattr(F, "conv2d", never)
    masked_ncc(field, templates, masks, NOISE, 3, coarsen=True)
    field.requires_grad_()
    masked_ncc(field, templates.requires_grad_(), masks, NOISE).sum().backward()
    correlate(field, templates.detach())
