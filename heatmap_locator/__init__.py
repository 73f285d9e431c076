"""Where does this jigsaw piece go?  A picture, a photo of a loose piece, and a box with an angle.

>>> from heatmap_locator import Locator
>>> locator = Locator.from_pretrained()
>>> puzzle = locator.encode("puzzle.jpg", pieces=1000)
>>> puzzle.locate("piece.png", top=5)[0].box

Importing this package is cheap: torch is loaded when ``Locator`` is first touched.
"""

import os
import sys
from typing import TYPE_CHECKING, Any

from heatmap_locator.errors import HeatmapLocatorError, InputError, NoPieceError, WeightsError

if TYPE_CHECKING:
    from heatmap_locator.assign import Assignment
    from heatmap_locator.found import Search
    from heatmap_locator.grid import Grid
    from heatmap_locator.locator import LocatedPiece, Locator, Puzzle
    from heatmap_locator.picture.corners import find_corners
    from heatmap_locator.placement import OtherPiece, Placement

__version__ = "0.2.0"
__all__ = [
    "Assignment",
    "Grid",
    "HeatmapLocatorError",
    "InputError",
    "LocatedPiece",
    "Locator",
    "NoPieceError",
    "OtherPiece",
    "Placement",
    "Puzzle",
    "Search",
    "WeightsError",
    "__version__",
    "find_corners",
]

if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
    # Threads of GNU's OpenMP, which torch has on Linux, wait for each other in a loop, 300,000
    # times round, before they sleep.  Where another program has one of the processors, that is
    # most of what they do (docs/performance.md, "Beside other programs").  It is read once, when
    # torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")

_LAZY = {
    "Assignment": "heatmap_locator.assign",
    "Grid": "heatmap_locator.grid",
    "LocatedPiece": "heatmap_locator.locator",
    "Locator": "heatmap_locator.locator",
    "OtherPiece": "heatmap_locator.placement",
    "Placement": "heatmap_locator.placement",
    "Puzzle": "heatmap_locator.locator",
    "Search": "heatmap_locator.found",
    "find_corners": "heatmap_locator.picture.corners",
}

if not TYPE_CHECKING:  # for whom any name would be one of ours

    def __getattr__(name: str) -> Any:
        if name in _LAZY:
            from importlib import import_module

            return getattr(import_module(_LAZY[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
