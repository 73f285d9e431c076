"""A piece as printed, cut out of a picture, turned and sized, and as photographed."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from heatmap_locator.geometry import (
    Array,
    bounds,
    compose,
    invert,
    similarity,
    to_cv2,
    transform,
)
from heatmap_locator.resample import resize

from .capture import Tone, capture_pictures, capture_pieces
from .cutter import rasterize


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """(H, W, 3) uint8 as ``(1, 3, H, W)`` in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255


def to_uint8(tensor: torch.Tensor) -> np.ndarray:
    """The first of ``(N, C, H, W)`` in 0..1 as (H, W, C) uint8."""
    return (tensor[0].permute(1, 2, 0) * 255).round().clamp(0, 255).byte().numpy()


def render_print(
    source: np.ndarray, outline: Array, rotation: float, scale: float, margin: float
) -> tuple[np.ndarray, np.ndarray, Array]:
    """A piece as printed, before any camera.

    Args:
        source: (H, W, 3) uint8.
        outline: (N, 2) in source pixels.
        rotation: degrees clockwise that the piece is turned.
        scale: photo pixels per source pixel.
        margin: photo pixels left around the outline.

    Returns:
        (h, w, 3) uint8 print under and around the piece, (h, w) float32 coverage of its
        outline, and the 2x3 matrix from source to photo.
    """
    x1, y1, x2, y2 = bounds(outline)
    forward = similarity(((x1 + x2) / 2, (y1 + y2) / 2), (0.0, 0.0), rotation, scale)
    left, top, right, bottom = bounds(transform(forward, outline))
    forward[:, 2] -= np.array([left, top]) - margin
    size = math.ceil(right - left + 2 * margin), math.ceil(bottom - top + 2 * margin)
    # Averaged down first where the photo is coarser than the source, or the print would alias.
    reach = margin / scale * 1.5 + 2 + (x2 - x1 + y2 - y1) / 4
    a, b = max(0, int(x1 - reach)), max(0, int(y1 - reach))
    part = source[b : math.ceil(y2 + reach), a : math.ceil(x2 + reach)]
    shrink = np.array([1.0, 1.0])
    if scale < 1:
        small = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
        shrink = np.array([small[0] / part.shape[1], small[1] / part.shape[0]])
        part = resize(part, small, scale)
    to_part = np.column_stack([np.diag(shrink), -shrink * [a, b]])
    photo = cv2.warpAffine(
        part,
        to_cv2(compose(forward, invert(to_part))),
        size,
        flags=cv2.INTER_LINEAR if scale <= 1 else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return photo, rasterize(outline, (size[1], size[0]), forward), forward


@torch.no_grad()
def photograph_picture(
    image: np.ndarray, generator: torch.Generator, mildest: float = 1.0
) -> np.ndarray:
    """(H, W, 3) uint8 picture as its owner has it; arguments as of ``capture_pictures``."""
    return to_uint8(capture_pictures(to_tensor(image), generator, mildest))


@dataclass(frozen=True, eq=False)
class PiecePhoto:
    """A piece as printed, and a capture of it.

    Attributes:
        photo: (h, w, 3) uint8, on a background.
        alpha: (h, w) uint8 outline as it would be found.
        clean, mask, forward: print, coverage and matrix, as ``render_print`` returns them.
    """

    photo: np.ndarray
    alpha: np.ndarray
    clean: np.ndarray
    mask: np.ndarray
    forward: Array


@torch.no_grad()
def photograph_piece(
    source: np.ndarray,
    outline: Array,
    rotation: float,
    scale: float,
    margin: float,
    generator: torch.Generator,
    mildest: float = 1.0,
    light: Tone | None = None,
) -> PiecePhoto:
    """A piece as printed, and a capture of it.

    Args:
        source, outline, rotation, scale, margin: as in ``render_print``.
        generator: the capture follows from it.
        mildest, light: as in ``capture_pieces``.
    """
    clean, mask, forward = render_print(source, outline, rotation, scale, margin)
    photo, found = capture_pieces(
        to_tensor(clean), torch.from_numpy(mask)[None, None], generator, mildest, light
    )
    return PiecePhoto(to_uint8(photo), to_uint8(found)[..., 0], clean, mask, forward)
