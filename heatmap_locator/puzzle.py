"""An encoded picture, asked where pieces go."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.assign import ASSIGN_TOP, Assignment, assign
from heatmap_locator.assign.located import SearchLike, light_of
from heatmap_locator.errors import InputError
from heatmap_locator.found import Search as Search
from heatmap_locator.found import notebook_png
from heatmap_locator.grid import Grid
from heatmap_locator.model.calibration import Calibration
from heatmap_locator.model.memory import free_bytes
from heatmap_locator.model.network import HeatmapLocator
from heatmap_locator.model.precision import single_precision
from heatmap_locator.options import in_range
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.outline.many import cut_pieces
from heatmap_locator.picture.done import Done, read_done
from heatmap_locator.picture.read import ImageSource, listed
from heatmap_locator.picture.shared_light import Lit, colours_of_cells
from heatmap_locator.placement import Placement
from heatmap_locator.search.lanes import LANES, lanes_for
from heatmap_locator.search.photos import Photos
from heatmap_locator.search.piece import name_of, prepare_piece
from heatmap_locator.search.searcher import Searcher
from heatmap_locator.search.several import LocatedPiece as LocatedPiece
from heatmap_locator.search.several import assign_found, with_answers

MAX_TOP = 100
"""Placements that can be asked for."""


@dataclass(repr=False)
class Puzzle:
    """An encoded picture.  Made by ``Locator.encode``.

    Attributes:
        model: in evaluation mode, on ``device``.
        device: where the picture is encoded and pieces are searched.
        calibration: from the ranker's logits to scores.
        picture: (H, W, 3) uint8, EXIF orientation applied.
        grid: rows and columns, or ``None`` where they are not known.
        outlines: finds pieces in photos.
        progress: told, in a few words, what a search for the size of a piece begins with.
        done: what a photo of the half-done puzzle shows, ``None`` where there is none.
        lit: the light that pieces' photos share, ``None`` where none is known.
    """

    model: HeatmapLocator
    device: torch.device
    calibration: Calibration
    picture: np.ndarray
    grid: Grid | None
    outlines: OutlineFinder
    progress: Callable[[str], None] = field(default=lambda text: None, repr=False)
    done: Done | None = None
    lit: Lit | None = None
    _searcher: Searcher = field(init=False, repr=False)
    _searcher_kind: ClassVar[type[Searcher]] = Searcher

    def __post_init__(self) -> None:
        if self.grid is not None and self.grid.exact:
            cell = self.grid.cell_size(self.width, self.height)
            self.outlines = self.outlines.for_cells(*cell)
        made = self.picture, self.grid, self.model, self.device, self.outlines
        self._searcher = self._searcher_kind(*made)

    def __repr__(self) -> str:
        cut = "pieces not known" if self.grid is None else f"{self.grid} pieces"
        return f"<Puzzle: {self.width} x {self.height} pixels, {cut}, on {self.device}>"

    def _repr_png_(self) -> bytes:
        """Its picture, for notebooks."""
        return notebook_png(self.picture)

    @property
    def size_estimate(self) -> int | None:
        """About how many pieces the puzzle has, by those that were located: to two digits, or as
        ``cut`` has it where they show that.

        ``None`` where no piece was placed with any certainty, or the number that was given fits.
        """
        return self._searcher.size_estimate

    @property
    def cut(self) -> Grid | None:
        """Rows and columns, and where they lie in the picture, as the pieces placed so far have it.

        ``grid`` itself while they leave that open, or agree; where that is ``None`` they take four
        at least to show it, though pieces are searched by the cuts that two or three make likely.
        """
        return self._searcher.grid

    @property
    def width(self) -> int:
        return int(self.picture.shape[1])

    @property
    def height(self) -> int:
        return int(self.picture.shape[0])

    @property
    def search_bytes(self) -> int:
        """About how much memory a search takes at its peak, beside what the puzzle itself holds."""
        return self._searcher.search_bytes

    def locate(self, piece: ImageSource, top: int = 1, cutout: bool = False) -> list[Placement]:
        """Where a piece goes: up to ``top`` placements, best first.

        Args:
            piece: path, PIL image, (H, W, 3) or, with alpha as the outline, (H, W, 4) array.
            top: 1 to 100.
            cutout: the image is a piece cut out, whatever its shape.  Without, an alpha that is
                opaque all over, or in a plain rectangle, is no outline.

        Raises:
            InputError: the image cannot be read, shows no piece, or cannot be of this picture.
            WeightsError: the network's answer holds no number.
        """
        return self.search(piece, top, cutout).placements

    def search(self, piece: ImageSource, top: int = 1, cutout: bool = False) -> Search:
        """Like ``locate``, with the heatmap and the outline that was found."""
        (found,) = self.search_many([piece], top, cutout)
        if isinstance(found, InputError):
            raise found
        return found

    @single_precision()
    @torch.inference_mode()
    def search_many(
        self, pieces: Sequence[ImageSource], top: int = 1, cutout: bool = False
    ) -> list["Search | InputError"]:
        """``search`` for several pieces, together on a GPU and side by side on a CPU.

        Where neither a number of pieces nor a grid was given, and they show rows and columns
        (``cut``), those before that are searched again, as if these had been given.

        Args:
            pieces: photos of one piece each, as ``locate`` takes them.
            top: 1 to 100, for each.
            cutout: all of them are pieces cut out, as in ``locate``.

        Returns:
            as many answers in the same order; where ``search`` would have raised an InputError,
            the error stands in the answer's place.

        Raises:
            InputError: ``top`` is out of range, or ``pieces`` is one image.
        """
        photos = Photos(
            self._searcher,
            (self.height, self.width),
            self.outlines,
            self.calibration,
            in_range(top, 1, MAX_TOP, "top"),
            cutout,
            self.progress,
        )
        return photos.answers(listed(pieces), self._lanes)

    def abreast(self, photos: int) -> int:
        """How many of so many photos ``search_many`` takes side by side now; 1 at least.

        On a GPU as many as go through the network together, ``LANES`` at most.  One where each has
        to know what those before it said of the size of pieces.
        """
        if not self._searcher.settled:
            return 1
        return max(self._lanes(photos), min(photos, self._searcher.together, LANES))

    def _lanes(self, jobs: int) -> int:
        if jobs < 2:  # the memory that is left is not asked for
            return 1
        return lanes_for(jobs, self.device, self.search_bytes, free_bytes(self.device))

    def locate_many(
        self, photo: ImageSource, top: int = 1, cutout: bool = False
    ) -> list[LocatedPiece]:
        """Where all the pieces in one photo go, as ``heatmap-predict --many`` says it.

        Args:
            photo: of loose pieces that lie apart on a plain background, or a cut-out of several.
            top: 1 to 100, for each.
            cutout: the opaque parts are the pieces, whatever their shape.

        Returns:
            one per piece, in reading order.

        Raises:
            InputError: the photo cannot be read or shows no piece.
        """
        pieces = cut_pieces(photo, self.outlines, cutout)
        found = self.search_many([piece.image for piece in pieces], top, cutout=True)
        return with_answers(pieces, found, name_of(photo))

    def assign(
        self, photos: Sequence[ImageSource], cutout: bool = False
    ) -> list[Assignment | InputError]:
        """A cell of its own for every piece, as ``heatmap-predict --assign`` says it.

        Args:
            photos: of one piece each, as ``locate`` takes them.
            cutout: all of them are pieces cut out, as there.

        Returns:
            as many answers in the same order; the error in the place of a photo without one.

        Raises:
            InputError: the grid is not known.
        """
        if self.grid is None:
            raise InputError("assigning needs the cells; encode the picture with pieces or grid")
        found = self.search_many(photos, ASSIGN_TOP, cutout)
        return assign_found(found, lambda searches: assign(self, searches))

    def with_done(self, photo: ImageSource | Done) -> "Puzzle":
        """The same puzzle, half done: pieces go into the cells that a photo shows open.

        Args:
            photo: of what is done, on the table; path, PIL image or (H, W, 3) uint8 array; or what
                has been read off one.

        Returns:
            Another puzzle, which shares this one's features; ``done`` tells what was seen.

        Raises:
            InputError: the grid is not known, the photo cannot be read, or no finished part of
                this picture, or all of it, is seen in it.
        """
        found = copy(self)
        if not isinstance(photo, Done):
            photo = read_done(photo, self.picture, self.grid)
        found.done = photo
        found._searcher = self._searcher.with_done(photo)
        return found

    def with_light(self, searches: Sequence[SearchLike]) -> "Puzzle":
        """The same puzzle, its pieces photographed in the light that some searches show.

        Masked correlation takes a piece's mean colour away, as each photo may have a light of its
        own.  Where one camera takes all pieces in one light, those placed with a score of .99 or
        more tell how the picture's colours look in it, and plain print is found by its colour too.

        Args:
            searches: of earlier pieces, or what ``assign.keep`` keeps of them, with colour.  With
                none the light is forgotten.

        Returns:
            Another puzzle, which shares this one's features; its answers depend on no others.
            ``lit`` is ``None``, and nothing else, where fewer than eight pieces are placed so
            surely or where their photos share no light.

        Raises:
            InputError: the grid is not known.
        """
        grid = self.cut
        if grid is None:
            raise InputError("light needs the cells; encode the picture with pieces or grid")
        found, size = copy(self), (self.width, self.height)
        found.lit = light_of(searches, grid, size, colours_of_cells(self.picture, grid))
        found._searcher = self._searcher.with_light(found.lit)
        return found

    @single_precision()
    @torch.inference_mode()
    def measure(self, piece: ImageSource, cutout: bool = False) -> tuple[Tensor, list[Placement]]:
        """What the ranker is asked about a piece, for fitting it.

        Args:
            piece: as ``locate`` takes it; the picture's grid is known.
            cutout: as there.

        Returns:
            ``(N, F)`` as ``ranker.FEATURES`` names it, and the N places, not ranked.
        """
        return self._searcher.measure(prepare_piece(piece, self.outlines, cutout))
