"""LoFTR (Sun et al., "Detector-Free Local Feature Matching with Transformers", 2021), by kornia."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from heatmap_locator.errors import WeightsError
from heatmap_locator.grid import Grid
from heatmap_locator.outline.body import body_size
from heatmap_locator.placement import Placement
from heatmap_locator.resample import average, resize

from .matches import REPROJECTION, place_by_matches
from .places import outline_of
from .protocol import Prepared

CELL = 64
"""Most pixels of a cell's side in the images that are matched."""

MOST_PIXELS = 500_000
"""Of the picture; its cells become smaller than CELL where there are many."""

_MULTIPLE = 8
"""Sides of images are multiples of it: LoFTR matches at an eighth of the resolution."""


class Loftr:
    """LoFTR, the piece in four quarter turns, and the similarity that most matches agree on.

    LoFTR was not trained on turned images, so the best of the four turns counts.

    Args:
        weights: a checkpoint in kornia's form, .safetensors or for ``torch.load``.
        device: ``cpu`` or ``cuda``.

    Raises:
        WeightsError: the file cannot be read or is no LoFTR checkpoint.
    """

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        from kornia.feature import LoFTR

        self.device = torch.device(device)
        model = LoFTR(pretrained=None)
        try:
            model.load_state_dict(_tensors(weights))
        except (RuntimeError, KeyError, TypeError, AttributeError) as error:
            raise WeightsError(f"{weights}: no LoFTR weights of kornia's; get others") from error
        self.model: Any = model.eval().to(self.device)

    def prepare(self, picture: np.ndarray, grid: Grid) -> Prepared:
        return _LoftrPrepared(self, picture, grid)


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise WeightsError(f"{path}: not a readable checkpoint; get it again") from error
    except Exception as error:  # pickle's own: it names no common base of its errors
        raise WeightsError(f"{path}: holds more than tensors; save its state_dict") from error
    tensors: dict[str, Tensor] = loaded.get("state_dict", loaded)
    return tensors


class _LoftrPrepared:
    def __init__(self, method: Loftr, picture: np.ndarray, grid: Grid) -> None:
        self.method, self.picture, self.grid = method, picture, grid
        height, width = picture.shape[:2]
        cell = float(np.sqrt(width * height / grid.pieces))
        scale = min(CELL / cell, float(np.sqrt(MOST_PIXELS / (width * height))), 1.0)
        self.cell = cell * scale
        size = max(_MULTIPLE, round(width * scale)), max(_MULTIPLE, round(height * scale))
        self.to_picture = np.array([width / size[0], height / size[1]])
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        small = average(grey, size)
        with torch.inference_mode():
            self.features = method.model.extract_features(self._tensor(small))

    def _tensor(self, grey: np.ndarray) -> Tensor:
        image = torch.from_numpy(np.ascontiguousarray(grey)).float()[None, None] / 255
        return image.to(self.method.device)

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        """At most one place; none where too few points agree."""
        rgb, mask = outline_of(piece)
        factor = self.cell / body_size(mask)
        height, width = mask.shape
        size = max(_MULTIPLE, round(width * factor)), max(_MULTIPLE, round(height * factor))
        grey = resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), size, factor)
        inside = resize(mask, size, factor) > 0.5
        if inside.any():
            grey = np.where(inside, grey, grey[inside].mean()).astype(np.uint8)
        to_photo = np.array([width / size[0], height / size[1]])
        best: list[Placement] = []
        for quarter in range(4):
            ours, theirs = self._match(np.rot90(grey, quarter))
            ours = _unturned(ours, quarter, size)
            col, row = ours.T.astype(int)
            on = inside[row.clip(0, size[1] - 1), col.clip(0, size[0] - 1)]
            found = place_by_matches(
                ours[on] * to_photo,
                theirs[on] * self.to_picture,
                mask,
                self.picture,
                self.grid,
                REPROJECTION * float(self.to_picture.max()),
            )
            best = max(best, found, key=lambda places: places[0].score if places else 0.0)
        return best

    @torch.inference_mode()
    def _match(self, grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, 2) points of the piece's image and of the picture's, a pixel's centre at +0.5."""
        out = self.method.model({"image0": self._tensor(grey), "features1": self.features})
        points = (out[key].cpu().numpy().astype(np.float64) for key in ("keypoints0", "keypoints1"))
        first, second = points
        return first, second


def _unturned(points: np.ndarray, quarter: int, size: tuple[int, int]) -> np.ndarray:
    """Points (x, y) of ``np.rot90(image, quarter)`` in the image, ``size`` (width, height)."""
    width, height = size
    x, y = points[:, 0], points[:, 1]
    turned = [(x, y), (width - y, x), (width - x, height - y), (y, height - x)]
    return np.column_stack(turned[quarter])
