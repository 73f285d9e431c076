"""A photo of a half-done puzzle of plain cells, as tests draw it."""

from collections.abc import Sequence

import cv2
import numpy as np
from locator_support import HEIGHT, WIDTH, cell

OPEN = [(0, 1), (1, 2), (2, 2)]
TABLE = (120, 90, 60)


def half_done_photo(
    picture: np.ndarray, open_cells: Sequence[tuple[int, int]] = OPEN
) -> np.ndarray:
    """Enlarged, tilted, on a plain table, without some pieces; (H, W, 3) uint8."""
    board = np.full((HEIGHT + 60, WIDTH + 60, 3), TABLE, np.uint8)
    board[30:-30, 30:-30] = picture
    for row, col in open_cells:
        cell(board[30:, 30:], row, col)[:] = TABLE
    frame = np.array([[0, 0], [WIDTH + 60, 0], [WIDTH + 60, HEIGHT + 60], [0, HEIGHT + 60]])
    moved = frame * 3.0 + [[0, 9], [-12, 0], [0, -6], [8, 0]]
    tilt = cv2.getPerspectiveTransform(frame.astype(np.float32), moved.astype(np.float32))
    size = 3 * (WIDTH + 60), 3 * (HEIGHT + 60)
    return cv2.warpPerspective(board, tilt, size, borderMode=cv2.BORDER_REPLICATE)
