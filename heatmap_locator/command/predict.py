"""What ``heatmap-predict`` does with each piece: locate it, print it, draw it, keep its result."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np

from heatmap_locator.assign import ASSIGN_TOP, Assignment, Located, assign, keep
from heatmap_locator.command.answers import Answers
from heatmap_locator.command.inputs import Input
from heatmap_locator.command.report import Progress, complain, save_overlay
from heatmap_locator.errors import InputError
from heatmap_locator.outline.find import CONTOUR_INSET, outline_points
from heatmap_locator.outline.many import FoundPiece, cut_pieces
from heatmap_locator.overlay import LaidPiece, draw_assembly, draw_overlay
from heatmap_locator.picture.read import ImageSource
from heatmap_locator.resample import resize
from heatmap_locator.search.sizes import SURE

if TYPE_CHECKING:
    from heatmap_locator.locator import Puzzle, Search

Answer: TypeAlias = tuple["Search | InputError", float]
"""What a search found, or why it did not, and the seconds that it took."""

# Pieces are kept for the common overlay no larger than this.
_KEPT_SIDE = 320
# Points of an outline in JSON lie this many pixels off it at most.
_OUTLINE_ERROR = 1.0


class Prediction:
    """Pieces one after another, then what they have in common.

    Args:
        puzzle: encoded.
        top: placements wanted per piece.
        together: whether no two pieces may share a cell.
        answers: prints them.
        progress: its line is cleared before anything is printed.
        cutout: the images are pieces cut out, whatever their shape.

    Attributes:
        results: a JSON-ready dict per piece, in order; failed ones hold ``error``.
    """

    def __init__(
        self,
        puzzle: "Puzzle",
        top: int,
        together: bool,
        answers: Answers,
        progress: Progress,
        cutout: bool = False,
    ) -> None:
        self.results: list[dict[str, Any]] = []
        self._puzzle, self._top, self._together = puzzle, top, together
        self._answers, self._progress, self._cutout = answers, progress, cutout
        self._located: list[tuple[dict[str, Any], str, Located]] = []
        self._laid: dict[int, LaidPiece] = {}

    def asked(self, images: Sequence[ImageSource], cutout: bool | None = None) -> Iterator[Answer]:
        """Locate the pieces in images, as many at a time as go side by side.

        Args:
            images: of one piece each.
            cutout: all of them are pieces cut out; as the command was told by default.

        Yields:
            the answer to each, in order.
        """
        top = max(self._top, ASSIGN_TOP) if self._together else self._top
        left = list(images)
        while left:
            count = self._puzzle.abreast(len(left))
            start = time.perf_counter()
            found = self._puzzle.search_many(
                left[:count], top, self._cutout if cutout is None else cutout
            )
            seconds = (time.perf_counter() - start) / count
            del left[:count]
            while found:  # one that has been taken is not held here
                yield found.pop(0), seconds

    def add(
        self, piece: Input, target: Path | None, sheet: bool, answers: Iterator[Answer] | None
    ) -> None:
        """Take the answer for the piece in an image; ``target`` is an overlay of its own.

        Args:
            sheet: whether the piece is kept for the overlay of all.
            answers: as ``asked`` gives them, this piece's next; it is asked alone without.
        """
        if answers is None:
            answers = self.asked([piece.source])
        about = {"piece": piece.name}
        self._add(next(answers), about, piece.shown, target, sheet, isinstance(piece.source, str))

    def add_photo(self, photo: Input, sheet: bool) -> None:
        """Locate every piece in a photo of several."""
        try:
            found = cut_pieces(photo.source, self._puzzle.outlines, self._cutout)
        except InputError as error:
            self._fail({"piece": photo.name}, str(error.renamed(photo.shown)))
            return
        answers = self.asked([piece.image for piece in found], cutout=True)
        for number, piece in enumerate(found, 1):
            label = f"{photo.shown}#{number}"
            self._progress.say(f"{label} of {len(found)}")
            about = {"piece": photo.name, "number": number, **_in_photo(piece)}
            self._add(next(answers), about, label, None, sheet, named=False)

    def finish(self, target: Path | None) -> None:
        """Assign pieces to cells if they are to be, and draw the overlay of all."""
        if self._together and self._located:
            located = [kept for _, _, kept in self._located]
            assignments = assign(self._puzzle, located, progress=self._progress.say)
            self._progress.clear()
            for (result, label, _), assigned in zip(self._located, assignments, strict=True):
                self._assigned(result, label, assigned)
        if target is not None and self._laid:
            save_overlay(draw_assembly(self._puzzle.picture, list(self._laid.values())), target)

    def _assigned(self, result: dict[str, Any], label: str, assigned: Assignment) -> None:
        """Note and print where a piece goes when all are looked at together."""
        index, placement = self._position(result), assigned.placement
        if assigned.problem is not None:
            result["problem"] = assigned.problem.to_dict()
            if assigned.problem.other is not None:
                first, other, _ = self._located[assigned.problem.other]
                result["problem"]["other"] = self._position(first)
                complain(f"{label}: the same piece as {other}")
            else:
                complain(f"{label}: {assigned.problem.text}")
        if assigned.cell is None:
            result["assignment"] = None
            self._laid.pop(index, None)
            self._answers.add(label, result, [])
            return
        result["assignment"] = placement.to_dict() | {"sure": assigned.sure}
        if assigned.why is not None:
            result["assignment"]["why"] = assigned.why.to_dict()
        self._answers.add(label, result, [placement], assigned.sure)
        if index in self._laid:
            laid = self._laid[index]
            self._laid[index] = replace(laid, placement=placement, sure=assigned.sure)

    def _position(self, result: dict[str, Any]) -> int:
        return next(i for i, other in enumerate(self.results) if other is result)

    def _add(
        self,
        answer: Answer,
        about: dict[str, Any],
        label: str,
        target: Path | None,
        sheet: bool,
        named: bool,
    ) -> None:
        search, seconds = answer
        if isinstance(search, InputError):
            # What comes as an array has no name of its own.
            self._fail(about, str(search if named else search.renamed(label)))
            return
        self._progress.clear()
        placements = search.placements[: self._top]
        result = about | {
            "placements": [placement.to_dict() for placement in placements],
            "one_of": search.one_of,
            "seconds": round(seconds, 3),
        }
        if "outline" not in about:
            result |= _outline_of(search)
            said = search.about_others()
            if said is not None:
                complain(f"{label}: {said}; --many locates all of them")
        result |= search.about_photo()
        few = search.one_of
        if few is not None and len(placements) < few and not self._together:
            complain(f"{label}: one of {few} places; --top {few} prints and draws them all")
        for doubt in _worth_saying(search):
            complain(f"{label}: {doubt}")
        if self._puzzle.grid is None or search.size_estimate is not None:
            result["size_estimate"] = search.size_estimate
        if not self._together:
            self._answers.add(label, result, placements)
        if target is not None:
            picture, rgb, mask = self._puzzle.picture, search.piece_rgb, search.piece_mask
            drawn = draw_overlay(picture, search.heatmap, placements, rgb, mask, search.doubts)
            save_overlay(drawn, target)
        if sheet and placements:
            self._laid[len(self.results)] = _laid(search, str(len(self._laid) + 1))
        if self._together:
            kept = keep(search, self._puzzle.grid)
            self._located.append((result, label, kept))
        self.results.append(result)

    def _fail(self, about: dict[str, Any], error: str) -> None:
        self._progress.clear()
        complain(error)
        self.fail(about | {"error": error})

    def fail(self, result: dict[str, Any]) -> None:
        """Keep the result of a piece without an answer, whose error has been told."""
        self._answers.add("", result, [])
        self.results.append(result)


def _worth_saying(search: "Search") -> tuple[str, ...]:
    """Doubts, unless the answer is sure all the same."""
    sure = bool(search.placements) and search.placements[0].score >= SURE
    return () if sure else search.doubts


def _in_photo(piece: FoundPiece) -> dict[str, Any]:
    """Where one of the pieces in a photo lies, JSON-ready."""
    return _outline(piece.outline, piece.box) | {"touching": piece.touching}


def _outline_of(search: "Search") -> dict[str, Any]:
    """The same of the piece that a search has found in its photo."""
    points = outline_points(search.piece_mask).astype(np.float32)
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    edge = CONTOUR_INSET
    return _outline(points, (x1 - edge, y1 - edge, x2 + edge, y2 + edge))


def _outline(points: np.ndarray, box: tuple[float, float, float, float]) -> dict[str, Any]:
    few = cv2.approxPolyDP(points[:, None], _OUTLINE_ERROR, True)[:, 0]
    return {
        "photo_box": [round(float(v), 2) for v in box],
        "outline": [[round(float(x), 2), round(float(y), 2)] for x, y in few],
    }


def _laid(search: "Search", label: str) -> LaidPiece:
    """The piece at its best place, no larger than an overlay shows it."""
    rgb, mask = search.piece_rgb, search.piece_mask
    height, width = mask.shape
    scale = min(1.0, _KEPT_SIDE / max(height, width))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return LaidPiece(
        resize(rgb, size, scale),
        resize(mask.astype(np.float32), size, scale, soft=True),
        (width / size[0], height / size[1]),
        search.placements[0],
        label,
    )
