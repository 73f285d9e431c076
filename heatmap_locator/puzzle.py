"""An encoded picture, asked where pieces go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from heatmap_locator.errors import InputError, NoPieceError
from heatmap_locator.geometry import transform
from heatmap_locator.grid import Grid
from heatmap_locator.model.bank import bank_angles
from heatmap_locator.model.calibration import Calibration
from heatmap_locator.model.network import HeatmapLocator
from heatmap_locator.model.precision import autocast
from heatmap_locator.picture.read import ImageSource
from heatmap_locator.placement import Placement
from heatmap_locator.search.decode import Candidate, best_apart, heatmap
from heatmap_locator.search.identical import CANDIDATES, GAIN, SURELY, find_identical, verify
from heatmap_locator.search.levels import Level, cell_sides, encode_levels
from heatmap_locator.search.measure import measure_shortlist, rank
from heatmap_locator.search.piece import (
    PreparedPiece,
    prepare_piece,
    prepare_pieces,
)
from heatmap_locator.search.place import lay_on_picture, placement_of
from heatmap_locator.search.pose import pose_piece
from heatmap_locator.search.presence import require_piece
from heatmap_locator.search.propose import name_places

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


_Seen = tuple[list[Candidate], Tensor, np.ndarray]
"""Of one level: places that the head and the pixels name, ``(R, h, w)`` correlations of features,
and the heatmap."""


@dataclass
class Puzzle:
    """An encoded picture.  Made by ``Locator.encode``.

    Attributes:
        model: in evaluation mode, on ``device``.
        device: where the picture is encoded and pieces are searched.
        calibration: from the ranker's logits to scores.
        picture: (H, W, 3) uint8, EXIF orientation applied.
        grid: rows and columns, or ``None`` where they are not known.
    """

    model: HeatmapLocator
    device: torch.device
    calibration: Calibration
    picture: np.ndarray
    grid: Grid | None
    _levels: list[Level] = field(default_factory=list, repr=False)

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
        for index, piece in enumerate(pieces):
            try:
                asked += [(index, prepared) for prepared in self._prepare(piece)]
            except InputError as error:
                answers[index].append(error)
        for start in range(0, len(asked), self._together):
            part = asked[start : start + self._together]
            for (index, prepared), seen in zip(part, self._see([p for _, p in part]), strict=True):
                try:
                    found = self._answer(prepared, seen, top, _name_of(pieces[index]))
                    answers[index].append(found)
                except InputError as error:
                    answers[index].append(error)
        return [max(own, key=_sureness) for own in answers]

    def _prepare(self, piece: ImageSource) -> list[PreparedPiece]:
        prepared = prepare_pieces(piece)
        fitting = [
            p
            for p in prepared
            if not p.is_rectangle or p.rgb.shape[0] <= self.height or p.rgb.shape[1] <= self.width
        ]
        if not fitting:
            raise NoPieceError(
                f"{_name_of(piece)}: no piece found, and larger than the picture, whose name "
                "comes last"
            )
        return fitting

    def _answer(self, prepared: PreparedPiece, seen: list[_Seen], top: int, name: str) -> Search:
        """What the volumes of all levels say of one piece.

        Raises:
            NoPieceError: the photo shows no piece of this picture.
        """
        heat = np.zeros((1, 1), np.float32)
        found: list[Candidate] = []
        poses, ranker = pose_piece(prepared, self.device), self.model.ranker
        for level, (named, feature, own_heat) in zip(self._levels, seen, strict=True):
            heat = _highest(heat, own_heat)
            found += rank(named, poses, level.field, feature, ranker)
        matrices = [self._levels[c.level].to_picture for c in found]
        places = [
            transform(m, np.array([[c.x, c.y]]))[0] for m, c in zip(matrices, found, strict=True)
        ]
        reach = np.array([self._levels[c.level].reach for c in found])
        kept = best_apart(
            np.reshape(places, (-1, 2)),
            reach,
            np.array([c.logit for c in found]),
            max(top, CANDIDATES),
        )
        laid = [lay_on_picture(found[i], prepared, self._levels[found[i].level]) for i in kept]
        verified = [verify(one, prepared, self.picture) for one in laid]
        gains = [after.logit - before.logit for after, before in zip(verified, laid, strict=True)]
        if max(gains, default=0.0) < SURELY * GAIN:
            best = max((one.logit for one in laid), default=0.0)
            for one in find_identical(prepared, self.picture, self.grid):
                verified.append(replace(one, logit=best + one.logit))
        verified.sort(key=lambda one: -one.logit)
        scores = self.calibration.scores([one.logit for one in verified], self._places)
        placements: list[Placement] = []
        for one, score in zip(verified, scores, strict=True):
            placement = placement_of(one, prepared, (self.width, self.height), self.grid, score)
            # Two sizes of one place may only now turn out to be one.
            distance = self._levels[one.level].reach
            if all(math.dist(placement.center, p.center) >= distance for p in placements):
                placements.append(placement)
            if len(placements) == top:
                break
        require_piece(prepared, placements, self.picture, name)
        return Search(placements, heat, prepared.rgb, prepared.mask)

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

    def _see(self, pieces: list[PreparedPiece]) -> list[list[_Seen]]:
        """Encode pieces in all rotations, correlate them with every level and read the volumes."""
        model, device = self.model, self.device
        rotations, gain = model.config.rotations, model.head.rotation_gain
        degrees = bank_angles(rotations).to(device)
        seen: list[list[_Seen]] = [[] for _ in pieces]
        with autocast(device):
            banks = [piece.rotated(degrees) for piece in pieces]
            templates, masks = (torch.cat(t) for t in zip(*banks, strict=True))
            bank = model.encode_pieces(templates, masks).trimmed()
            for level in self._levels:
                feature, pixel = model.correlate_bank(level.encoded.repeated(len(pieces)), bank)
                maps = model.head(feature, pixel)
                for n, own in enumerate(seen):
                    one = maps.of(n)
                    own_pixel, field = pixel[n : n + 1], level.field
                    named = name_places(
                        one, own_pixel, pieces[n], field.grid, field.size, gain, level.index
                    )
                    own.append((named, feature[n], heatmap(one)))
        return seen

    @torch.inference_mode()
    def measure(self, piece: ImageSource) -> tuple[Tensor, list[Placement]]:
        """What the ranker is asked about a piece, for fitting it.

        Args:
            piece: as ``locate`` takes it; the picture's grid is known.

        Returns:
            ``(N, F)`` as ``ranker.FEATURES`` names it, and the N places, not ranked.
        """
        prepared = prepare_piece(piece)
        poses, level = pose_piece(prepared, self.device), self._levels[0]
        ((named, feature, _),) = self._see([prepared])[0]
        kept, measured, _ = measure_shortlist(named, poses, level.field, feature)
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


def _name_of(piece: ImageSource) -> str:
    """What errors call a piece."""
    return str(piece) if isinstance(piece, (str, Path)) else "piece"


def _highest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The larger of two heatmaps of the whole picture, at the finer of their sizes."""
    height, width = max(a.shape[0], b.shape[0]), max(a.shape[1], b.shape[1])
    first, second = (
        m if m.shape == (height, width) else cv2.resize(m, (width, height)) for m in (a, b)
    )
    highest: np.ndarray = np.maximum(first, second)
    return highest
