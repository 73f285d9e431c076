"""From the head's maps to candidates: peaks, each with its place and angle."""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.geometry import CELL, STRIDE, Array
from heatmap_locator.model.filters import maximum_filter
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.model.strips import in_strips
from heatmap_locator.search.named import Named

PEAK_WINDOW = 3
"""A peak is the largest of so many cells on a side."""

PIXEL_PEAK_WINDOW = 7
"""The same where pixels alone are read: one place has many small peaks of them."""

MINIMUM_DISTANCE = CELL / 2
"""Working pixels between two candidates; nearer ones are the same place seen twice."""

_ROUNDS = 32
"""Places in a row, each too near to the one before it, that are told apart for certain where the
host is not asked whether all are."""


def find_peaks(heat: Tensor, window: int, most: int) -> tuple[Tensor, Tensor]:
    """The largest of every ``window`` cells of ``(B, h, w)``, highest first, equals in order.

    Cells that hold no number, or minus infinity, are no peaks and hide none.

    Returns:
        ``(B, N)`` values, minus infinity where there are fewer than N, and ``(B, N)`` long, where
        in ``(h * w)`` they are; N is ``most`` or all cells.
    """
    numbers = heat.nan_to_num(-math.inf, math.inf, -math.inf)
    highest = maximum_filter(F.pad(numbers, (window // 2,) * 4, value=-math.inf), window)
    peaks = numbers.masked_fill(numbers != highest, -math.inf).flatten(1)
    index = peaks.topk(min(most, peaks.shape[1])).indices.sort(1).values
    values, order = peaks.gather(1, index).sort(dim=1, descending=True, stable=True)
    return values, index.gather(1, order)


def decode(
    maps: HeadMaps,
    rotations: int,
    gain: float,
    top: int,
    favour: Callable[[Named], Tensor] | None = None,
) -> Named:
    """The ``top`` best places of each piece, best first.

    Args:
        maps: the head's output.
        rotations: hypotheses in the bank.
        gain: the head's ``rotation_gain``.
        top: candidates wanted; fewer are real where the heatmap has fewer peaks.
        favour: what else speaks for ``(B, N)`` candidates, in logits, where they compete.
    """
    heat = maps.heat[:, 0].float()
    # Of peaks that near each other all but one are dropped, so look at more than are wanted.
    logits, index = find_peaks(heat, PEAK_WINDOW, 8 * top + 32)

    def at(values: Tensor) -> Tensor:
        flat = values.float().flatten(2)
        return flat.gather(2, index[:, None].expand(-1, flat.shape[1], -1)).transpose(1, 2)

    sin, cos = at(maps.rotation).unbind(2)
    degrees = at(maps.best[:, None])[..., 0] * (360.0 / rotations)
    degrees = degrees + torch.atan2(sin, cos) * (180.0 / math.pi / gain)
    named = Named(
        (_cells(index, heat.shape[2]) + at(maps.offset).clamp(0, 1)) * STRIDE,
        # Twice: the remainder of a hair below zero rounds to 360 itself.
        degrees.remainder(360.0).remainder(360.0),
        logits,
        logits > -math.inf,
    )
    scores = logits if favour is None else logits + favour(named)
    return suppress(named, MINIMUM_DISTANCE, scores, top)


def decode_pixels(maps: HeadMaps, pixel: Tensor, top: int, bias: Tensor) -> tuple[Named, Tensor]:
    """The ``top`` places where the pixels alone correlate best, with the head's logits there.

    Args:
        maps: the head's output.
        pixel: ``(B, R, h, w)`` correlations it was read from.
        top: places wanted.
        bias: ``(B, R)`` added to the correlations under each rotation.

    Returns:
        the candidates, and ``(B, N)`` their correlations; none is real where the maps hold no
        number.
    """

    def biased(part: Tensor, turns: Tensor) -> Tensor:
        return (part.float() + turns).nan_to_num(-math.inf, math.inf, -math.inf)

    # Which rotation it is takes ten times as long to find as how high, and is asked at peaks alone.
    values = torch.cat([biased(v, bias[..., None, None]).amax(1) for (v,) in in_strips(pixel)], 1)
    heat = maps.heat[:, 0].float()
    seen, index = find_peaks(values.masked_fill(heat.isnan(), -math.inf), PIXEL_PEAK_WINDOW, top)
    batch = torch.arange(len(pixel), device=pixel.device)[:, None]
    found = pixel[batch, :, index // heat.shape[2], index % heat.shape[2]]
    own = biased(found, bias[:, None]).argmax(2)
    places = (_cells(index, heat.shape[2]) + 0.5) * STRIDE
    named = Named(
        places,
        own * (360.0 / pixel.shape[1]),
        heat.flatten(1).gather(1, index),
        seen > -math.inf,
    )
    return named, found.gather(2, own[..., None])[..., 0].float()


def _cells(index: Tensor, width: int) -> Tensor:
    """(x, y) of cells of maps so wide, ``(..., 2)``."""
    return torch.stack([index % width, index // width], -1).float()


def suppress(named: Named, distance: float, scores: Tensor, most: int) -> Named:
    """Keep the best of those nearer to each other than ``distance``; best first.

    Args:
        named: in any order.
        distance: working pixels.
        scores: ``(B, M)`` what the best have most of.
        most: of each piece, kept at most.
    """
    scores = scores.masked_fill(~named.real, -math.inf)
    order = scores.argsort(dim=1, descending=True, stable=True)
    at = named.take(order)
    apart = [(axis[:, :, None] - axis[:, None]).square() for axis in at.place.unbind(2)]
    near = apart[0] + apart[1] < distance**2
    first, kept = first_apart(near & at.real[:, None], most)
    own = at.take(first)
    return Named(own.place, own.rotation, own.logit, own.real & kept)


def first_apart(near: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Of places in order the first ``most`` that no kept one before them is near.

    Args:
        near: ``(B, M, M)`` bool, which are too near to each other.
        most: of each piece, at most.

    Returns:
        ``(B, K)`` indices, in order, and whether there are so many.
    """
    before = near.tril(-1).float()
    kept = before.new_ones(before.shape[:2])
    # After so many rounds what depends on so many before it is settled.
    ask = waits_for_nothing(near.device)
    for _ in range(before.shape[1] if ask else _ROUNDS):
        again = ((before @ kept[..., None])[..., 0] == 0).float()
        if ask and torch.equal(again, kept):
            break
        kept = again
    first = kept.argsort(dim=1, descending=True, stable=True)[:, :most]
    return first, kept.gather(1, first) > 0


def waits_for_nothing(device: torch.device) -> bool:
    """Whether asking a tensor for its value costs no more than computing it."""
    return device.type == "cpu"


def best_apart(
    places: Array, reach: float | np.ndarray, scores: np.ndarray, most: int | None = None
) -> list[int]:
    """Of places nearer to each other than their reach the best, as indices, best first.

    Args:
        places: (N, 2), all in one frame.
        reach: of all, or (N,); the larger of two places' counts.
        scores: (N,), more is better; the earlier of equals comes first.
        most: kept at most.
    """
    order = np.argsort(-scores, kind="stable")
    at = places[order]
    far = np.broadcast_to(np.asarray(reach, float), len(places))[order]
    kept: list[int] = []
    for i in range(len(order)):
        apart = np.hypot(*(at[kept] - at[i]).T)
        if (apart >= np.maximum(far[i], far[kept])).all():
            kept.append(i)
        if len(kept) == most:
            break
    return [int(order[i]) for i in kept]


def heatmaps(maps: HeadMaps) -> Tensor:
    """The heat as ``(B, h, w)`` float32 in 0..1."""
    return torch.sigmoid(maps.heat[:, 0].float())
