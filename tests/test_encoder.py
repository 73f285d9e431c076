"""The shared encoder: length, size, independence of neighbours, no download."""

import socket
from typing import NoReturn

import pytest
import torch

from heatmap_locator.model import network
from heatmap_locator.model.encoder import Encoder, local_contrast
from heatmap_locator.model.network import HeatmapLocator, ModelConfig


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder("resnet18", 12).eval()


def images(n: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("height", "width"), [(60, 60), (64, 100), (4, 8)])
@torch.no_grad()
def test_features_have_unit_length_at_stride_4(encoder: Encoder, height: int, width: int) -> None:
    found = encoder(images(2, height, width))
    assert found.shape == (2, 12, height // 4, width // 4)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2, height // 4, width // 4))


@torch.no_grad()
def test_with_a_floor_features_keep_their_direction_and_weak_ones_are_shorter(
    encoder: Encoder,
) -> None:
    floored = Encoder("resnet18", 12, floor=1.5).eval()
    floored.load_state_dict(encoder.state_dict())
    one = images(1, 64, 100)
    unit, found = encoder(one), floored(one)
    length = found.norm(dim=1, keepdim=True)
    assert length.max() < 1
    torch.testing.assert_close(found, unit * length)
    # Half of what is seen: shorter wherever there is less.
    floored.project.weight *= 0.5
    floored.project.bias *= 0.5  # type: ignore[operator]
    assert (floored(one).norm(dim=1) < length[:, 0]).all()


@pytest.mark.parametrize("training", [False, True])
@torch.no_grad()
def test_an_image_is_encoded_the_same_in_any_company(encoder: Encoder, training: bool) -> None:
    encoder.train(training)
    try:
        one, others = images(1, 60, 60), 100 * images(3, 60, 60, seed=1)
        alone = encoder(one)
        among = encoder(torch.cat([others, one]))[3:]
    finally:
        encoder.eval()
    torch.testing.assert_close(among, alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_training_and_evaluation_agree(encoder: Encoder) -> None:
    one = images(1, 60, 60)
    wanted = encoder(one)
    trained = encoder.train()(one)
    encoder.eval()
    assert torch.equal(trained, wanted)


@torch.no_grad()
def test_four_pixels_are_one_cell(encoder: Encoder) -> None:
    wide = images(1, 160, 168)
    here, moved = encoder(wide[..., :160]), encoder(wide[..., 4:164])
    inner = slice(14, -14)
    torch.testing.assert_close(
        moved[..., inner, inner], here[..., inner, 15:-13], atol=1e-4, rtol=0
    )
    assert (moved - here)[..., inner, inner].abs().max() > 0.01


@torch.no_grad()
def test_contrast_does_not_see_outside_the_mask(encoder: Encoder) -> None:
    image, mask = images(1, 60, 60), torch.zeros(1, 1, 60, 60)
    mask[..., 12:44, 16:50] = 1
    changed = torch.where(mask > 0, image, 1 - image)
    first, second = (local_contrast(x, mask, encoder.kernel) for x in (image, changed))
    assert torch.equal(first, second)
    assert first[mask.expand_as(first) == 0].abs().max() == 0
    assert first.abs().max() > 1


@torch.no_grad()
def test_contrast_ignores_gain_and_offset_of_each_channel(encoder: Encoder) -> None:
    image, mask = images(1, 64, 64), torch.ones(1, 1, 64, 64)
    gain = torch.tensor([0.6, 1.0, 1.5]).view(1, 3, 1, 1)
    before = local_contrast(image, mask, encoder.kernel)
    after = local_contrast(image * gain + 0.2, mask, encoder.kernel)
    assert (before - after).abs().mean() < 0.05 * before.abs().mean()


@pytest.mark.parametrize("height", [256, 300, 512, 516])
@torch.no_grad()
def test_a_large_picture_in_strips_is_encoded_the_same(
    height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = HeatmapLocator(ModelConfig()).eval()
    picture = images(1, height, 64)
    whole = model.encode_picture(picture).features
    monkeypatch.setattr(network, "STRIP_PIXELS", 64 * 100)
    seen = list[int]()
    model.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[2]))
    strips = model.encode_picture(picture).features
    assert len(seen) == -(-height // 256)
    assert max(seen) <= 256 + 2 * network.STRIP_HALO
    torch.testing.assert_close(strips, whole, atol=1e-5, rtol=0)


def test_building_downloads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        raise AssertionError("tried to reach the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    from heatmap_locator.model.network import HeatmapLocator, ModelConfig

    model = HeatmapLocator(ModelConfig(features=4, rotations=16, head_decoder=(4, 4, 4)))
    assert sum(p.numel() for p in model.parameters()) > 0


def test_no_batch_statistics_anywhere() -> None:
    from heatmap_locator.model.network import HeatmapLocator, ModelConfig

    model = HeatmapLocator(ModelConfig(features=4, rotations=16, head_decoder=(4, 4, 4)))
    kinds = {type(m).__name__ for m in model.modules()}
    assert not {k for k in kinds if "BatchNorm" in k}
    assert "ChannelNorm" in kinds
