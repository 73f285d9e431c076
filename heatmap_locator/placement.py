"""The answer: where a piece goes, and all that its search found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np


@dataclass(frozen=True)
class Placement:
    """One possible place of a piece.

    Attributes:
        box: ``(x1, y1, x2, y2)`` of the piece's outline, tabs included, in pixels of the puzzle
            picture after its EXIF orientation is applied.
        center: ``(x, y)`` of the box's middle, same pixels.
        rotation: degrees in [0, 360) that the piece in its photo is turned clockwise, as seen,
            from its place; turning the photo counter-clockwise by it makes it upright.
        score: how sure the model is, 0..1.
        cell: ``(row, col)`` from 0, or ``None`` where the grid is not known.
        matrix: the 2x3 map from pixels of the photo to pixels of the picture, rows flattened.
    """

    box: tuple[float, float, float, float]
    center: tuple[float, float]
    rotation: float
    score: float
    cell: tuple[int, int] | None
    matrix: tuple[float, float, float, float, float, float]

    def to_dict(self, exact: bool = False) -> dict[str, Any]:
        """The fields by name, as JSON-ready values: what every command and the service write.

        Args:
            exact: every digit, and ``matrix`` too, so that ``from_dict`` makes the same again.
                Otherwise what people and programs read: ``box``, ``center`` and ``rotation`` to
                0.01, ``score`` to 0.0001, ``cell``, and no ``matrix``.
        """
        cell = None if self.cell is None else list(self.cell)
        if exact:
            return {
                "box": list(self.box),
                "center": list(self.center),
                "rotation": self.rotation,
                "score": self.score,
                "cell": cell,
                "matrix": list(self.matrix),
            }
        return {
            "box": [round(v, 2) for v in self.box],
            "center": [round(v, 2) for v in self.center],
            "rotation": round(self.rotation, 2) % 360.0,
            "score": round(self.score, 4),
            "cell": cell,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What ``to_dict(exact=True)`` was called on.

        Raises:
            KeyError: a field is missing.
        """
        return cls(
            box=tuple(values["box"]),
            center=tuple(values["center"]),
            rotation=values["rotation"],
            score=values["score"],
            cell=None if values["cell"] is None else tuple(values["cell"]),
            matrix=tuple(values["matrix"]),
        )


@dataclass(frozen=True)
class OtherPiece:
    """A piece in a photo beside the one that was located.

    Attributes:
        box: (x1, y1, x2, y2) in pixels of the photo.
        where: in which part of the photo, such as "top left".
    """

    box: tuple[float, float, float, float]
    where: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON-ready values."""
        return {"box": [round(v, 2) for v in self.box], "where": self.where}


@dataclass(frozen=True)
class Search:
    """Everything one piece's search found.

    Attributes:
        placements: best first.
        heatmap: (h, w) float32 in 0..1 over the whole picture, the highest over all sizes tried.
        piece_rgb: (H, W, 3) uint8, the photo.
        piece_mask: (H, W) float32 in 0..1, the outline found in it.
        size_estimate: about how many pieces the puzzle has, where their number was not given, or
            another than that fits far better: as many as are of the size that this one fits at.
        others: whole pieces that lie in the photo beside this one.
    """

    placements: list[Placement]
    heatmap: np.ndarray
    piece_rgb: np.ndarray
    piece_mask: np.ndarray
    size_estimate: int | None = None
    others: tuple[OtherPiece, ...] = ()

    def about_others(self) -> str | None:
        """A sentence that says how many pieces the photo shows and where; None where one."""
        if not self.others:
            return None
        count = len(self.others) + 1
        which = "the other" if count == 2 else "the others"
        where = ", ".join(other.where for other in self.others)
        return f"{'two' if count == 2 else count} pieces in the photo, {which} at the {where}"
