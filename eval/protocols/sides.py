"""Drawn pieces whose corners and sides are known, and what is said of those that are found."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from heatmap_locator.geometry import Array, transform
from heatmap_locator.outline.contour import resampled
from heatmap_locator.outline.sides import POINTS, Sides, find_sides, kind_of
from heatmap_train.draw.cutter import cut_grid
from heatmap_train.draw.photos import PhotoSettings, draw_photo
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.prints import photograph_piece

SETS = ("cut-outs", "photos", "tables")
"""Pieces of cuts with their outline as alpha, as the ladder's captured ones; the same on their
background; and photos as the outline network is trained on, but for hands."""

_MARGIN = (0.35, 0.8)
"""Sides of a cell left around a piece, least and most."""

_FRAME = 3.2
"""Sides of a cell on the side of a table."""

_BORDER_SHARE = 0.4
"""Of pieces of cuts, those taken from the border besides those that happen to lie there."""


@dataclass(frozen=True, eq=False)
class SidesCase:
    """A piece to be asked for its sides.

    Attributes:
        image: (H, W, 3) uint8 photo, or (H, W, 4) with alpha as its outline.
        outline: (N, 2) true outline in pixels, clockwise, a quarter of its points a side.
        cell: pixels on the side of its cell.
    """

    image: np.ndarray
    outline: Array
    cell: float


@dataclass(frozen=True, eq=False)
class JudgedSides:
    """One answer.

    Attributes:
        found: an outline with four corners was.
        regular: and the corners are said to be right.
        right: kinds of all four sides are.
        corner: mean distance of the four corners from the true ones, in sides of a cell.
        curves: (4,) root of the mean squared distance of each side's points from the true side,
            and of that one's from it, both from (0, 0) to (1, 0).
        straight: (2, 2) counts of regular ones' sides, true (other, straight) by found.
        seconds: that corners and sides took, without the outline.
    """

    found: bool
    regular: bool
    right: bool
    corner: float
    curves: Array
    straight: np.ndarray
    seconds: float


def sides_cases(
    which: str, folder: Path | None, cell: float, count: int, seed: int
) -> Iterator[SidesCase]:
    """Pieces of one of ``SETS``, of pictures held back from training.

    Args:
        which: of them.
        folder: of pictures, or ``None`` for drawn ones.
        cell: pixels of the photo on the side of a cell.
        count: pieces.
        seed: decides.
    """
    source = PictureSource(folder, "validation")
    settings = PhotoSettings(size=round(_FRAME * cell), empty_share=0, hand_share=0)
    for index in range(count):
        rng = np.random.default_rng([seed, round(cell), index])
        if which == "tables":
            photo = draw_photo(source, settings, rng, cell)
            x1, y1, x2, y2 = photo.frame
            shown = photo.rgb[y1:y2, x1:x2].copy()
            yield SidesCase(shown, photo.outline - np.array([x1, y1]), photo.side)
        else:
            yield _captured(source, cell, which == "cut-outs", rng)


def _captured(
    source: PictureSource, pixels: float, alone: bool, rng: np.random.Generator
) -> SidesCase:
    """A piece of a cut of a picture, photographed."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    image = source[int(rng.integers(len(source)))]
    height, width = image.shape[:2]
    rows = int(rng.integers(4, 12))
    cols = max(3, round(rows * width / height * math.exp(rng.normal(0, 0.08))))
    cut = cut_grid(rows, cols, float(width), float(height), rng)
    row, col = int(rng.integers(rows)), int(rng.integers(cols))
    if rng.random() < _BORDER_SHARE:
        row = int(rng.choice([0, rows - 1]))
    side = math.sqrt(width * height / cut.rows / cut.cols)
    rotation, margin = float(rng.uniform(0, 360)), pixels * float(rng.uniform(*_MARGIN))
    outline = cut.outline(row, col)
    taken = photograph_piece(image, outline, rotation, pixels / side, margin, generator)
    shown = np.dstack([taken.photo, taken.alpha]) if alone else taken.photo
    return SidesCase(shown, transform(taken.forward, outline.astype(np.float64)), pixels)


def judge_sides(
    case: SidesCase, outline: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None] | None]
) -> JudgedSides:
    """Ask for the sides of a piece.

    Args:
        case: the piece.
        outline: finds an image's mask, with the photo that it can be made finer on.
    """
    seen = outline(case.image)
    started = time.perf_counter()
    found = None if seen is None else find_sides(*seen)
    seconds = time.perf_counter() - started
    if found is None:
        nothing = np.zeros((2, 2), int)
        return JudgedSides(False, False, False, math.nan, np.full(4, math.nan), nothing, seconds)
    true = true_sides(case.outline)
    starts = np.array([side[0] for side in true])
    off = [np.linalg.norm(np.roll(starts, -k, axis=0) - found.corners, axis=1) for k in range(4)]
    turn = int(np.argmin([distance.max() for distance in off]))
    true = true[turn:] + true[:turn]
    kinds = [kind_of(_framed(side)) for side in true]
    counts = np.zeros((2, 2), int)
    if found.regular:
        for one, other in zip(kinds, found.kinds, strict=True):
            counts[int(one == "straight"), int(other == "straight")] += 1
    return JudgedSides(
        True,
        found.regular,
        kinds == list(found.kinds),
        float(off[turn].mean()) / case.cell,
        _curve_errors(true, found),
        counts,
        seconds,
    )


def true_sides(outline: Array) -> list[Array]:
    """The four sides, corners included, of an outline with a quarter of its points a side."""
    count = len(outline) // 4
    closed = np.concatenate([outline, outline[:1]])
    return [closed[i * count : (i + 1) * count + 1] for i in range(4)]


def _framed(side: Array) -> Array:
    """A side as ``Side.curve`` has it: from (0, 0) to (1, 0), outwards above 0."""
    chord = side[-1] - side[0]
    off = (side - side[0]) / float(chord @ chord)
    found: Array = np.stack([off @ chord, off @ np.array([chord[1], -chord[0]])], axis=1)
    return found


def _curve_errors(true: list[Array], found: Sides) -> Array:
    """(4,) of ``JudgedSides.curves``."""
    errors = []
    for own, side in zip(true, found.sides, strict=True):
        curve, line = side.curve.astype(np.float64), resampled(_framed(own), POINTS)
        off = np.concatenate([_distances(curve, line), _distances(line, curve)])
        errors.append(math.sqrt(float((off**2).mean())))
    return np.array(errors)


def _distances(points: Array, line: Array) -> Array:
    """(N,) of (N, 2) points from a line of (M, 2) points."""
    start, step = line[:-1], np.diff(line, axis=0)
    at = ((points[:, None] - start) * step).sum(axis=2) / (step**2).sum(axis=1).clip(1e-12)
    nearest = start + at.clip(0, 1)[..., None] * step
    found: Array = np.linalg.norm(points[:, None] - nearest, axis=2).min(axis=1)
    return found


def sides_summary(judged: list[JudgedSides]) -> dict[str, Any]:
    """Figures of a set: percentages, of a side where they are errors, but for counts and ms."""
    there = [j for j in judged if j.found]
    regular = [j for j in there if j.regular]
    curves = np.concatenate([j.curves for j in there]) if there else np.array([math.nan])
    corners = np.array([j.corner for j in there] or [math.nan])
    straight = np.sum([j.straight for j in judged], axis=0)

    def share(part: int, whole: int) -> float | None:
        return round(100 * part / whole, 1) if whole else None

    def at(values: Array, quantile: float) -> float | None:
        found = 100 * float(np.quantile(values, quantile))
        return None if math.isnan(found) else round(found, 2)

    return {
        "n": len(judged),
        "found": share(len(there), len(judged)),
        "kinds": share(sum(j.right for j in judged), len(judged)),
        "regular": share(len(regular), len(judged)),
        "kinds_regular": share(sum(j.right for j in regular), len(regular)),
        "corner": at(corners, 0.5),
        "corner_90": at(corners, 0.9),
        "curve": at(curves, 0.5),
        "curve_90": at(curves, 0.9),
        "straight": f"{straight[1, 1]}/{straight[1].sum()}",
        "mistaken": f"{straight[0, 1]}/{straight[0].sum()}",
        "ms": round(1000 * float(np.mean([j.seconds for j in judged])), 1),
    }
