"""What is kept of a located piece until all are looked at together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from heatmap_locator.grid import Grid
from heatmap_locator.outline.sides import Side, Sides
from heatmap_locator.picture.shared_light import Colour, Lit, colour_of, lit_by
from heatmap_locator.placement import Placement

IN_LIGHT = 0.99
"""Score from which a piece's place is sure enough to tell the light.  Set by hand."""


class SearchLike(Protocol):
    """What is read of a :class:`heatmap_locator.placement.Search`."""

    @property
    def placements(self) -> list[Placement]: ...
    @property
    def heatmap(self) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Located:
    """A piece whose photo has been let go.

    Attributes:
        placements: best first.
        heatmap: (h, w) float in 0..1 over the picture.
        sides: of the piece, ``None`` where it has no four corners.
        colour: of its print in the photo, ``None`` where that shows none or was not asked for.
    """

    placements: list[Placement]
    heatmap: np.ndarray
    sides: Sides | None = None
    colour: Colour | None = None


def sides_of(search: SearchLike) -> Sides | None:
    """A search's sides; ``None`` where it tells none."""
    found: Sides | None = getattr(search, "sides", None)
    return found


def own_colour(search: SearchLike) -> Colour | None:
    """A search's colour, read off its photo; ``None`` where it tells none."""
    if isinstance(search, Located):
        return search.colour
    photo, mask = (getattr(search, name, None) for name in ("piece_rgb", "piece_mask"))
    return None if photo is None or mask is None else colour_of(photo, mask)


def light_of(
    searches: Sequence[SearchLike], grid: Grid, size: tuple[int, int], cells: np.ndarray
) -> Lit | None:
    """The light in which pieces lie whose places are sure; ``None`` where they tell none.

    Args:
        searches: of pieces.
        grid: of the puzzle.
        size: (width, height) of the picture.
        cells: (rows * cols, 3) colours of its cells.
    """
    sure = [
        (own_colour(search), row * grid.cols + col)
        for search in searches
        for place in search.placements[:1]
        if place.score >= IN_LIGHT
        for row, col in [grid.cell_at(*place.center, *size)]
    ]
    return lit_by([own for own, _ in sure], [at for _, at in sure], cells)


def keep(search: SearchLike, grid: Grid | None = None, colour: bool = False) -> Located:
    """What assigning needs of a search.

    Args:
        search: of a piece.
        grid: of the puzzle; with it the heatmap is reduced to cells.
        colour: read the piece's colour off its photo too, which ``Puzzle.with_light`` asks for.
    """
    heat = search.heatmap if grid is None else highest_in_cells(search.heatmap, grid)
    own = own_colour(search) if colour else None
    return Located(search.placements, heat, sides_of(search), own)


def highest_in_cells(heatmap: np.ndarray, grid: Grid) -> np.ndarray:
    """(rows, cols) highest value of an (h, w) heatmap over each cell; of such itself."""
    height, width = heatmap.shape
    # The map's cells are often coarser than the grid's edges; every cell reads at least one.
    (left, right), (top, bottom) = (
        (
            np.floor(lines[:-1]).astype(int).clip(0, side - 1),
            np.ceil(lines[1:]).astype(int).clip(1, side),
        )
        for side, first, last, count in (
            (width, grid.edges[0], grid.edges[2], grid.cols),
            (height, grid.edges[1], grid.edges[3], grid.rows),
        )
        for lines in [side * (first + np.arange(count + 1) * ((last - first) / count))]
    )
    by_row = np.stack([heatmap[a:b].max(axis=0) for a, b in zip(top, bottom, strict=True)])
    values = np.stack([by_row[:, a:b].max(axis=1) for a, b in zip(left, right, strict=True)], 1)
    return values.astype(np.float64)


def sides_to_dict(sides: Sides) -> dict[str, Any]:
    """JSON-ready, curves to a hundredth of a percent of a side."""
    return {
        "corners": np.round(sides.corners, 3).tolist(),
        "kinds": list(sides.kinds),
        "curves": [np.round(side.curve.astype(float), 4).tolist() for side in sides.sides],
        "sides_sure": [round(side.sure, 4) for side in sides.sides],
        "sure": round(sides.sure, 4),
        "regular": sides.regular,
    }


def sides_from_dict(values: Mapping[str, Any]) -> Sides:
    """What ``sides_to_dict`` was called on.

    Raises:
        KeyError: a field is missing.
    """
    parts = zip(values["kinds"], values["curves"], values["sides_sure"], strict=True)
    one, two, three, four = (Side(k, np.array(c, np.float32), s) for k, c, s in parts)
    corners = np.array(values["corners"], float)
    return Sides(corners, (one, two, three, four), values["sure"], values["regular"])


def outline_in_photo(sides: Sides) -> np.ndarray:
    """(N, 2) points of the outline that sides were read off, in pixels of the photo."""
    corners = np.asarray(sides.corners, np.float64)
    points = []
    for start, end, side in zip(corners, np.roll(corners, -1, axis=0), sides.sides, strict=True):
        along = end - start
        out = np.array([along[1], -along[0]])
        points.append(start + side.curve[:-1, :1] * along + side.curve[:-1, 1:] * out)
    return np.concatenate(points)


def all_sides(searches: Sequence[SearchLike]) -> list[Sides | None]:
    """Of each search."""
    return [sides_of(search) for search in searches]
