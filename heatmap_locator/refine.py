"""From places to poses: angles and sizes between those that the whole picture is searched for.

The whole picture is searched at the size that the piece's outline implies, which still finds
pieces 15% off it; only around the places named are other sizes tried.  What that adds to the
correlation says little about which place is right, so candidates keep their logits.
"""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.correlation import masked_ncc_around
from heatmap_locator.decode import Candidate
from heatmap_locator.geometry import STRIDE
from heatmap_locator.head import vertex
from heatmap_locator.model import (
    FEATURE_NOISE,
    PIXEL_NOISE,
    PIXEL_STRIDE,
    EncodedImages,
    HeatmapLocator,
)
from heatmap_locator.piece import PreparedPiece

SCALES = (0.87, 0.933, 1.0, 1.072, 1.15)
"""Sizes tried, in equal steps of the logarithm, as factors on what the outline implies."""

TURNS = (-10.0, -5.0, 0.0, 5.0, 10.0)
"""Degrees tried beyond the candidate's rotation."""

REACH = 1
"""Feature cells tried to either side of the candidate's."""

_LOG_SCALES = torch.tensor(SCALES).log()
_SCALE_STEP = float(_LOG_SCALES[-1] - _LOG_SCALES[0]) / (len(SCALES) - 1)


def refine(
    candidates: list[Candidate],
    piece: PreparedPiece,
    picture: EncodedImages,
    model: HeatmapLocator,
    spread: float,
) -> list[Candidate]:
    """Move candidates to the pose near them under which the piece correlates best.

    Args:
        candidates: of one picture size, found at the outline's own size.
        piece: the piece.
        picture: encoded, a batch of one.
        model: whose weights join the two correlations.
        spread: standard deviation of the log of the true size over the outline's.

    Returns:
        As many candidates in the same order.  Place and size are left as the head read them where
        the size is confirmed: it has learnt to read them, this interpolates.
    """
    if not candidates:
        return []
    device = picture.features.device
    height, width = picture.features.shape[-2:]
    cells = torch.tensor(
        [
            [min(int(c.y // STRIDE), height - 1), min(int(c.x // STRIDE), width - 1)]
            for c in candidates
        ],
        device=device,
    )
    degrees = torch.tensor([[c.rotation] for c in candidates]) + torch.tensor(TURNS)
    volumes = []
    for scale in SCALES:
        bank = piece.rotated(degrees.flatten().to(device), scale)
        volumes.append(_correlate(model, picture, model.encode_pieces(*bank).trimmed(), cells))
    combined = torch.stack(volumes, 1).cpu()
    prior = -(_LOG_SCALES / spread).square() / 2
    combined = combined + (prior / float(model.head.readout[0])).view(1, -1, 1, 1, 1)
    return [_moved(*each) for each in zip(candidates, combined, cells.tolist(), strict=True)]


def _correlate(
    model: HeatmapLocator, picture: EncodedImages, bank: EncodedImages, cells: Tensor
) -> Tensor:
    """Combined logits, ``(M, turns, 2 * REACH + 1, 2 * REACH + 1)``, around (row, col) cells."""
    assert bank.feature_mask is not None
    assert bank.pixel_mask is not None
    side, cell = 2 * REACH + 1, STRIDE // PIXEL_STRIDE

    def around(
        field: Tensor, templates: Tensor, masks: Tensor, noise: float, per_cell: int, steps: int
    ) -> Tensor:
        corners = (cells - REACH) * per_cell - templates.shape[-1] // 2
        own, covers = (
            t[0].unflatten(0, (len(cells), len(TURNS))).float() for t in (templates, masks)
        )
        return masked_ncc_around(field[0], own, covers, noise, corners, steps)

    with torch.autocast(picture.features.device.type, enabled=False):
        feature = around(picture.features, bank.features, bank.feature_mask, FEATURE_NOISE, 1, side)
        pixel = around(
            picture.pixels, bank.pixels, bank.pixel_mask, PIXEL_NOISE, cell, side * cell + 1
        )
        return model.head.combine(feature, F.max_pool2d(pixel, cell + 1, cell))


def _moved(candidate: Candidate, volume: Tensor, cell: list[int]) -> Candidate:
    """The candidate at the top of its ``(scales, turns, rows, columns)`` volume."""
    peak = tuple(int(i) for i in torch.unravel_index(volume.argmax(), volume.shape))
    scale, turn, row, col = (_vertex(volume, peak, axis) for axis in range(4))
    middle = len(TURNS) // 2
    rotation = candidate.rotation + (turn - middle) * (TURNS[1] - TURNS[0])
    turned = replace(candidate, rotation=rotation % 360.0 % 360.0)
    steps = scale - len(SCALES) // 2
    if abs(steps) <= 0.5:
        return turned
    return replace(
        turned,
        x=(cell[1] + 0.5 + col - REACH) * STRIDE,
        y=(cell[0] + 0.5 + row - REACH) * STRIDE,
        log_size=(0.0, 0.0),
        scale=candidate.scale * math.exp(steps * _SCALE_STEP),
    )


def _vertex(volume: Tensor, peak: tuple[int, ...], axis: int) -> float:
    """Where along an axis the top lies, by a parabola through three samples, in samples."""
    index = peak[axis]
    if not 0 < index < volume.shape[axis] - 1:
        return float(index)
    before, at, after = (
        volume[tuple(p + d * (a == axis) for a, p in enumerate(peak))] for d in (-1, 0, 1)
    )
    return index + float(vertex(before, at, after))
