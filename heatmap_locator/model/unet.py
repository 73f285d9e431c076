"""The U-Net over a backbone (Ronneberger et al., 2015), as segmentation-models-pytorch builds it.

Parameters have the same names as there, and outputs are the same to the last bit.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heatmap_locator.model.backbones import MOBILENET, RESNET_BLOCKS, Norm, backbone
from heatmap_locator.model.norm import ChannelNorm
from heatmap_locator.steps import step


def _convolution(inputs: int, outputs: int, norm: Norm) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.kaiming_uniform_(convolution.weight, mode="fan_in", nonlinearity="relu")
    return nn.Sequential(convolution, norm(outputs), nn.ReLU(inplace=True))


class DecoderBlock(nn.Module):
    """Enlarges a map, puts that of the backbone beside it and mixes both."""

    def __init__(self, inputs: int, beside: int, outputs: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs + beside, outputs, norm)
        self.conv2 = _convolution(outputs, outputs, norm)

    def forward(self, x: Tensor, size: Sequence[int], beside: Tensor | None) -> Tensor:
        x = F.interpolate(x, size=tuple(size), mode="nearest")
        if beside is not None:
            x = torch.cat([x, beside], 1)
        return self.conv2(self.conv1(x))


class Decoder(nn.Module):
    """From the coarsest map to full resolution, which has none of the backbone's beside it."""

    def __init__(self, encoded: Sequence[int], channels: Sequence[int], norm: Norm) -> None:
        super().__init__()
        if len(channels) != len(encoded) - 1:
            raise ValueError(f"decoder of {len(encoded) - 1} blocks, not {len(channels)}")
        beside = (*encoded[-2:0:-1], 0)
        self.blocks = nn.ModuleList(
            DecoderBlock(before, skip, after, norm)
            for (before, after), skip in zip(
                pairwise((encoded[-1], *channels)), beside, strict=True
            )
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        x = features[-1]
        for block, beside in zip(self.blocks, features[-2::-1], strict=True):
            step()
            # The image itself lends its size only.
            x = block(x, beside.shape[-2:], None if beside is features[0] else beside)
        return x


class UNet(nn.Module):
    """``(N, inputs, H, W)`` to ``(N, classes, H, W)``.

    Args:
        encoder: a backbone; H and W are multiples of its last map's stride.
        channels: of the decoder's blocks, one for every halving, from the coarsest on.
        classes: channels of the output.
        norm: makes the decoder's normalisation of so many channels.
    """

    def __init__(
        self, encoder: nn.Module, channels: Sequence[int], classes: int, norm: Norm
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = Decoder(encoder.out_channels, channels, norm)  # type: ignore[arg-type]
        last = nn.Conv2d(channels[-1], classes, 3, padding=1)
        nn.init.xavier_uniform_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.segmentation_head = nn.Sequential(last)

    def forward(self, x: Tensor) -> Tensor:
        return self.segmentation_head(self.decoder(self.encoder(x)))


def unet(name: str, inputs: int, channels: Sequence[int], classes: int) -> nn.Module:
    """A U-Net over ``backbone(name, inputs, len(channels))``, with channel norms all over.

    Raises:
        As ``backbone`` does.
    """
    if name in RESNET_BLOCKS or name == MOBILENET:
        return UNet(backbone(name, inputs, len(channels)), channels, classes, ChannelNorm)
    from heatmap_locator.model.zoo import zoo_unet

    return zoo_unet(name, inputs, channels, classes)
