"""An encoded picture, asked where pieces go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.errors import InputError, NoPieceError
from heatmap_locator.grid import Grid
from heatmap_locator.model.calibration import Calibration
from heatmap_locator.model.network import HeatmapLocator
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.picture.read import ImageSource
from heatmap_locator.placement import Placement
from heatmap_locator.search.answer import highest, lay_best, rank_seen, recognise
from heatmap_locator.search.identical import CANDIDATES
from heatmap_locator.search.levels import Level, cell_sides, encode_levels
from heatmap_locator.search.measure import measure_shortlist
from heatmap_locator.search.piece import PreparedPiece, name_of, prepare_piece, prepare_pieces
from heatmap_locator.search.place import Laid, lay_on_picture, placement_of
from heatmap_locator.search.pose import pose_piece
from heatmap_locator.search.presence import require_piece
from heatmap_locator.search.see import Seen, see

MAX_TOP = 100

VOLUME_BYTES = 2**28
"""Memory for one kind of correlation of the pieces that are searched together."""


@dataclass(frozen=True)
class Search:
    """Everything one piece's search found.

    Attributes:
        placements: best first.
        heatmap: (h, w) float32 in 0..1 over the whole picture, the highest over all sizes tried.
        piece_rgb: (H, W, 3) uint8, the photo.
        piece_mask: (H, W) float32 in 0..1, the outline found in it.
    """

    placements: list[Placement]
    heatmap: np.ndarray
    piece_rgb: np.ndarray
    piece_mask: np.ndarray


@dataclass
class Puzzle:
    """An encoded picture.  Made by ``Locator.encode``.

    Attributes:
        model: in evaluation mode, on ``device``.
        device: where the picture is encoded and pieces are searched.
        calibration: from the ranker's logits to scores.
        picture: (H, W, 3) uint8, EXIF orientation applied.
        grid: rows and columns, or ``None`` where they are not known.
        outlines: finds pieces in photos.
    """

    model: HeatmapLocator
    device: torch.device
    calibration: Calibration
    picture: np.ndarray
    grid: Grid | None
    outlines: OutlineFinder
    _levels: list[Level] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._levels = encode_levels(self.picture, self.grid, self.model, self.device)

    @property
    def width(self) -> int:
        return int(self.picture.shape[1])

    @property
    def height(self) -> int:
        return int(self.picture.shape[0])

    def locate(self, piece: ImageSource, top: int = 1) -> list[Placement]:
        """Where a piece goes: up to ``top`` placements, best first.

        Args:
            piece: path, PIL image, (H, W, 3) or, with alpha as the outline, (H, W, 4) array.
            top: 1 to 100.

        Raises:
            InputError: the image cannot be read, shows no piece, or cannot be of this picture.
        """
        return self.search(piece, top).placements

    def search(self, piece: ImageSource, top: int = 1) -> Search:
        """Like ``locate``, with the heatmap and the outline that was found."""
        (found,) = self.search_many([piece], top)
        if isinstance(found, InputError):
            raise found
        return found

    @torch.inference_mode()
    def search_many(
        self, pieces: Sequence[ImageSource], top: int = 1
    ) -> list["Search | InputError"]:
        """``search`` for several pieces, which go through the network together.

        Args:
            pieces: photos of one piece each, as ``locate`` takes them.
            top: 1 to 100, for each.

        Returns:
            as many answers in the same order; where ``search`` would have raised an InputError,
            the error stands in the answer's place.

        Raises:
            InputError: ``top`` is out of range.
        """
        if type(top) is not int or not 1 <= top <= MAX_TOP:
            raise InputError(f"top {top}: give a whole number from 1 to {MAX_TOP}")
        answers: list[list[Search | InputError]] = [[] for _ in pieces]
        asked: list[tuple[int, PreparedPiece]] = []
        for index, read in enumerate(prepare_pieces(pieces, self.outlines)):
            try:
                fitting = self._fitting(read, name_of(pieces[index]))
                asked += [(index, piece) for piece in fitting]
            except InputError as error:
                answers[index].append(error)
        for start in range(0, len(asked), self._together):
            part = asked[start : start + self._together]
            for (index, prepared), seen in zip(part, self._see([p for _, p in part]), strict=True):
                try:
                    found = self._answer(prepared, seen, top, name_of(pieces[index]))
                    answers[index].append(found)
                except InputError as error:
                    answers[index].append(error)
        return [max(own, key=_sureness) for own in answers]

    def _fitting(
        self, prepared: list[PreparedPiece] | InputError, name: str
    ) -> list[PreparedPiece]:
        """What a photo may show, without crops that are larger than the picture."""
        if isinstance(prepared, InputError):
            raise prepared
        fitting = [
            p
            for p in prepared
            if not p.is_rectangle or p.rgb.shape[0] <= self.height or p.rgb.shape[1] <= self.width
        ]
        if not fitting:
            raise NoPieceError(
                f"{name}: no piece found, and larger than the picture, whose name comes last"
            )
        return fitting

    def _levels_of(self, piece: PreparedPiece) -> list[Level]:
        """The picture sizes that a piece is looked for at, largest cells first."""
        return self._levels

    def _answer(self, piece: PreparedPiece, seen: list[Seen], top: int, name: str) -> Search:
        """What is seen of one piece, taken to its places.

        Raises:
            NoPieceError: the photo shows no piece of this picture.
        """
        ranked = rank_seen(seen, piece, self.model.ranker, self.device)
        laid = lay_best(ranked, piece, max(top, CANDIDATES))
        laid = recognise(laid, piece, self.picture, self.grid)
        placements = self._placements(laid, piece, top)
        require_piece(piece, placements, self.picture, name)
        return Search(placements, highest([s.heat for s in seen]), piece.rgb, piece.mask)

    def _placements(self, laid: list[Laid], piece: PreparedPiece, top: int) -> list[Placement]:
        """The first ``top`` of places, best first, with their scores."""
        scores = self.calibration.scores([one.logit for one in laid], self._places)
        placements: list[Placement] = []
        for one, score in zip(laid, scores, strict=True):
            placement = placement_of(one, piece, (self.width, self.height), self.grid, score)
            # Two sizes of one place may only now turn out to be one.
            reach = self._levels[one.level].reach
            if all(math.dist(placement.center, p.center) >= reach for p in placements):
                placements.append(placement)
            if len(placements) == top:
                break
        return placements

    @property
    def _places(self) -> float:
        """Cells of all the sizes that are tried: the number of pieces where it is known."""
        sides = cell_sides(self.width, self.height, self.grid)
        return sum(self.width * self.height / side**2 for side in sides)

    @property
    def _together(self) -> int:
        """Pieces that go through the network at once; 1 at least.

        On a GPU as many as have volumes that fit into ``VOLUME_BYTES``.  A CPU gains nothing by
        more than one, whose answer is then the same to the last digit as on its own.
        """
        if self.device.type == "cpu":
            return 1
        pixels = max(level.field.halved[0].numel() for level in self._levels)
        return max(1, VOLUME_BYTES // (4 * pixels * self.model.config.rotations))

    def _see(self, pieces: Sequence[PreparedPiece]) -> list[list[Seen]]:
        """What is seen of pieces at all sizes that they are looked for at."""
        return see(pieces, [self._levels_of(p) for p in pieces], self.model, self.device)

    @torch.inference_mode()
    def measure(self, piece: ImageSource) -> tuple[Tensor, list[Placement]]:
        """What the ranker is asked about a piece, for fitting it.

        Args:
            piece: as ``locate`` takes it; the picture's grid is known.

        Returns:
            ``(N, F)`` as ``ranker.FEATURES`` names it, and the N places, not ranked.
        """
        prepared = prepare_piece(piece, self.outlines)
        ((seen,),) = self._see([prepared])
        poses, level = pose_piece(prepared, self.device), seen.level
        kept, measured, _ = measure_shortlist(seen.named, poses, level.field, seen.feature)
        size = self.width, self.height
        places = [
            placement_of(lay_on_picture(c, prepared, level), prepared, size, self.grid, 0.0)
            for c in kept
        ]
        return measured, places


def _sureness(answer: "Search | InputError") -> float:
    """Score of the best place; what is no answer comes after all that are."""
    if isinstance(answer, InputError) or not answer.placements:
        return -1.0
    return answer.placements[0].score
