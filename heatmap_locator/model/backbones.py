"""Backbones: networks that turn an image into features at strides 2, 4, 8 and so on.

Those that the shipped weights need are built here, of plain torch, since the libraries that have
them take longer to import than an answer takes; parameters are named as there.  Any other comes
from segmentation-models-pytorch (``zoo.py``).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from heatmap_locator.model.norm import ChannelNorm
from heatmap_locator.steps import step

Norm = Callable[[int], nn.Module]

# He et al., "Deep Residual Learning for Image Recognition" (2015), table 1.
RESNET_STEM = 64
RESNET_CHANNELS = (64, 128, 256, 512)
RESNET_BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}
MOBILENET = "timm-mobilenetv3_small_minimal_100"


def draw_weights(module: nn.Module) -> None:
    """Every convolution's weights by what it leads to (He et al., "Delving Deep", 2015)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            fan_out = math.prod(part.kernel_size) * part.out_channels // part.groups
            nn.init.normal_(part.weight, 0, math.sqrt(2 / fan_out))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and what passes them by (He et al., 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = norm(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        passing = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.bn2(self.conv2(x))
        x += passing
        return F.relu(x, inplace=True)


class ResNet(nn.Module):
    """A ResNet of basic blocks (He et al., "Deep Residual Learning", 2016), without its end.

    Args:
        inputs: channels of the image.
        blocks: how many in each stage; a stage halves the resolution, the first apart.
        channels: of each stage.
        norm: makes the normalisation of so many channels.

    Attributes:
        out_channels: of the maps that ``forward`` returns.
    """

    def __init__(
        self,
        inputs: int,
        blocks: Sequence[int],
        channels: Sequence[int] = RESNET_CHANNELS,
        norm: Norm = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        channels = tuple(channels[: len(blocks)])
        self.out_channels = (inputs, RESNET_STEM, *channels)
        self.conv1 = nn.Conv2d(inputs, RESNET_STEM, 7, 2, 3, bias=False)
        self.bn1 = norm(RESNET_STEM)
        self.stages: list[str] = []
        before = RESNET_STEM
        for stage, (count, width) in enumerate(zip(blocks, channels, strict=True), 1):
            widths = (before, *[width] * (count - 1))
            strides = (2 if stage > 1 else 1, *[1] * (count - 1))
            layer = (BasicBlock(w, width, s, norm) for w, s in zip(widths, strides, strict=True))
            self.stages.append(f"layer{stage}")
            self.add_module(self.stages[-1], nn.Sequential(*layer))
            before = width
        draw_weights(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(N, inputs, H, W)``: itself, then the stem's and each stage's map, strides 2, 4, ..."""
        features = [x]
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        features.append(x)
        x = F.max_pool2d(x, 3, 2, 1)
        for stage in self.stages:
            step()
            x = self.get_submodule(stage)(x)
            features.append(x)
        return features


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow does: where that is odd, one more behind than before."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for axis in (1, 0):
            size, kernel, stride = x.shape[2 + axis], self.kernel_size[axis], self.stride[axis]
            total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


def _depthwise(channels: int, stride: int) -> nn.Conv2d:
    if stride == 1:
        return nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
    return SameConv2d(channels, channels, 3, stride, groups=channels, bias=False)


class SeparableBlock(nn.Module):
    """A depthwise convolution at half the resolution, then a pointwise one."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_dw = _depthwise(inputs, 2)
        self.bn1 = ChannelNorm(inputs)
        self.conv_pw = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn2 = ChannelNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn2(self.conv_pw(self.bn1(self.conv_dw(x))))


class InvertedResidual(nn.Module):
    """Wider, depthwise, narrow again (Sandler et al., "MobileNetV2", 2018)."""

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv_pw = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = ChannelNorm(inner)
        self.conv_dw = _depthwise(inner, stride)
        self.bn2 = ChannelNorm(inner)
        self.conv_pwl = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = ChannelNorm(outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv_dw(self.bn1(self.conv_pw(x))))
        y = self.bn3(self.conv_pwl(y))
        return y + x if self.residual else y


class MobileNetV3(nn.Module):
    """The first stages of the small, minimal MobileNetV3 (Howard et al., 2019), to stride 8.

    Its blocks have no activation of their own: what the shipped weights were trained as has
    channel norms where timm has a norm and a ReLU in one.  Only the stem has its ReLU.

    Args:
        inputs: channels of the image.
        depth: 2 or 3, to stride 4 or 8.

    Attributes:
        out_channels: of the maps that ``forward`` returns.
    """

    def __init__(self, inputs: int, depth: int) -> None:
        super().__init__()
        self.out_channels = (inputs, 16, 16, 24)[: depth + 1]
        self.conv_stem = SameConv2d(inputs, 16, 3, 2, bias=False)
        self.bn1 = ChannelNorm(16)
        stages = (
            nn.Sequential(SeparableBlock(16, 16)),
            nn.Sequential(InvertedResidual(16, 72, 24, 2), InvertedResidual(24, 88, 24, 1)),
        )
        self.blocks = nn.Sequential(*stages[: depth - 1])
        draw_weights(self)
        self.register_load_state_dict_pre_hook(_forget_later_stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """``(N, inputs, H, W)``: itself, then the maps at strides 2, 4 and 8."""
        features = [x]
        x = F.relu(self.bn1(self.conv_stem(x)), inplace=True)
        features.append(x)
        for stage in self.blocks:
            x = stage(x)
            features.append(x)
        return features


def _forget_later_stages(
    module: nn.Module, state: dict[str, Any], prefix: str, *rest: object
) -> None:
    """Drop stages that files of 0.1.0 hold and that no answer ever came from."""
    assert isinstance(module, MobileNetV3)
    for stage in range(len(module.blocks), 6):
        for key in [k for k in state if k.startswith(f"{prefix}blocks.{stage}.")]:
            del state[key]


class Nested(nn.Module):
    """A backbone whose parameters' names begin with ``model.``, as those of timm's do in smp."""

    def __init__(self, model: ResNet | MobileNetV3) -> None:
        super().__init__()
        self.model = model
        self.out_channels = model.out_channels

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.model(x)


def resnet(name: str, inputs: int, depth: int) -> ResNet:
    """``"resnet18"`` or ``"resnet34"`` to stride ``2 ** depth``, normalised by channels."""
    made = ResNet(inputs, RESNET_BLOCKS[name][: depth - 1], norm=ChannelNorm)
    # smp gives a stem of other than three channels torch's own beginning.
    made.conv1.reset_parameters()
    return made


def backbone(name: str, inputs: int, depth: int) -> nn.Module:
    """An encoder of segmentation-models-pytorch by its name, with channel norms.

    Args:
        name: any of theirs, the ones of this module without them; nothing is downloaded.
        inputs: channels of the image.
        depth: how often it halves the resolution.

    Returns:
        A module with ``out_channels``, from ``(N, inputs, H, W)`` to a list of maps, itself and
        one for every halving.  It holds no parameter that the last of them does not depend on.

    Raises:
        InputError: there is no encoder of that name.
        MissingPackageError: it needs segmentation-models-pytorch, which is not installed.
    """
    if name in RESNET_BLOCKS:
        return resnet(name, inputs, depth)
    if name == MOBILENET and depth <= 3:
        return Nested(MobileNetV3(inputs, depth))
    from heatmap_locator.model.zoo import zoo_encoder

    return zoo_encoder(name, inputs, depth)
