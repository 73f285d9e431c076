"""Asks every method the same pieces, in the same process."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from heatmap_locator.errors import InputError

from ..methods.protocol import Method, borrowed
from ..protocols.tasks import PictureTask
from .memory import PeakMemory
from .metrics import Record
from .records import Predictions, answer

TOP = 5
"""Answers kept per piece, for the metric of that name."""


def run(
    tasks: Iterable[PictureTask],
    methods: Mapping[str, Method],
    predictions: Predictions,
    weights: Mapping[str, str] | None = None,
    say: Callable[[str], None] = lambda text: None,
    top: int = TOP,
) -> None:
    """Fill ``predictions`` with what is missing.

    Args:
        tasks: pictures with their pieces.
        methods: by name.
        predictions: records are added to it, picture by picture.
        weights: digests of weights by name of method, for those that have any.
        say: told what begins.
        top: answers asked for and kept of each piece.
    """
    done = {name: predictions.done(name) for name in methods}
    for task in tasks:
        peaks: dict[str, float | None] = {}
        for name, method in methods.items():
            if any(task.piece_id(piece) not in done[name] for piece in task.pieces):
                say(f"{name}: {task.dataset}, {task.count} pieces, {task.name}")
                digest = (weights or {}).get(name)
                with PeakMemory() as memory:
                    records = _ask(task, name, method, done[name], digest, top)
                # What a method took over from its parts lay in memory before it began.
                needed = [memory.megabytes, *(peaks.get(p) for p in getattr(method, "parts", ()))]
                peaks[name] = max((mb for mb in needed if mb is not None), default=None)
                predictions.add(replace(r, peak_memory=peaks[name]) for r in records)


def _ask(
    task: PictureTask, name: str, method: Method, done: set[str], weights: str | None, top: int
) -> list[Record]:
    """One method's records of the pieces of a picture that are not done."""
    height, width = task.image.shape[:2]
    start = time.perf_counter()
    prepared = method.prepare(task.image, task.grid)
    prepare_seconds = time.perf_counter() - start + borrowed(prepared)
    records = []
    for piece in task.pieces:
        if task.piece_id(piece) in done:
            continue
        start = time.perf_counter()
        try:
            places = prepared.locate(piece.image, top)
        except InputError:
            places = []  # a piece that a method refuses is one it did not place
        seconds = time.perf_counter() - start + borrowed(prepared)
        records.append(
            Record(
                method=name,
                piece=task.piece_id(piece),
                dataset=task.dataset,
                picture=task.name,
                pieces=task.count,
                texture=piece.texture,
                box=piece.box,
                rotation=piece.rotation,
                cell=task.grid.cell_size(width, height),
                size=(width, height),
                answers=tuple(answer(p.to_dict(exact=True)) for p in places[:top]),
                seconds=seconds,
                prepare_seconds=prepare_seconds,
                weights=weights,
            )
        )
    return records
