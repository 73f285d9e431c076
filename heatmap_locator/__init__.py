"""Where does this jigsaw piece go?  A picture, a photo of a loose piece, and a box with an angle.

>>> from heatmap_locator import Locator
>>> locator = Locator.from_pretrained()
>>> puzzle = locator.encode("puzzle.jpg", pieces=1000)
>>> puzzle.locate("piece.png", top=5)[0].box

Importing this package is cheap: torch is loaded when ``Locator`` is first touched.
"""

from typing import TYPE_CHECKING, Any

from heatmap_locator.errors import HeatmapLocatorError, InputError, NoPieceError, WeightsError

if TYPE_CHECKING:
    from heatmap_locator.locator import Locator, Puzzle
    from heatmap_locator.picture.corners import find_corners
    from heatmap_locator.placement import Placement

__version__ = "0.2.0"
__all__ = [
    "HeatmapLocatorError",
    "InputError",
    "Locator",
    "NoPieceError",
    "Placement",
    "Puzzle",
    "WeightsError",
    "__version__",
    "find_corners",
]

_LAZY = {
    "Locator": "heatmap_locator.locator",
    "Puzzle": "heatmap_locator.locator",
    "Placement": "heatmap_locator.placement",
    "find_corners": "heatmap_locator.picture.corners",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
