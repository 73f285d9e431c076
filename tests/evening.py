"""Photos of an evening with a puzzle: its lid on a table, pieces, and a table with several."""

from pathlib import Path

import cv2
import numpy as np
from service_support import EXAMPLES

from heatmap_locator.geometry import similarity
from heatmap_train.draw.cutter import cut_grid

ROWS, COLS = 8, 12
"""How the picture is cut: large pieces, for children."""

TABLE = np.array([118, 124, 120], np.float32)
_SCALE = 1.8
_SIDE = 330


class Evening:
    """Photos of the pieces of ``examples/puzzle.jpg``, cut anew.

    Args:
        folder: where the photos are written.
        seed: all of it follows from this.
    """

    def __init__(self, folder: Path, seed: int = 7) -> None:
        self.folder, self._rng = folder, np.random.default_rng(seed)
        self.picture = cv2.imread(str(EXAMPLES / "puzzle.jpg"))
        height, width = self.picture.shape[:2]
        self._cut = cut_grid(ROWS, COLS, width, height, self._rng)

    def _table(self, height: int, width: int) -> np.ndarray:
        grain = self._rng.normal(0, 3, (height, width, 1)).astype(np.float32)
        return TABLE + grain

    def _lay(self, photo: np.ndarray, row: int, col: int, middle: tuple[float, float]) -> None:
        """Lays a piece on a photo, turned anyhow."""
        matrix = similarity(
            self._cut.cell_center(row, col), middle, float(self._rng.uniform(0, 360)), _SCALE
        )
        size = photo.shape[1], photo.shape[0]
        print_ = cv2.warpAffine(self.picture, matrix, size, flags=cv2.INTER_CUBIC)
        outline = self._cut.outline(row, col)
        laid = outline @ matrix[:, :2].T + matrix[:, 2]
        mask = np.zeros(photo.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.rint(laid * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        alpha = mask.astype(np.float32)[..., None] / 255
        photo[:] = alpha * print_ + (1 - alpha) * photo

    def _write(self, name: str, photo: np.ndarray) -> Path:
        path = self.folder / name
        cv2.imwrite(str(path), photo.clip(0, 255).astype(np.uint8))
        return path

    def lid(self) -> Path:
        """The picture on the table, seen at an angle."""
        height, width = self.picture.shape[:2]
        corners = np.array([[190, 150], [1330, 205], [1390, 1010], [120, 960]], np.float32)
        plan = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        matrix = cv2.getPerspectiveTransform(plan, corners)
        photo = self._table(1120, 1500)
        size = 1500, 1120
        laid = cv2.warpPerspective(self.picture, matrix, size, flags=cv2.INTER_CUBIC)
        inside = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, size)[..., None]
        return self._write("lid.jpg", inside * laid + (1 - inside) * photo)

    def piece(self, name: str, row: int, col: int) -> Path:
        """A photo of one piece."""
        photo = self._table(_SIDE, _SIDE)
        self._lay(photo, row, col, (_SIDE / 2, _SIDE / 2))
        return self._write(name, photo)

    def table(self, name: str, cells: list[tuple[int, int]]) -> Path:
        """A photo of several, four beside each other."""
        rows = -(-len(cells) // 4)
        photo = self._table(rows * _SIDE, 4 * _SIDE)
        for n, cell in enumerate(cells):
            x, y = (n % 4 + 0.5) * _SIDE, (n // 4 + 0.5) * _SIDE
            self._lay(photo, *cell, (x, y))
        return self._write(name, photo)
