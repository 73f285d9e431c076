"""Photos of half-done puzzles: what is done lies on a table, some cells are open."""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from heatmap_locator.geometry import Array, homography_to_cv2
from heatmap_train.draw.cutter import Cut, rasterize
from heatmap_train.draw.prints import photograph_picture
from heatmap_train.draw.tables import draw_table

from .whole import WholePuzzle

FEWEST, MOST = 30, 200
"""Cells that are open."""

_AROUND = (0.06, 0.2)
"""Least and most of the picture's longer side that is table beside it."""

_PHOTO_CELL = (34.0, 60.0)
"""Fewest and most photo pixels of a cell's side."""

_TILT = 0.05
"""Deviation of the photo's corners, in shares of its side."""


@dataclass(frozen=True, eq=False)
class HalfDone:
    """A photo of a puzzle.

    Attributes:
        photo: (H, W, 3) uint8.
        open: (rows, cols) bool, cells without a piece.
        matrix: 3x3, from pixels of the print to pixels of the photo.
    """

    photo: np.ndarray
    open: np.ndarray
    matrix: Array


def photograph_half_done(puzzle: WholePuzzle, seed: int) -> HalfDone:
    """Draw one; most of what is open is flat, as people do the colourful half first.

    Args:
        puzzle: which.
        seed: with the puzzle it decides everything.
    """
    rng = np.random.default_rng([*puzzle.seed, seed, 13])
    cut, side = puzzle.cut, puzzle.side
    most = min(MOST, puzzle.grid.pieces // 2)
    count = int(rng.integers(min(FEWEST, most), most + 1))
    open_cells = _opened(puzzle.flat(), count, rng)
    scale = float(rng.uniform(*_PHOTO_CELL)) / side
    width, height = cut.width * scale, cut.height * scale
    room = float(rng.uniform(*_AROUND)) * max(width, height)
    size = round(width + 2 * room), round(height + 2 * room)
    place = np.array([[scale, 0, room], [0, scale, room], [0, 0, 1.0]])
    board = _board(puzzle.image, cut, open_cells, place, size, rng)
    frame = np.array([[0, 0], [size[0], 0], size, [0, size[1]]], np.float32)
    moved = frame + rng.normal(0, _TILT / 2 * min(size), (4, 2)).astype(np.float32)
    moved -= moved.min(axis=0)
    tilt = cv2.getPerspectiveTransform(frame, moved).astype(np.float64)
    whole = tuple(int(v) for v in np.ceil(moved.max(axis=0)))
    seen = cv2.warpPerspective(
        board,
        homography_to_cv2(tilt),
        whole,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    return HalfDone(photograph_picture(seen, generator), open_cells, tilt @ place)


def _opened(flat: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """(rows, cols) bool: a few holes that grow, sooner over flat cells."""
    rows, cols = flat.shape
    found = np.zeros(flat.shape, bool)
    starts = rng.choice(flat.size, int(rng.integers(1, 5)), p=_often(flat))
    waiting = deque(divmod(int(start), cols) for start in starts)
    while found.sum() < count:
        if not waiting:
            waiting.append(divmod(int(rng.choice(flat.size, p=_often(flat))), cols))
        row, col = waiting.popleft()
        if found[row, col]:
            continue
        if not flat[row, col] and rng.random() < 0.6:
            continue
        found[row, col] = True
        near = [(row + a, col + b) for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0))]
        inside = [(r, c) for r, c in near if 0 <= r < rows and 0 <= c < cols]
        waiting.extend(inside[i] for i in rng.permutation(len(inside)))
    return found


def _often(flat: np.ndarray) -> Array:
    weight = np.where(flat, 1.0, 0.1).ravel()
    return weight / weight.sum()


def _board(
    image: np.ndarray,
    cut: Cut,
    open_cells: np.ndarray,
    place: Array,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> np.ndarray:
    """(H, W, 3) uint8: the pieces that are done on a table, seams between them."""
    width, height = size
    table = draw_table(rng, height, width, np.full_like(image, 128))
    matrix = homography_to_cv2(place)
    printed = cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_AREA) / np.float32(255)
    done = np.zeros((height, width), np.float32)
    seams = np.zeros((height, width), np.uint8)
    for row, col in zip(*np.nonzero(~open_cells), strict=True):
        points = cut.outline(int(row), int(col)).astype(np.float64) * place[0, 0] + place[:2, 2]
        done += rasterize(points, (height, width), supersample=1)
        fixed = np.round((points - 0.5) * 16).astype(np.int32)
        cv2.polylines(seams, [fixed], True, 255, 1, cv2.LINE_AA, shift=4)
    dark = float(rng.uniform(0.1, 0.5)) * (seams / np.float32(255))[..., None]
    # A shadow on the table beside the edge of what is done.
    shade = 1 - 0.4 * cv2.GaussianBlur(done, (0, 0), 3.0)[..., None]
    cover = done.clip(0, 1)[..., None]
    board = cover * printed * (1 - dark) + (1 - cover) * table.clip(0, 1) * shade
    found: np.ndarray = (board.clip(0, 1) * 255).round().astype(np.uint8)
    return found
