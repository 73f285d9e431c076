"""Other pieces in a photo of one: somebody has photographed two, and should be told."""

import cv2
import numpy as np

from heatmap_locator.outline.background import find_background
from heatmap_locator.outline.by_network import OutlineFinder, likelihoods
from heatmap_locator.outline.shape import disc, fill_holes, is_piece_shaped
from heatmap_locator.placement import OtherPiece
from heatmap_locator.resample import shrunk, stretch

# They are looked for on a copy no larger than this.
_WORK_SIDE = 480
# Areas, in parts of that of the piece found.
_SMALLEST, _LARGEST = 0.4, 2.5
# Of the network's likelihood inside, seen from near by.
_LIKELY = 0.5


def find_others(rgb: np.ndarray, mask: np.ndarray, finder: OutlineFinder) -> list[OtherPiece]:
    """Whole pieces of about the same size that lie apart from the one found in a photo.

    Only on a background that can be told from pieces by its colour, and only what the outline
    network, too, takes for a piece: better to say nothing than to call a shadow a piece.

    Args:
        rgb: (H, W, 3) uint8, the photo.
        mask: (H, W) float32, 0..1, the piece found.
        finder: whose network is asked where there may be one.

    Returns:
        the largest first.
    """
    height, width = rgb.shape[:2]
    small, own = (shrunk(image, _WORK_SIDE)[0] for image in (rgb, mask))
    background = find_background(cv2.medianBlur(small, 3))
    area = float((own > 0.5).sum())
    if background is None or area < 30:
        return []
    apart = background.apart() * (1 - cv2.dilate((own > 0.2).astype(np.uint8), disc(3)))
    apart = cv2.morphologyEx(fill_holes(apart), cv2.MORPH_OPEN, disc(2))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(apart, connectivity=4)
    order = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")
    found: list[np.ndarray] = []
    for index in order:
        x, y, w, h, own_area = (int(v) for v in stats[index])
        inside = x > 0 and y > 0 and x + w < own.shape[1] and y + h < own.shape[0]
        if not inside or not _SMALLEST * area <= own_area <= _LARGEST * area:
            continue
        part = (labels == index).astype(np.float32)
        if is_piece_shaped(part):
            found.append(part)
    guesses = [(small, part) for part in found]
    likely = likelihoods(guesses, finder) if guesses else []
    sure = [part for part, value in zip(found, likely, strict=True) if value > _LIKELY]
    return [_other(stretch(part, (width, height))) for part in sure]


def _other(mask: np.ndarray) -> OtherPiece:
    height, width = mask.shape
    x, y, w, h = cv2.boundingRect((mask > 0.5).astype(np.uint8))
    box = float(x), float(y), float(x + w), float(y + h)
    return OtherPiece(box, part_of_photo((x + w / 2) / width, (y + h / 2) / height))


def part_of_photo(x: float, y: float) -> str:
    """In which part of a photo a point lies, its coordinates 0..1: "top left", "middle"."""
    column = ("left", "", "right")[min(int(3 * x), 2)]
    row = ("top", "", "bottom")[min(int(3 * y), 2)]
    return f"{row} {column}".strip() or "middle"
