"""Pieces set upright in every pose that places are compared in, and as they are to be aligned."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.model.bank import CANVAS, OVERSAMPLE, bank_angles, erode
from heatmap_locator.model.filters import constant
from heatmap_locator.model.network import PIXEL_STRIDE
from heatmap_locator.search.piece import PreparedPiece

ROTATIONS = 72
SCALES = (0.9, 0.95, 1.0, 1.05, 1.1)
"""Poses rendered; 3 turns and all sizes are compared at a place (``train/LOG.md``, "15 poses each",
"candidates" and "three sizes")."""

_RIM = OVERSAMPLE
"""Pixels of a prepared photo, a working pixel wide, that are no print: a piece's bevel."""


@dataclass(frozen=True)
class Poses:
    """B pieces ready to be laid on a picture.

    Attributes:
        pieces: what they are poses of.
        halved: ``(B, 4, h, w)`` of :func:`_halved`, from which poses are rendered.
        half: half the side of what is rendered, which reaches all around the pieces in every pose.
        prints: ``(B, 3, h, w)`` the pieces as photographed, less their mean colour, 0 outside, at
            one pixel a working pixel, with a margin of one; smaller ones are filled up on the
            right and below.
        insides: ``(B, 1, h, w)``, 0..1, their outlines without the rim.
        pixels: ``(B, P)`` long, where in ``(h * w)`` the pixels inside lie, in order.
        counted: ``(B, P)``, 1 for these, 0 where a piece has fewer than P.
        reference: ``(B, 2)`` (x, y) of their reference points, in pixels of ``prints``.
        body: ``(B, 2)`` (x, y) from there to the middles of their bodies.
        direction: ``(B, 1)`` degrees, of their bodies.
        means: ``(B, 3)`` their mean colours, 0..1.
    """

    pieces: Sequence[PreparedPiece]
    halved: Tensor
    half: int
    prints: Tensor
    insides: Tensor
    pixels: Tensor
    counted: Tensor
    reference: Tensor
    body: Tensor
    direction: Tensor
    means: Tensor
    _rendered: list[Tensor] = field(default_factory=list, init=False)

    def of(self, rows: Sequence[int]) -> "Poses":
        """Those of some pieces; of one nothing is copied."""
        one = slice(rows[0], rows[0] + 1)
        at = one if len(rows) == 1 else torch.tensor(rows, device=self.reference.device)
        found = replace(
            self,
            pieces=[self.pieces[n] for n in rows],
            **{name: getattr(self, name)[at] for name in _TENSORS},
        )
        found._rendered.extend(rendered[at] for rendered in self._rendered)
        return found

    def rendered(self, which: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pieces as they are laid on a picture in some poses.

        Args:
            which: long, of any shape, ``piece * ROTATIONS + turn``.

        Returns:
            ``(N, scales, 3, k, k)`` less the mean colour, ``PIXEL_STRIDE`` working pixels a pixel,
            k even; ``(N, scales, 1, k, k)`` masks, 0..1, without the bevelled rim; and ``which``
            as indices of these: of all that there are, or, of few, those alone are rendered.
        """
        pieces = len(self.pieces)
        if which.numel() < pieces * ROTATIONS and not self._rendered:
            piece, turn = (which // ROTATIONS).flatten(), (which % ROTATIONS).flatten()
            found = _render(self.halved[piece], self.reference[piece], turn[:, None], self.half)
            which = torch.arange(which.numel(), device=which.device).view_as(which)
        else:
            if not self._rendered:  # kept: a piece may be looked for at several sizes
                turns = torch.arange(ROTATIONS, device=which.device).expand(pieces, -1)
                all_of = _render(self.halved, self.reference, turns, self.half)
                self._rendered.append(all_of)
            found = self._rendered[0]
        flat = found.flatten(0, 1)
        return flat[:, :, :3], flat[:, :, 3:], which


_TENSORS = (
    *("halved", "prints", "insides", "pixels", "counted"),
    *("reference", "body", "direction", "means"),
)


def pose_pieces(pieces: Sequence[PreparedPiece], device: torch.device) -> Poses:
    """Pieces made ready for every pose that candidates may be compared in.

    Args:
        pieces: at least one.
        device: where the poses are rendered and live.
    """
    own = [_less_mean(piece) for piece in pieces]
    means = torch.cat([mean for _, mean in own])
    prints = [
        F.pad(F.avg_pool2d(torch.cat(both, 1), OVERSAMPLE, ceil_mode=True), (1, 1, 1, 1))
        for both, _ in own
    ]
    inside = [torch.nonzero(one[0, 3].flatten() > 0.5)[:, 0] for one in prints]
    widths = [one.shape[-1] for one in prints]
    most = max(len(at) for at in inside), max(widths)
    pixels = torch.zeros(len(pieces), max(most[0], 1), dtype=torch.long)
    counted = torch.zeros(pixels.shape)
    for n, (at, width) in enumerate(zip(inside, widths, strict=True)):
        pixels[n, : len(at)] = at // width * most[1] + at % width
        counted[n, : len(at)] = 1
    reference = torch.cat([piece.reference for piece in pieces]) / OVERSAMPLE
    body = torch.stack([piece.body_off.float() for piece in pieces])
    direction = torch.tensor([[piece.body.direction] for piece in pieces])
    halved, reach = _halved(pieces, [photo for (photo, _), _ in own])
    stacked = _stacked(prints).to(device)
    return Poses(
        pieces,
        _stacked(halved).to(device),
        min(CANVAS // PIXEL_STRIDE, 2 * math.ceil((reach * max(SCALES) + 1) / 2)) // 2,
        stacked[:, :3],
        stacked[:, 3:],
        *(t.to(device) for t in (pixels, counted, reference + 1, body, direction, means)),
    )


def _less_mean(piece: PreparedPiece) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """A prepared photo less its mean colour, 0 outside, and its outline without the rim; and the
    mean, ``(1, 3)``."""
    photo, weight = piece.photo, piece.weight
    mean = (photo * weight).sum((2, 3), keepdim=True) / weight.sum().clamp_min(1e-6)
    return ((photo - mean) * weight, erode(weight, _RIM).clamp(0, 1)), mean[:, :, 0, 0]


def _halved(
    pieces: Sequence[PreparedPiece], photos: Sequence[Tensor]
) -> tuple[list[Tensor], float]:
    """Photos and outlines, ``(1, 4, h, w)``, and how far they reach from their reference points.

    Every pixel is the mean of ``PIXEL_STRIDE`` working pixels each way, as in the picture halved,
    and there is one a working pixel.  Cut-out crops have a rim like all pieces.
    """
    halved, reach = [], 0.0
    for piece, photo in zip(pieces, photos, strict=True):
        weight = erode(F.pad(piece.weight, (_RIM,) * 4), _RIM).clamp(0, 1)
        both = torch.cat([F.pad(photo, (_RIM,) * 4), weight], 1)
        small = F.avg_pool2d(both, OVERSAMPLE, ceil_mode=True)
        rows, columns = torch.nonzero(small[0, 3]).unbind(1)
        x, y = (piece.reference[0] / OVERSAMPLE + _RIM / OVERSAMPLE - 0.5).tolist()
        if len(rows):
            reach = max(reach, float(torch.hypot(rows - y, columns - x).max()))
        padded = F.pad(small, (PIXEL_STRIDE - 1,) * 4)
        halved.append(F.avg_pool2d(padded, PIXEL_STRIDE, 1))
    return halved, reach


def _stacked(images: Sequence[Tensor]) -> Tensor:
    """``(1, C, h, w)`` each as ``(B, C, H, W)``, filled up with 0 on the right and below."""
    height, width = (max(image.shape[axis] for image in images) for axis in (-2, -1))
    filled = [
        F.pad(image, (0, width - image.shape[-1], 0, height - image.shape[-2])) for image in images
    ]
    return torch.cat(filled)


def _render(halved: Tensor, at: Tensor, turns: Tensor, half: int) -> Tensor:
    """``(B, T, scales, 4, k, k)`` of what :func:`_halved` makes of pieces.

    Args:
        halved: ``(B, 4, h, w)``.
        at: ``(B, 2)`` of ``Poses.reference``.
        turns: ``(B, T)`` long, of ``ROTATIONS``.
        half: of ``Poses``.
    """
    device, (height, width) = halved.device, halved.shape[-2:]
    radians = bank_angles(ROTATIONS).to(device).deg2rad()[turns][..., None]
    sizes = constant(SCALES, device)
    cos, sin = (t[..., None, None] for t in (radians.cos() / sizes, radians.sin() / sizes))
    near = (torch.arange(2 * half, device=device) + 0.5 - half) * PIXEL_STRIDE
    # Photos are turned counter-clockwise by each angle.
    x = cos * near - sin * near[:, None]
    y = sin * near + cos * near[:, None]
    # Where a place in working pixels lies among pixels that are means of so many of them.
    at = at - 1 + _RIM / OVERSAMPLE + (PIXEL_STRIDE - 1) / 2
    grid = torch.stack(
        [
            (x + at[:, 0].view(-1, 1, 1, 1, 1)) * (2 / width) - 1,
            (y + at[:, 1].view(-1, 1, 1, 1, 1)) * (2 / height) - 1,
        ],
        -1,
    )
    tall = grid.flatten(1, 3)  # one image a piece: photos are not copied once a pose
    seen = F.grid_sample(halved, tall, mode="bilinear", align_corners=False)
    return seen.unflatten(2, (turns.shape[1], len(SCALES), 2 * half)).permute(0, 2, 3, 1, 4, 5)
