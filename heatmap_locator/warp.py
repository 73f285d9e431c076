"""A piece as it looks where it is laid: its photo and outline under a 2x3 matrix."""

import cv2
import numpy as np

from heatmap_locator.resample import resize


def warp_piece(
    rgb: np.ndarray, mask: np.ndarray, matrix: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Warps a piece and its mask.

    Args:
        rgb: (h, w, 3) uint8 RGB.
        mask: (h, w) float, 0..1.
        matrix: 2x3, from pixels of ``rgb`` to pixels of the result; centres at +0.5 on both sides.
        size: (width, height) of the result.

    Returns:
        (height, width, 3) uint8 and (height, width) float32.
    """
    matrix = np.asarray(matrix, np.float64).copy()
    height, width = rgb.shape[:2]
    factor = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if factor < 0.5:
        # Bilinear sampling would skip pixels, so the photo is shrunk by area first.
        small = max(round(width * factor), 1), max(round(height * factor), 1)
        rgb = resize(rgb, small, factor)
        mask = resize(mask.astype(np.float32), small, factor)
        matrix[:, :2] = matrix[:, :2] @ np.diag([width / small[0], height / small[1]])
    # warpAffine counts a pixel's centre at 0.
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    return (
        cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        cv2.warpAffine(mask.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR),
    )
