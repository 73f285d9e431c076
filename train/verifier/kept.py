"""Examples of the second stage in files: a puzzle's each, images in a byte a value."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.files import write_atomically


@dataclass(frozen=True, eq=False)
class Example:
    """One capture of a piece at N places.

    Attributes:
        prints: (3, S, S) float32 as ``pairs.Pairs`` has it, as the next.
        insides: (1, S, S) float32.
        windows: (N, 3, S, S) float32.
        features: (N, F) as ``ranker.FEATURES`` names it.
        right: (N,) bool, which places are the piece's own.
        rank: (N,) by the ranker among all that were aligned, from 0.
        first: that of the first right one, -1 where there is none.
        piece: number of the piece in its puzzle.
        spread: of ``texture.texture_spread``.
        pieces: of the puzzle.
        kind: of its picture, as in ``kinds.as_kind``.
    """

    prints: np.ndarray
    insides: np.ndarray
    windows: np.ndarray
    features: np.ndarray
    right: np.ndarray
    rank: np.ndarray
    first: int
    piece: int
    spread: float
    pieces: int
    kind: str


@dataclass(frozen=True, eq=False)
class Packed:
    """P captures at N places each, as they are kept; fewer places are filled up, of rank -1.

    Attributes:
        prints, windows: uint8, (P, 3, S, S) and (P, N, 3, S, S); every channel of an image spans
            its own range, so that flat print keeps its gradients.
        prints_range, windows_range: float32, (..., 3, 2), value of 0 and of 255.
        insides: (P, S, S) uint8.
        features: (P, N, F) float32.
        right: (P, N) bool.
        rank: (P, N) int16.
        first, piece, pieces: (P,) int32.
        spread: (P,) float32.
        kind: (P,) text.
        share: (P,) float32, one over how many captures of the piece there are.  Only pieces that
            are hard to place have several; weighed so, they count no more than others.
    """

    prints: np.ndarray
    prints_range: np.ndarray
    windows: np.ndarray
    windows_range: np.ndarray
    insides: np.ndarray
    features: np.ndarray
    right: np.ndarray
    rank: np.ndarray
    first: np.ndarray
    piece: np.ndarray
    pieces: np.ndarray
    spread: np.ndarray
    kind: np.ndarray
    share: np.ndarray


def pack(examples: Sequence[Example], places: int) -> Packed:
    """Examples, one at least, of up to so many places each."""

    def filled(values: np.ndarray, value: float = 0) -> np.ndarray:
        wide = np.full((places, *values.shape[1:]), value, values.dtype)
        wide[: len(values)] = values
        return wide

    prints, prints_range = _bytes(np.stack([e.prints for e in examples]))
    windows, windows_range = _bytes(np.stack([filled(e.windows) for e in examples]))
    return Packed(
        prints,
        prints_range,
        windows,
        windows_range,
        (np.stack([e.insides[0] for e in examples]) * 255).round().astype(np.uint8),
        np.stack([filled(e.features.astype(np.float32)) for e in examples]),
        np.stack([filled(e.right) for e in examples]),
        np.stack([filled(e.rank.astype(np.int16), -1) for e in examples]),
        np.array([e.first for e in examples], np.int32),
        np.array([e.piece for e in examples], np.int32),
        np.array([e.pieces for e in examples], np.int32),
        np.array([e.spread for e in examples], np.float32),
        np.array([e.kind for e in examples]),
        share_of(np.array([e.piece for e in examples])),
    )


def share_of(pieces: np.ndarray) -> np.ndarray:
    """``Packed.share`` of (P,) numbers of pieces of one puzzle."""
    _, which, counts = np.unique(pieces, return_inverse=True, return_counts=True)
    return (1 / counts[which]).astype(np.float32)


def _bytes(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(..., S, S) as uint8, and the values of 0 and 255, (..., 2)."""
    low, high = images.min((-2, -1)), images.max((-2, -1))
    span = np.maximum(high - low, 1e-6)
    scaled = (images - low[..., None, None]) / span[..., None, None] * 255
    return scaled.round().astype(np.uint8), np.stack([low, low + span], -1).astype(np.float32)


def write(path: Path, packed: Packed) -> None:
    """A puzzle's file, whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, **vars(packed))
    write_atomically(path, buffer.getvalue())


def read(path: Path) -> Packed:
    """A file of :func:`write`.

    Raises:
        InputError: it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return Packed(**{name: file[name] for name in file.files})
    except Exception as error:  # numpy raises almost anything on a damaged file
        raise InputError("damaged; delete it and start again", name=path) from error


def joined(parts: Sequence[Packed]) -> Packed:
    """One after the other."""
    names = vars(parts[0])
    return Packed(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})
