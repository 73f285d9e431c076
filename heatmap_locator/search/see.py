"""Propose places: pieces in all rotations, correlated with the picture, the volumes read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.model.network import HeatmapLocator
from heatmap_locator.model.precision import autocast
from heatmap_locator.search.decode import heatmaps
from heatmap_locator.search.levels import Level
from heatmap_locator.search.named import Named
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.propose import around, name_places


@dataclass(frozen=True, eq=False)
class Seen:
    """What is seen of one piece at one picture size.

    Attributes:
        level: that size.
        named: the places that head and pixels propose, a batch of one; a place may come twice.
        feature: ``(1, M)`` the largest correlation of features around each.
        heat: ``(h, w)`` float32, 0..1.
    """

    level: Level
    named: Named
    feature: Tensor
    heat: Tensor


def see(
    pieces: Sequence[PreparedPiece],
    wanted: Sequence[Sequence[Level]],
    model: HeatmapLocator,
    device: torch.device,
) -> list[list[Seen]]:
    """Look for pieces, which go through the network together.

    Args:
        pieces: at least one.
        wanted: of each piece, the picture sizes that it is looked for at, largest cells first.
        model: in evaluation mode, on ``device``.
        device: where the levels are.

    Returns:
        of each piece, what is seen of it at the sizes wanted, in their order.
    """
    seen: list[list[Seen]] = [[] for _ in pieces]
    levels = {level.index: level for own in wanted for level in own}
    with autocast(device):
        banks = [piece.rotated(model.config.rotations, device) for piece in pieces]
        templates, masks = (torch.cat(t) for t in zip(*banks, strict=True))
        bank = model.encode_pieces(templates, masks).trimmed()
        for _, level in sorted(levels.items()):
            rows = [n for n, own in enumerate(wanted) if level in own]
            part = bank if len(rows) == len(pieces) else bank.part(rows)
            feature, pixel = model.correlate_bank(level.encoded.repeated(len(rows)), part)
            maps = model.head(feature, pixel)
            own, field = [pieces[n] for n in rows], level.field
            gain = model.head.rotation_gain
            named = name_places(maps, pixel, own, field.grid, field.size, gain, field.open)
            near, heat = around(feature, named), heatmaps(maps)
            for at, n in enumerate(rows):
                seen[n].append(Seen(level, named.of(at), near[at : at + 1], heat[at]))
    return seen


def heats_of(seen: Sequence[Seen]) -> list[np.ndarray]:
    """The heatmaps of what was seen, copied from the device."""
    return [one.heat.cpu().numpy() for one in seen]
