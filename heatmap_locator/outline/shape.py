"""Whether an outline is that of a jigsaw piece, and not of a cup, a face or a motif.

Judged on the outline alone and generously: better to let a cup pass than to refuse a piece.
"""

import math

import cv2
import numpy as np

from heatmap_locator.resample import resize

# The mask is brought to this square root of its area, in pixels; lengths below are of that size.
_SIDE = 96.0
# Pixels of nothing around it, so that no disc below meets the edge.
_RIM = 24
# Knobs go, and blanks show, when discs of this radius are rolled along the inside; what is left
# over counts as a knob or a blank from these parts of the area: the body's own corners, rounded
# away, are little smaller than knobs.
_BODY_DISC = 18.0
_KNOB_AREA, _BLANK_AREA = 0.012, 0.007
# Knobs and blanks that a piece has at least.
_KNOBS = 2
# A contour much longer than it is after smoothing is a ragged motif.
_SMOOTH_DISC = 4.0
_ROUGHNESS = 1.15
# Plates, coins and faces are ellipses: overlap with one from which a shape is taken for it.
_ELLIPSE = 0.83
ASPECT = 2.2
"""Longest side over the shortest at most, where nothing is known of the cut."""

# Of the hull's area, of the smallest rectangle's around the
# piece and around its body, the parts that are filled at least.
_SOLIDITY = 0.55
_FILL = 0.4
_BODY_FILL = 0.68
# Pieces of square cut have no knobs: nothing but a full rectangle counts as one.
_RECTANGLE = 0.94


BODY_PART = 0.12
"""Of a body that opening has taken apart, the share of the largest part's area from which another
is of the body too: a corner between two blanks is no larger."""


def disc(radius: float) -> np.ndarray:
    """A round structuring element of this radius in pixels, at least 1."""
    size = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))


def biggest(mask: np.ndarray) -> np.ndarray | None:
    """The largest connected part of (H, W) uint8 0/1, or None if all is 0."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return None
    return (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)


def open_body(solid: np.ndarray, radius: float) -> list[np.ndarray]:
    """What is left of a piece where a disc fits: its body without knobs, largest part first.

    Where blanks nearly meet, the body falls apart; knobs may be left over, too, as small parts.

    Args:
        solid: (H, W) uint8 0/1.
        radius: of the disc, in pixels.

    Returns:
        (H, W) uint8 0/1 each; none where the disc fits nowhere.
    """
    opened = cv2.morphologyEx(solid, cv2.MORPH_OPEN, disc(radius))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    order = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")
    return [(labels == i).astype(np.uint8) for i in order]


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """(H, W) uint8 0/1 with every hole that does not reach the image's edge filled."""
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    flooded = padded.copy()
    cv2.floodFill(flooded, None, (0, 0), 2)
    return (flooded[1:-1, 1:-1] != 2).astype(np.uint8)


def normalise(mask: np.ndarray) -> np.ndarray | None:
    """The largest part of a mask, (H, W) 0..1, as uint8 0/1 of ``_SIDE`` squared pixels."""
    whole = biggest((mask > 0.5).astype(np.uint8))
    if whole is None or whole.sum() < 30:
        return None
    x, y, w, h = cv2.boundingRect(whole)
    scale = _SIDE / float(np.sqrt(whole.sum()))
    size = max(round(w * scale), 1), max(round(h * scale), 1)
    part = resize(whole[y : y + h, x : x + w].astype(np.float32), size, scale, soft=True)
    solid = (part > 0.5).astype(np.uint8)
    return biggest(cv2.copyMakeBorder(solid, _RIM, _RIM, _RIM, _RIM, cv2.BORDER_CONSTANT))


def is_piece_shaped(mask: np.ndarray, aspect: float = ASPECT) -> bool:
    """Whether the largest part of a mask could be one jigsaw piece.

    About as long as wide, solid, smooth along its edge, no ellipse, and with two knobs or blanks
    or more; or a plain rectangle.

    Args:
        mask: (H, W) float or uint8, 0..1.
        aspect: longest side over the shortest at most.
    """
    shape = normalise(mask)
    if shape is None:
        return False
    contour = _contour(shape)
    area = float(cv2.contourArea(contour))
    long, short = _sides(contour)
    if long > aspect * short or area < _FILL * long * short:
        return False
    if area > _RECTANGLE * long * short:
        return True
    if area < _SOLIDITY * float(cv2.contourArea(cv2.convexHull(contour))):
        return False
    smooth = cv2.morphologyEx(shape, cv2.MORPH_OPEN, disc(_SMOOTH_DISC))
    smooth = cv2.morphologyEx(smooth, cv2.MORPH_CLOSE, disc(_SMOOTH_DISC))
    # Long pieces are narrow beside their area, and so are their knobs.
    narrow = min(1.0, math.sqrt(ASPECT / max(long / short, 1.0)))
    parts = open_body(shape, _BODY_DISC * narrow)
    if not parts:
        return False
    if cv2.arcLength(contour, True) > _ROUGHNESS * cv2.arcLength(_contour(smooth), True):
        return False
    if _ellipse_overlap(shape, contour) > _ELLIPSE:
        return False
    large = [part for part in parts if part.sum() >= BODY_PART * parts[0].sum()]
    return any(_is_body(shape, np.max(body, axis=0), aspect) for body in (parts[:1], large))


def _is_body(shape: np.ndarray, body: np.ndarray, aspect: float) -> bool:
    """Whether what opening has left of a shape is as a piece's body, with knobs and blanks."""
    hull = cv2.convexHull(cv2.findNonZero(body))
    long, short = _sides(hull)
    if long > aspect * short or cv2.contourArea(hull) < _BODY_FILL * long * short:
        return False
    return _knobs(shape, body, hull) >= _KNOBS


def _contour(mask: np.ndarray) -> np.ndarray:
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return max(found, key=cv2.contourArea)


def _sides(points: np.ndarray) -> tuple[float, float]:
    """(long, short) of the smallest rectangle around points, in pixels."""
    _, (a, b), _ = cv2.minAreaRect(points)
    return max(a, b), max(min(a, b), 1.0)


def _ellipse_overlap(shape: np.ndarray, contour: np.ndarray) -> float:
    """Intersection over union with the ellipse fitted to the contour."""
    ellipse = np.zeros_like(shape)
    cv2.ellipse(ellipse, cv2.fitEllipse(contour), 1, -1)
    return overlap(ellipse, shape)


def _knobs(shape: np.ndarray, body: np.ndarray, hull: np.ndarray) -> int:
    """How many knobs stand out of the body and how many blanks reach into it, together."""
    filled = np.zeros_like(shape)
    cv2.fillConvexPoly(filled, hull, 1)
    count = 0
    for inside, outside, least in ((shape, body, _KNOB_AREA), (filled, shape, _BLANK_AREA)):
        rest = inside * (1 - cv2.dilate(outside, disc(1)))
        stats = cv2.connectedComponentsWithStats(rest)[2]
        count += int((stats[1:, cv2.CC_STAT_AREA] > least * shape.sum()).sum())
    return count


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union, 0..1, of two (H, W) masks, bool or 0..1, from 0.5; 0 if empty."""
    first, second = a > 0.5, b > 0.5
    return float((first & second).sum() / max(int((first | second).sum()), 1))
