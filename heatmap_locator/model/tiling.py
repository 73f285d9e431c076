"""How a picture is cut into tiles for correlation by FFT: the ones that cost least."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import torch.nn.functional as F
from torch import Tensor

SIDES = {8: 5.0, 16: 3.9, 32: 3.3, 48: 4.5, 64: 3.3, 80: 4.3, 96: 4.2, 112: 4.3, 128: 3.8}
SIDES |= {144: 3.6, 160: 4.5, 192: 4.5, 256: 6.0, 384: 9.0, 512: 9.0}
"""Sides of a tile and what a frequency of theirs costs, in nanoseconds: transposed, transformed,
transposed and transformed again, measured on one core of an AMD EPYC 9004 held to AVX2."""

PRODUCT = 0.2
"""Nanoseconds of a product of two complex numbers, in matrices."""

FEW = 4
"""Channels up to which products are added up one by one: matrices so thin multiply slowly."""

CHUNK_BYTES = 2**23
"""Products between two passes over memory.  More fall out of the cache; of less, matrices are too
small to multiply well, and threads meet too often."""


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut into overlapping tiles for kernels of one size.

    Attributes:
        kernel: side of the kernels, those of smaller ones padded.
        size: (rows, columns) of positions, as of ``conv2d`` padded by ``kernel // 2``.
        tile: (height, width) of a tile.
        step: positions, an even number, from a tile to the next; a tile has one more than that.
        count: (rows, columns) of tiles.
    """

    kernel: int
    size: tuple[int, int]
    tile: tuple[int, int]
    step: tuple[int, int]
    count: tuple[int, int]

    @property
    def tiles(self) -> int:
        return self.count[0] * self.count[1]

    @property
    def frequencies(self) -> int:
        """Of a tile."""
        return self.tile[0] * (self.tile[1] // 2 + 1)

    @property
    def reach(self) -> tuple[int, int]:
        """(height, width) that all tiles together cover."""
        height, width = (
            (n - 1) * step + tile
            for n, step, tile in zip(self.count, self.step, self.tile, strict=True)
        )
        return height, width


def padded_side(k: int) -> int:
    """Side that kernels of side k are padded to, so that few geometries serve all pieces."""
    return k + (2 - k % 2 - k) % 4


@lru_cache(maxsize=256)
def plan(height: int, width: int, k: int, channels: int) -> Tiling:
    """The tiles that cost least, for many kernels of side k on ``(channels, height, width)``.

    Counted is what a kernel costs: its product with every tile and the way back; a window's
    energies, of every third kernel at every second position, of all channels; and the kernel's
    own way there.
    """
    side = padded_side(k)
    size = (height + 1 - side % 2, width + 1 - side % 2)
    fitting = [(tile, (tile - side) // 2 * 2) for tile in SIDES if tile >= side + 2]
    if not fitting:
        raise ValueError(f"kernels of side {k} are too large")
    choices = [[(t, step, -(-positions // step)) for t, step in fitting] for positions in size]

    def cost(pair: tuple[tuple[int, int, int], ...]) -> float:
        (tall, _, down), (wide, _, across) = pair
        back = (SIDES[tall] + SIDES[wide]) / 2
        energy = (channels + 1) * (back + 4 * PRODUCT) / 12
        own = back + channels * PRODUCT + energy
        return tall * wide * (down * across * own + 2 * channels * side * PRODUCT)

    rows, columns = min(product(*choices), key=cost)
    tile, step, count = zip(rows, columns, strict=True)
    return Tiling(side, size, tile, step, count)


def at_once(numbers: int, times: float = 1.0) -> int:
    """Of products of so many complex numbers, those that fit ``times`` into ``CHUNK_BYTES``."""
    return max(1, int(times * CHUNK_BYTES) // (8 * numbers))


def chunks(tiles: int, numbers: int, times: float = 1.0) -> Iterator[slice]:
    """All tiles in turn, so many at once that their product stays within ``CHUNK_BYTES``.

    Args:
        tiles: how many there are.
        numbers: complex ones in a tile's product.
        times: of those bytes, where other than once.
    """
    most = at_once(numbers, times)
    for start in range(0, tiles, most):
        yield slice(start, min(start + most, tiles))


def in_rows(some: slice, across: int) -> Iterator[tuple[int, slice, slice]]:
    """Tiles in turn, row by row: which row, which of its columns, and which of ``some``.

    Args:
        some: of all tiles, as :func:`chunks` has it.
        across: tiles of a row.
    """
    start = some.start
    while start < some.stop:
        row, first = divmod(start, across)
        count = min(across - first, some.stop - start)
        done = start - some.start
        yield row, slice(first, first + count), slice(done, done + count)
        start += count


def cut(field: Tensor, tiling: Tiling) -> Tensor:
    """``(C, H, W)`` to its tiles, ``(C, tiles, *tile)``."""
    pad = tiling.kernel // 2
    bottom, right = (
        reach - n - pad for reach, n in zip(tiling.reach, field.shape[1:], strict=True)
    )
    padded = F.pad(field, (pad, right, pad, bottom))
    down, across = tiling.step
    cut = padded.unfold(1, tiling.tile[0], down).unfold(2, tiling.tile[1], across)
    return cut.flatten(1, 2)


def join(tiles: Tensor, count: tuple[int, int]) -> Tensor:
    """Positions ``(R, tiles, h, w)``, side by side, as ``(R, count * h, count * w)``."""
    return tiles.unflatten(1, count).transpose(2, 3).flatten(3).flatten(1, 2)
