"""Results as rows, for people and as JSON."""

from collections.abc import Sequence
from typing import Any

from ..answers.metrics import Record, groups, summarize
from .columns import in_columns

_SHARES = {
    "IoU>.5": "iou50",
    "top-1": "top1",
    "top-5": "top5",
    "rot 4": "rotation4",
    "rot 15": "rotation15",
    "both": "both",
}
_NUMBERS = {
    "centre": ("center_error", 3),
    "angle": ("angle_error", 1),
    "spread": ("collapse", 2),
    "s/piece": ("seconds", 2),
}
"""Key and digits by heading."""

_HEADINGS = ("method", "group", "n", "IoU", *_SHARES, "95%", *_NUMBERS)

LEGEND = """\
IoU: mean overlap of the first box with the truth, and share of pieces from 0.5.  top-1, top-5:
centre within half a cell.  rot 4: nearest quarter turn right; rot 15: within 15 degrees.  both:
top-1 and rot 15, with its bootstrap interval by picture.  centre: median error in sides of a
cell.  angle: median error in degrees of pieces placed right.  spread: of predicted centres over
the true ones.  s/piece: median, without the picture's preparation."""


def summaries(records: Sequence[Record]) -> list[dict[str, Any]]:
    """A row of metrics per method and group, JSON-ready."""
    rows = []
    for method in dict.fromkeys(r.method for r in records):
        own = [r for r in records if r.method == method]
        for group, members in groups(own):
            rows.append({"method": method, "group": group, **summarize(members)})
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows in columns; shares in per cent."""
    return in_columns(_HEADINGS, [_cells(row) for row in rows], names=2)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    low, high = row["both_interval"]
    return (
        row["method"],
        row["group"],
        str(row["n"]),
        f"{row['iou']:.3f}",
        *(f"{100 * row[key]:.1f}" for key in _SHARES.values()),
        f"{100 * low:.0f}-{100 * high:.0f}",
        *(
            "-" if row[key] is None else f"{row[key]:.{digits}f}"
            for key, digits in _NUMBERS.values()
        ),
    )
