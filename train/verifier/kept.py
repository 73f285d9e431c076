"""Examples of the second stage in files, a puzzle's each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..shared.arrays import damaged, read_arrays, write_arrays


@dataclass(frozen=True, eq=False)
class Example:
    """A piece at N places, as the ranker orders them.

    Attributes:
        scalars: (N, SCALARS) float32 as ``comparison.compare_pairs`` returns it.
        logits: (N,) float32, the ranker's.
        right: (N,) bool, which places are the piece's own.
        first: of all places that were aligned, the first right one, from 0; -1 where there is none.
        spread: of ``texture.texture_spread``.
        pieces: of the puzzle.
        kind: of its picture, as in ``kinds.as_kind``.
    """

    scalars: np.ndarray
    logits: np.ndarray
    right: np.ndarray
    first: int
    spread: float
    pieces: int
    kind: str


@dataclass(frozen=True, eq=False)
class Packed:
    """P pieces at N places each, as they are kept; fewer places are filled up.

    Attributes:
        scalars: (P, N, SCALARS) float32.
        logits: (P, N) float32.
        real: (P, N) bool, False where a piece has fewer places.
        right: (P, N) bool.
        first, pieces: (P,) int32.
        spread: (P,) float32.
        kind: (P,) text.
    """

    scalars: np.ndarray
    logits: np.ndarray
    real: np.ndarray
    right: np.ndarray
    first: np.ndarray
    pieces: np.ndarray
    spread: np.ndarray
    kind: np.ndarray

    @property
    def ranked(self) -> np.ndarray:
        """(P, N) logits of the ranker, -inf where there is no place."""
        return np.where(self.real, self.logits, -np.inf)


def pack(examples: Sequence[Example], places: int) -> Packed:
    """Examples, one at least, of up to so many places each."""

    def filled(values: np.ndarray) -> np.ndarray:
        wide = np.zeros((places, *values.shape[1:]), values.dtype)
        wide[: len(values)] = values
        return wide

    return Packed(
        np.stack([filled(e.scalars.astype(np.float32)) for e in examples]),
        np.stack([filled(e.logits.astype(np.float32)) for e in examples]),
        np.stack([np.arange(places) < len(e.logits) for e in examples]),
        np.stack([filled(e.right) for e in examples]),
        np.array([e.first for e in examples], np.int32),
        np.array([e.pieces for e in examples], np.int32),
        np.array([e.spread for e in examples], np.float32),
        np.array([e.kind for e in examples]),
    )


def write(path: Path, packed: Packed) -> None:
    """A puzzle's file, whole or not at all."""
    write_arrays(path, vars(packed))


def read(path: Path) -> Packed:
    """A file of :func:`write`.

    Raises:
        InputError: it is damaged.
    """
    try:
        return Packed(**read_arrays(path))
    except TypeError as error:
        raise damaged(path) from error


def joined(parts: Sequence[Packed]) -> Packed:
    """One after the other."""
    names = vars(parts[0])
    return Packed(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})
