"""Encoders of segmentation-models-pytorch by their names: stripped, loaded, and missed."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from heatmap_locator.command.cli import main
from heatmap_locator.errors import InputError, MissingPackageError, WeightsError
from heatmap_locator.model.backbones import backbone
from heatmap_locator.model.files import load_model, save_model
from heatmap_locator.model.network import HeatmapLocator, ModelConfig
from heatmap_locator.model.unet import unet

needs_smp = pytest.mark.skipif(
    importlib.util.find_spec("segmentation_models_pytorch") is None,
    reason="needs segmentation-models-pytorch: pip install '.[encoders]'",
)
# A plain one, two whose later stages run for nothing, one that goes through its own lists, one
# without a map at stride 2, one with a map at stride 1, and one of attention.
NAMES = (
    "resnet50",
    "timm-efficientnet-b0",
    "tu-mobilenetv3_small_100",
    "tu-hrnet_w18_small",
    "tu-convnext_atto",
    "vgg11_bn",
    "mit_b0",
)


def names_without_gradient(module: nn.Module, output: Tensor) -> list[str]:
    output.sum().backward()
    return [name for name, parameter in module.named_parameters() if parameter.grad is None]


@pytest.mark.slow
@needs_smp
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_built_that_gets_no_gradient(name: str) -> None:
    encoder = backbone(name, 6, 2)
    found = encoder(torch.rand(2, 6, 96, 64))[-1]
    assert found.shape == (2, encoder.out_channels[2], 24, 16)  # type: ignore[index]
    assert names_without_gradient(encoder, found) == []
    whole = unet(name, 20, (8, 8, 8), 4)
    found = whole(torch.rand(2, 20, 96, 64))
    assert found.shape == (2, 4, 96, 64)
    assert names_without_gradient(whole, found) == []


@needs_smp
@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_an_older_file_s_unused_tensors_are_dropped_and_no_others() -> None:
    import segmentation_models_pytorch as smp

    from heatmap_locator.model.zoo import replace_batch_norm

    name = "tu-mobilenetv3_small_100"
    whole = smp.encoders.get_encoder(name, in_channels=6, depth=2, weights=None)
    replace_batch_norm(whole)
    stripped = backbone(name, 6, 2)
    state = whole.state_dict()
    assert len(stripped.state_dict()) < len(state)
    stripped.load_state_dict(state)
    image = torch.rand(1, 6, 64, 64)
    assert torch.equal(stripped.eval()(image)[-1], whole.eval()(image)[-1])
    with pytest.raises(RuntimeError, match="Unexpected"):
        stripped.load_state_dict(state | {"model.blocks.9.x": torch.ones(1)})


@needs_smp
@pytest.mark.filterwarnings("ignore")
def test_a_model_with_another_encoder_survives_its_file(tmp_path: Path) -> None:
    config = ModelConfig("timm-efficientnet-b0", 4, 16, "resnet50", (4, 4, 4))
    model = HeatmapLocator(config).eval()
    path = tmp_path / "weights.safetensors"
    save_model(model, path, {})
    loaded, _ = load_model(path)
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(loaded.encode_picture(image).features, model.encode_picture(image).features)


@needs_smp
@pytest.mark.parametrize("name", ["nonesuch", "tu-nonesuch", "tu-swin_tiny_patch4_window7_224"])
def test_a_name_that_cannot_be_used_is_one_line(name: str) -> None:
    with pytest.raises(InputError, match=f"^encoder '{name}': [^\n]*; name another") as caught:
        backbone(name, 6, 2)
    assert "\n" not in str(caught.value)


@pytest.fixture
def without_smp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)


@pytest.mark.usefixtures("without_smp")
def test_without_smp_the_error_says_what_to_install() -> None:
    wanted = r"resnet50.*pip install 'heatmap-locator\[encoders\]'"
    with pytest.raises(MissingPackageError, match=wanted):
        backbone("resnet50", 6, 2)
    with pytest.raises(MissingPackageError, match=wanted):
        unet("resnet50", 6, (8, 8, 8), 4)


@pytest.mark.usefixtures("without_smp")
def test_without_smp_a_file_of_another_encoder_names_itself_and_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights.safetensors"
    config = ModelConfig(features=4, rotations=16, head_decoder=(4, 4, 4))
    save_model(HeatmapLocator(config), path, {})
    metadata = {"format": "heatmap-locator/1", "config": json.dumps({"encoder": "resnet50"})}
    save_file(load_file(path), path, metadata)
    with pytest.raises(WeightsError, match=r"weights.safetensors: .*\[encoders\]'$"):
        load_model(path)
    status = main(["examples/piece1.jpg", "examples/puzzle.jpg", "--weights", str(path)])
    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line
    assert "pip install 'heatmap-locator[encoders]'" in line
