"""All pieces of one photo, and one answer for the pieces of many photos."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from heatmap_locator.assign import Assignment
from heatmap_locator.errors import InputError
from heatmap_locator.found import Search
from heatmap_locator.outline.many import FoundPiece
from heatmap_locator.placement import Placement


@dataclass(frozen=True, eq=False, repr=False)
class LocatedPiece(FoundPiece):
    """One of the pieces in a photo, and what its search found.

    Attributes:
        number: from 1, in reading order.
        found: the search of its cut-out, or the error that stands for it.  Matrices of its
            placements map pixels of ``image``, the cut-out, to those of the picture.
    """

    number: int
    found: Search | InputError

    @property
    def placements(self) -> list[Placement]:
        """Best first; none where it could not be located."""
        return [] if isinstance(self.found, InputError) else self.found.placements

    def __repr__(self) -> str:
        box = ", ".join(f"{v:.0f}" for v in self.box)
        touching = ", touching" if self.touching else ""
        return f"<LocatedPiece {self.number} at ({box}) in the photo{touching}: {self.found!r}>"


def with_answers(
    pieces: Sequence[FoundPiece], found: Sequence[Search | InputError], photo: str
) -> list[LocatedPiece]:
    """Pieces of a photo together with their answers; errors get the photo's name and a number."""
    return [
        LocatedPiece(
            image=piece.image,
            outline=piece.outline,
            box=piece.box,
            touching=piece.touching,
            number=number,
            found=own.renamed(f"{photo}#{number}") if isinstance(own, InputError) else own,
        )
        for number, (piece, own) in enumerate(zip(pieces, found, strict=True), 1)
    ]


def assign_found(
    found: Sequence[Search | InputError], assign: Callable[[list[Search]], list[Assignment]]
) -> list[Assignment | InputError]:
    """Cells for those that have an answer; the others' errors stay in their places.

    Args:
        found: one per photo.
        assign: gives the searches among them cells.
    """
    at = [index for index, one in enumerate(found) if not isinstance(one, InputError)]
    searches = [one for one in found if not isinstance(one, InputError)]
    assigned = iter(assign(searches))
    return [one if isinstance(one, InputError) else next(assigned).renumbered(at) for one in found]
