"""Highlights on a photographed piece, which burn its print out."""

import math

import cv2
import numpy as np

from heatmap_locator.outline.shape import disc

BURNT = 246
"""Level from which a channel is burnt out, with room for JPEG's noise.  Set by hand, as
all in this file, in view of drawn photos of training pictures."""

# Burnt-out parts count from so much of the piece; up to so much, as more is a photo overexposed
# all over, which hides the same of all places.
_LEAST_BURNT, _MOST_BURNT = 0.015, 0.5
# Around a highlight, in sides of the piece, what its light hides as well: at least, and at most,
# where it adds more than this part of what it could.
_VEIL, _WIDEST_VEIL, _VEILED = 0.07, 0.14, 0.25
# Pixels of a ring around it; of what lies there the quantile that is taken for dim, of so many
# pixels at least.
_RING, _DIMMER, _FEWEST_IN_RING = 2.0, 0.3, 6
# Share of the table burnt out from which white is only white: a scanner's lid.
_WHITE_TABLE = 0.25


def burnt_out(rgb: np.ndarray, solid: np.ndarray) -> np.ndarray | None:
    """(h, w) float32, 0..1, where a highlight hides the print of a piece, (h, w) bool."""
    burnt = (rgb.min(axis=2) >= BURNT).astype(np.uint8)
    table = cv2.dilate(solid.astype(np.uint8), disc(4)) == 0
    if table.any() and burnt[table].mean() > _WHITE_TABLE:
        return None
    core = cv2.morphologyEx(burnt, cv2.MORPH_OPEN, disc(1)) * solid
    _, labels, stats, _ = cv2.connectedComponentsWithStats(core.astype(np.uint8), connectivity=8)
    area = float(solid.sum())
    large = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= _LEAST_BURNT * area) + 1
    core = np.isin(labels, large).astype(np.uint8)
    if not 0 < core.sum() <= _MOST_BURNT * area:
        return None
    away = cv2.distanceTransform(1 - core, cv2.DIST_L2, 3)
    return (away <= _reach_of_veil(rgb, solid, away)).astype(np.float32)


def _reach_of_veil(rgb: np.ndarray, solid: np.ndarray, away: np.ndarray) -> float:
    """How many pixels around a highlight its light hides print as well.

    It gets less with the distance, which print seldom does: it is told by the dimmer part of what
    lies in each ring around the highlight, beside that of the farther half of the rings.

    Args:
        rgb: (h, w, 3) uint8.
        solid: (h, w) bool, the piece.
        away: (h, w) float32 distance from the highlight, 0 in it.
    """
    side = math.sqrt(float(solid.sum()))
    level = rgb.min(axis=2)
    least, most = max(1.0, _VEIL * side), _WIDEST_VEIL * side
    shown = solid & (away > 0)
    rings = np.where(shown, np.minimum(away / _RING, 1e4), -1.0).astype(int)
    dim = [
        float(np.quantile(level[own], _DIMMER))
        for ring in range(int(rings.max()) + 1)
        if (own := rings == ring).sum() >= _FEWEST_IN_RING
    ]
    if len(dim) < 3:
        return least
    usual = float(np.median(dim[len(dim) // 2 :]))
    falling = np.minimum.accumulate(cv2.blur(np.array([dim], np.float32), (3, 1))[0])
    lit = np.flatnonzero(falling - usual > _VEILED * (255.0 - usual))
    reach = _RING * float(lit[-1] + 1) if len(lit) else 0.0
    return min(max(least, reach), most)
