"""The shared encoder: pictures and pieces become dense features, no longer than 1, at stride 4."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heatmap_locator.geometry import CELL
from heatmap_locator.model.backbones import backbone
from heatmap_locator.model.filters import blur, gaussian_kernel

CONTRAST_SIGMA = CELL / 5
CONTRAST_FLOOR = 0.03
CONTRAST_REDUCTION = 4
"""Local contrast: the deviation, in pixels, of the blur that it is taken about, what is added to
it, of values in 0..1, and how much smaller the image is on which it is computed.  The shipped
weights were trained with these."""

DEPTH = 2
"""Halvings of the resolution."""


def _wide_blur(x: Tensor, kernel: Tensor) -> Tensor:
    """Wide blur of every channel; outside the image counts as zero.

    Computed on an image CONTRAST_REDUCTION times smaller, which a blur this wide does not notice.
    """
    blurred = blur(F.avg_pool2d(x, CONTRAST_REDUCTION), kernel)
    return F.interpolate(blurred, x.shape[-2:], mode="bilinear", align_corners=False)


def local_contrast(image: Tensor, mask: Tensor, kernel: Tensor) -> Tensor:
    """``(image - local mean) / local deviation`` per channel, over the mask only.

    Normalised convolution (Knutsson and Westin, 1993): what lies outside the mask has no weight,
    so a piece and the same place in the picture come out alike.
    """
    moments = _wide_blur(torch.cat([mask, image * mask, image.square() * mask], 1), kernel)
    weight, mean, square = moments.split([1, 3, 3], 1)
    weight = weight.clamp_min(1e-3)
    mean, square = mean / weight, square / weight
    deviation = (square - mean.square()).clamp_min(0).sqrt()
    return (image - mean) / (deviation + CONTRAST_FLOOR) * mask


class Encoder(nn.Module):
    """A backbone cut off at stride 4, with a 1x1 projection.

    Args:
        name: any encoder of segmentation-models-pytorch; nothing is downloaded.
        features: channels of the output.
        floor: added to features' squared length, squared, before they are divided by it: where
            little is to be seen they come out shorter and count for less.  0 makes all of unit
            length.
    """

    kernel: Tensor

    def __init__(self, name: str, features: int, floor: float = 0.0) -> None:
        super().__init__()
        self.floor = floor
        self.backbone = backbone(name, 6, DEPTH)
        channels: Sequence[int] = self.backbone.out_channels  # type: ignore[assignment]
        self.project = nn.Conv2d(channels[DEPTH], features, 1)
        self.register_buffer(
            "kernel", gaussian_kernel(CONTRAST_SIGMA / CONTRAST_REDUCTION), persistent=False
        )

    def forward(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode ``(N, 3, H, W)`` images, 0..1, H and W multiples of 4.

        ``mask`` is ``(N, 1, H, W)``, 0..1, all ones where left out.
        Returns ``(N, features, H / 4, W / 4)``, of at most unit length per position.
        """
        if mask is None:
            mask = torch.ones_like(image[:, :1])
        with torch.autocast(image.device.type, enabled=False):
            contrast = local_contrast(image, mask, self.kernel)
            x = torch.cat([image * 2 - 1, contrast], 1)
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.project(self.backbone(x)[DEPTH])
        x = x.float()
        if not self.floor:
            return F.normalize(x, dim=1)
        return x * (x.square().sum(1, keepdim=True) + self.floor**2).rsqrt()
