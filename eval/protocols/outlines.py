"""Photos whose outline is known, and what is said of an outline found in them."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.outline.body import body_size
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.outline.find import find_outline, outline_on_background
from heatmap_locator.outline.shape import is_piece_shaped, overlap
from heatmap_locator.picture.read import read_piece
from heatmap_locator.resample import average, resize
from heatmap_train.draw.photos import PhotoSettings, draw_photo
from heatmap_train.draw.pictures import PictureSource

from .real import read_manifest

Case = tuple[np.ndarray, np.ndarray, np.ndarray, float]
"""(H, W, 3) uint8 photo; (H, W) 0..1 mask; (H, W) bool where it counts; the cell's side or 0."""

# A cut-out is laid on its photo where they correlate at least so.
_SAME = 0.85
# Of a cut-out in its photo, 2.5% apart.
_SCALES = np.geomspace(0.5, 2.0, 57)
# Pixels of the longer side at which the scale is looked for first.
_COARSE = 120


@dataclass(frozen=True)
class Judged:
    """One answer.

    Attributes:
        empty: there was no piece.
        found: something piece-shaped was.
        iou: 0..1, 0 where nothing was found.
        size: log of the side by the outline found over the true one; NaN where nothing was.
        seconds: that it took.
    """

    empty: bool
    found: bool
    iou: float
    size: float
    seconds: float


def judge(
    find: Callable[[np.ndarray], np.ndarray | None],
    rgb: np.ndarray,
    truth: np.ndarray,
    counts: np.ndarray,
    side: float,
) -> Judged:
    """Ask for the outline of a photo; the rest are the parts of a ``Case``."""
    start = time.perf_counter()
    mask = find(rgb)
    seconds = time.perf_counter() - start
    empty = not (truth > 0.5).any()
    if mask is None or not is_piece_shaped(mask):
        return Judged(empty, False, 0.0, math.nan, seconds)
    a, b = (mask > 0.5) & counts, (truth > 0.5) & counts
    iou = overlap(a, b)
    own = body_size(mask)
    size = math.nan if empty else math.log(own / (side or body_size(truth)))
    return Judged(empty, True, iou, size, seconds)


def drawn_cases(
    folder: Path | None, size: int, count: int, seed: int, drawn: PhotoSettings | None = None
) -> Iterator[Case]:
    """Photos drawn as for training, of pictures held back from it."""
    source = PictureSource(folder, "validation")
    settings = replace(drawn or PhotoSettings(), size=size)
    for index in range(count):
        photo = draw_photo(source, settings, np.random.default_rng([seed, 2, index]))
        x1, y1, x2, y2 = photo.frame
        mask = photo.mask[y1:y2, x1:x2]
        yield photo.rgb[y1:y2, x1:x2].copy(), mask, np.ones(mask.shape, bool), photo.side


def _best(photo: np.ndarray, cutout: np.ndarray, alpha: np.ndarray, scale: float) -> Any:
    """(correlation, (x, y)) of a cut-out, scaled, in its photo; None where it does not fit."""
    size = round(cutout.shape[1] * scale), round(cutout.shape[0] * scale)
    if min(size) < 8 or size[0] > photo.shape[1] or size[1] > photo.shape[0]:
        return None
    small = resize(cutout, size, scale, soft=True).astype(np.float32)
    opaque = (resize(alpha, size, scale, soft=True) > 200).astype(np.float32)
    inside = cv2.erode(opaque, np.ones((3, 3), np.uint8))
    found = cv2.matchTemplate(
        photo.astype(np.float32), small, cv2.TM_CCOEFF_NORMED, mask=np.dstack([inside] * 3)
    )
    found[~np.isfinite(found) | (found > 1.001)] = -1
    _, value, _, at = cv2.minMaxLoc(found)
    return value, at


def lay_on_photo(photo: np.ndarray, cutout: np.ndarray, alpha: np.ndarray) -> np.ndarray | None:
    """The cut-out's alpha where it lies, unturned, in the photo it was cut from.

    Args:
        photo: (H, W, 3) uint8.
        cutout: (h, w, 3) uint8, at any scale from half to double.
        alpha: (h, w) uint8.

    Returns:
        (H, W) float32, 0..1; None where they do not agree.
    """
    shrink = min(1.0, _COARSE / max(photo.shape[:2]))
    size = round(photo.shape[1] * shrink), round(photo.shape[0] * shrink)
    view = average(photo, size)
    tried = [(found[0], s) for s in _SCALES if (found := _best(view, cutout, alpha, s * shrink))]
    if not tried:
        return None
    rough = max(tried)[1]
    fine: list[Any] = [
        (*found, s)
        for s in rough * np.linspace(0.976, 1.024, 13)
        if (found := _best(photo, cutout, alpha, s))
    ]
    if not fine or max(fine)[0] < _SAME:
        return None
    _, (x, y), scale = max(fine)
    size = round(cutout.shape[1] * scale), round(cutout.shape[0] * scale)
    mask: np.ndarray = np.zeros(photo.shape[:2], np.float32)
    laid = resize(alpha, size, scale, soft=True)
    mask[y : y + size[1], x : x + size[0]] = laid / np.float32(255)
    return mask


def sure_outline(rgb: np.ndarray, finder: OutlineFinder) -> np.ndarray | None:
    """(H, W) mask of the piece that the library is sure of in (H, W, 3) uint8, or None."""
    found = outline_on_background(rgb, finder)
    return found.mask if found is not None and found.sure else None


def real_cases(folder: Path) -> Iterator[Case]:
    """Photos of a set whose rows have cut-outs of the same exposure."""
    seen = 0
    for row in read_manifest(folder):
        if not (row.get("photo") and row.get("cutout")):
            continue
        if (row.get("kind") or "").startswith("cluster"):
            continue
        photo, _ = read_piece(folder / row["photo"])
        rgb, alpha = read_piece(folder / row["cutout"])
        if alpha is None:
            continue
        alpha = (255 * find_outline(rgb, alpha, cutout=True)).astype(np.uint8)
        mask = lay_on_photo(photo, rgb, alpha)
        if mask is not None:
            seen += 1
            yield photo, mask, np.ones(mask.shape, bool), 0.0
    if not seen:
        raise InputError("no cut-out that lies in its photo; name another set", name=folder)


def summary(judged: list[Judged]) -> dict[str, Any]:
    """Figures of a set, percentages but for counts and milliseconds."""
    there = [j for j in judged if not j.empty]
    gone = [j for j in judged if j.empty]
    sizes = 100 * np.array([j.size for j in there if j.found])
    middle = float(np.median(sizes)) if len(sizes) else None
    spread = 1.48 * float(np.median(np.abs(sizes - middle))) if len(sizes) else None

    def share(values: list[bool]) -> float | None:
        return round(100 * float(np.mean(values)), 1) if values else None

    return {
        "n": len(there),
        "found": share([j.found for j in there]),
        "iou": share([j.iou for j in there]),  # type: ignore[misc]
        "iou>95": share([j.iou > 0.95 for j in there]),
        "size_bias": None if middle is None else round(middle, 2),
        "size_spread": None if spread is None else round(spread, 2),
        "within5": share([j.found and abs(j.size) < 0.05 for j in there]),
        "alarms": share([j.found for j in gone]),
        "ms": round(1000 * float(np.mean([j.seconds for j in judged])), 1),
    }
