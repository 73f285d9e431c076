"""The picture at every size that a piece is looked for in, as it is and encoded."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from heatmap_locator.errors import InputError
from heatmap_locator.geometry import CELL, STRIDE, Array
from heatmap_locator.grid import Grid
from heatmap_locator.model.bank import CANVAS
from heatmap_locator.model.correlation_around import Framed
from heatmap_locator.model.filters import blur, gaussian_kernel
from heatmap_locator.model.memory import free_bytes
from heatmap_locator.model.network import PIXEL_STRIDE, EncodedImages, HeatmapLocator
from heatmap_locator.model.precision import autocast
from heatmap_locator.picture.done import Done
from heatmap_locator.picture.shared_light import Lit
from heatmap_locator.resample import resize

SEARCH_RATIO = 1.25
"""Ratio of neighbouring cell sizes where it is not known."""

SEARCH_PIECES = (6, 2500)
"""Fewest and most pieces of a puzzle considered where the number is not given."""

MINIMUM_CELL = 10
"""Picture pixels a cell's side has at least in that search: less shows no print."""


PIXEL_BYTES = 170
"""Memory that a working pixel needs at the peak of a search, measured at 1,000 to 10,000 pieces
(``benchmarks/search.py --growth``)."""

SOFT_SIGMA = 1.5
"""Working pixels; what lies further off than about this is not found by aligning."""

REACH = 4
"""Working pixels to either side of a candidate's place that pieces are compared at."""


@dataclass(frozen=True)
class Field:
    """A picture at one working size, for pieces to be laid on.

    Attributes:
        picture: ``(3, H, W)``, 0..1.
        halved: ``(3, h, w)``, the same averaged down by ``PIXEL_STRIDE``.
        grid: how the puzzle is cut, ``None`` where the size of a cell is not known.
        done: what a photo of the half-done puzzle shows, ``None`` where there is none.
        lit: the light that photos of pieces share, ``None`` where it is not known.
    """

    picture: Tensor
    halved: Tensor
    grid: Grid | None = None
    done: Done | None = None
    lit: Lit | None = None

    @cached_property
    def open(self) -> Tensor | None:
        """``(rows, cols)`` how likely its cells are open, ``None`` where all are."""
        if self.done is None:
            return None
        return torch.from_numpy(self.done.open).to(self.picture.device)

    @cached_property
    def framed(self) -> Framed:
        """``halved``, with room around for pieces that are compared there."""
        return Framed.of(self.halved, (CANVAS + 2 * REACH) // PIXEL_STRIDE)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in working pixels."""
        return int(self.picture.shape[1]), int(self.picture.shape[2])

    @cached_property
    def soft(self) -> Tensor:
        """``(3, H, W)`` blurred by ``SOFT_SIGMA``, where pieces begin to be aligned."""
        kernel = gaussian_kernel(SOFT_SIGMA, self.picture.device)
        wide = F.pad(self.picture[None], (kernel.numel() // 2,) * 4, mode="replicate")
        inner = slice(kernel.numel() // 2, -(kernel.numel() // 2))
        return blur(wide, kernel)[0, :, inner, inner].contiguous()


@dataclass(frozen=True, eq=False)
class Level:
    """The picture at one working size, encoded.

    Attributes:
        index: which of the sizes; candidates name theirs by it.
        field: the picture as pieces are laid on it.
        encoded: a batch of one.
        to_picture: 2x3 matrix from its working pixels to pixels of the picture.
    """

    index: int
    field: Field
    encoded: EncodedImages
    to_picture: Array

    def with_grid(self, grid: Grid) -> "Level":
        """The same, with the cut that pieces have shown."""
        return replace(self, field=replace(self.field, grid=grid))

    def with_done(self, done: Done) -> "Level":
        """The same, with what a photo shows done."""
        return replace(self, field=replace(self.field, done=done))

    def with_light(self, lit: Lit | None) -> "Level":
        """The same, with the light that photos of pieces share."""
        return replace(self, field=replace(self.field, lit=lit))

    @property
    def reach(self) -> float:
        """Picture pixels within which two places are the same one seen twice: half a cell."""
        # A hair less: neighbours on the feature grid, exactly so far apart, stay two.
        return CELL / 2 * float(np.diag(self.to_picture[:, :2]).min()) * (1 - 1e-6)


def cell_sides(width: int, height: int, grid: Grid | None) -> list[float]:
    """Side, in picture pixels, of the square of a cell's area: known, or all to try.

    Args:
        width, height: of the picture, pixels.
        grid: of the puzzle, ``None`` where it is not known.

    Returns:
        one, or many from the largest to the smallest.
    """
    area = float(width * height)
    if grid is not None:
        return [float(np.sqrt(area / grid.pieces))]
    fewest, most = SEARCH_PIECES
    sides = [float(np.sqrt(area / fewest))]
    smallest = max(MINIMUM_CELL, float(np.sqrt(area / most)))
    while sides[-1] / SEARCH_RATIO >= smallest:
        sides.append(sides[-1] / SEARCH_RATIO)
    return sides


@torch.inference_mode()
def encode_levels(
    picture: np.ndarray, grid: Grid | None, model: HeatmapLocator, device: torch.device
) -> list[Level]:
    """Encode a picture at every size of ``cell_sides``.

    Args:
        picture: (H, W, 3) uint8.
        grid: of the puzzle, ``None`` where it is not known.
        model: in evaluation mode, on ``device``.
        device: where the levels live.
    """
    sides = cell_sides(picture.shape[1], picture.shape[0], grid)
    return [encode_level(picture, cell, i, grid, model, device) for i, cell in enumerate(sides)]


@torch.inference_mode()
def encode_level(
    picture: np.ndarray,
    cell: float,
    index: int,
    grid: Grid | None,
    model: HeatmapLocator,
    device: torch.device,
) -> Level:
    """Encode a picture at CELL pixels a cell, its sides rounded to whole strides.

    Args:
        picture: (H, W, 3) uint8.
        cell: side of a cell in pixels of the picture.
        index: what candidates name the level by.
        grid, model, device: as in ``encode_levels``.

    Raises:
        InputError: less memory is left than looking for a piece in it needs.
    """
    height, width = working_size(picture, cell)
    _require_memory(width * height, device)
    working, back = working_picture(picture, cell, device)
    with autocast(device):
        encoded = model.encode_picture(working).kept()
    return Level(index, Field(working[0], encoded.pixels[0].float(), grid), encoded, back)


def working_size(picture: np.ndarray, cell: float) -> tuple[int, int]:
    """(height, width) of a picture at CELL pixels a cell, in whole strides.

    Args:
        picture: (H, W, 3) uint8.
        cell: side of a cell in pixels of the picture.
    """
    height, width = (
        max(2 * STRIDE, round(side * CELL / cell / STRIDE) * STRIDE) for side in picture.shape[:2]
    )
    return height, width


def working_picture(picture: np.ndarray, cell: float, device: torch.device) -> tuple[Tensor, Array]:
    """A picture of ``working_size``.

    Args:
        picture, cell: as there.
        device: where it is wanted.

    Returns:
        ``(1, 3, H, W)`` float32, 0..1, and a 2x3 matrix from its pixels to the picture's.
    """
    height, width = working_size(picture, cell)
    resized = resize(picture, (width, height), CELL / cell)
    tensor = torch.from_numpy(np.ascontiguousarray(resized)).permute(2, 0, 1)[None]
    back = np.array([[picture.shape[1] / width, 0, 0], [0, picture.shape[0] / height, 0]])
    return tensor.to(device).float() / 255, back


def _require_memory(pixels: int, device: torch.device) -> None:
    needed, left = PIXEL_BYTES * pixels, free_bytes(device)
    if left is not None and needed > left:
        raise InputError(
            f"about {needed / 1e9:.1f} GB of memory are needed where {left / 1e9:.1f} are left; "
            "give fewer pieces, or use a machine with more",
            name=f"{round(pixels / CELL**2)} pieces",
        )
