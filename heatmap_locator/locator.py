"""The public face: encode a picture once, then ask where pieces go."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from heatmap_locator.bank import bank_angles
from heatmap_locator.calibration import Calibration
from heatmap_locator.corners import square_up
from heatmap_locator.decode import Candidate, decode, decode_pixels, heatmap, suppress
from heatmap_locator.errors import InputError, NoPieceError, WeightsError
from heatmap_locator.geometry import CELL, STRIDE, Array, bounds, compose, transform
from heatmap_locator.grid import Grid
from heatmap_locator.images import ImageSource, read_picture
from heatmap_locator.model import EncodedImages, HeatmapLocator
from heatmap_locator.piece import CONTOUR_INSET, PreparedPiece, photo_to_working, prepare_piece
from heatmap_locator.placement import Placement
from heatmap_locator.precision import autocast
from heatmap_locator.presence import require_piece
from heatmap_locator.rank import NAMED, NAMED_BY_PIXELS, Poses, measure_shortlist, pose_piece, rank
from heatmap_locator.refine import refine
from heatmap_locator.verify import CANDIDATES, GAIN, SURELY, find_identical, verify
from heatmap_locator.weights import load_model, shipped_weights

MAX_TOP = 100

REFINED = 5
"""Answers whose pose is refined; those after them are long shots."""

SPREAD = 0.06
"""Standard deviation of the log of a piece's size about its outline's, the cell's size known."""

SEARCH_RATIO = 1.25
"""Ratio of neighbouring cell sizes where it is not known."""

UNKNOWN_SPREAD = 0.2
"""The same as ``SPREAD`` about each of those sizes."""

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
    """The picture at one working size, (3, H, W) 0..1, and encoded."""

    working: Tensor
    encoded: EncodedImages
    to_picture: Array

    @property
    def halved(self) -> Tensor:
        """``(3, H / 2, W / 2)``, the working picture at the volume's resolution of pixels."""
        return self.encoded.pixels[0].float()


class Locator:
    """A trained model on a device.

    Use ``Locator.from_pretrained()``; one locator serves any number of puzzles.
    """

    def __init__(
        self, model: HeatmapLocator, device: torch.device, calibration: Calibration
    ) -> None:
        self.model = model.to(device)
        self.device = device
        self.calibration = calibration

    @classmethod
    def from_pretrained(cls, weights: str | Path | None = None, device: str = "auto") -> "Locator":
        """Load a model.

        Args:
            weights: a .safetensors file; ``None`` takes the one that comes with the package.
            device: ``"auto"`` (CUDA where there is one), ``"cpu"`` or ``"cuda"``.

        Raises:
            WeightsError: the file is missing, damaged or of another version.
            InputError: the device is unknown or absent.
        """
        if device not in ("auto", "cpu", "cuda"):
            raise InputError(f"device {device!r}: use auto, cpu or cuda")
        if device == "cuda" and not torch.cuda.is_available():
            raise InputError("device cuda: no CUDA device here; use cpu or auto")
        chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        model, extra = load_model(weights)
        try:
            calibration = Calibration.from_extra(extra.get("calibration", {}))
        except ValueError as error:
            source = shipped_weights() if weights is None else weights
            raise WeightsError(f"{source}: holds {error}; calibrate it again") from error
        return cls(model, torch.device(chosen), calibration)

    def encode(
        self,
        picture: ImageSource,
        pieces: int | None = None,
        grid: str | tuple[int, int] | Grid | None = None,
        corners: np.ndarray | None = None,
    ) -> "Puzzle":
        """Read and encode the picture of a whole puzzle.

        Args:
            picture: path, PIL image, or (H, W, 3) uint8 array.
            pieces: number of pieces; rows and columns follow from the picture's shape.
            grid: ``(rows, cols)`` or ``"ROWSxCOLS"``, instead of ``pieces``.  With neither, the
                size of a piece is searched, which takes longer.
            corners: (4, 2), of the picture in a photo taken at an angle, clockwise from its top
                left, such as ``heatmap_locator.corners.find_corners`` finds them: it is squared
                up first, and boxes are in pixels of ``Puzzle.picture``.

        Raises:
            InputError: the picture cannot be read, or pieces or grid make no sense for it.
        """
        name = str(picture) if isinstance(picture, (str, Path)) else "picture"
        if pieces is not None and grid is not None:
            raise InputError(f"{name}: give pieces or grid, not both")
        pixels = read_picture(picture)
        if corners is not None:
            pixels = square_up(pixels, corners)
        height, width = pixels.shape[:2]
        known: Grid | None = None
        if pieces is not None:
            known = Grid.from_pieces(pieces, width, height)
        elif isinstance(grid, str):
            known = Grid.parse(grid)
        elif isinstance(grid, Grid):
            known = grid
        elif grid is not None:
            try:
                rows, cols = grid
            except (TypeError, ValueError):
                raise InputError(f"grid {grid!r}: give (rows, cols), such as (25, 38)") from None
            known = Grid(rows, cols)
        if known is not None:
            known.check(width, height, name)
        return Puzzle(self, pixels, known)

    def _tensor(self, image: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
        return tensor.to(self.device).float() / 255


@dataclass
class Puzzle:
    """An encoded picture.  Made by ``Locator.encode``.

    Attributes:
        picture: (H, W, 3) uint8, EXIF orientation applied.
        grid: rows and columns, or ``None`` where they are not known.
    """

    locator: Locator
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

    @torch.inference_mode()
    def search(self, piece: ImageSource, top: int = 1) -> Search:
        """Like ``locate``, with the heatmap and the outline that was found."""
        if type(top) is not int or not 1 <= top <= MAX_TOP:
            raise InputError(f"top {top}: give a whole number from 1 to {MAX_TOP}")
        prepared = prepare_piece(piece)
        name = str(piece) if isinstance(piece, (str, Path)) else "piece"
        if prepared.is_rectangle and (
            prepared.rgb.shape[0] > self.height and prepared.rgb.shape[1] > self.width
        ):
            raise NoPieceError(
                f"{name}: no piece found, and larger than the picture, whose name comes last"
            )
        heat = np.zeros((1, 1), np.float32)
        found: list[Candidate] = []
        bank, poses = self._bank(prepared), pose_piece(prepared, self.locator.device)
        for index in range(len(self._levels)):
            candidates, seen = self._read(bank, poses, index, max(top, CANDIDATES))
            heat = _highest(heat, seen)
            found += [self._in_picture(c) for c in candidates]
        # Half a cell of the size that a candidate was found under, in units of the first level.
        first = self._levels[0].to_picture[0, 0]
        reach = [CELL / 2 * level.to_picture[0, 0] / first for level in self._levels]
        kept = suppress(found, reach)[: max(top, CANDIDATES)]
        verified = [verify(c, self._matrix(prepared, c), prepared, self.picture) for c in kept]
        gains = [
            after.logit - before.logit for (after, _), before in zip(verified, kept, strict=True)
        ]
        if max(gains, default=0.0) < SURELY * GAIN:
            identical = find_identical(prepared, self.picture)
            if identical is not None:
                best = max((c.logit for c in kept), default=0.0)
                candidate, matrix = identical
                verified.append((replace(candidate, logit=best + candidate.logit), matrix))
        verified.sort(key=lambda pair: -pair[0].logit)
        scores = self.locator.calibration.scores([c.logit for c, _ in verified], self._places)
        placements: list[Placement] = []
        for (candidate, matrix), score in zip(verified, scores, strict=True):
            exact = all(candidate is not other for other in kept)
            if not exact and len(placements) < REFINED:
                candidate = self._refine(candidate, prepared)
                matrix = self._matrix(prepared, candidate)
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
        working = self.locator._tensor(resized)
        with autocast(self.locator.device):
            encoded = self.locator.model.encode_picture(working)
        back = np.array([[self.width / width, 0, 0], [0, self.height / height, 0]])
        return _Level(working[0], encoded, back)

    def _bank(self, piece: PreparedPiece) -> EncodedImages:
        """The piece in all rotations."""
        model, device = self.locator.model, self.locator.device
        with autocast(device):
            bank = piece.rotated(bank_angles(model.config.rotations).to(device))
            return model.encode_pieces(*bank).trimmed()

    def _name(
        self, bank: EncodedImages, index: int, top: int
    ) -> tuple[list[Candidate], Tensor, np.ndarray]:
        """Correlate with the picture at one size and read the volume.

        Returns:
            the head's first places and those that the pixels alone put first, ``(R, h, w)``
            correlations of features, and the heatmap.
        """
        model, level = self.locator.model, self._levels[index]
        with autocast(self.locator.device):
            feature, pixel = model.correlate_bank(level.encoded, bank)
            maps = model.head(feature, pixel)
        rotations, gain = model.config.rotations, model.head.rotation_gain
        named = decode(maps, rotations, gain, max(top, NAMED), index)
        named += decode_pixels(maps, pixel, NAMED_BY_PIXELS, index)
        return named, feature[0], heatmap(maps)

    def _read(
        self, bank: EncodedImages, poses: Poses, index: int, top: int
    ) -> tuple[list[Candidate], np.ndarray]:
        """Places at one size of the picture, best first, and the heatmap."""
        named, feature, heat = self._name(bank, index, top)
        level, ranker = self._levels[index], self.locator.model.ranker
        return rank(named, poses, level.working, level.halved, feature, ranker), heat

    @torch.inference_mode()
    def measure(self, piece: ImageSource) -> tuple[Tensor, list[Placement]]:
        """What the ranker is asked about a piece, for fitting it.

        Args:
            piece: as ``locate`` takes it; the picture's grid is known.

        Returns:
            ``(N, F)`` as ``ranker.FEATURES`` names it, and the N places, not ranked.
        """
        prepared = prepare_piece(piece)
        poses, level = pose_piece(prepared, self.locator.device), self._levels[0]
        named, feature, _ = self._name(self._bank(prepared), 0, NAMED)
        kept, measured, _ = measure_shortlist(named, poses, level.working, level.halved, feature)
        places = [self._placement(prepared, c, self._matrix(prepared, c), 0.0) for c in kept]
        return measured, places

    def _refine(self, candidate: Candidate, piece: PreparedPiece) -> Candidate:
        level, ratio = self._levels[candidate.level], self._to_first(candidate.level)
        own = replace(candidate, x=candidate.x / ratio[0], y=candidate.y / ratio[1])
        spread = UNKNOWN_SPREAD if self.grid is None else SPREAD
        with autocast(self.locator.device):
            (refined,) = refine([own], piece, level.encoded, self.locator.model, spread)
        return self._in_picture(refined)

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
        x, y = np.array([candidate.x, candidate.y]) / self._to_first(candidate.level)
        upright = photo_to_working(piece, (x, y), candidate.rotation, candidate.scale)
        # The size map corrects the nominal outline about the reference point.
        factor = np.exp(candidate.log_size)
        stretch = np.column_stack([np.diag(factor), [x, y] * (1 - factor)])
        return compose(self._levels[candidate.level].to_picture, compose(stretch, upright))

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


def _highest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The larger of two heatmaps of the whole picture, at the finer of their sizes."""
    height, width = max(a.shape[0], b.shape[0]), max(a.shape[1], b.shape[1])
    first, second = (
        m if m.shape == (height, width) else cv2.resize(m, (width, height)) for m in (a, b)
    )
    highest: np.ndarray = np.maximum(first, second)
    return highest
