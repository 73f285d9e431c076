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
from heatmap_locator.geometry import CELL, STRIDE, Array, bounds, compose, transform
from heatmap_locator.grid import Grid
from heatmap_locator.model.bank import bank_angles
from heatmap_locator.model.calibration import Calibration
from heatmap_locator.model.network import EncodedImages, HeatmapLocator
from heatmap_locator.model.precision import autocast
from heatmap_locator.picture.read import ImageSource
from heatmap_locator.placement import Placement
from heatmap_locator.search.compare import Field, measure_shortlist, pose_piece, rank
from heatmap_locator.search.decode import Candidate, heatmap, suppress
from heatmap_locator.search.identical import CANDIDATES, GAIN, SURELY, find_identical, verify
from heatmap_locator.search.piece import (
    CONTOUR_INSET,
    PreparedPiece,
    photo_to_working,
    prepare_piece,
    prepare_pieces,
)
from heatmap_locator.search.presence import require_piece
from heatmap_locator.search.propose import name_places

MAX_TOP = 100

SEARCH_RATIO = 1.25
"""Ratio of neighbouring cell sizes where it is not known."""

VOLUME_BYTES = 2**28
"""Memory for one kind of correlation of the pieces that are searched together."""

SEARCH_PIECES = (6, 2500)
"""Fewest and most pieces of a puzzle considered where the number is not given."""

MINIMUM_CELL = 10
"""Picture pixels a cell's side has at least in that search: less shows no print."""


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


@dataclass(frozen=True)
class _Level:
    """The picture at one working size, as it is and encoded."""

    field: Field
    encoded: EncodedImages
    to_picture: Array


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
    _levels: list[_Level] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        for cell in self._cell_sides():
            self._levels.append(self._encode(cell))

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
            ranked = rank(named, poses, level.field, feature, ranker)
            found += [self._in_picture(c) for c in ranked]
        # Half a cell of the size that a candidate was found under, in units of the first level.
        first = self._levels[0].to_picture[0, 0]
        reach = [CELL / 2 * level.to_picture[0, 0] / first for level in self._levels]
        kept = suppress(found, reach, most=max(top, CANDIDATES))
        verified = [verify(c, self._matrix(prepared, c), prepared, self.picture) for c in kept]
        gains = [
            after.logit - before.logit for (after, _), before in zip(verified, kept, strict=True)
        ]
        if max(gains, default=0.0) < SURELY * GAIN:
            best = max((c.logit for c in kept), default=0.0)
            for candidate, matrix in find_identical(prepared, self.picture, self.grid):
                verified.append((replace(candidate, logit=best + candidate.logit), matrix))
        verified.sort(key=lambda pair: -pair[0].logit)
        scores = self.calibration.scores([c.logit for c, _ in verified], self._places)
        placements: list[Placement] = []
        for (candidate, matrix), score in zip(verified, scores, strict=True):
            placement = self._placement(prepared, candidate, matrix, score)
            # Two sizes of one place may only now turn out to be one.
            distance = CELL / 2 * self._levels[candidate.level].to_picture[0, 0]
            if all(math.dist(placement.center, p.center) >= distance for p in placements):
                placements.append(placement)
            if len(placements) == top:
                break
        require_piece(prepared, placements, self.picture, name)
        return Search(placements, heat, prepared.rgb, prepared.mask)

    @property
    def _places(self) -> float:
        """Cells of all the sizes that are tried: the number of pieces where it is known."""
        return sum(self.width * self.height / side**2 for side in self._cell_sides())

    def _cell_sides(self) -> list[float]:
        """Side, in picture pixels, of the square of a cell's area: known, or all to try."""
        area = float(self.width * self.height)
        if self.grid is not None:
            return [float(np.sqrt(area / self.grid.pieces))]
        fewest, most = SEARCH_PIECES
        sides = [float(np.sqrt(area / fewest))]
        smallest = max(MINIMUM_CELL, float(np.sqrt(area / most)))
        while sides[-1] / SEARCH_RATIO >= smallest:
            sides.append(sides[-1] / SEARCH_RATIO)
        return sides

    @torch.inference_mode()
    def _encode(self, cell: float) -> _Level:
        """The picture at CELL pixels a cell, its sides rounded to whole strides."""
        width, height = (
            max(2 * STRIDE, round(side * CELL / cell / STRIDE) * STRIDE)
            for side in (self.width, self.height)
        )
        way = cv2.INTER_AREA if cell > CELL else cv2.INTER_CUBIC
        resized = cv2.resize(self.picture, (width, height), interpolation=way)
        working = _tensor(resized, self.device)
        with autocast(self.device):
            encoded = self.model.encode_picture(working).kept()
        back = np.array([[self.width / width, 0, 0], [0, self.height / height, 0]])
        field = Field(working[0], encoded.pixels[0].float(), self.grid)
        return _Level(field, encoded, back)

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
            for index, level in enumerate(self._levels):
                feature, pixel = model.correlate_bank(level.encoded.repeated(len(pieces)), bank)
                maps = model.head(feature, pixel)
                for n, own in enumerate(seen):
                    one = maps.of(n)
                    own_pixel, field = pixel[n : n + 1], level.field
                    named = name_places(
                        one, own_pixel, pieces[n], field.grid, field.size, gain, index
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
        places = [self._placement(prepared, c, self._matrix(prepared, c), 0.0) for c in kept]
        return measured, places

    def _in_picture(self, candidate: Candidate) -> Candidate:
        """Comparable across levels: the reference point in units of the first level."""
        ratio = self._to_first(candidate.level)
        return replace(candidate, x=candidate.x * ratio[0], y=candidate.y * ratio[1])

    def _to_first(self, index: int) -> Array:
        """(x, y) factors from working pixels of a level to those of the first."""
        own, first = (np.diag(self._levels[i].to_picture[:, :2]) for i in (index, 0))
        return own / first

    def _matrix(self, piece: PreparedPiece, candidate: Candidate) -> Array:
        """2x3 map of photo pixels to picture pixels that a candidate stands for."""
        to_picture = self._levels[candidate.level].to_picture
        if candidate.pose is not None:
            return compose(to_picture, np.reshape(candidate.pose, (2, 3)))
        x, y = np.array([candidate.x, candidate.y]) / self._to_first(candidate.level)
        upright = photo_to_working(piece, (x, y), candidate.rotation)
        # The size map corrects the nominal outline about the reference point.
        factor = np.exp(candidate.log_size)
        stretch = np.column_stack([np.diag(factor), [x, y] * (1 - factor)])
        return compose(to_picture, compose(stretch, upright))

    def _placement(
        self, piece: PreparedPiece, candidate: Candidate, matrix: Array, score: float
    ) -> Placement:
        inset = CONTOUR_INSET * float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        x1, y1, x2, y2 = bounds(transform(matrix, piece.contour))
        center = (x1 + x2) / 2, (y1 + y2) / 2
        cell = None
        if self.grid is not None:
            cell = self.grid.cell_at(*center, self.width, self.height)
        return Placement(
            box=(x1 - inset, y1 - inset, x2 + inset, y2 + inset),
            center=center,
            rotation=candidate.rotation,
            score=score,
            cell=cell,
            matrix=tuple(float(v) for v in matrix.flatten()),  # type: ignore[arg-type]
        )


def _tensor(image: np.ndarray, device: torch.device) -> Tensor:
    """(H, W, 3) uint8 as ``(1, 3, H, W)`` in 0..1."""
    tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    return tensor.to(device).float() / 255


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
