"""A small U-Net that tells a loose piece from whatever it lies on, and its weights file."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heatmap_locator.model.backbones import RESNET_BLOCKS, BasicBlock, Nested, ResNet
from heatmap_locator.model.files import described_by, read_weights, write_weights
from heatmap_locator.model.unet import UNet

FORMAT = "heatmap-outline/1"
SHIPPED = "outline.safetensors"

MULTIPLE = 64
"""Of which a photo's height and width are multiples: 2 by blocks of pixels, 32 by the U-Net."""


@dataclass(frozen=True)
class OutlineConfig:
    """The network's shape.

    Attributes:
        size: side of the square it is trained on, in pixels.
        channels: of the encoder's four stages.
        decoder: channels of the U-Net's decoder, from the coarsest on.
        fused: channels of the reader at half resolution.
    """

    size: int = 192
    channels: tuple[int, ...] = (24, 48, 64, 96)
    decoder: tuple[int, ...] = (64, 48, 32, 24, 16)
    fused: int = 32

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "OutlineConfig":
        known = {f.name for f in fields(cls)}
        if set(values) - known:
            raise ValueError(f"unknown keys {sorted(set(values) - known)}")
        built: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**built)


class OutlineNet(nn.Module):
    """A ResNet-18 of few channels under a U-Net; ``(N, 3, H, W)`` in 0..1 to logits, one channel.

    H and W are multiples of ``MULTIPLE``.  Pixels enter as blocks of 2 x 2, which costs a
    quarter; the U-Net has no skip at that resolution, so its output is context for a small reader
    of the pixels themselves, where the edge is to be told to a fraction of one.
    """

    def __init__(self, config: OutlineConfig) -> None:
        super().__init__()
        self.config = config
        context = config.decoder[-1]
        backbone = ResNet(12, RESNET_BLOCKS["resnet18"], config.channels)
        for module in backbone.modules():
            if isinstance(module, BasicBlock):
                # A block begins as the identity (Goyal et al., "Accurate, Large Minibatch SGD").
                nn.init.zeros_(module.bn2.weight)  # type: ignore[arg-type]
        self.unet = UNet(Nested(backbone), config.decoder, context, nn.BatchNorm2d)
        self.fuse = nn.Sequential(
            nn.Conv2d(context + 12, config.fused, 3, padding=1, bias=False),
            nn.BatchNorm2d(config.fused),
            nn.ReLU(),
            nn.Conv2d(config.fused, config.fused, 3, padding=1, bias=False),
            nn.BatchNorm2d(config.fused),
            nn.ReLU(),
            nn.Conv2d(config.fused, 4, 1),
        )

    def forward(self, image: Tensor) -> Tensor:
        x = F.pixel_unshuffle(image * 2 - 1, 2).contiguous(memory_format=torch.channels_last)
        context = self.unet(x)
        logits = self.fuse(torch.cat([context, x.to(context.dtype)], 1))
        return F.pixel_shuffle(logits.float(), 2)


def save_outline_net(net: OutlineNet, path: str | Path, extra: dict[str, Any]) -> None:
    """Write the network in half precision, with its configuration and ``extra``."""
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}
    write_weights(path, FORMAT, tensors, {"config": asdict(net.config), "extra": extra})


def load_outline_net(path: str | Path | None = None) -> OutlineNet:
    """Read a network, in evaluation mode on the CPU; ``None`` is the one that ships.

    Raises:
        WeightsError: missing, damaged, of another kind or version.
    """
    source, metadata, tensors = read_weights(path, SHIPPED, FORMAT, "weights of an outline network")
    with described_by(source):
        net = OutlineNet(OutlineConfig.from_dict(json.loads(metadata["config"])))
        net.load_state_dict(tensors)
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)
