"""Finds the loose piece in a photo with the outline network, on whatever it lies.

The photo is seen twice: whole, then the neighbourhood of what was found, enlarged.
"""

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch

from heatmap_locator.model.precision import autocast, single_precision
from heatmap_locator.outline.network import OutlineNet, load_outline_net
from heatmap_locator.outline.shape import ASPECT, fill_holes
from heatmap_locator.resample import resize, stretch
from heatmap_locator.steps import step

# By how much knobs may make a piece longer than its cell, over its width.
_LONGER = 1.45
# Part of the window's side that the piece takes the second time.
_FILL = 0.72
# Of the photo's longer side: what is smaller is looked at once more.
_SMALL = 0.2
# Fewest pixels, of the network's, that count as something found.
_LEAST = 24
# Views that a GPU is given at once.
_TOGETHER = 32


class OutlineFinder:
    """An outline network on its device, read from its file when the first photo needs it.

    Cut-outs need none and wait for none.  Every ``Locator`` has its own.

    Args:
        weights: a .safetensors file, which is read at once; ``None`` is the one that ships.
        device: where the network runs.

    Attributes:
        aspect: of pieces, longest side over the shortest at most.

    Raises:
        WeightsError: the file is missing, damaged, of another kind or version.
    """

    def __init__(
        self, weights: str | Path | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.aspect = ASPECT
        self._weights = weights
        if weights is not None:
            self.net  # noqa: B018 - a file that is none should be told now

    def for_cells(self, width: float, height: float) -> "OutlineFinder":
        """The same for pieces of cells of a size: long cells have long pieces."""
        longest = max(width, height) / min(width, height) * _LONGER
        if longest <= self.aspect:
            return self
        own = copy(self)
        own.aspect = longest
        return own

    @cached_property
    def net(self) -> OutlineNet:
        """The network, in evaluation mode, on the device."""
        with single_precision():
            return load_outline_net(self._weights).to(self.device)

    @single_precision()
    @torch.inference_mode()
    def look(self, photos: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What the network sees of each photo.

        Args:
            photos: (H, W, 3) uint8 each, of any sizes.

        Returns:
            (h, w) float32 each, 0..1, likelihood of the piece; the longer side is the network's.
        """
        some = together_on(self.device)
        seen: list[np.ndarray] = []
        for start in range(0, len(photos), some):
            step()
            squares = [
                _square(photo, self.net.config.size) for photo in photos[start : start + some]
            ]
            images = torch.from_numpy(np.stack([image for image, _ in squares])).to(self.device)
            images = images.permute(0, 3, 1, 2).float() / 255
            # A mirror image is as good a photo: the mean of both is steadier at the edge.
            with autocast(self.device):
                both = self.net(torch.cat([images, images.flip(3)])).sigmoid()
            one, other = both[:, 0].chunk(2)
            means = ((one + other.flip(2)) / 2).cpu().numpy()
            seen += [
                np.ascontiguousarray(mean[rows, columns])
                for mean, (_, (rows, columns)) in zip(means, squares, strict=True)
            ]
        return seen


def together_on(device: torch.device) -> int:
    """Photos that a device sees at once; a CPU gains nothing by more than one."""
    return 1 if device.type == "cpu" else _TOGETHER


def _square(rgb: np.ndarray, size: int) -> tuple[np.ndarray, tuple[slice, slice]]:
    """A photo in the middle of a square of its border's colours, and (rows, columns) of it."""
    height, width = rgb.shape[:2]
    scale = size / max(height, width)
    h, w = max(round(height * scale), 1), max(round(width * scale), 1)
    small = resize(rgb, (w, h), scale)
    top, left = (size - h) // 2, (size - w) // 2
    pads = top, size - h - top, left, size - w - left
    square = cv2.copyMakeBorder(small, *pads, cv2.BORDER_REPLICATE)
    return square, (slice(top, top + h), slice(left, left + w))


def _main_part(seen: np.ndarray) -> np.ndarray | None:
    """The one part of (h, w) 0..1 that is the piece, its holes filled, soft at its edge."""
    solid = (seen > 0.5).astype(np.uint8)
    height, width = solid.shape
    count, labels, stats, centroids = cv2.connectedComponentsWithStats(solid, connectivity=4)
    if count < 2:
        return None
    # Big and near the middle: others reach in from the frame.
    off = np.linalg.norm(centroids[1:] - [width / 2, height / 2], axis=1) / max(height, width)
    best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA] * np.exp(-((off / 0.3) ** 2))))
    if stats[best, cv2.CC_STAT_AREA] < _LEAST:
        return None
    body = (labels == best).astype(np.uint8)
    filled = fill_holes(body)
    soft = np.where(cv2.dilate(filled, np.ones((5, 5), np.uint8)) > 0, seen, 0)
    soft = np.where((solid > 0) & (body == 0) & (filled == 0), 0, soft)
    return np.where((filled > 0) & (body == 0), 1.0, soft).astype(np.float32)


def _window(mask: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(x1, y1, x2, y2) pixels of the photo around the piece in a smaller mask of it."""
    height, width = shape[:2]
    sx, sy = width / mask.shape[1], height / mask.shape[0]
    x, y, w, h = cv2.boundingRect((mask > 0.5).astype(np.uint8))
    half = max(w * sx, h * sy, 16.0) / _FILL / 2
    cx, cy = (x + w / 2) * sx, (y + h / 2) * sy
    return (
        max(int(cx - half), 0),
        max(int(cy - half), 0),
        min(int(np.ceil(cx + half)), width),
        min(int(np.ceil(cy + half)), height),
    )


def _laid(
    part: np.ndarray, window: tuple[int, int, int, int], shape: tuple[int, ...]
) -> np.ndarray:
    """A mask of a window of the photo, of any size, as one of the photo."""
    x1, y1, x2, y2 = window
    mask = np.zeros(shape[:2], np.float32)
    mask[y1:y2, x1:x2] = stretch(part, (x2 - x1, y2 - y1))
    return mask


def likelihoods(
    guesses: Sequence[tuple[np.ndarray, np.ndarray]], finder: OutlineFinder
) -> list[float]:
    """How much the network takes guesses for the piece, seen from near by: mean inside, 0..1.

    Args:
        guesses: a photo, (H, W, 3) uint8, and a mask, (H, W) 0..1, more than 0.5 somewhere, each.
        finder: whose network is asked.
    """
    windows = [_window(mask, rgb.shape) for rgb, mask in guesses]
    pairs = list(zip(guesses, windows, strict=True))
    near = finder.look([rgb[y1:y2, x1:x2] for (rgb, _), (x1, y1, x2, y2) in pairs])
    found = []
    for ((_, mask), (x1, y1, x2, y2)), seen in zip(pairs, near, strict=True):
        inside = mask[y1:y2, x1:x2] > 0.5
        found.append(float(stretch(seen, (x2 - x1, y2 - y1))[inside].mean()))
    return found


def find_pieces(photos: Sequence[np.ndarray], finder: OutlineFinder) -> list[np.ndarray | None]:
    """Find the loose piece nearest the middle of each photo.

    Args:
        photos: (H, W, 3) uint8 each.
        finder: whose network is asked.

    Returns:
        (H, W) float32, 0..1, each; None where no piece is seen.
    """
    masks = _parts_seen(dict(enumerate(photos)), finder)
    small = _SMALL * finder.net.config.size if masks else 0.0
    tiny = {i for i, mask in masks.items() if _extent(mask) < small}
    closer = _look_closer(masks, photos, finder)
    masks |= closer
    # What is small in its photo is looked at once more.
    masks |= _look_closer({i: m for i, m in closer.items() if i in tiny}, photos, finder)
    return [
        stretch(masks[i], photo.shape[1::-1]) if i in masks else None
        for i, photo in enumerate(photos)
    ]


def _parts_seen(views: dict[int, np.ndarray], finder: OutlineFinder) -> dict[int, np.ndarray]:
    """The piece in each of numbered views, (H, W, 3) uint8, where one is seen."""
    seen = zip(views, finder.look(list(views.values())), strict=True)
    return {i: part for i, own in seen if (part := _main_part(own)) is not None}


def _look_closer(
    masks: dict[int, np.ndarray], photos: Sequence[np.ndarray], finder: OutlineFinder
) -> dict[int, np.ndarray]:
    """Masks of photos, by number, as the network sees them in the neighbourhood of the piece.

    Those in which it then sees no piece are left out.
    """
    windows = {i: _window(mask, photos[i].shape) for i, mask in masks.items()}
    views = {i: photos[i][y1:y2, x1:x2] for i, (x1, y1, x2, y2) in windows.items()}
    parts = _parts_seen(views, finder)
    return {i: _laid(part, windows[i], photos[i].shape) for i, part in parts.items()}


def find_piece(rgb: np.ndarray, finder: OutlineFinder) -> np.ndarray | None:
    """The same of one photo."""
    return find_pieces([rgb], finder)[0]


def _extent(mask: np.ndarray) -> int:
    """The longer side of the box of a mask, in its pixels."""
    return max(cv2.boundingRect((mask > 0.5).astype(np.uint8))[2:])
