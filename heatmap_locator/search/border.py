"""Places along the picture's edges, for pieces with straight sides.

The border is often the flattest part of a picture, where neither features nor pixels have peaks;
but a straight side leaves few places, and says how the piece is turned there.
"""

import math

import torch
from torch import Tensor

from heatmap_locator.geometry import CELL, STRIDE
from heatmap_locator.grid import Grid
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.model.ranker import PIXEL_WEIGHT, evidence
from heatmap_locator.search.evidence import SeenSides
from heatmap_locator.search.named import Named, set_upright

MOST = 160
"""Places of a piece at most, those where pixels and head say most: of a puzzle of 1,000 all."""


def border_places(
    maps: HeadMaps,
    pixel: Tensor,
    sides: SeenSides,
    off: Tensor,
    grid: Grid | None,
    size: tuple[int, int],
) -> Named | None:
    """Every place on the edge of the picture that pieces' straight sides allow.

    Args:
        maps: the head's output.
        pixel: ``(B, R, h, w)`` correlations it was read from.
        sides: of B pieces, on the CPU.
        off: ``(B, 2)`` of ``PreparedPiece.body_off``.
        grid: of the puzzle; where it is not known nothing is named.
        size: (height, width) of the working picture.

    Returns:
        with the head's logits; ``None`` where no piece has a straight side.
    """
    straight = [[i for i in range(4) if own[i] > 0] for own in sides.odds.tolist()]
    if grid is None or not any(straight):
        return None
    step = 1.0 if grid.exact else 0.5
    found = []
    for row, own in enumerate(straight):
        rows = [
            (x, y, degrees)
            for turn in range(4)
            for degrees in [float(sides.outward[row]) - 90.0 * turn]
            for x, y in _cells([(i + turn) % 4 for i in own], grid, step)
        ]
        places = torch.tensor(rows, dtype=torch.float32, device=pixel.device).view(-1, 3)
        found.append(named_at(places, row, maps, pixel, off, grid, size))
    most = max(one.real.shape[1] for one in found)
    return Named.joined([filled(one, most) for one in found], 0)


def _cells(edges: list[int], grid: Grid, step: float) -> list[tuple[float, float]]:
    """Middles, in cells, of the places on all of some edges (0 top, 1 right, 2 bottom, 3 left)."""
    if not edges:
        return []
    xs = [0.5 + step * i for i in range(int((grid.cols - 1) / step) + 1)]
    ys = [0.5 + step * i for i in range(int((grid.rows - 1) / step) + 1)]
    if 1 in edges:
        xs = xs[-1:]
    if 3 in edges:
        xs = xs[:1]
    if 0 in edges:
        ys = ys[:1]
    if 2 in edges:
        ys = ys[-1:]
    return [(x, y) for y in ys for x in xs]


def named_at(
    places: Tensor,
    row: int,
    maps: HeadMaps,
    pixel: Tensor,
    off: Tensor,
    grid: Grid,
    size: tuple[int, int],
) -> Named:
    """One piece's ``(N, 3)`` (x, y) in cells and degrees, the ``MOST`` best, as a batch of one."""
    rotations, height, width = pixel.shape[1:]
    degrees = places[:, 2].remainder(360.0).remainder(360.0)
    own = size[1], size[0]
    middles = places.new_tensor(grid.origin(*own)) + places[:, :2] * places.new_tensor(
        grid.cell_size(*own)
    )
    at = middles - set_upright(off[row], degrees)
    column, line = (at / STRIDE).long().unbind(1)
    column, line = column.clamp(0, width - 1), line.clamp(0, height - 1)
    turn = (degrees * (rotations / 360)).round().long() % rotations
    heat = maps.heat[row, 0].float()[line, column]
    seen = evidence(pixel[row, turn, line, column].float())
    worth = (heat + PIXEL_WEIGHT * seen).nan_to_num(-math.inf)
    best = worth.argsort(descending=True, stable=True)[:MOST]
    real = heat[best].isfinite()
    return Named(
        at[best][None],
        degrees[best][None],
        heat[best][None],
        real[None],
    )


def filled(named: Named, most: int) -> Named:
    """With so many candidates, those added not real."""
    missing = most - named.real.shape[1]
    if not missing:
        return named
    place = named.place.new_full((1, missing, 2), CELL / 2)
    empty = named.logit.new_zeros((1, missing))
    more = Named(place, empty, empty, torch.zeros_like(empty, dtype=torch.bool))
    return Named.joined([named, more], 1)
