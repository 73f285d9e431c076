"""What ``heatmap-eval collapse`` writes: tables and the picture."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from heatmap_locator.files import write_atomically

from ..report.columns import in_columns, in_markdown
from ..report.results import write_results
from .gradients import SIDE, gradient_norms

HEADINGS = (
    "member",
    "picture",
    "parameters",
    "mean x, y",
    "std x, y",
    "truth std",
    "gauge",
    "r",
    "IoU",
    "placed %",
    "loss",
    "min",
)

LEGEND = """\
Centres in shares of the picture.  gauge: std of predicted centres over that of the true ones, 0
where all answers are one place.  r: correlation of predicted and true centres, which a spread
that is mere noise does not have.  placed: centre within half a cell.  loss: each member's own on
held-back pieces, not to be compared between members.  min: of training, of its last part where
it was resumed."""


def cells(row: Mapping[str, Any]) -> list[str]:
    """A member's row as text; what is missing is a dash."""

    def number(key: str, digits: int, factor: float = 1.0) -> str:
        return "-" if row[key] is None else f"{factor * row[key]:.{digits}f}"

    def pair(key: str) -> str:
        return "-" if row[key] is None else ", ".join(f"{v:.3f}" for v in row[key])

    return [
        row["member"],
        f"{row['picture']}",
        f"{row['parameters'] / 1e6:.1f}M",
        pair("mean"),
        pair("std"),
        pair("truth_std"),
        number("gauge", 2),
        number("correlation", 2),
        number("iou", 3),
        number("placed", 1, 100),
        number("loss", 3),
        number("minutes", 1),
    ]


GRADIENT_HEADINGS = ("boxes", "GIoU", "DIoU", "CIoU", "centre: GIoU", "DIoU", "CIoU")


def gradient_cells(row: Mapping[str, Any]) -> list[str]:
    names = ("giou", "diou", "ciou")
    keys = [*names, *(f"{name}_center" for name in names)]
    return [row["pairs"], *(f"{row[key]:.3f}" for key in keys)]


def draw_gauges(curves: Mapping[str, Sequence[tuple[int, float]]], path: Path) -> None:
    """Collapse gauge over training, a line per member of (step, gauge)."""
    figure = Figure(figsize=(8, 4.8))
    axes = figure.add_subplot()
    colours = mpl.colormaps["tab20"].colors  # type: ignore[attr-defined]
    for index, (name, points) in enumerate(curves.items()):
        ours = name == "ours"
        axes.plot(
            [p[0] for p in points],
            [p[1] for p in points],
            "o-",
            markersize=3,
            color="black" if ours else colours[index % len(colours)],
            linewidth=2.5 if ours else 1.2,
            label=name,
        )
    axes.axhline(1, color="grey", linestyle="--", linewidth=0.8)
    axes.set(
        title="Collapse gauge over training",
        xlabel="steps",
        ylabel="std of predicted centres / std of true ones",
        ylim=(0, None),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=120, bbox_inches="tight")
    write_atomically(path, data.getvalue())


def notes(result: Mapping[str, Any]) -> str:
    """What the reader of the table must know of this run."""
    constant = {row["picture"]: row["constant_iou"] for row in result["members"]}
    ious = ", ".join(f"{iou:.3f} (pictures of {size})" for size, iou in constant.items())
    text = f"Trained on {result['pieces']} pieces each.  A constant box, the mean of the truth, "
    text += f"has an IoU of {ious}."
    if result["left_out"]:
        text += f"\nNot trained here (--only): {', '.join(result['left_out'])}."
    return text


def write(out: Path, result: dict[str, Any], as_json: bool) -> None:
    """Print the tables, or ``result`` as JSON, and write results.json, collapse.md, gauge.png.

    Args:
        out: the folder, which exists.
        result: the run's settings, ``pieces``, ``members`` and ``left_out``; the norms of the
            gradients are added.
        as_json: whether JSON is printed instead of the tables.
    """
    gradients = gradient_norms()
    result = {**result, "gradient_norms": gradients}
    table = [cells(row) for row in result["members"]]
    slopes = [gradient_cells(row) for row in gradients]
    heading = (
        f"Norm of the gradient by the predicted box (cx, cy, w, h) and by its centre alone, two "
        f"squares of side {SIDE:g} that do not touch,\ncentres so far apart along the diagonal, or "
        "anywhere at random:"
    )
    page = (
        f"# Collapse\n\n{in_markdown(HEADINGS, table)}\n\n{LEGEND}\n\n{notes(result)}\n\n"
        f"![Collapse gauge over training](gauge.png)\n\n{heading}\n\n"
        f"{in_markdown(GRADIENT_HEADINGS, slopes)}\n"
    )
    draw_gauges({row["member"]: row["curve"] for row in result["members"]}, out / "gauge.png")
    write_atomically(out / "collapse.md", page.encode())
    text = write_results(result, out)
    if as_json:
        print(text)
        return
    print(f"{in_columns(HEADINGS, table)}\n\n{LEGEND}\n\n{notes(result)}\n")
    print(f"{heading}\n{in_columns(GRADIENT_HEADINGS, slopes)}")
