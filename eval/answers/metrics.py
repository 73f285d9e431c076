"""Metrics over records, one record per method and piece; every function is pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heatmap_locator.geometry import RIGHT_ANGLE, angle_difference, box_iou

from ..protocols.tasks import Box
from .reliability import calibration_error, coverage_at, precision_at

COVERAGES = (0.5, 0.7, 0.8, 0.9)
"""Parts of the pieces, surest first, whose share right is told."""

TEXTURED = ("medium", "high")
"""Classes of texture that the group ``textured`` joins."""


@dataclass(frozen=True)
class Answer:
    """One place a method named: box in picture pixels, rotation in degrees, its own score."""

    box: Box
    rotation: float
    score: float


@dataclass(frozen=True)
class Record:
    """What a method said of one piece, and the truth.

    Attributes:
        method: its name.
        piece: names the piece: dataset, pieces, picture and place.
        dataset: name of the folder, or ``procedural``.
        picture: name of the picture; intervals resample pictures.
        pieces: number of pieces of the puzzle, as asked for.
        texture: ``low``, ``medium``, ``high`` or ``None``.
        box: true box in picture pixels.
        rotation: true rotation in degrees.
        cell: (width, height) of a cell in picture pixels.
        size: (width, height) of the picture in pixels.
        answers: best first; empty where the method gave none.
        seconds: spent on this piece.
        prepare_seconds: spent once on its picture.
        weights: digest of the weights, or ``None`` for a method without.
        peak_memory: most that the method held at a time for this picture and its pieces, above
            what the process held before, 10^6 bytes; ``None`` where it could not be read.
    """

    method: str
    piece: str
    dataset: str
    picture: str
    pieces: int
    texture: str | None
    box: Box
    rotation: float
    cell: tuple[float, float]
    size: tuple[float, float]
    answers: tuple[Answer, ...]
    seconds: float
    prepare_seconds: float = 0.0
    weights: str | None = None
    peak_memory: float | None = None


def center(box: Box) -> tuple[float, float]:
    """(x, y) of a box's middle."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def in_place(record: Record, answer: Answer) -> bool:
    """Whether the box's centre is within half a cell of the truth, across and down."""
    (x, y), (true_x, true_y) = center(answer.box), center(record.box)
    return abs(x - true_x) <= record.cell[0] / 2 and abs(y - true_y) <= record.cell[1] / 2


def placed(record: Record, top: int = 1) -> bool:
    """Whether one of the first ``top`` answers is in place."""
    return any(in_place(record, answer) for answer in record.answers[:top])


def angle_error(record: Record) -> float:
    """Degrees, 0..180, that the first answer's rotation is off; infinite without an answer."""
    if not record.answers:
        return np.inf
    return abs(angle_difference(record.answers[0].rotation, record.rotation))


def center_error(record: Record) -> float:
    """Distance of centres in sides of a cell; infinite without an answer."""
    if not record.answers:
        return np.inf
    gap = np.subtract(center(record.answers[0].box), center(record.box))
    return float(np.hypot(*gap) / np.sqrt(record.cell[0] * record.cell[1]))


def iou(record: Record) -> float:
    """Overlap of the first answer's box with the truth, 0..1; 0 without an answer."""
    return box_iou(record.answers[0].box, record.box) if record.answers else 0.0


def both(record: Record) -> bool:
    """Whether the first answer is in place and its rotation right."""
    return placed(record) and angle_error(record) <= RIGHT_ANGLE


def collapse(records: Sequence[Record]) -> float | None:
    """Spread of predicted centres over that of the true ones, picture-normalised.

    A model that answers the same place for every piece is near 0, a sound one near 1.  ``None``
    where fewer than two pieces were answered or the truth has no spread.
    """
    answered = [r for r in records if r.answers]
    if len(answered) < 2:
        return None
    predicted = np.array([np.divide(center(r.answers[0].box), r.size) for r in answered])
    true = np.array([np.divide(center(r.box), r.size) for r in answered])
    spread = np.sqrt(true.var(axis=0).sum())
    return float(np.sqrt(predicted.var(axis=0).sum()) / spread) if spread > 0 else None


def interval(
    records: Sequence[Record], hit: Callable[[Record], bool] = both, draws: int = 2000
) -> tuple[float, float]:
    """Bootstrap 95% interval of the share of hits, pictures resampled with their pieces.

    Pieces of a picture fare alike, so they are no independent draws.  Of a single picture there
    is nothing to resample but its pieces.
    """
    names = [(r.dataset, r.pieces, r.picture) for r in records]
    if len(set(names)) < 2:
        groups = np.arange(len(records))
    else:
        order = {name: i for i, name in enumerate(dict.fromkeys(names))}
        groups = np.array([order[name] for name in names])
    hits = np.bincount(groups, [float(hit(r)) for r in records])
    counts = np.bincount(groups).astype(float)
    rng = np.random.default_rng(0)  # the same interval for the same records
    chosen = rng.integers(0, len(counts), (draws, len(counts)))
    shares = hits[chosen].sum(axis=1) / counts[chosen].sum(axis=1)
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(low), float(high)


def score(record: Record) -> float:
    """Of the first answer; minus infinity without one."""
    return record.answers[0].score if record.answers else -np.inf


def by_rotation(records: Sequence[Record], bins: int = 12) -> list[tuple[float, int, float]]:
    """(middle of the bin in degrees, pieces, share both right) by the true rotation.

    The first bin is centred on 0, so that quarter turns fall in the middle of theirs.
    """
    width = 360.0 / bins
    index = np.array([int((r.rotation + width / 2) // width) % bins for r in records], int)
    right = np.array([both(r) for r in records], float)
    return [
        (b * width, int((index == b).sum()), float(right[index == b].mean()))
        for b in range(bins)
        if (index == b).any()
    ]


def _percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that so many per cent do not exceed; ``None`` where it is infinite."""
    found = float(np.percentile(values, percent, method="inverted_cdf"))
    return found if np.isfinite(found) else None


def _median(values: Sequence[float]) -> float | None:
    """The median, ``None`` where there is none or it is infinite (most pieces unanswered)."""
    middle = float(np.median(values)) if len(values) else np.inf
    return middle if np.isfinite(middle) else None


def summarize(records: Sequence[Record]) -> dict[str, Any]:
    """All metrics of some records of one method, JSON-ready; unanswered pieces count as wrong.

    Raises:
        ValueError: there are no records.
    """
    if not records:
        raise ValueError("no records to summarize")

    def share(test: Callable[[Record], bool]) -> float:
        return float(np.mean([test(r) for r in records]))

    right = [r for r in records if placed(r)]
    scores, hits = [score(r) for r in records], [both(r) for r in records]
    memory = [r.peak_memory for r in records if r.peak_memory is not None]
    return {
        "n": len(records),
        "answered": share(lambda r: bool(r.answers)),
        "iou": float(np.mean([iou(r) for r in records])),
        "iou50": share(lambda r: iou(r) >= 0.5),
        "top1": share(placed),
        "top5": share(lambda r: placed(r, 5)),
        "rotation4": share(lambda r: angle_error(r) < 45.0),
        "rotation15": share(lambda r: angle_error(r) <= RIGHT_ANGLE),
        "both": share(both),
        "both_interval": list(interval(records)),
        "center_error": _median([center_error(r) for r in records]),
        "center_error_90": _percentile([center_error(r) for r in records], 90),
        "angle_error": _median([angle_error(r) for r in right]),
        "collapse": collapse(records),
        "calibration_error": calibration_error(scores, hits),
        "precision_at": {str(c): precision_at(scores, hits, c) for c in COVERAGES},
        "coverage_at_99": coverage_at(scores, hits, 0.99),
        "seconds": _median([r.seconds for r in records]),
        "prepare_seconds": _median([r.prepare_seconds for r in records]),
        "peak_memory": max(memory, default=None),
    }


def groups(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """Named groups of one method's records: all, then by dataset, pieces and texture.

    A property by which all records are alike makes no groups of its own, and of two groups of
    the same records the first is kept.
    """
    found = [("all", list(records))]
    keys: list[tuple[str, Callable[[Record], str | int | None]]] = [
        ("dataset", lambda r: r.dataset),
        ("pieces", lambda r: r.pieces),
        ("texture", lambda r: r.texture),
    ]
    for name, key in keys:
        values = {key(r) for r in records}
        if len(values) < 2:
            continue
        for value in sorted((v for v in values if v is not None), key=_rank):
            found.append((f"{name} {value}", [r for r in records if key(r) == value]))
    textured = [r for r in records if r.texture in TEXTURED]
    if textured:
        found.append(("textured", textured))
    kept: dict[tuple[str, ...], tuple[str, list[Record]]] = {}
    for group, members in found:
        kept.setdefault(tuple(r.piece for r in members), (group, members))
    return list(kept.values())


def _rank(value: str | int) -> tuple[int, str]:
    """Numbers by size, textures from low to high, names by letter."""
    if isinstance(value, int):
        return value, ""
    order = ("low", *TEXTURED)
    return order.index(value) if value in order else 0, value
