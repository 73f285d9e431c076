"""Charts of an evaluation, drawn without a display and written whole or not at all."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from heatmap_locator.files import write_atomically

from ..answers.metrics import COVERAGES, Record, both, by_rotation, interval, score
from ..answers.reliability import precision_at, reliability

COLOURS = {"ours": "C3", "ncc": "C0", "sift": "C1", "sift-ncc": "C2", "loftr": "C4"}

Point = tuple[float, float] | tuple[float, float, float, float]
"""(x, y) or (x, y, low, high), the latter with a bar."""


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=120, bbox_inches="tight")
    write_atomically(path, data.getvalue())


def lines(
    series: Mapping[str, Sequence[Point]],
    title: str,
    x_label: str,
    y_label: str,
    log_x: bool = False,
) -> tuple[Figure, Axes]:
    """One line a series, by name; the caller may draw on before :func:`save`."""
    figure = Figure(figsize=(6.4, 4.2))
    axes = figure.add_subplot()
    for index, (name, points) in enumerate(series.items()):
        colour = COLOURS.get(name, f"C{5 + index % 5}")
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        # Methods that do equally well lie on one another: ours on top, the others wider below.
        width = 1.6 if name == "ours" else 1.6 + 1.2 * (len(series) - index)
        order = 3.0 if name == "ours" else 2.0
        axes.plot(
            xs,
            ys,
            "o-",
            color=colour,
            label=name,
            linewidth=width,
            markersize=width + 3,
            zorder=order,
        )
        bars = [p for p in points if len(p) == 4]
        if bars:
            axes.vlines(
                [p[0] for p in bars],
                [p[2] for p in bars],
                [p[3] for p in bars],
                color=colour,
                alpha=0.35,
            )
    if log_x:
        axes.set_xscale("log")
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(alpha=0.3)
    if series:
        axes.legend(fontsize=8)
    return figure, axes


def _by_method(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.method, []).append(record)
    return found


def accuracy_by_pieces(records: Sequence[Record], title: str, path: Path) -> None:
    """Share both right over the number of pieces, with bootstrap 95% intervals."""
    series: dict[str, list[Point]] = {}
    for method, own in _by_method(records).items():
        for count in sorted({r.pieces for r in own}):
            group = [r for r in own if r.pieces == count]
            share = sum(map(both, group)) / len(group)
            low, high = interval(group)
            series.setdefault(method, []).append((count, 100 * share, 100 * low, 100 * high))
    figure, axes = lines(series, title, "pieces of the puzzle", "both right, %", log_x=True)
    counts = sorted({r.pieces for r in records})
    axes.set_xticks(counts, [str(c) for c in counts])
    axes.minorticks_off()
    axes.set_ylim(0, 102)
    save(figure, path)


def accuracy_by_angle(records: Sequence[Record], title: str, path: Path) -> None:
    """Share both right over the angle that the piece is turned by."""
    series: dict[str, list[Point]] = {
        method: [(angle, 100 * share) for angle, _, share in by_rotation(own)]
        for method, own in _by_method(records).items()
    }
    figure, axes = lines(series, title, "rotation, degrees clockwise", "both right, %")
    axes.set_xticks(range(0, 360, 90))
    axes.set_ylim(0, 102)
    save(figure, path)


def reliability_diagram(records: Sequence[Record], title: str, path: Path) -> None:
    """Share right over confidence, in ten bins, and how many pieces each bin holds."""
    bins = reliability([score(r) for r in records], [both(r) for r in records])
    points = [(b.confidence, b.share) for b in bins]
    figure, axes = lines({"ours": points}, title, "score", "share right")
    axes.plot([0, 1], [0, 1], "k--", linewidth=0.8, label="calibrated")
    for b in bins:
        axes.annotate(
            str(b.n),
            (b.confidence, b.share),
            textcoords="offset points",
            xytext=(4, -9),
            fontsize=7,
        )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(fontsize=8)
    save(figure, path)


def precision_by_coverage(records: Sequence[Record], title: str, path: Path) -> None:
    """Share right among the surest answers, over the part of the pieces that is answered."""
    series: dict[str, list[Point]] = {}
    steps = sorted({*(n / 20 for n in range(1, 21)), *COVERAGES})
    for method, own in _by_method(records).items():
        scores, hits = [score(r) for r in own], [both(r) for r in own]
        series[method] = [(100 * c, 100 * precision_at(scores, hits, c)) for c in steps]
    figure, axes = lines(series, title, "pieces answered, surest first, %", "of those right, %")
    axes.set_ylim(0, 102)
    save(figure, path)
