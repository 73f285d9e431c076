"""Geometry of a training sample: crop a picture, cut it, turn pieces, keep what is true of them."""

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass as settings_dataclass
from torch import Tensor

from heatmap_locator.geometry import CELL, Array, bounds, clockwise, homography_to_cv2
from heatmap_locator.model.bank import OVERSAMPLE
from heatmap_locator.resample import average, resize

from ..settings import SETTINGS, Count, NotNegative, Share
from .cutter import Cut, cut_grid, rasterize

PHOTO = 144
"""Side of a piece's photo: a turned piece with its knobs at ``OVERSAMPLE * CELL`` pixels a cell."""


@dataclass
class Scenes:
    """B pictures with P pieces each, before capture.

    Attributes:
        pictures: ``(B, 3, H, W)``, 0..1, CELL pixels a cell.
        photos: ``(B, P, 3, PHOTO, PHOTO)``, 0..1, the print under and around each piece.
        masks: ``(B, P, 1, PHOTO, PHOTO)`` the true outline's coverage.
        homographies: ``(B, P, 3, 3)`` photo pixels to picture pixels.
        rotation: ``(B, P)`` degrees.
        box: ``(B, P, 4)`` in picture pixels.
        exact: ``(B,)`` bool, square cells cut from the file itself, without a second capture.
    """

    pictures: Tensor
    photos: Tensor
    masks: Tensor
    homographies: Tensor
    rotation: Tensor
    box: Tensor
    exact: Tensor


SceneSize = Annotated[int, Field(ge=96, multiple_of=8)]


@settings_dataclass(frozen=True, config=SETTINGS)
class SceneSettings:
    """How scenes are drawn.

    Attributes:
        size: side of the square picture, working pixels.
        pieces: pieces taken from each picture.
        exact_share: share of pictures in the exact form.
        seams_share: share of pictures that show the cut, as a photo of the assembled puzzle does.
        scale_error: deviation of the log of the error in a piece's estimated size.
        aspect_error: deviation of the log of the photo's aspect.
        perspective: displacement of the photo's corners, in shares of its side.
        mildest: strength of the mildest capture; 1 captures all at full strength.
    """

    size: SceneSize = 288
    pieces: Count = 8
    exact_share: Share = 0.1
    seams_share: Share = 0.2
    scale_error: NotNegative = 0.05
    aspect_error: NotNegative = 0.015
    perspective: NotNegative = 0.015
    mildest: Share = 1.0


def _crop(source: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, Array]:
    """A random square of the source, mirrored at random, and its map to ``size`` pixels."""
    height, width = source.shape[:2]
    smallest = size / min(height, width)
    zoom = float(np.exp(rng.uniform(np.log(smallest), np.log(max(1.5, smallest * 1.2)))))
    side = max(8, min(round(size / zoom), height, width))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    crop = source[top : top + side, left : left + side]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    crop = np.rot90(crop, int(rng.integers(4)))
    if side > OVERSAMPLE * size:
        # Photos are sampled from the crop bilinearly, which would alias one much finer than they.
        side = OVERSAMPLE * size
        crop = average(crop, (side, side))
    return np.ascontiguousarray(crop), np.diag([size / side, size / side, 1.0])


def _photo_homography(
    center: tuple[float, float], rotation: float, settings: SceneSettings, rng: np.random.Generator
) -> Array:
    """Picture pixels to photo pixels: turned, nearly to scale, slightly off in aspect and view."""
    scale = OVERSAMPLE * np.exp(np.clip(rng.normal(0, settings.scale_error), -0.12, 0.12))
    aspect = np.exp(rng.normal(0, settings.aspect_error) / 2)
    skew = rng.normal(0, settings.aspect_error)
    linear = scale * clockwise(rotation) @ np.array([[aspect, skew], [0, 1 / aspect]])
    affine = np.eye(3)
    affine[:2, :2] = linear
    affine[:2, 2] = PHOTO / 2 - linear @ np.asarray(center)
    corners = np.array([[0, 0], [PHOTO, 0], [PHOTO, PHOTO], [0, PHOTO]], np.float32)
    moved = corners + rng.normal(0, settings.perspective * PHOTO / 2, (4, 2)).astype(np.float32)
    return cv2.getPerspectiveTransform(corners, moved).astype(np.float64) @ affine


def apply_homography(homography: Array, points: Array) -> Array:
    """Map ``(N, 2)`` points by a 3x3 homography."""
    mapped = np.column_stack([points, np.ones(len(points))]) @ homography.T
    return mapped[:, :2] / mapped[:, 2:]


def make_scene(
    source: np.ndarray, settings: SceneSettings, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """One picture and its pieces, as the fields of ``Scenes`` without the batch axis."""
    size = settings.size
    exact = rng.random() < settings.exact_share
    crop, to_working = _crop(source, size, rng)
    picture = resize(crop, (size, size), to_working[0, 0])

    aspect = 1.0 if exact else float(np.exp(rng.uniform(-0.2, 0.2)))
    cell = np.array([CELL * aspect**0.5, CELL / aspect**0.5])
    cols, rows = (size / cell).astype(int)
    style = "square" if exact else "interlocking"
    cut = cut_grid(int(rows), int(cols), cols * cell[0], rows * cell[1], rng, style)
    origin = rng.uniform(0, 1, 2) * (size - np.array([cut.width, cut.height]))
    if not exact and rng.random() < settings.seams_share:
        picture = _draw_seams(picture, cut, origin, rng)

    chosen = rng.choice(rows * cols, settings.pieces, replace=rows * cols < settings.pieces)
    pieces = []
    for index in chosen:
        outline = cut.outline(int(index // cols), int(index % cols)) + origin
        box = bounds(outline)
        center = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        if exact:
            rotation = float(rng.integers(4) * 90)
            forward: Array = np.eye(3)
            forward[:2, :2] = OVERSAMPLE * clockwise(rotation)
            forward[:2, 2] = PHOTO / 2 - forward[:2, :2] @ np.asarray(center)
        else:
            rotation = float(rng.uniform(0, 360))
            forward = _photo_homography(center, rotation, settings, rng)
        pieces.append(_piece(crop, to_working, outline, rotation, forward))
    fields = {key: np.stack([piece[key] for piece in pieces]) for key in pieces[0]}
    return {"pictures": picture.transpose(2, 0, 1), **fields, "exact": np.array(exact)}


def _piece(
    crop: np.ndarray, to_working: Array, outline: Array, rotation: float, forward: Array
) -> dict[str, np.ndarray]:
    """A piece as the fields of ``Scenes`` without the axes of batch and pieces.

    Args:
        crop: (H, W, 3) uint8, what its picture was made of.
        to_working: 3x3, pixels of the crop to those of the picture.
        outline: (N, 2) in the picture.
        rotation: degrees.
        forward: 3x3, pixels of the picture to those of the photo.
    """
    photo = cv2.warpPerspective(
        crop,
        homography_to_cv2(forward @ to_working),
        (PHOTO, PHOTO),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    in_photo = apply_homography(forward, outline)
    mask = rasterize(in_photo.astype(np.float32), (PHOTO, PHOTO))
    return {
        "photos": photo.transpose(2, 0, 1),
        "masks": mask[None],
        "homographies": np.linalg.inv(forward),
        "rotation": np.array(rotation),
        "box": np.array(bounds(outline)),
    }


def _draw_seams(
    picture: np.ndarray, cut: Cut, origin: Array, rng: np.random.Generator
) -> np.ndarray:
    """Thin dark or bright lines along the cut, as in a photo of the assembled puzzle."""
    lines = picture.copy()
    color = (float(rng.uniform(0, 90)),) * 3 if rng.random() < 0.7 else (220.0,) * 3
    for row in range(cut.rows):
        for col in range(cut.cols):
            points = cut.outline(row, col) + origin - 0.5
            fixed = np.round(points * 16).astype(np.int32)
            cv2.polylines(lines, [fixed], True, color, 1, cv2.LINE_AA, shift=4)
    weight = rng.uniform(0.15, 0.6)
    return cv2.addWeighted(lines, weight, picture, 1 - weight, 0)


def collate(scenes: list[dict[str, np.ndarray]]) -> Scenes:
    """Stack scenes into one batch of tensors."""

    def stack(key: str) -> Tensor:
        return torch.from_numpy(np.stack([s[key] for s in scenes]))

    return Scenes(
        pictures=stack("pictures").float() / 255,
        photos=stack("photos").float() / 255,
        masks=stack("masks").float(),
        homographies=stack("homographies").float(),
        rotation=stack("rotation").float(),
        box=stack("box").float(),
        exact=stack("exact"),
    )
