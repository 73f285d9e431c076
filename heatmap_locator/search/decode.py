"""From the head's maps to candidates: peaks, each with its place, angle and size."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from heatmap_locator.geometry import CELL, STRIDE, Array
from heatmap_locator.model.head import HeadMaps

PEAK_WINDOW = 3
"""A peak is the largest of so many cells on a side."""

PIXEL_PEAK_WINDOW = 7
"""The same where pixels alone are read: one place has many small peaks of them."""

MINIMUM_DISTANCE = CELL / 2
"""Working pixels between two candidates; nearer ones are the same place seen twice."""


@dataclass(frozen=True)
class Candidate:
    """A place that is proposed, from first to last in working pixels of its own picture size.

    ``place.lay_on_picture`` is the one way from there to pixels of the picture.

    Attributes:
        x, y: the piece's reference point.
        rotation: degrees in [0, 360).
        log_size: log of the factors on the nominal box's (width, height).
        logit: of the heatmap, before calibration.
        level: index of that picture size.
        pose: the 2x3 map from pixels of the photo to working pixels, rows flattened, where the
            piece has been aligned; without it the other fields say where it lies.
    """

    x: float
    y: float
    rotation: float
    log_size: tuple[float, float]
    logit: float
    level: int
    pose: tuple[float, ...] | None = None


def find_peaks(heat: np.ndarray, window: int = PEAK_WINDOW) -> list[tuple[int, int]]:
    """(row, col) of the largest of every ``window`` cells of ``(h, w)``, highest first."""
    square = np.ones((window, window), np.uint8)
    highest = cv2.dilate(heat, square, borderType=cv2.BORDER_CONSTANT, borderValue=-np.inf)
    rows, cols = np.nonzero(heat == highest)
    order = np.argsort(-heat[rows, cols], kind="stable")
    return [(int(rows[i]), int(cols[i])) for i in order]


def decode(
    maps: HeadMaps,
    rotations: int,
    gain: float,
    top: int,
    level: int = 0,
    favour: Callable[[list[Candidate]], np.ndarray] | None = None,
) -> list[Candidate]:
    """The ``top`` best places of one piece.

    Args:
        maps: the head's output for a batch of one.
        rotations: hypotheses in the bank.
        gain: the head's ``rotation_gain``.
        top: candidates wanted; fewer come back where the heatmap has fewer peaks.
        level: copied into the candidates.
        favour: what else speaks for N candidates, (N,) in logits, where they compete.
    """
    heat = maps.heat[0, 0].float().cpu().numpy()
    offset, size, turn = (
        t[0].float().cpu().numpy() for t in (maps.offset, maps.size, maps.rotation)
    )
    best = maps.best[0].cpu().numpy()
    candidates: list[Candidate] = []
    # Of peaks that near each other all but one are dropped, so look at more than are wanted.
    for row, col in find_peaks(heat)[: 8 * top + 32]:
        residual = np.degrees(np.arctan2(turn[0, row, col], turn[1, row, col])) / gain
        candidates.append(
            Candidate(
                x=float((col + np.clip(offset[0, row, col], 0, 1)) * STRIDE),
                y=float((row + np.clip(offset[1, row, col], 0, 1)) * STRIDE),
                # Twice: the remainder of a hair below zero rounds to 360 itself.
                rotation=float((best[row, col] * 360.0 / rotations + residual) % 360.0 % 360.0),
                log_size=(float(size[0, row, col]), float(size[1, row, col])),
                logit=float(heat[row, col]),
                level=level,
            )
        )
    scores = None
    if favour is not None and candidates:
        scores = np.array([c.logit for c in candidates]) + favour(candidates)
    return suppress(candidates, MINIMUM_DISTANCE, scores, top)


def decode_pixels(
    maps: HeadMaps, pixel: Tensor, top: int, bias: Tensor, level: int = 0
) -> tuple[list[Candidate], Tensor]:
    """The ``top`` places where the pixels alone correlate best, with the head's logits there.

    Args:
        maps: the head's output for a batch of one.
        pixel: ``(1, R, h, w)`` correlations it was read from.
        top: places wanted.
        bias: ``(R,)`` added to the correlations under each rotation.
        level: copied into the candidates.

    Returns:
        the candidates, and ``(N,)`` their correlations.
    """
    values, rotations = (pixel[0].float() + bias.view(-1, 1, 1)).max(0)
    heat, turns = maps.heat[0, 0].float().cpu().numpy(), rotations.cpu().numpy()
    peaks = find_peaks(values.cpu().numpy(), PIXEL_PEAK_WINDOW)[:top]
    candidates = [
        Candidate(
            x=(col + 0.5) * STRIDE,
            y=(row + 0.5) * STRIDE,
            rotation=float(turns[row, col]) * 360.0 / pixel.shape[1],
            log_size=(0.0, 0.0),
            logit=float(heat[row, col]),
            level=level,
        )
        for row, col in peaks
    ]
    at = torch.tensor(peaks, device=pixel.device).reshape(-1, 2)
    own = rotations[at[:, 0], at[:, 1]]
    return candidates, pixel[0].float()[own, at[:, 0], at[:, 1]]


def suppress(
    candidates: list[Candidate],
    distance: float,
    scores: np.ndarray | None = None,
    most: int | None = None,
) -> list[Candidate]:
    """Keep the best of those nearer to each other than ``distance``; best first.

    Args:
        candidates: of one picture size, in any order.
        distance: working pixels.
        scores: (N,) what the best have most of, in place of their logits.
        most: kept at most.
    """
    own = np.array([c.logit for c in candidates]) if scores is None else scores
    places = np.array([(c.x, c.y) for c in candidates]).reshape(-1, 2)
    return [candidates[i] for i in best_apart(places, distance, own, most)]


def best_apart(
    places: Array, reach: float | np.ndarray, scores: np.ndarray, most: int | None = None
) -> list[int]:
    """Of places nearer to each other than their reach the best, as indices, best first.

    Args:
        places: (N, 2), all in one frame.
        reach: of all, or (N,); the larger of two places' counts.
        scores: (N,), more is better; the earlier of equals comes first.
        most: kept at most.
    """
    order = np.argsort(-scores, kind="stable")
    at = places[order]
    far = np.broadcast_to(np.asarray(reach, float), len(places))[order]
    kept: list[int] = []
    for i in range(len(order)):
        apart = np.hypot(*(at[kept] - at[i]).T)
        if (apart >= np.maximum(far[i], far[kept])).all():
            kept.append(i)
        if len(kept) == most:
            break
    return [int(order[i]) for i in kept]


def heatmap(maps: HeadMaps) -> np.ndarray:
    """The heat of a batch of one as ``(h, w)`` float32 in 0..1."""
    values: np.ndarray = torch.sigmoid(maps.heat[0, 0].float()).cpu().numpy()
    return values
