"""The CenterNet-style head: a U-Net over the correlation volume (Zhou et al., 2019).

It is given correlations only, never features or absolute positions, and the rotation axis is
rolled so that the best hypothesis at a position always comes first.  Nothing it computes depends
on where in the picture a piece lies or by how much it was turned.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heatmap_locator.model.filters import constant
from heatmap_locator.model.strips import in_strips
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
READER = 48
"""Halvings of the head's U-Net and, where a configuration names no others, channels that it gives
to the reader at full resolution, and the reader's own; the shipped weights were trained with
these."""

SLOPE_GAIN = 10.0
"""Differences between neighbouring rotations are this much smaller than correlations."""


@dataclass
class HeadMaps:
    """What the head says at every feature cell.  Shapes are ``(B, channels, H, W)``.

    Attributes:
        heat: 1 channel, logits of "the piece's reference point lies in this cell".
        offset: 2 channels, (x, y) of the reference point within its cell, in cells, 0..1.
        rotation: 2 channels, (sin, cos) of ``rotation_gain`` times what is missing to the best
            rotation of the bank.  This and the offset are read by parabolas, which learn nothing:
            what a network added to them made neither better (``train/LOG.md``, "what the maps
            say").
        best: ``(B, H, W)`` long, the index of that best rotation.
    """

    heat: Tensor
    offset: Tensor
    rotation: Tensor
    best: Tensor

    def of(self, index: int) -> "HeadMaps":
        """Those of one of the batch, still a batch."""
        own = slice(index, index + 1)
        return HeadMaps(self.heat[own], self.offset[own], self.rotation[own], self.best[own])


class CenterHead(nn.Module):
    """Reads a volume of two correlations for each of ``rotations`` rotations.

    Args:
        rotations: of the bank.
        encoder: of the U-Net.
        decoder_channels: of its decoder, one for each halving.
        context: channels that it gives to the reader at full resolution.
        reader: channels of the reader.
    """

    def __init__(
        self,
        rotations: int,
        encoder: str,
        decoder_channels: tuple[int, ...],
        context: int = CONTEXT,
        reader: int = READER,
    ) -> None:
        super().__init__()
        if rotations % 4 or rotations < 16:
            raise ValueError(f"rotations must be a multiple of 4, at least 16, not {rotations}")
        self.rotations = rotations
        if len(decoder_channels) != UNET_DEPTH:
            raise ValueError(f"the decoder has {UNET_DEPTH} blocks, not {len(decoder_channels)}")
        self.unet = unet(encoder, CHANNELS, decoder_channels, context)
        # The U-Net has no skip at full resolution, so its output is context for a small reader of
        # the observation itself.
        last = nn.Conv2d(reader, 1, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.fuse = nn.Sequential(
            nn.Conv2d(context + CHANNELS, reader, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(reader, reader, 3, padding=1),
            nn.ReLU(inplace=True),
            last,
        )
        # log of the weights of feature and pixel correlation in the combined logit
        self.log_weights = nn.Parameter(torch.tensor([10.0, 10.0]).log())
        # heat starts as a plain readout of the best correlation, for the U-Net to correct
        self.readout = nn.Parameter(torch.tensor([0.4, -9.0]))
        self.register_load_state_dict_pre_hook(_keep_the_heat)

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

        Args:
            feature: ``(B, R, H, W)``.
            combined: ``(B, 3, H, W)`` logits under the rotation before the best, it and the next.
            index: ``(B, H, W)`` long, the best rotation.

        Returns:
            ``(B, 2, H, W)`` (x, y) in cells and ``(B, H, W)`` in steps of the bank, from the
            middle sample; at most half a step.
        """
        _, _, height, width = feature.shape
        rows = torch.arange(height, device=feature.device)[:, None]
        columns = torch.arange(width, device=feature.device)
        plane, flat = index * (height * width), feature.flatten(1)

        def at(dx: int, dy: int) -> Tensor:
            # At the border the outermost cell stands for the one beyond it.
            beside = (rows + dy).clamp(0, height - 1) * width + (columns + dx).clamp(0, width - 1)
            return flat.gather(1, (plane + beside).flatten(1)).view_as(index)

        middle = at(0, 0)
        x = vertex(at(-1, 0), middle, at(1, 0))
        y = vertex(at(0, -1), middle, at(0, 1))
        return torch.stack([x, y], 1), vertex(*combined.unbind(1))

    def observe(self, feature: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Roll the volume.

        Returns:
            ``(B, CHANNELS, H, W)``; the ``(B, 4, H, W)`` readout of offset and rotation that needs
            no training; best logit and best index, ``(B, H, W)``.
        """
        # Each correlation is read a dozen times.
        parts = zip(*(self._turns(*strip) for strip in in_strips(feature, pixel)), strict=True)
        seen, beside, top, index = (torch.cat(part, 2) for part in parts)
        best, index = top[:, 0], index[:, 0]
        shift, turn = self.interpolate(feature, beside, index)
        # A step of the bank times the gain is 90 degrees.
        angle = turn * (math.pi / 2)
        readout = torch.stack([0.5 + shift[:, 0], 0.5 + shift[:, 1], angle.sin(), angle.cos()], 1)
        lead = (top - top.amax((2, 3), keepdim=True)) / 10
        return torch.cat([seen, lead, top / 10, readout], 1), readout, best, index

    def _turns(self, feature: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What is observed at each place alone.

        Returns:
            ``(B, C, H, W)`` of ``OBSERVED`` up to ``rest``; ``(B, 3, H, W)`` logits under the
            rotation before the best, it and the next; the best logit and long, its index, of one
            channel.
        """
        r = self.rotations

        def steps_of(turns: tuple[int, ...]) -> Tensor:
            return constant(tuple(step % r for step in turns), feature.device).view(1, -1, 1, 1)

        # Which rotations are looked at passes no gradient on; what is seen under them does.
        with torch.no_grad():
            combined = self.combine(feature, pixel)
            index = combined.max(1, keepdim=True).indices
            order = _wrapped(index + steps_of(NEIGHBOURS), r)
            # Of each quarter turn the best of three neighbours.
            beside = torch.maximum(combined.roll(1, 1), combined.roll(-1, 1))
            highest = torch.maximum(combined, beside)
            quarters = _wrapped(index + steps_of(tuple(turn * r // 4 for turn in (1, 2, 3))), r)
            rest = combined.scatter(1, order, float("-inf"))
        near = feature.gather(1, order), pixel.gather(1, order)
        middle = self.combine(*(one[:, 1:-1] for one in near))
        top = middle[:, 1:2]
        if self.log_weights.requires_grad and torch.is_grad_enabled():
            turned, rest = self._again(feature, pixel, combined, quarters, rest)
        else:
            turned, rest = highest.gather(1, quarters), rest.amax(1, keepdim=True)
        seen = [*(_slopes(one) for one in near), (turned - top) / 10, (rest - top) / 10]
        return torch.cat(seen, 1), middle, top, index

    def _again(
        self, feature: Tensor, pixel: Tensor, combined: Tensor, quarters: Tensor, rest: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The best logits of quarter turns and of the rest, with their gradient.

        Combined anew from the two correlations that each of them is of: through all of them it
        would cost as much as the rest of the head.
        """
        beside = [_wrapped(quarters + step, self.rotations) for step in (self.rotations - 1, 0, 1)]
        three = torch.stack([combined.gather(1, turns) for turns in beside])
        chosen = torch.stack(beside).gather(0, three.max(0, keepdim=True).indices)[0]
        chosen = torch.cat([chosen, rest.max(1, keepdim=True).indices], 1)
        found = self.combine(feature.gather(1, chosen), pixel.gather(1, chosen))
        return found[:, :-1], found[:, -1:]

    def forward(self, feature: Tensor, pixel: Tensor) -> HeadMaps:
        """Read two ``(B, R, H, W)`` correlation volumes."""
        return self.read(*self.observe(feature, pixel))

    def read(self, x: Tensor, readout: Tensor, best: Tensor, index: Tensor) -> HeadMaps:
        """What :meth:`observe` returns, read."""
        x = x.contiguous(memory_format=torch.channels_last)  # as convolutions are fastest
        height, width = x.shape[-2:]
        multiple = 2**UNET_DEPTH
        wide, high = ((n + multiple - 1) // multiple * multiple for n in (width, height))
        pad = (0, wide - width, 0, high - height)
        context = self.unet(F.pad(x, pad, mode="replicate"))[..., :height, :width]
        both = torch.cat([context, x.to(context.dtype)], 1)
        heat = self.fuse(both.contiguous(memory_format=torch.channels_last)).float()
        heat = heat + self.readout[0] * best[:, None] + self.readout[1]
        return HeadMaps(heat, readout[:, :2], readout[:, 2:], index)


def _keep_the_heat(module: nn.Module, state: dict[str, Any], prefix: str, *rest: object) -> None:
    """Of a file of 0.2.0 drop the outputs for size, offset and rotation, which come after heat."""
    for name in (f"{prefix}fuse.4.weight", f"{prefix}fuse.4.bias"):
        if name in state and len(state[name]) == 7:
            state[name] = state[name][:1]


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
