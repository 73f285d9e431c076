"""What all methods have in common: prepare a picture once, then locate pieces in it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from heatmap_locator.geometry import Array, bounds, transform
from heatmap_locator.grid import Grid
from heatmap_locator.outline.find import find_outline
from heatmap_locator.placement import Placement


class Prepared(Protocol):
    """A picture made ready by a method."""

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        """Up to ``top`` places, best first, of (H, W, 3) or (H, W, 4) uint8; may be none.

        Raises:
            InputError: the image shows no piece.
        """


class Method(Protocol):
    """A way to find pieces."""

    def prepare(self, picture: np.ndarray, grid: Grid) -> Prepared:
        """Do once what depends on the picture, (H, W, 3) uint8, alone."""


@runtime_checkable
class Borrowing(Protocol):
    """Something prepared whose work may have been done for another method already.

    Attributes:
        borrowed: seconds that the last call, or the preparation, would have taken besides.
    """

    borrowed: float


def borrowed(prepared: Prepared) -> float:
    """Seconds to add to the clock for the last call; 0 for a method that shares nothing."""
    return prepared.borrowed if isinstance(prepared, Borrowing) else 0.0


def outline_of(piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) RGB and (H, W) float32 mask, found as the library finds it.

    Raises:
        InputError: the alpha leaves nothing opaque.
    """
    rgb = np.ascontiguousarray(piece[..., :3])
    alpha = np.ascontiguousarray(piece[..., 3]) if piece.shape[2] == 4 else None
    return rgb, find_outline(rgb, alpha)


def hull(mask: np.ndarray) -> Array:
    """(N, 2) corners of the convex hull of a mask's pixels, which has the outline's bounds."""
    ys, xs = np.nonzero(mask > 0.5)
    corners = [np.column_stack([xs + dx, ys + dy]) for dx in (0, 1) for dy in (0, 1)]
    return cv2.convexHull(np.concatenate(corners).astype(np.float32))[:, 0].astype(np.float64)


def placement(
    outline: Array, matrix: Array, rotation: float, score: float, picture: np.ndarray, grid: Grid
) -> Placement:
    """An answer from the 2x3 map of photo to picture and (N, 2) points of the outline."""
    x1, y1, x2, y2 = bounds(transform(matrix, outline))
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return Placement(
        box=(x1, y1, x2, y2),
        center=(x, y),
        rotation=rotation % 360.0,
        score=score,
        cell=grid.cell_at(x, y, picture.shape[1], picture.shape[0]),
        matrix=tuple(float(v) for v in matrix.flatten()),  # type: ignore[arg-type]
    )


def digest(path: Path) -> str:
    """Tells weights files apart: the first 12 digits of the file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


class Ours:
    """The library."""

    def __init__(self, weights: str | None, device: str) -> None:
        from heatmap_locator.locator import Locator

        self.locator = Locator.from_pretrained(weights, device)

    def prepare(self, picture: np.ndarray, grid: Grid) -> Prepared:
        return _OursPrepared(self.locator.encode(picture, grid=grid))


class _OursPrepared:
    def __init__(self, puzzle: object) -> None:
        self.puzzle = puzzle

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        return self.puzzle.locate(piece, top)  # type: ignore[attr-defined]


def make_methods(
    names: Sequence[str], weights: str | None, loftr_weights: Path | None, device: str
) -> tuple[dict[str, Method], dict[str, str]]:
    """Methods by name, and digests of weights by name for those that have any.

    Args:
        names: of :data:`heatmap_eval.options.METHODS`; LoFTR needs its weights.
        weights: the library's, ``None`` for the packaged ones.
        loftr_weights: a LoFTR checkpoint.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        WeightsError: weights that cannot be used.
    """
    from heatmap_locator.model.files import shipped_weights

    from .ncc import Ncc
    from .shared import Shared
    from .sift import Sift, SiftThenNcc

    sift, ncc = Shared(Sift()), Shared(Ncc())
    methods: dict[str, Method] = {}
    digests: dict[str, str] = {}
    for name in names:
        if name == "ours":
            methods[name] = Ours(weights, device)
            digests[name] = digest(Path(weights or shipped_weights()))
        elif name == "loftr" and loftr_weights is not None:
            from .loftr import Loftr

            methods[name] = Loftr(loftr_weights, chosen_device(device))
            digests[name] = digest(loftr_weights)
        elif name in ("sift", "ncc"):
            methods[name] = sift if name == "sift" else ncc
        elif name == "sift-ncc":
            methods[name] = SiftThenNcc(sift, ncc)
        else:
            raise ValueError(f"no method {name!r}")
    return methods, digests


def chosen_device(device: str) -> str:
    """``cpu`` or ``cuda`` for ``auto`` too."""
    import torch

    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
