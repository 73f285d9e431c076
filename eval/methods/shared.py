"""A method that others build on does its work once."""

import time

import numpy as np

from heatmap_locator.grid import Grid
from heatmap_locator.placement import Placement

from .protocol import Method, Prepared


class Shared:
    """Keeps a method's picture and answers for whoever asks the same again.

    What it saves is told by ``borrowed``, so that the time counts for every asker.  One picture
    is kept at a time.
    """

    def __init__(self, method: Method) -> None:
        self.method = method
        self._kept: _SharedPrepared | None = None

    def prepare(self, picture: np.ndarray, grid: Grid) -> Prepared:
        kept = self._kept
        if kept is not None and kept.picture is picture and kept.grid == grid:
            kept.borrowed = kept.seconds
            return kept
        self._kept = None  # frees the last picture before the next takes its memory
        start = time.perf_counter()
        prepared = self.method.prepare(picture, grid)
        seconds = time.perf_counter() - start
        self._kept = _SharedPrepared(prepared, picture, grid, seconds)
        return self._kept


class _SharedPrepared:
    def __init__(self, prepared: Prepared, picture: np.ndarray, grid: Grid, seconds: float) -> None:
        self.prepared, self.picture, self.grid, self.seconds = prepared, picture, grid, seconds
        self.borrowed = 0.0
        # The piece is kept with its answer: a freed one's identity may be given to another.
        self.answers: dict[tuple[int, int], tuple[np.ndarray, list[Placement], float]] = {}

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        key = id(piece), top
        if key in self.answers:
            _, places, self.borrowed = self.answers[key]
            return places
        start = time.perf_counter()
        places = self.prepared.locate(piece, top)
        self.borrowed = 0.0
        self.answers[key] = piece, places, time.perf_counter() - start
        return places
