"""The page of results in Markdown: what was run, where, and every table."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..answers.metrics import COVERAGES
from ..options import OURS
from ..protocols.rungs import Rung
from .columns import in_markdown

_COLUMNS: tuple[tuple[str, str, float, int], ...] = (
    # heading, key, factor, digits
    ("both", "both", 100, 1),
    ("top-1", "top1", 100, 1),
    ("top-5", "top5", 100, 1),
    ("rot 4", "rotation4", 100, 1),
    ("rot 15", "rotation15", 100, 1),
    ("IoU", "iou", 1, 3),
    ("IoU≥.5", "iou50", 100, 1),
    ("centre", "center_error", 1, 3),
    ("centre 90%", "center_error_90", 1, 3),
    ("angle", "angle_error", 1, 1),
    ("spread", "collapse", 1, 2),
    ("s a piece", "seconds", 1, 2),
    ("s a picture", "prepare_seconds", 1, 2),
    ("MB", "peak_memory", 1, 0),
)

LEGEND = """\
Every method is asked the same pieces in the same process. **both**: place and angle right, in per
cent; **95%**: its bootstrap interval, pictures resampled with their pieces. **top-1**, **top-5**:
centre within half a cell, across and down. **rot 4**: nearest quarter turn right; **rot 15**:
within 15 degrees. **IoU**: of the first box with the truth, mean, and share from 0.5. **centre**:
error of the first box's centre in sides of a cell, median and 90th percentile, a dash where so
many were not answered. **angle**: median error in degrees of those placed right. **spread**: of
predicted centres over the true ones; 0 is a collapsed model. **s a piece**, **s a picture**:
medians of wall time; the latter is spent once on each picture. **MB**: highest resident memory
above what the process held before the method began on a picture, sampled every 20 ms, the highest
of all pictures; models are loaded before. **SIFT else NCC** takes over what SIFT and NCC found in
the same run; their time and memory count as its own. **texture**: standard deviation, inside the
outline, of luminance between blurs of 1 and 6 pixels at 32 pixels a cell; low below 4 of 255
levels, high from 12; real sets say it in their manifest. A piece without an answer is wrong.
**ours** is told rows and columns, as the other methods are, unless its name says otherwise."""

_NAMES = {
    "ours": "ours",
    "ours-pieces": "ours, told the number of pieces",
    "ours-unknown": "ours, told nothing",
    "ncc": "masked NCC",
    "sift": "SIFT",
    "sift-ncc": "SIFT else NCC",
    "loftr": "LoFTR",
}


def machine(device: str) -> dict[str, str]:
    """What the figures were taken on; no names of hosts.

    Args:
        device: ``cpu`` or ``cuda``, where networks ran.
    """
    import torch

    found = {
        "cpu": _cpu(),
        "cores": str(_cores()),
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
    }
    if device == "cuda":
        found["gpu"] = torch.cuda.get_device_name()
    packages = ("heatmap-locator", "torch", "numpy", "opencv-python-headless")
    return found | {package: version(package) for package in packages}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def command_line(prog: str, argv: Sequence[str]) -> str:
    """The command as typed, absolute paths cut to their last part."""
    shown = (Path(a).name if Path(a).is_absolute() else a for a in argv)
    return " ".join([prog, *shown])


def markdown_table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of ``table.summaries``."""
    headings = ["method", "group", "n", "both", "95%", *(c[0] for c in _COLUMNS[1:])]
    table = []
    for row in rows:
        low, high = row["both_interval"]
        both, *rest = (_number(row[key], factor, digits) for _, key, factor, digits in _COLUMNS)
        cells = [
            _NAMES.get(row["method"], row["method"]),
            row["group"],
            str(row["n"]),
            both,
            f"{100 * low:.0f}-{100 * high:.0f}",
            *rest,
        ]
        table.append(cells)
    return in_markdown(headings, table)


def _number(value: float | None, factor: float, digits: int) -> str:
    return "-" if value is None else f"{factor * value:.{digits}f}"


def score_table(rows: Sequence[dict[str, Any]]) -> str:
    """How far scores can be trusted, of the groups ``all``."""
    headings = [
        "method",
        *(f"{100 * c:.0f}% answered" for c in COVERAGES),
        "answered at 99%",
        "ECE",
    ]
    table = []
    for row in rows:
        if row["group"] != "all":
            continue
        precision = [_number(row["precision_at"][str(c)], 100, 1) for c in COVERAGES]
        # Only ours claims to be a probability.
        error = _number(row["calibration_error"], 1, 3) if row["method"] in OURS else "-"
        cells = [
            _NAMES.get(row["method"], row["method"]),
            *precision,
            _number(row["coverage_at_99"], 100, 1),
            error,
        ]
        table.append(cells)
    return in_markdown(headings, table)


def page(
    rungs: Sequence[Rung],
    rows: Mapping[str, Sequence[dict[str, Any]]],
    facts: Mapping[str, Any],
    notes: str = "",
) -> str:
    """The whole page.

    Args:
        rungs: those that were run.
        rows: of ``table.summaries``, by name of the rung.
        facts: ``command``, ``date``, ``seed``, ``machine`` and ``weights`` of the run.
        notes: Markdown put at the end as it is.
    """
    described = ", ".join(f"{key} {value}" for key, value in facts["machine"].items())
    digests = ", ".join(f"{name} {digest}" for name, digest in facts["weights"].items()) or "none"
    parts = [
        "# Results",
        "Written by the command; do not edit.",
        f"```\n{facts['command']}\n```",
        f"{facts['date']}, seed {facts['seed']}. Weights (first digits of SHA-256): {digests}. "
        f"Machine: {described}.",
        LEGEND,
    ]
    for rung in rungs:
        parts += [f"## {rung.name}", rung.title]
        if rung.known:
            parts.append(f"To stand beside: {rung.known}")
        parts.append(markdown_table(rows[rung.name]))
        parts.append(
            "Of the surest answers, share right in per cent; the part that can be answered with "
            "99% of it right; expected calibration error:"
        )
        parts.append(score_table(rows[rung.name]))
    if notes:
        parts.append(notes.strip())
    return "\n\n".join(parts) + "\n"
