"""The answer: where a piece goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, repr=False)
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

    @property
    def row(self) -> int | None:
        """Of its cell, from 0; ``None`` where the grid is not known."""
        return None if self.cell is None else self.cell[0]

    @property
    def col(self) -> int | None:
        """Of its cell, from 0; ``None`` where the grid is not known."""
        return None if self.cell is None else self.cell[1]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self._shown().items())
        return f"Placement({shown})"

    def _repr_html_(self) -> str:
        """A table of one row, for notebooks."""
        shown = self._shown()
        head = "".join(f"<th>{name}</th>" for name in shown)
        row = "".join(f"<td>{value}</td>" for value in shown.values())
        return f"<table><tr>{head}</tr><tr>{row}</tr></table>"

    def _shown(self) -> dict[str, str]:
        """What people read of it, with as many digits as mean something."""
        return {
            "box": f"({', '.join(f'{v:.1f}' for v in self.box)})",
            "rotation": f"{round(self.rotation, 1) % 360.0:.1f}",
            "score": f"{self.score:.3f}",
            "cell": str(self.cell),
        }

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
