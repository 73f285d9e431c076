"""What all methods have in common: prepare a picture once, then locate pieces in it."""

from typing import Protocol, runtime_checkable

import numpy as np

from heatmap_locator.grid import Grid
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
