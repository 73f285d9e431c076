"""The answer: where a piece goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Why:
    """What speaks for a place, in natural logarithms of odds, which add up.

    Attributes:
        print: by print alone, of this place against all that were not found, together.
        sides: by straight sides and proportions, how many times likelier the outline makes this
            place than any; below 0 it speaks against it, and 0 where sides say nothing.
        open: by a photo of the half-done puzzle, how many times likelier the cell is open than
            any, and filled by the piece's outline; 0 where there is none.
        colour: by the piece's mean colour, how many times likelier the light that other pieces
            show makes this cell than any; 0 where no such light is known.
    """

    print: float
    sides: float = 0.0
    open: float = 0.0
    colour: float = 0.0

    def to_dict(self, exact: bool = False) -> dict[str, float]:
        """The fields by name, as JSON-ready values; to 0.01 unless ``exact``.  ``open`` only where
        there is a photo of the half-done puzzle, ``colour`` where a light is known."""
        values = {"print": self.print, "sides": self.sides}
        values |= {"open": self.open} if self.open else {}
        values |= {"colour": self.colour} if self.colour else {}
        # A hair below 0 rounds to -0.
        return values if exact else {name: round(v, 2) + 0.0 for name, v in values.items()}


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
        why: what speaks for it; ``None`` where it was not searched for.
    """

    box: tuple[float, float, float, float]
    center: tuple[float, float]
    rotation: float
    score: float
    cell: tuple[int, int] | None
    matrix: tuple[float, float, float, float, float, float]
    why: Why | None = None

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
        shown = {
            "box": f"({', '.join(f'{v:.1f}' for v in self.box)})",
            "rotation": f"{round(self.rotation, 1) % 360.0:.1f}",
            "score": f"{self.score:.3f}",
            "cell": str(self.cell),
        }
        if self.why is not None:
            # So that sides that say nothing are not mentioned.
            said = [f"print {self.why.print:+.1f}"]
            said += [f"sides {self.why.sides:+.1f}"] if self.why.sides else []
            said += [f"open {self.why.open:+.1f}"] if self.why.open else []
            said += [f"colour {self.why.colour:+.1f}"] if self.why.colour else []
            shown["why"] = f"({', '.join(said)})"
        return shown

    def to_dict(self, exact: bool = False) -> dict[str, Any]:
        """The fields by name, as JSON-ready values: what every command and the service write.

        Args:
            exact: every digit, and ``matrix`` too, so that ``from_dict`` makes the same again.
                Otherwise what people and programs read: ``box``, ``center`` and ``rotation`` to
                0.01, ``score`` to 0.0001, ``cell``, ``why`` to 0.01, and no ``matrix``.
        """
        why = None if self.why is None else self.why.to_dict(exact)
        cell = None if self.cell is None else list(self.cell)
        if exact:
            return {
                "box": list(self.box),
                "center": list(self.center),
                "rotation": self.rotation,
                "score": self.score,
                "cell": cell,
                "matrix": list(self.matrix),
                "why": why,
            }
        return {
            "box": [round(v, 2) for v in self.box],
            "center": [round(v, 2) for v in self.center],
            "rotation": round(self.rotation, 2) % 360.0,
            "score": round(self.score, 4),
            "cell": cell,
            "why": why,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What ``to_dict(exact=True)`` was called on.

        Raises:
            KeyError: a field is missing, but for ``why``, which older ones have not.
        """
        why = values.get("why")
        return cls(
            box=tuple(values["box"]),
            center=tuple(values["center"]),
            rotation=values["rotation"],
            score=values["score"],
            cell=None if values["cell"] is None else tuple(values["cell"]),
            matrix=tuple(values["matrix"]),
            why=None if why is None else Why(**why),
        )


def counted(cell: tuple[int, int]) -> tuple[int, int]:
    """Row and column as people count them, from 1; what programs read counts from 0."""
    return cell[0] + 1, cell[1] + 1


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
