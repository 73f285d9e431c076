"""Pieces that are made ready, taken through a picture to answers: what ``Puzzle`` does inside."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from heatmap_locator.errors import InputError
from heatmap_locator.fitted_grid import HEARD, FittedGrid, OpenGrid, told_by
from heatmap_locator.found import Search
from heatmap_locator.grid import Grid
from heatmap_locator.model.calibration import Calibration
from heatmap_locator.model.network import HeatmapLocator
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.picture.done import Done
from heatmap_locator.picture.shared_light import Lit
from heatmap_locator.placement import Placement
from heatmap_locator.search.answer import Ranked, measure_seen, rank_seen, require_numbers
from heatmap_locator.search.by_size import BySize, Look
from heatmap_locator.search.conclude import Judge
from heatmap_locator.search.levels import PIXEL_BYTES, Level, cell_sides, encode_levels
from heatmap_locator.search.mirror import mirror_image
from heatmap_locator.search.open_size import answer_by_size, sureness
from heatmap_locator.search.other_sizes import OtherSizes
from heatmap_locator.search.oversize import Oversize
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.place import lay_on_picture, placements_of
from heatmap_locator.search.remarks import remarked
from heatmap_locator.search.see import Seen, heats_of, see
from heatmap_locator.search.sizes import cell_side

VOLUME_BYTES = 2**29
"""Memory for one kind of correlation of the pieces that are searched together."""


class Searcher:
    """A picture encoded at the sizes that pieces are looked for at.

    Args:
        picture: (H, W, 3) uint8.
        grid: rows and columns, or ``None`` where they are not known.
        model: in evaluation mode, on ``device``.
        device: where the picture is encoded and pieces are searched.
        outlines: finds pieces in photos.

    Attributes:
        levels: the sizes; where the grid is not known those that have been looked at.
        by_size: looks for the size of pieces; ``None`` where the grid is known, by now.
    """

    def __init__(
        self,
        picture: np.ndarray,
        grid: Grid | None,
        model: HeatmapLocator,
        device: torch.device,
        outlines: OutlineFinder,
    ) -> None:
        self._picture, self._grid, self._model, self._device = picture, grid, model, device
        self._outlines, self._oversize = outlines, Oversize(picture, grid)
        self._fitted = None if grid is None else FittedGrid(grid)
        self._open_grid = OpenGrid((picture.shape[1], picture.shape[0])) if grid is None else None
        self.by_size: BySize | None = None
        self._other_sizes: OtherSizes | None = None
        self.levels: list[Level]
        if grid is None:
            self.by_size = BySize(picture, model, device)
            self.levels = self.by_size.levels
        else:
            self.levels = encode_levels(picture, grid, model, device)
            self._other_sizes = OtherSizes(picture, grid, model, device)

    def with_done(self, done: Done) -> "Searcher":
        """The same, with what a photo shows done; the grid is known."""
        found = copy(self)
        found.levels = [level.with_done(done) for level in self.levels]
        found._other_sizes = None  # what is done has shown the number of pieces to fit
        found._fitted = None  # its cells are those of the grid that the photo was read with
        return found

    def with_light(self, lit: Lit | None) -> "Searcher":
        """The same, with the light that photos of pieces share; the grid is known."""
        found = copy(self)
        found.levels = [level.with_light(lit) for level in self.levels]
        found._fitted = None  # the light is that of the cells as they are known now
        return found

    @property
    def size_estimate(self) -> int | None:
        """As ``Puzzle.size_estimate`` says it."""
        if self._other_sizes is not None:
            return self._other_sizes.estimate
        by_size = self.by_size
        if by_size is not None:
            return by_size.sizes.estimate
        return None if self._open_grid is None or self._grid is None else self._grid.pieces

    @property
    def grid_estimate(self) -> tuple[int, int] | None:
        """As ``Search.grid_estimate`` says it."""
        cut = self.grid
        if self._open_grid is None or cut is None or not cut.ends_known:
            return None
        return cut.rows, cut.cols

    @property
    def settled(self) -> bool:
        """Whether no search depends on those before it, but for what has been learnt of the cut."""
        if self.by_size is not None:
            return False
        return self._other_sizes is None or self._other_sizes.fitted

    @property
    def together(self) -> int:
        """Pieces that go through the network at once; 1 at least.

        On a GPU as many as have volumes that fit into ``VOLUME_BYTES``.  A CPU gains nothing by
        more than one, whose answer is then the same to the last digit as on its own.  Where the
        size of a piece is open each piece has to know what those before it said.
        """
        by_size = self.by_size
        if self._device.type == "cpu" or (by_size is not None and by_size.sizes.settled is None):
            return 1
        pixels = max(level.field.halved[0].numel() for level in self.levels)
        return max(1, VOLUME_BYTES // (4 * pixels * self._model.config.rotations))

    @property
    def search_bytes(self) -> int:
        """About how much memory a search takes at its peak."""
        return max(
            (PIXEL_BYTES * level.field.picture[0].numel() for level in self.levels), default=0
        )

    def see(self, pieces: Sequence[PreparedPiece]) -> list[list[Seen]]:
        """What is seen of pieces at all sizes that they are looked for at."""
        return self._see(pieces, self.by_size)

    def _looked_at(self, by_size: BySize | None) -> list[Level]:
        """The sizes that are looked at first; none where all are open."""
        return self.levels if by_size is None else by_size.settled()

    def _see(self, pieces: Sequence[PreparedPiece], by_size: BySize | None) -> list[list[Seen]]:
        levels = self._looked_at(by_size)
        if not levels:  # where the size is still open
            return [[] for _ in pieces]
        return see(pieces, [levels] * len(pieces), self._model, self._device)

    def answers(
        self,
        pieces: Sequence[PreparedPiece],
        calibration: Calibration,
        top: int,
        names: Sequence[str],
        say: Callable[[str], None],
        placed: Sequence[bool],
    ) -> list[Search | InputError]:
        """Of pieces that are searched together, or the error in the place of an answer.

        Args:
            pieces: ``together`` at most.
            calibration: from the ranker's logits to scores.
            top: placements wanted.
            names: what errors call the pieces.
            say: told, in a few words, what a search for the size of a piece begins with.
            placed: whether the same photo, read another way, has a sure answer already.

        Raises:
            WeightsError: the network's answer holds no number.
        """
        by_size = self.by_size  # another thread's piece may show the grid meanwhile
        seen = self._see(pieces, by_size)
        ranked: list[list[Ranked]] = [[] for _ in pieces]
        if by_size is None:  # or each is ranked as its search goes on
            ranked = rank_seen(seen, pieces, self._model.ranker, self._device)
        judge = self._judge(calibration)
        found: list[Search | InputError] = []
        for n, piece in enumerate(pieces):
            try:
                asked = piece, seen[n], ranked[n], top, names[n], say, placed[n]
                found.append(self._answer(judge, by_size, *asked))
            except InputError as error:
                found.append(error)
        return found

    def _answer(
        self,
        judge: Judge,
        by_size: BySize | None,
        piece: PreparedPiece,
        seen: list[Seen],
        ranked: list[Ranked],
        top: int,
        name: str,
        say: Callable[[str], None],
        placed: bool,
    ) -> Search:
        """What is seen of one piece, taken to its places.

        Raises:
            NoPieceError: the photo shows no piece of this picture.
            WeightsError: the network's answer holds no number.
        """
        if by_size is not None:
            return answer_by_size(judge, by_size, piece, seen, top, name, say, placed)
        require_numbers(ranked, name)
        width, height = judge.size
        places = width * height / cell_sides(width, height, self._grid)[0] ** 2
        look = Look(ranked, heats_of(seen), places)
        found, logit = judge.conclude(look, piece, top, name)
        if self._other_sizes is None:
            size, grid = self.size_estimate, self.grid_estimate
            return replace(found, size_estimate=size, grid_estimate=grid)
        return self._other_sizes.better(judge, piece, found, logit, top, name, say) or found

    def said(
        self, found: Search, piece: PreparedPiece, calibration: Calibration, name: str
    ) -> Search:
        """The answer chosen for a photo, with what is odd about it.

        Args:
            found: the answer.
            piece: as which the photo was searched.
            calibration: from the ranker's logits to scores.
            name: what errors call the photo.

        Raises:
            NoPieceError: it shows the whole picture, or many cells of it.
        """
        self._oversize.refuse(found, name)

        def mirrored(places: float) -> Search | None:
            levels = self._looked_at(self.by_size)
            judge = self._judge(calibration)
            return mirror_image(judge, piece, levels, places, self._model, self._device)

        return remarked(found, piece, self._outlines, mirrored)

    def learn(self, found: Search, piece: PreparedPiece) -> None:
        """Look where cells lie, now that one more piece is placed; later ones are placed by it."""
        by_size, fitted = self.by_size, self._fitted
        if (by_size is None and fitted is None) or sureness(found) < HEARD:
            return
        place, size = found.placements[0], (self._picture.shape[1], self._picture.shape[0])
        told = told_by(place, piece.body.middle, size, piece.sides)
        if by_size is not None and self._open_grid is not None:
            side = cell_side(piece, place.matrix)
            shown = self._open_grid.tell(told, side, by_size.sizes.agreed)
            if shown is not None:
                self._know(shown)
        elif fitted is not None:
            fitted.tell(told)
            grid = fitted.grid
            if grid is not self._grid:
                self.levels = [level.with_grid(grid) for level in self.levels]
                self._grid = grid

    def _know(self, fitted: FittedGrid) -> None:
        """From now on pieces are looked for as if the grid had been given."""
        grid = fitted.grid
        try:
            levels = encode_levels(self._picture, grid, self._model, self._device)
        except InputError:  # too little memory is left: it goes on without
            return
        self._fitted, self._grid, self.levels = fitted, grid, levels
        self._oversize = Oversize(self._picture, grid)
        self.by_size = None  # last: other threads ask it which of these hold

    @property
    def grid(self) -> Grid | None:
        """As ``Puzzle.cut`` says it."""
        guessed = self._open_grid is not None and self._grid is not None and not self._grid.exact
        return None if guessed else self._grid

    def measure(self, piece: PreparedPiece) -> tuple[Tensor, list[Placement]]:
        """As ``Puzzle.measure`` says it."""
        ((seen,),) = self.see([piece])
        measured, kept = measure_seen(seen, piece, self._device)
        laid = [lay_on_picture(candidate, piece, seen.level) for candidate in kept]
        size = self._picture.shape[1], self._picture.shape[0]
        return measured, placements_of(laid, piece, size, self._grid)

    def _judge(self, calibration: Calibration) -> Judge:
        return Judge(self._picture, self._grid, calibration, self._model.ranker)
