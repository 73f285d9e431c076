"""All that one piece's search found, and pictures of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import cv2
import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.overlay import draw_overlay
from heatmap_locator.placement import OtherPiece, Placement
from heatmap_locator.resample import shrunk, stretch

NOTEBOOK_SIDE = 720
"""Longest side of a picture in a notebook, in pixels."""


class Sized(Protocol):
    """A PIL image, or a :class:`heatmap_locator.Puzzle`."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


@dataclass(frozen=True)
class Evidence:
    """What a score was made of, for calibrating it and for whoever wonders.

    Attributes:
        logits: of the places weighed against each other, best first.
        places: how many there are, found or not.
        measures: of the photo and its best place, by name (``model.calibration.MEASURES``).
    """

    logits: tuple[float, ...]
    places: float
    measures: Mapping[str, float]


@dataclass(frozen=True, repr=False, eq=False)
class Search:
    """Everything one piece's search found.

    Attributes:
        placements: best first.
        heatmap: (h, w) float32 in 0..1 over the whole picture, the highest over all sizes tried.
        piece_rgb: (H, W, 3) uint8, the photo.
        piece_mask: (H, W) float32 in 0..1, the outline found in it.
        size_estimate: about how many pieces the puzzle has, where their number was not given, or
            another than that fits far better: as many as are of the size that this one fits at.
        grid_estimate: rows and columns, where nothing was given of the cut and the pieces before
            this one have shown them.
        others: whole pieces that lie in the photo beside this one.
        foreign: probability, 0..1, that the photo shows no piece of this picture; ``None`` where
            the weights cannot tell.
        doubts: what is odd about the photo, a few words each.
        evidence: what the scores were made of.
        sides: ``outline.sides.Sides`` of the piece, ``None`` where it has no four corners.
        picture: (H', W', 3) uint8, the puzzle's, which it shares; ``None`` after it was pickled,
            so that not every answer between processes carries it.
        one_of: where the first place alone is not likely to be right but a few are, how many of
            the first ones hold nine tenths of the probability: "one of these four"; else ``None``.
    """

    placements: list[Placement]
    heatmap: np.ndarray
    piece_rgb: np.ndarray
    piece_mask: np.ndarray
    size_estimate: int | None = None
    grid_estimate: tuple[int, int] | None = None
    others: tuple[OtherPiece, ...] = ()
    foreign: float | None = None
    doubts: tuple[str, ...] = ()
    evidence: Evidence | None = None
    sides: Any = None
    picture: np.ndarray | None = field(default=None)
    one_of: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "picture": None}

    def about_others(self) -> str | None:
        """A sentence that says how many pieces the photo shows and where; None where one."""
        if not self.others:
            return None
        count = len(self.others) + 1
        which = "the other" if count == 2 else "the others"
        where = ", ".join(other.where for other in self.others)
        return f"{'two' if count == 2 else count} pieces in the photo, {which} at the {where}"

    def about_photo(self) -> dict[str, Any]:
        """What is said of the photo rather than of places, as JSON-ready values: what the command
        and the service write."""
        foreign = None if self.foreign is None else round(self.foreign, 4)
        return {
            "others": [other.to_dict() for other in self.others],
            "foreign": foreign,
            "doubts": list(self.doubts),
        }

    def draw(self, picture: np.ndarray | None = None) -> np.ndarray:
        """The places in the picture with the heatmap over it, and close-ups of the first beside.

        Args:
            picture: (H, W, 3) uint8, ``Puzzle.picture``, where the search has none.

        Returns:
            (H', W', 3) uint8 RGB, at most 1600 pixels on a side, as ``--overlay`` writes it.

        Raises:
            InputError: there is no picture.
        """
        shown = self.picture if picture is None else picture
        if shown is None:
            raise InputError("this search came without its picture; give draw(puzzle.picture)")
        places, rgb, mask = self.placements, self.piece_rgb, self.piece_mask
        return draw_overlay(shown, self.heatmap, places, rgb, mask, self.doubts)

    def heatmap_like(self, picture: "np.ndarray | Sized") -> np.ndarray:
        """The heatmap at a picture's size.

        Args:
            picture: the puzzle, its picture as an (H, W, ...) array, or a PIL image of any size.

        Returns:
            (H, W) float32 in 0..1, bilinear.
        """
        if isinstance(picture, np.ndarray):
            height, width = picture.shape[:2]
        else:
            height, width = picture.height, picture.width
        return stretch(self.heatmap, (width, height))

    def __repr__(self) -> str:
        count = len(self.placements)
        best = f", best {self.placements[0]!r}" if count else ""
        several = f", one of the first {self.one_of}" if self.one_of else ""
        return f"<Search: {count} {'place' if count == 1 else 'places'}{several}{best}>"

    def _repr_png_(self) -> bytes | None:
        """What ``draw`` draws, for notebooks."""
        return None if self.picture is None else notebook_png(self.draw())


def notebook_png(rgb: np.ndarray) -> bytes:
    """An image file for notebooks.

    Args:
        rgb: (H, W, 3) uint8; shrunk to ``NOTEBOOK_SIDE`` where it is larger.
    """
    small, _ = shrunk(rgb, NOTEBOOK_SIDE, 1)
    return bytes(cv2.imencode(".png", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1])
