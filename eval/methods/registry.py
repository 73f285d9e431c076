"""The methods by name."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from heatmap_locator.grid import Grid
from heatmap_locator.placement import Placement

from ..options import OURS
from .protocol import Method, Prepared

if TYPE_CHECKING:
    from heatmap_locator.model.calibration import Calibration


def digest(path: Path) -> str:
    """What tells weights files apart: the first 12 digits of the file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


class Ours:
    """The library.

    Args:
        weights: ``None`` for the packaged ones.
        device: ``auto``, ``cpu`` or ``cuda``.
        calibration: instead of the one that the weights hold, which then may be of any kind.
        told: ``grid`` (rows and columns), ``pieces`` (how many) or ``nothing`` of the cut.
    """

    def __init__(
        self,
        weights: str | None,
        device: str,
        calibration: "Calibration | None" = None,
        told: str = "grid",
    ) -> None:
        import torch

        from heatmap_locator.locator import Locator
        from heatmap_locator.model.files import load_model

        if calibration is None:
            self.locator = Locator.from_pretrained(weights, device)
        else:
            model, _ = load_model(weights)
            self.locator = Locator(model, torch.device(chosen_device(device)), calibration)
        self.told = told

    def prepare(self, picture: np.ndarray, grid: Grid) -> Prepared:
        if self.told == "grid":
            return _OursPrepared(self.locator.encode(picture, grid=grid))
        count = grid.pieces if self.told == "pieces" else None
        return _OursPrepared(self.locator.encode(picture, pieces=count))


class _OursPrepared:
    def __init__(self, puzzle: object) -> None:
        self.puzzle = puzzle

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        # Where a task gives alpha it is the outline, of rectangles too.
        cutout = piece.shape[2] == 4
        return self.puzzle.locate(piece, top, cutout)  # type: ignore[attr-defined]


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
        if name in OURS:
            methods[name] = Ours(weights, device, told=OURS[name])
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
