"""The networks built here: the same parameters and outputs as segmentation-models-pytorch's, and
nothing in them that does not learn."""

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from heatmap_locator.model.backbones import MOBILENET, MobileNetV3, ResNet, backbone
from heatmap_locator.model.encoder import Encoder
from heatmap_locator.model.files import load_model
from heatmap_locator.model.head import CHANNELS, CONTEXT, CenterHead
from heatmap_locator.model.network import HeatmapLocator, ModelConfig
from heatmap_locator.model.unet import UNet, unet
from heatmap_locator.outline.network import OutlineConfig, OutlineNet

needs_smp = pytest.mark.skipif(
    importlib.util.find_spec("segmentation_models_pytorch") is None,
    reason="compares with segmentation-models-pytorch: pip install '.[encoders]'",
)
DECODER = (64, 32, 16)


def images(channels: int, height: int, width: int) -> Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0))


def _last(features: Any) -> Tensor:
    found = features[-1] if isinstance(features, list) else features
    assert isinstance(found, Tensor)
    return found


def compare(theirs: nn.Module, ours: nn.Module, image: Tensor) -> None:
    """The same names in the same order, and the same outputs with random values."""
    state = {
        name: torch.randn(tensor.shape).abs() + 0.1 if tensor.is_floating_point() else tensor
        for name, tensor in theirs.state_dict().items()
    }
    assert list(ours.state_dict()) == list(state)
    theirs.load_state_dict(state)
    ours.load_state_dict(state)
    for training in (True, False):
        for kind in (torch.contiguous_format, torch.channels_last):
            theirs.train(training)
            ours.train(training)
            given = image.contiguous(memory_format=kind)
            wanted, found = _last(theirs(given)), _last(ours(given))
            assert wanted.std() > 0
            torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


@needs_smp
@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
@torch.no_grad()
def test_the_encoder_is_the_one_of_smp(name: str) -> None:
    import segmentation_models_pytorch as smp

    from heatmap_locator.model.zoo import replace_batch_norm

    theirs = smp.encoders.get_encoder(name, in_channels=6, depth=2, weights=None)
    for stage in ("layer2", "layer3", "layer4"):
        setattr(theirs, stage, nn.Identity())
    replace_batch_norm(theirs)
    compare(theirs, Encoder(name, 8).backbone, images(6, 60, 64))


@needs_smp
@pytest.mark.filterwarnings("ignore:`timm-` encoders")
@torch.no_grad()
def test_the_head_s_unet_is_the_one_of_smp() -> None:
    import segmentation_models_pytorch as smp

    from heatmap_locator.model.zoo import replace_batch_norm

    theirs = smp.Unet(
        encoder_name=MOBILENET,
        encoder_depth=3,
        encoder_weights=None,
        decoder_channels=DECODER,
        in_channels=CHANNELS,
        classes=CONTEXT,
    )
    replace_batch_norm(theirs)
    later = [k for k in theirs.state_dict() if "model.blocks." in k and k.split(".")[3] in "2345"]
    assert sum(theirs.state_dict()[k].numel() for k in later) == 418_680
    for stage in range(2, 6):  # they hold no names then, but run
        theirs.encoder.model.blocks[stage] = nn.Identity()
    compare(theirs, CenterHead(36, MOBILENET, DECODER).unet, images(CHANNELS, 56, 64))


@needs_smp
@torch.no_grad()
def test_the_outline_network_s_unet_is_the_one_of_smp() -> None:
    import segmentation_models_pytorch as smp

    config = OutlineConfig()
    theirs = smp.Unet(
        "tu-resnet18",
        encoder_weights=None,
        in_channels=12,
        classes=config.decoder[-1],
        decoder_channels=config.decoder,
        channels=config.channels,
        stem_width=config.channels[0],
    )
    compare(theirs, OutlineNet(config).unet, images(12, 64, 96))


def spread(module: nn.Module) -> dict[str, float]:
    """Deviation of every tensor of more than two axes, by its name."""
    return {k: float(v.std()) for k, v in module.state_dict().items() if v.ndim > 2}


@needs_smp
@pytest.mark.filterwarnings("ignore:`timm-` encoders")
def test_training_begins_as_spread_as_with_smp() -> None:
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    decoder = (64, 48, 32, 24, 16)
    pairs = [
        (
            smp.encoders.get_encoder("resnet34", in_channels=6, depth=3, weights=None),
            backbone("resnet34", 6, 3),
        ),
        (
            smp.Unet(MOBILENET, 3, None, decoder_channels=DECODER, in_channels=20, classes=16),
            unet(MOBILENET, 20, DECODER, 16),
        ),
        (
            smp.Unet("tu-resnet18", 5, None, decoder_channels=decoder, in_channels=12, classes=16),
            OutlineNet(OutlineConfig(channels=(64, 128, 256, 512))).unet,
        ),
    ]
    for theirs, ours in pairs:
        wanted, found = spread(theirs), spread(ours)
        for name in found:
            assert found[name] == pytest.approx(wanted[name], rel=0.35, abs=1e-9), name
    first, second = (unet.state_dict() for unet in pairs[2])
    for name in second:
        if ".bn2.weight" in name:
            assert torch.equal(first[name], second[name]), name


def without_gradient(module: nn.Module, run: Callable[[], Tensor]) -> list[str]:
    """Names of parameters that a change of the output does not reach."""
    with torch.no_grad():
        for parameter in module.parameters():  # what begins at zero hides what comes before it
            if not parameter.any():
                parameter.normal_()
    run().backward()
    return [k for k, p in module.named_parameters() if p.grad is None or not p.grad.any()]


@pytest.mark.parametrize(
    ("encoder", "head_encoder"),
    [("resnet18", MOBILENET), ("resnet34", "resnet18"), (MOBILENET, "resnet34")],
)
def test_every_parameter_of_the_locator_learns(encoder: str, head_encoder: str) -> None:
    torch.manual_seed(0)
    config = ModelConfig(encoder, 4, 16, head_encoder, (8, 8, 8))
    model = HeatmapLocator(config)

    def run() -> Tensor:
        picture = model.encode_picture(images(3, 96, 96))
        pieces = model.encode_pieces(torch.rand(2, 16, 3, 60, 60), torch.ones(2, 16, 1, 60, 60))
        maps = model.head(*model.correlate(picture, pieces))
        weighed = model.ranker(torch.rand(3, 9)).sum()
        return weighed + (maps.heat * torch.randn_like(maps.heat)).sum()

    assert without_gradient(model, run) == []


def test_every_parameter_of_the_outline_network_learns() -> None:
    torch.manual_seed(0)
    net = OutlineNet(OutlineConfig(channels=(8, 8, 8, 8), decoder=(8, 8, 8, 8, 8), fused=8))
    assert without_gradient(net, lambda: (net(images(3, 128, 128)) ** 2).sum()) == []


def test_the_shipped_model_holds_nothing_that_never_runs() -> None:
    model, _ = load_model()
    # Of 0.1.0's, later stages of the U-Net's encoder and outputs for size, offset and rotation.
    first_stage = 738_908 - 418_680 - 6 * 49
    # Four members, each with the logit of "none of these", by which they were trained.
    assert sum(p.numel() for p in model.parameters()) == first_stage + 4 * 10_275


def test_stages_that_never_ran_are_dropped_and_nothing_else() -> None:
    torch.manual_seed(0)
    net = MobileNetV3(4, 3)
    state = net.state_dict()
    old = state | {f"blocks.{stage}.0.conv_pw.weight": torch.ones(2) for stage in range(2, 6)}
    net.load_state_dict(old)
    assert len(old) == len(state) + 4  # the caller's is as it was
    for name in ("blocks.1.2.conv_pw.weight", "blocks.6.0.conv_pw.weight", "blocks.20.x", "head"):
        with pytest.raises(RuntimeError, match="Unexpected"):
            net.load_state_dict(state | {name: torch.ones(2)})
    with pytest.raises(RuntimeError, match="Missing"):
        net.load_state_dict({k: v for k, v in state.items() if not k.startswith("blocks.1.")})


def test_maps_are_halved_and_have_the_channels_that_are_named() -> None:
    for net in (ResNet(3, (1, 1, 1)), MobileNetV3(3, 3)):
        found = net(images(3, 64, 96))
        assert tuple(f.shape[1] for f in found) == net.out_channels
        sizes = [tuple(f.shape[-2:]) for f in found]
        assert sizes[:4] == [(64, 96), (32, 48), (16, 24), (8, 12)]


def test_a_decoder_of_another_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="not 2"):
        UNet(ResNet(3, (1, 1)), (8, 8), 1, nn.BatchNorm2d)
    with pytest.raises(ValueError, match="3 blocks, not 2"):
        CenterHead(16, MOBILENET, (8, 8))
