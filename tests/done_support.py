"""A photo of a half-done puzzle of plain cells, as tests draw it."""

from collections.abc import Sequence

import cv2
import numpy as np
from locator_support import COLS, ROWS

OPEN = [(0, 1), (1, 2), (2, 2)]
TABLE = (120, 90, 60)


def half_done_photo(
    picture: np.ndarray,
    open_cells: Sequence[tuple[int, int]] = OPEN,
    form: tuple[int, int] = (ROWS, COLS),
    zoom: float = 3.0,
) -> np.ndarray:
    """Enlarged, tilted, on a plain table, without some pieces; (H, W, 3) uint8."""
    height, width = picture.shape[:2]
    room = round(0.1875 * width)
    whole = width + 2 * room, height + 2 * room
    board = np.full((whole[1], whole[0], 3), TABLE, np.uint8)
    board[room:-room, room:-room] = picture
    down, across = height / form[0], width / form[1]
    for row, col in open_cells:
        top, bottom = (room + round((row + end) * down) for end in (0, 1))
        left, right = (room + round((col + end) * across) for end in (0, 1))
        board[top:bottom, left:right] = TABLE
    frame = np.array([[0, 0], [whole[0], 0], whole, [0, whole[1]]], np.float32)
    bent = np.float32([[0, 9], [-12, 0], [0, -6], [8, 0]]) * (width / 160 * zoom / 3)
    tilt = cv2.getPerspectiveTransform(frame, (frame * zoom + bent).astype(np.float32))
    size = round(zoom * whole[0]), round(zoom * whole[1])
    return cv2.warpPerspective(board, tilt, size, borderMode=cv2.BORDER_REPLICATE)
