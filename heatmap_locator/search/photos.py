"""Photos of one piece each taken to their answers: read, searched for as all they may show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from heatmap_locator.errors import InputError
from heatmap_locator.found import Search
from heatmap_locator.model.calibration import Calibration
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.picture.read import ImageSource
from heatmap_locator.search.lanes import side_by_side
from heatmap_locator.search.open_size import sureness
from heatmap_locator.search.piece import PreparedPiece, fitting_into, name_of, prepare_pieces
from heatmap_locator.search.searcher import Searcher
from heatmap_locator.search.sizes import SURE

Chosen = tuple[Search | InputError, PreparedPiece | None]
"""The answer to a photo, and as which piece it was searched; none where that went wrong."""


@dataclass(frozen=True, eq=False)
class Photos:
    """Searches photos in one picture.

    Attributes:
        searcher: of the picture.
        size: (height, width) of it, in pixels.
        outlines: finds pieces in photos.
        calibration: from the ranker's logits to scores.
        top: placements wanted of each.
        cutout: all of them are pieces cut out.
        say: told, in a few words, what a search for the size of a piece begins with.
    """

    searcher: Searcher
    size: tuple[int, int]
    outlines: OutlineFinder
    calibration: Calibration
    top: int
    cutout: bool
    say: Callable[[str], None]

    def answers(
        self, photos: Sequence[ImageSource], lanes: Callable[[int], int]
    ) -> list[Search | InputError]:
        """In their order; an error stands in its answer's place.

        What they tell of the cut serves later calls, not each other; but where not even the number
        of pieces was given, and they show rows and columns, those that did are searched again.

        Args:
            photos: any number.
            lanes: how many of so many are searched side by side.
        """
        if self.searcher.together > 1:
            chosen = [self._said(*one) for one in self._together(photos)]
            self._learn(chosen)
            return [found for found, _ in chosen]
        first, number_open = list[Chosen](), self.searcher.by_size is not None
        # Until a size is settled every search has to know what those before it said.
        while len(first) < len(photos) and not self.searcher.settled:
            first.append(self._one(photos[len(first)]))
            if number_open:
                self._learn(first[-1:])
        if number_open and len(first) > 1 and self.searcher.by_size is None:
            again = side_by_side(self._one, photos[: len(first)], lanes(len(first)))
            first = [max(both, key=_surer) for both in zip(again, first, strict=True)]
            self._learn(first)
        rest = photos[len(first) :]
        others = side_by_side(self._one, rest, lanes(len(rest)))
        self._learn(others if number_open else first + others)
        return [found for found, _ in first + others]

    def _learn(self, chosen: Sequence[Chosen]) -> None:
        for found, piece in chosen:
            if piece is not None and not isinstance(found, InputError):
                self.searcher.learn(found, piece)

    def _one(self, photo: ImageSource) -> Chosen:
        ((found, piece, name),) = self._together([photo])
        return self._said(found, piece, name)

    def _together(
        self, photos: Sequence[ImageSource]
    ) -> list[tuple[Search | InputError, PreparedPiece | None, str]]:
        """Photos that go through the network together, and their names."""
        answers: list[list[Chosen]] = [[] for _ in photos]
        asked: list[tuple[int, PreparedPiece]] = []
        names = [name_of(photo) for photo in photos]
        for index, read in enumerate(prepare_pieces(photos, self.outlines, self.cutout)):
            try:
                fitting = fitting_into(read, *self.size, names[index])
                asked += [(index, piece) for piece in fitting]
            except InputError as error:
                answers[index].append((error, None))
        start = 0
        while start < len(asked):
            part = asked[start : start + self.searcher.together]
            start += len(part)
            own = [piece for _, piece in part]
            placed = [
                any(sureness(answer) >= SURE for answer, _ in answers[index]) for index, _ in part
            ]
            called = [names[index] for index, _ in part]
            found = self.searcher.answers(own, self.calibration, self.top, called, self.say, placed)
            for (index, piece), answer in zip(part, found, strict=True):
                answers[index].append((answer, piece))
        best = [max(own, key=lambda one: sureness(one[0])) for own in answers]
        return [(*one, name) for one, name in zip(best, names, strict=True)]

    def _said(self, found: Search | InputError, piece: PreparedPiece | None, name: str) -> Chosen:
        """The answer chosen for a photo, with what is odd about it."""
        if isinstance(found, InputError) or piece is None:
            return found, None
        try:
            return self.searcher.said(found, piece, self.calibration, name), piece
        except InputError as error:
            return error, None


def _surer(chosen: Chosen) -> float:
    """Sure answers are as good as each other: of those the first is taken."""
    return min(sureness(chosen[0]), SURE)
