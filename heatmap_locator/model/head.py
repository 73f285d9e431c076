"""The CenterNet-style head: a U-Net over the correlation volume (Zhou et al., 2019).

It is given correlations only, never features or absolute positions, and the rotation axis is
rolled so that the best hypothesis at a position always comes first.  Nothing it computes depends
on where in the picture a piece lies or by how much it was turned.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heatmap_locator.model.filters import constant
from heatmap_locator.model.unet import unet

NEIGHBOURS = (-2, -1, 0, 1, 2)
"""Steps of the bank around the best rotation whose two correlations the head sees."""

OBSERVED = {
    "feature": len(NEIGHBOURS),  # correlations of features around the best rotation
    "pixel": len(NEIGHBOURS),  # and of pixels
    "quarters": 3,  # how far other quarter turns fall short of it
    "rest": 1,  # and the best of all rotations but its neighbours
    "lead": 1,  # and it of the best place of the map
    "best": 1,  # it itself
    "readout": 4,  # offset and rotation as parabolas put them
}
"""Channels of what the head observes at a position, in order."""

CHANNELS = sum(OBSERVED.values())
UNET_DEPTH = 3
CONTEXT = 16
FUSED = 48
"""Halvings of the head's U-Net, channels that it gives to the reader at full resolution, and the
reader's own; the shipped weights were trained with these."""

SLOPE_GAIN = 10.0
"""Differences between neighbouring rotations are this much smaller than correlations."""


@dataclass
class HeadMaps:
    """What the head says at every feature cell.  Shapes are ``(B, channels, H, W)``.

    Attributes:
        heat: 1 channel, logits of "the piece's reference point lies in this cell".
        size: 2 channels, log of true over nominal (width, height) of the box.
        offset: 2 channels, (x, y) of the reference point within its cell, in cells, 0..1.
        rotation: 2 channels, (sin, cos) of ``rotation_gain`` times what is missing to the best
            rotation of the bank.
        best: ``(B, H, W)`` long, the index of that best rotation.
    """

    heat: Tensor
    size: Tensor
    offset: Tensor
    rotation: Tensor
    best: Tensor

    def of(self, index: int) -> "HeadMaps":
        """Those of one of the batch, still a batch."""
        own = slice(index, index + 1)
        return HeadMaps(
            self.heat[own], self.size[own], self.offset[own], self.rotation[own], self.best[own]
        )


class CenterHead(nn.Module):
    """Reads a volume of two correlations for each of ``rotations`` rotations."""

    def __init__(self, rotations: int, encoder: str, decoder_channels: tuple[int, ...]) -> None:
        super().__init__()
        if rotations % 4 or rotations < 16:
            raise ValueError(f"rotations must be a multiple of 4, at least 16, not {rotations}")
        self.rotations = rotations
        if len(decoder_channels) != UNET_DEPTH:
            raise ValueError(f"the decoder has {UNET_DEPTH} blocks, not {len(decoder_channels)}")
        self.unet = unet(encoder, CHANNELS, decoder_channels, CONTEXT)
        # The U-Net has no skip at full resolution, where offset and rotation are to be read, so
        # its output is context for a small reader of the observation itself.
        last = nn.Conv2d(FUSED, 7, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.fuse = nn.Sequential(
            nn.Conv2d(CONTEXT + CHANNELS, FUSED, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(FUSED, FUSED, 3, padding=1),
            nn.ReLU(),
            last,
        )
        # log of the weights of feature and pixel correlation in the combined logit
        self.log_weights = nn.Parameter(torch.tensor([10.0, 10.0]).log())
        # heat starts as a plain readout of the best correlation, for the U-Net to correct
        self.readout = nn.Parameter(torch.tensor([0.4, -9.0]))

    def combine(self, feature: Tensor, pixel: Tensor) -> Tensor:
        """The combined matching logit of two ``(B, R, H, W)`` correlation volumes."""
        weights = self.log_weights.exp()
        return weights[0] * feature + weights[1] * pixel

    @property
    def rotation_gain(self) -> float:
        """Half a step of the bank times this is 45 degrees."""
        return self.rotations / 4

    def interpolate(
        self, feature: Tensor, combined: Tensor, index: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Where the peak lies between the samples, by parabolas through three of them.

        Returns:
            ``(B, 2, H, W)`` (x, y) in cells and ``(B, H, W)`` in steps of the bank, from the
            middle sample; at most half a step.
        """

        _, r, height, width = feature.shape
        rows = torch.arange(height, device=feature.device)[:, None]
        columns = torch.arange(width, device=feature.device)

        def at(volume: Tensor, dx: int, dy: int, step: int = 0) -> Tensor:
            # At the border the outermost cell stands for the one beyond it.
            beside = (rows + dy).clamp(0, height - 1) * width + (columns + dx).clamp(0, width - 1)
            place = _wrapped(index + step % r, r) * (height * width) + beside
            return volume.flatten(1).gather(1, place.flatten(1)).view_as(index)

        middle = at(feature, 0, 0)
        x = vertex(at(feature, -1, 0), middle, at(feature, 1, 0))
        y = vertex(at(feature, 0, -1), middle, at(feature, 0, 1))
        turn = vertex(at(combined, 0, 0, -1), at(combined, 0, 0), at(combined, 0, 0, 1))
        return torch.stack([x, y], 1), turn

    def observe(self, feature: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Roll the volume.

        Returns:
            ``(B, CHANNELS, H, W)``; the ``(B, 4, H, W)`` readout of offset and rotation that needs
            no training; best logit and best index, ``(B, H, W)``.
        """
        r = self.rotations
        # Each is read a dozen times, at places all over it; out of tiles they come as views.
        feature, pixel = feature.contiguous(), pixel.contiguous()
        combined = self.combine(feature, pixel)
        best, index = combined.max(1)

        def rolled(volume: Tensor, steps: Tensor) -> Tensor:
            return volume.gather(1, _wrapped(index[:, None] + steps, r))

        def steps_of(turns: tuple[int, ...]) -> Tensor:
            return constant(tuple(step % r for step in turns), combined.device).view(1, -1, 1, 1)

        near = steps_of(NEIGHBOURS)
        quarters = steps_of(tuple(q * r // 4 + d for q in (1, 2, 3) for d in (-1, 0, 1)))
        turned = rolled(combined, quarters).unflatten(1, (3, 3)).amax(2)
        order = _wrapped(index[:, None] + near, r)
        rest = combined.scatter(1, order, float("-inf")).amax(1, keepdim=True)
        top = best[:, None]
        channels = [
            _slopes(rolled(feature, near)),
            _slopes(rolled(pixel, near)),
            (turned - top) / 10,
            (rest - top) / 10,
            (top - top.amax((2, 3), keepdim=True)) / 10,
            top / 10,
        ]
        shift, turn = self.interpolate(feature, combined, index)
        # A step of the bank times the gain is 90 degrees.
        angle = turn * (math.pi / 2)
        readout = torch.stack([0.5 + shift[:, 0], 0.5 + shift[:, 1], angle.sin(), angle.cos()], 1)
        return torch.cat([*channels, readout], 1), readout, best, index

    def forward(self, feature: Tensor, pixel: Tensor) -> HeadMaps:
        """Read two ``(B, R, H, W)`` correlation volumes."""
        x, readout, best, index = self.observe(feature, pixel)
        height, width = x.shape[-2:]
        multiple = 2**UNET_DEPTH
        wide, high = ((n + multiple - 1) // multiple * multiple for n in (width, height))
        pad = (0, wide - width, 0, high - height)
        context = self.unet(F.pad(x, pad, mode="replicate"))[..., :height, :width]
        out = self.fuse(torch.cat([context, x.to(context.dtype)], 1)).float()
        heat, size, offset, rotation = out.split([1, 2, 2, 2], 1)
        heat = heat + self.readout[0] * best[:, None] + self.readout[1]
        return HeadMaps(
            heat,
            0.2 * size,
            readout[:, :2] + 0.3 * offset,
            readout[:, 2:] + 0.3 * rotation,
            index,
        )


def _wrapped(index: Tensor, count: int) -> Tensor:
    """Indices around a circle, at most once around; many times as fast as a remainder."""
    return torch.where(index >= count, index - count, index)


def _slopes(near: Tensor) -> Tensor:
    """The middle of ``(B, 5, H, W)`` as it is, the others as magnified differences from it."""
    middle = len(NEIGHBOURS) // 2
    differences = (near - near[:, middle : middle + 1]) * SLOPE_GAIN
    return torch.cat(
        [differences[:, :middle], near[:, middle : middle + 1], differences[:, middle + 1 :]], 1
    )


def vertex(before: Tensor, middle: Tensor, after: Tensor) -> Tensor:
    """Position of the top of a parabola through three samples a step apart, -0.5..0.5."""
    bend = (2 * middle - before - after).clamp_min(1e-3)
    return (0.5 * (after - before) / bend).clamp(-0.5, 0.5)
