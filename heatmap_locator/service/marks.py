"""What people said of a piece's places: which one it lies in, and which are wrong.

Marks are points in the picture's pixels, so that they outlive a search made anew.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from heatmap_locator.placement import Placement
from heatmap_locator.service.storage import Record

if TYPE_CHECKING:
    from heatmap_locator.locator import Search

SETTLED = 0.999
"""Score of the place that a piece was put in."""

NONE: Record = {"placed": False, "chosen": None, "rejected": []}
"""Members of a record that people set, as they are at first."""


def is_at(placement: Placement, point: Sequence[float]) -> bool:
    """Whether a place is the one around a point: its middle is within half of its shorter side."""
    x1, y1, x2, y2 = placement.box
    x, y = placement.center
    return math.hypot(x - point[0], y - point[1]) < 0.5 * min(x2 - x1, y2 - y1)


def is_denied(record: Record, placements: list[Placement]) -> bool:
    """Whether the place that is chosen is among those that are said to be wrong.

    Args:
        placements: all of the piece, wrong ones too.
    """
    chosen = record.get("chosen")
    if chosen is None:
        return False
    there = [p for p in placements if is_at(p, chosen)]
    if not there:
        return False
    nearest = min(there, key=lambda p: math.dist(p.center, chosen))
    return nearest not in ordered(record, placements)


def ordered(record: Record, placements: list[Placement]) -> list[Placement]:
    """Places without those that are wrong, the chosen one first."""
    wrong, chosen = record.get("rejected", []), record.get("chosen")
    there = [p for p in placements if any(is_at(p, point) for point in wrong)]
    cells = {p.cell for p in there if p.cell is not None}
    kept = [p for p in placements if p not in there and p.cell not in cells]
    if chosen is not None:
        kept.sort(key=lambda p: not is_at(p, chosen))
    return kept


def shown(record: Record) -> dict[str, Any]:
    """The marks as the API shows them."""
    return {name: record.get(name, value) for name, value in NONE.items()}


def moved(record: Record, across: float, down: float) -> Record:
    """The points of a record for a picture that is so many times as wide and high."""
    changes: Record = {}
    if record.get("chosen"):
        changes["chosen"] = [record["chosen"][0] * across, record["chosen"][1] * down]
    if record.get("rejected"):
        changes["rejected"] = [[x * across, y * down] for x, y in record["rejected"]]
    return changes


def settled(record: Record, search: "Search", size: tuple[int, int]) -> "Search":
    """A search that says what people said, for fitting all pieces together.

    Args:
        size: width and height of the picture.
    """
    placements = search.placements
    heatmap = np.zeros_like(search.heatmap) if record.get("placed") else search.heatmap.copy()
    if record.get("placed"):
        placements = [replace(placements[0], score=SETTLED)] if placements else []
    height, width = heatmap.shape
    side = min(
        (min(p.box[2] - p.box[0], p.box[3] - p.box[1]) for p in search.placements), default=0.0
    )
    for x, y in record.get("rejected", []):
        reach = 0.5 * side
        left, right = ((x + d) / size[0] * width for d in (-reach, reach))
        top, bottom = ((y + d) / size[1] * height for d in (-reach, reach))
        heatmap[
            max(0, math.floor(top)) : max(0, math.ceil(bottom)),
            max(0, math.floor(left)) : max(0, math.ceil(right)),
        ] = 0.0
    return replace(search, placements=placements, heatmap=heatmap)
