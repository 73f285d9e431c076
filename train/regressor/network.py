"""Direct box regressors: picture and piece in, one box out.

The family that the locator replaces, in the setting in which it collapsed to one constant box.
ResNet-18 (He et al., 2016) with group instead of batch normalisation: pictures and pieces have
other statistics, and a shared encoder would mix them in its running means.
"""

from functools import partial
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.ops import FeaturePyramidNetwork

from ..settings import SETTINGS, Count

MEAN_CENTER = 0.5
MEAN_SIDE = 38.0
"""Mean side of a training box in pixels of the picture, tabs included (cells of 32)."""

GROUPS = 32
"""Of channels that are normalised together (Wu and He, "Group Normalization", 2018)."""

POOLED = 8
"""Cells on a side that a correlation map is averaged to."""

MAP_CHANNELS = 16
"""Of a level's correlation maps before they are averaged."""


@dataclass(frozen=True, config=SETTINGS)
class RegressorConfig:
    """The shape of a regressor.

    Attributes:
        architecture: ``pooled`` concatenates the mean features of picture and piece;
            ``correlation`` cross-correlates them on three scales of a feature pyramid.
        piece_size: pixels on the side of the square that a piece's photo is resized to.
        hidden: units of the MLP's hidden layer.
        channels: of the feature pyramid.
        sigmoid: whether a sigmoid holds the box to 0..1.
        separate_heads: whether centre and size have an MLP each.
        bias_at_mean: whether the last layer's bias starts at the mean box.
    """

    architecture: Literal["pooled", "correlation"] = "pooled"
    # The backbone's coarsest map has a pixel for 32 of them.
    piece_size: Annotated[int, Field(ge=32, multiple_of=32)] = 64
    hidden: Count = 256
    # In groups of GROUPS.
    channels: Annotated[int, Field(ge=32, multiple_of=32)] = 192
    sigmoid: bool = True
    separate_heads: bool = False
    bias_at_mean: bool = False


class Backbone(nn.Module):
    """ResNet-18 from scratch; the maps at strides 8, 16 and 32."""

    CHANNELS = (128, 256, 512)

    def __init__(self) -> None:
        super().__init__()
        net = resnet18(weights=None, norm_layer=partial(nn.GroupNorm, GROUPS))
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.layer1, self.layer2 = net.layer1, net.layer2
        self.layer3, self.layer4 = net.layer3, net.layer4

    def forward(self, image: Tensor) -> list[Tensor]:
        """``(N, 3, H, W)``, 0..1."""
        x = (image * 2 - 1).contiguous(memory_format=torch.channels_last)
        c3 = self.layer2(self.layer1(self.stem(x)))
        c4 = self.layer3(c3)
        return [c3, c4, self.layer4(c4)]


class Pooled(nn.Module):
    """Mean features of picture and piece, side by side."""

    features = 2 * Backbone.CHANNELS[-1]

    def forward(self, picture: list[Tensor], pieces: list[Tensor], count: int) -> Tensor:
        """Maps of B pictures and B * count pieces to ``(B * count, features)``."""
        left = picture[-1].mean((2, 3)).repeat_interleave(count, 0)
        return torch.cat([left, pieces[-1].mean((2, 3))], 1)


class PyramidCorrelation(nn.Module):
    """Channel by channel cross-correlation on a feature pyramid (Lin et al., 2017), as Siamese
    trackers do it (Li et al., 2019), averaged to a grid that keeps where it was high."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pyramid = FeaturePyramidNetwork(list(Backbone.CHANNELS), channels)
        self.norm = nn.GroupNorm(GROUPS, channels)
        self.reduce = nn.Conv2d(channels, MAP_CHANNELS, 3, padding=1)
        self.features = len(Backbone.CHANNELS) * MAP_CHANNELS * POOLED**2

    def forward(self, picture: list[Tensor], pieces: list[Tensor], count: int) -> Tensor:
        """Maps of B pictures and B * count pieces to ``(B * count, features)``."""
        wide = self.pyramid({str(i): x for i, x in enumerate(picture)})
        narrow = self.pyramid({str(i): x for i, x in enumerate(pieces)})
        seen = []
        for level, area in wide.items():
            maps = self.norm(_correlate(area, narrow[level], count))
            maps = F.relu(self.reduce(maps))
            seen.append(F.adaptive_avg_pool2d(maps, POOLED).flatten(1))
        return torch.cat(seen, 1)


def _correlate(area: Tensor, kernels: Tensor, count: int) -> Tensor:
    """``(B, C, H, W)`` with ``(B * count, C, k, k)``, each piece in its own picture."""
    b, c, height, width = area.shape
    side = kernels.shape[-1]
    area = F.pad(area, ((side - 1) // 2, side // 2) * 2)
    out = []
    # The pieces of a picture are as many output channels of one grouped convolution.
    for one, own in zip(area, kernels.unflatten(0, (b, count)), strict=True):
        weight = own.transpose(0, 1).flatten(0, 1)[:, None] / own[0, 0].numel()
        maps = F.conv2d(one[None], weight, groups=c)
        out.append(maps.view(c, count, height, width).transpose(0, 1))
    return torch.cat(out)


class Regressor(nn.Module):
    """Shared encoder, comparison, MLP.

    Args:
        config: its shape.
        picture_size: side of the pictures in pixels, which the mean box depends on.
    """

    def __init__(self, config: RegressorConfig, picture_size: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = Backbone()
        self.compare: Pooled | PyramidCorrelation
        if config.architecture == "pooled":
            self.compare = Pooled()
        else:
            self.compare = PyramidCorrelation(config.channels)
        outputs = (2, 2) if config.separate_heads else (4,)
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Linear(self.compare.features, config.hidden),
                nn.ReLU(),
                nn.Linear(config.hidden, count),
            )
            for count in outputs
        )
        if config.bias_at_mean:
            side = MEAN_SIDE / picture_size
            mean = torch.tensor([MEAN_CENTER, MEAN_CENTER, side, side])
            bias = torch.logit(mean) if config.sigmoid else mean
            for head, part in zip(self.heads, bias.split(outputs), strict=True):
                with torch.no_grad():
                    head[-1].bias.copy_(part)  # type: ignore[index]

    def forward(self, pictures: Tensor, photos: Tensor, masks: Tensor) -> Tensor:
        """Boxes of P pieces in each of B pictures.

        Args:
            pictures: ``(B, 3, H, W)``, 0..1, H and W multiples of 8.
            photos: ``(B, P, 3, S, S)``, 0..1, turned as they were photographed.
            masks: ``(B, P, 1, S, S)``, 0..1; what lies outside is made black.

        Returns:
            ``(B * P, 4)`` float32 (cx, cy, w, h) in shares of the picture.
        """
        count, side = photos.shape[1], self.config.piece_size
        cut_out = (photos * masks).flatten(0, 1)
        cut_out = F.interpolate(cut_out, (side, side), mode="bilinear", antialias=True)
        features = self.compare(self.encoder(pictures), self.encoder(cut_out), count)
        out = torch.cat([head(features) for head in self.heads], 1).float()
        return out.sigmoid() if self.config.sigmoid else out
