"""Two independent captures: what a camera, a scanner and a printer do to a picture and a piece.

Everything works on batches with kornia and torch, so the same code runs on a GPU.  The ranges
imitate pairs of real pieces and their pictures: channel means that differ by factors of 0.45 to
1.65, each channel on its own, contrast by 0.7 to 1.4, lifted blacks, linen weave, shadow on one
side, a bright bevelled rim, softness or sharpening, and JPEG on each image's own block grid.
"""

import math
from dataclasses import dataclass, replace
from typing import Self

import kornia
import torch
import torch.nn.functional as F
from torch import Tensor

EXPOSURE, WHITE = 0.06, 0.02
"""Deviations, of the logarithm, between photos taken one after the other: of all channels together
and of each.  Set by hand."""


class Draw:
    """Per-sample random parameters, ``(n, 1, 1, 1)`` unless a channel count is given.

    Args:
        mildest: each sample has a strength from this to 1 that what is done to its print is
            scaled by; at 1 none is drawn.
    """

    def __init__(
        self, n: int, generator: torch.Generator, device: torch.device, mildest: float = 1.0
    ) -> None:
        self.n, self.generator, self.device = n, generator, device
        self.strength = self.uniform(mildest, 1) if mildest < 1 else torch.ones((), device=device)
        # Fields of noise are large: they are drawn where they are used.
        self.fields = generator
        if device.type != "cpu":
            seed = int(torch.randint(2**62, (), generator=generator))
            self.fields = torch.Generator(device).manual_seed(seed)

    def uniform(self, low: float, high: float, channels: int = 1) -> Tensor:
        value = torch.rand(self.n, channels, 1, 1, generator=self.generator)
        return (low + (high - low) * value).to(self.device)

    def normal(self, deviation: float, channels: int = 1) -> Tensor:
        value = torch.randn(self.n, channels, 1, 1, generator=self.generator)
        return self.strength * (deviation * value).to(self.device)

    def effect(self, low: float, high: float) -> Tensor:
        """``uniform``, scaled by the capture's strength."""
        return self.strength * self.uniform(low, high)

    def chance(self, probability: float) -> Tensor:
        """1 with the probability, else 0."""
        value = torch.rand(self.n, 1, 1, 1, generator=self.generator) < probability
        return value.float().to(self.device)

    def noise(self, *shape: int) -> Tensor:
        return torch.randn(self.n, *shape, generator=self.fields, device=self.fields.device)

    def smooth_field(self, height: int, width: int, knots: int, channels: int = 1) -> Tensor:
        """Low-frequency noise of unit deviation at the knots."""
        field = self.noise(channels, knots, knots)
        return F.interpolate(field, (height, width), mode="bicubic", align_corners=True)


@dataclass(frozen=True, eq=False)
class Tone:
    """What a lamp and a camera make of colours: of N photos, or of one for all.

    Attributes:
        gamma, gain: ``(N, 3, 1, 1)``.
        matrix: ``(N, 3, 3)`` of colours.
        lift: ``(N, 1, 1, 1)`` of blacks.
    """

    gamma: Tensor
    matrix: Tensor
    gain: Tensor
    lift: Tensor

    @classmethod
    def drawn(cls, draw: Draw) -> Self:
        """Exposure, per-channel gain and gamma, colour matrix, lifted blacks."""
        gamma = (draw.normal(0.12) + draw.normal(0.12, 3)).exp()
        matrix = torch.eye(3, device=gamma.device) + draw.normal(0.06, 9).view(-1, 3, 3)
        gain = (draw.normal(0.12) + draw.normal(0.12, 3)).exp()
        return cls(gamma, matrix, gain, draw.effect(0, 0.22) * draw.chance(0.5))

    def drifted(self, draw: Draw) -> Self:
        """The same camera and light in photos taken one after the other, each exposed and its
        white balanced a little otherwise."""
        gain = self.gain * (draw.normal(EXPOSURE) + draw.normal(WHITE, 3)).exp()
        return replace(self, gain=gain)

    def __call__(self, x: Tensor) -> Tensor:
        """Of ``(N, 3, H, W)``."""
        x = x.clamp(1e-4, 1).pow(self.gamma)
        x = torch.einsum("nij,njhw->nihw", self.matrix.expand(len(x), 3, 3), x)
        return x * self.gain * (1 - self.lift) + self.lift


def uneven_light(x: Tensor, draw: Draw) -> Tensor:
    """A smooth field of light, up to about a quarter brighter or darker."""
    strength = draw.effect(0, 0.18)
    return x * (strength * draw.smooth_field(x.shape[-2], x.shape[-1], 3)).exp()


def optics(x: Tensor, draw: Draw, softest: float) -> Tensor:
    """Blur, sensor noise of two grain sizes, then the sharpening a device adds."""
    sigma = (0.2 + draw.effect(0, softest - 0.2)).view(-1, 1).expand(-1, 2)
    x = kornia.filters.gaussian_blur2d(x, (9, 9), sigma)
    grain = draw.noise(3, *x.shape[-2:])
    coarse = F.avg_pool2d(draw.noise(3, *x.shape[-2:]), 3, 1, 1) * 3
    x = x + draw.effect(0, 0.015) * grain + draw.effect(0, 0.012) * coarse
    amount = draw.effect(0, 1.5) * draw.chance(0.5)
    return x + amount * (x - kornia.filters.box_blur(x, (3, 3)))


def jpeg(x: Tensor, draw: Draw, generator: torch.Generator) -> Tensor:
    """Every second image as JPEG of quality 40 to 98, the block grid at a random phase."""
    height, width = x.shape[-2:]
    left, top = (int(v) for v in torch.randint(0, 8, (2,), generator=generator))
    padded = F.pad(x, (left, -(width + left) % 16, top, -(height + top) % 16), mode="replicate")
    quality = draw.uniform(40, 98).flatten()
    # The codec is the dearest step here, and not every image has been through one.
    coded = x.clone()
    half = slice(int(torch.randint(0, 2, (1,), generator=generator)), None, 2)
    if len(x[half]):
        code = kornia.enhance.jpeg_codec_differentiable(padded[half].clamp(0, 1), quality[half])
        coded[half] = code[..., top : top + height, left : left + width]
    return coded.clamp(0, 1)


def capture_pictures(x: Tensor, generator: torch.Generator, mildest: float = 1.0) -> Tensor:
    """The picture as people have it: ``(N, 3, H, W)``, 0..1, in and out; ``mildest`` as in Draw."""
    draw = Draw(len(x), generator, x.device, mildest)
    x = uneven_light(Tone.drawn(draw)(x), draw)
    x = optics(x, draw, softest=1.0)
    return jpeg(x, draw, generator)


def _surface(x: Tensor, mask: Tensor, draw: Draw) -> Tensor:
    """Linen weave, bevelled rim and gloss of a cardboard piece."""
    height, width = x.shape[-2:]
    ys = torch.arange(height, device=x.device, dtype=x.dtype).view(1, 1, -1, 1)
    xs = torch.arange(width, device=x.device, dtype=x.dtype).view(1, 1, 1, -1)
    angle, period = draw.uniform(0, math.pi), draw.uniform(3, 7)
    along = (xs * angle.cos() + ys * angle.sin()) * (2 * math.pi / period)
    across = (ys * angle.cos() - xs * angle.sin()) * (2 * math.pi / period)
    weave = 0.5 * along.sin() * across.sin() + 0.3 * draw.noise(1, height, width)
    x = x * (1 + draw.effect(0.02, 0.12) * draw.chance(0.4) * weave)

    # The bevel: the slope of the softened mask, lit from one side, and bright cardboard.
    soft = kornia.filters.gaussian_blur2d(mask, (9, 9), (2.0, 2.0))
    slope = kornia.filters.spatial_gradient(soft)[:, 0]
    light = draw.uniform(0, 2 * math.pi)
    shade = slope[:, :1] * light.cos() + slope[:, 1:] * light.sin()
    x = x + draw.effect(0, 2.5) * shade
    rim = ((1 - soft) * 2).clamp(0, 1) * mask
    x = x + draw.effect(-0.3, 0.5) * draw.chance(0.6) * rim

    gloss = (draw.smooth_field(height, width, 4) - 0.8).clamp(0, 1)
    return x + draw.effect(0, 0.4) * draw.chance(0.2) * gloss


def _background(mask: Tensor, draw: Draw) -> Tensor:
    """Table, cloth or scanner lid, with the piece's shadow on one side."""
    height, width = mask.shape[-2:]
    base = draw.uniform(0, 1, 3) * draw.chance(0.6) + draw.uniform(0, 1) * draw.chance(0.5)
    base = base + draw.uniform(0, 0.1) * draw.smooth_field(height, width, 5, 3)
    base = base + draw.uniform(0, 0.08) * draw.noise(1, height, width)
    angle, distance = draw.uniform(0, 2 * math.pi), draw.uniform(0, 0.08)
    theta = torch.zeros(len(mask), 2, 3, device=mask.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1
    theta[:, 0, 2] = (distance * angle.cos()).flatten()
    theta[:, 1, 2] = (distance * angle.sin()).flatten()
    grid = F.affine_grid(theta, list(mask.shape), align_corners=False)
    shadow = F.grid_sample(mask, grid, align_corners=False)
    shadow = kornia.filters.gaussian_blur2d(shadow, (9, 9), (2.5, 2.5))
    return base * (1 - draw.uniform(0, 0.7) * shadow)


def _sloppy(mask: Tensor, draw: Draw) -> Tensor:
    """The outline as a person or a segmentation finds it: moved, too wide or too narrow."""
    height, width = mask.shape[-2:]
    soft = kornia.filters.gaussian_blur2d(mask, (9, 9), (1.8, 1.8))
    level = 0.5 + draw.normal(0.12) + 0.12 * draw.smooth_field(height, width, 6)
    return ((soft - level.clamp(0.12, 0.88)) * 4 + 0.5).clamp(0, 1)


def capture_pieces(
    x: Tensor,
    mask: Tensor,
    generator: torch.Generator,
    mildest: float = 1.0,
    light: Tone | None = None,
) -> tuple[Tensor, Tensor]:
    """Photograph loose pieces.

    Args:
        x: ``(N, 3, H, W)``, 0..1, the print under and around each piece.
        mask: ``(N, 1, H, W)``, 0..1, the true outline.
        mildest: as in Draw.
        light: that all of them share; each has one of its own without.

    Returns:
        photos on a background, and the outline as it would be found.
    """
    draw = Draw(len(x), generator, x.device, mildest)
    x = _surface(x, mask, draw)
    x = (Tone.drawn(draw) if light is None else light.drifted(draw))(x)
    x = x * mask + _background(mask, draw) * (1 - mask)
    x = uneven_light(x, draw)
    x = optics(x, draw, softest=2.0)
    return jpeg(x, draw, generator), _sloppy(mask, draw)
