"""Photos of one piece that show what goes wrong when people take them, a kind each.

Everything that does not belong to the nuisance (table, light, camera) is the same in all photos of
a piece, so that what a kind costs is seen beside the plain photo.
"""

from dataclasses import dataclass, replace

import numpy as np

from heatmap_locator.geometry import Array, bounds, transform

from . import mishaps
from .camera import light, photograph
from .loose import lie_down, surfaced, toned
from .names import PHOTOS
from .noise import Rng
from .prints import render_print
from .tables import draw_cloth, draw_table

_MARGIN = (0.5, 0.9)
"""Sides of a cell left around a piece, least and most."""

_BEYOND = (0.15, 0.4)
"""Part of a piece's extent that lies beyond the edge of a photo that shows it partly."""


@dataclass(frozen=True)
class Subject:
    """A piece to be photographed.

    Attributes:
        picture: (H, W, 3) uint8, as it was printed.
        outline: (N, 2) in pixels of the picture.
        rotation: degrees clockwise that it lies turned by.
        side: pixels of the photo on a cell's side.
        scale: pixels of the photo a pixel of the picture.
    """

    picture: np.ndarray
    outline: Array
    rotation: float
    side: float
    scale: float


@dataclass
class _Scene:
    """A scene in the making: the photo, 0..1, the piece's cover of it, its outline there."""

    image: np.ndarray
    mask: np.ndarray
    outline: Array


def draw_nuisance(
    kind: str, subject: Subject, other: Subject, foreign: Subject, seed: int
) -> np.ndarray:
    """(h, w, 3) uint8 photo of a kind.

    Args:
        kind: of ``names.PHOTOS``.
        subject: the piece.
        other: of the same picture, which lies beside it in photos of two.
        foreign: of another picture.
        seed: photos of one seed differ in what is of their kind alone.
    """
    if kind not in PHOTOS:
        raise ValueError(f"no kind {kind!r}")
    table_rng, piece_rng, light_rng, camera_rng, frame_rng = (
        np.random.default_rng([seed, stage]) for stage in range(5)
    )
    rng = np.random.default_rng([seed, 5, PHOTOS.index(kind)])
    shown = foreign if kind == "foreign" else subject
    if kind == "back":
        shown = replace(subject, outline=subject.outline * [-1.0, 1.0] + [_width(subject), 0.0])
    scene = _scene(kind, shown, foreign.picture, table_rng, piece_rng, rng)
    if kind == "two":
        scene = _with_another(scene, other, rng)
    image = _befallen(kind, scene, shown.side, rng)
    image = light(light_rng, image)
    if kind == "motion":
        image = mishaps.motion(rng, image, shown.side)
    elif kind == "dark":
        image = mishaps.low_light(rng, image)
    left, top, right, bottom = _frame(kind, scene, shown.side, frame_rng, rng)
    taken = photograph(camera_rng, np.ascontiguousarray(image[top:bottom, left:right]))
    if kind == "mirrored":
        taken = taken[:, ::-1]
    return np.ascontiguousarray(taken)


def _width(subject: Subject) -> float:
    return float(subject.picture.shape[1])


def _scene(
    kind: str, shown: Subject, backdrop: np.ndarray, table_rng: Rng, piece_rng: Rng, rng: Rng
) -> _Scene:
    """A table with the piece on it."""
    margin = shown.side * float(piece_rng.uniform(*_MARGIN))
    printed, mask, forward = render_print(
        shown.picture, shown.outline, shown.rotation, shown.scale, margin
    )
    h, w = mask.shape
    if kind == "cloth":
        table = draw_cloth(rng, h, w, backdrop)
    elif kind == "hand" and rng.random() < 0.4:
        table = mishaps.palm(rng, h, w)
    else:
        table = draw_table(table_rng, h, w, backdrop)
    outline = transform(forward, shown.outline)
    if kind == "none":
        return _Scene(table, np.zeros((h, w), np.float32), outline)
    laid = lie_down(piece_rng, table, mask, shown.side)
    own = toned(piece_rng, printed)
    if kind == "back":
        own = mishaps.back(rng, h, w, shown.side)
    piece = surfaced(piece_rng, own, mask, shown.side)
    return _Scene(laid + mask[..., None] * (piece - laid), mask, outline)


def _with_another(scene: _Scene, other: Subject, rng: Rng) -> _Scene:
    """The scene, wider, with a second piece that lies beside the first."""
    printed, own, _ = render_print(other.picture, other.outline, other.rotation, other.scale, 8)
    gap, (h, w) = int(other.side * rng.uniform(0.25, 0.6)), own.shape
    x1, _, x2, _ = bounds(scene.outline)
    more = max(0, int(x2) + gap + w + 6 - scene.mask.shape[1])
    # The table goes on as a mirror image, cut off before the piece in it would show.
    free = max(int(x1) - 4, 1), max(scene.mask.shape[1] - int(x2) - 4, 1)
    strip = scene.image[:, -free[1] :] if free[1] > free[0] else scene.image[:, : free[0]]
    turns = -(-more // strip.shape[1])
    mirrored = np.concatenate(
        [strip[:, :: -1 if i % 2 == 0 else 1] for i in range(max(turns, 1))], 1
    )
    image = np.concatenate([scene.image, mirrored[:, :more]], 1)
    mask = np.pad(scene.mask, ((0, 0), (0, more)))
    below = max(0, h + 4 - image.shape[0])
    image = np.pad(image, ((0, below), (0, 0), (0, 0)), "reflect") if below else image
    mask = np.pad(mask, ((0, below), (0, 0)))
    left, top = int(x2) + gap, int(rng.integers(0, image.shape[0] - h + 1))
    cover = np.zeros_like(mask)
    cover[top : top + h, left : left + w] = own
    view = np.zeros_like(image)
    view[top : top + h, left : left + w] = toned(rng, printed)
    image = lie_down(rng, image, cover, other.side)
    image = image + cover[..., None] * (surfaced(rng, view, cover, other.side) - image)
    image = np.where(
        (mask > 0.5)[..., None], np.pad(scene.image, ((0, below), (0, more), (0, 0))), image
    )
    # Only its shadow may fall on the first.
    return _Scene(image.astype(np.float32), mask, scene.outline)


def _befallen(kind: str, scene: _Scene, side: float, rng: Rng) -> np.ndarray:
    """The scene's image with what happens to it before any camera."""
    if kind == "finger":
        return mishaps.finger(rng, scene.image, scene.mask, scene.outline, side)
    if kind == "hand":
        return mishaps.hand(rng, scene.image, scene.mask, scene.outline, side)
    if kind == "glare":
        return mishaps.glare(rng, scene.image, scene.mask, side)
    if kind == "shadow":
        return mishaps.hard_shadow(rng, scene.image, scene.mask)
    return scene.image


def _frame(
    kind: str, scene: _Scene, side: float, frame_rng: Rng, rng: Rng
) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of what the photo shows of the scene."""
    h, w = scene.mask.shape
    cut = frame_rng.uniform(0, 0.3, 4) * side
    left, top, right, bottom = int(cut[0]), int(cut[1]), w - int(cut[2]), h - int(cut[3])
    if kind == "two":  # or the second piece is cut off
        right = w
    if kind != "partly":
        return left, top, right, bottom
    x1, y1, x2, y2 = bounds(scene.outline)
    beyond = float(rng.uniform(*_BEYOND))
    edge = int(rng.integers(4))
    if edge == 0:
        left = int(x1 + beyond * (x2 - x1))
    elif edge == 1:
        top = int(y1 + beyond * (y2 - y1))
    elif edge == 2:
        right = int(x2 - beyond * (x2 - x1))
    else:
        bottom = int(y2 - beyond * (y2 - y1))
    return left, top, right, bottom
