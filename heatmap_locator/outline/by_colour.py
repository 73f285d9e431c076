"""Tells a loose piece from what it lies on, by colour and by sharp edges."""

import cv2
import numpy as np

from heatmap_locator.outline.background import border, find_background
from heatmap_locator.outline.shape import disc, fill_holes, open_body
from heatmap_locator.resample import shrunk, stretch

# The search for the outline works on a copy no larger than this; the mask comes back full size.
WORK_SIDE = 320
# A piece smaller than this part of the photo's longer side is looked at again, enlarged.
_SMALL_PIECE = 0.45
# Parts of the piece's side: how wide a shadow can be, how far out of the first guess the piece
# may reach, and how far in it is piece for sure.
_SHADOW = 0.12
_MARGIN = 0.05
_CORE = 0.17
# What a loose piece's photo can look like: part of the edge that the piece covers, and part of
# the rest that differs from the background by more than so much in Lab.
_MAX_TOUCH = 0.2
_MAX_CLUTTER = 0.3
_FAR = 14.0


def outline_by_colour(rgb: np.ndarray) -> np.ndarray | None:
    """(H, W) float32 mask, 0..1, of the one thing that lies on the background, or None.

    Args:
        rgb: (H, W, 3) uint8 RGB.
    """
    height, width = rgb.shape[:2]
    mask = segment(rgb)
    if mask is None:
        return None
    x, y, w, h = cv2.boundingRect((mask > 0.5).astype(np.uint8))
    scale = max(height, width) / max(mask.shape)
    if max(w, h) < _SMALL_PIECE * max(mask.shape) and scale > 1.0:
        # Once more on the neighbourhood alone, where the piece has more pixels to itself.
        pad = 0.3 * max(w, h)
        x1, y1 = max(int((x - pad) * scale), 0), max(int((y - pad) * scale), 0)
        x2, y2 = int((x + w + pad) * scale), int((y + h + pad) * scale)
        part = rgb[y1:y2, x1:x2]
        closer = segment(part)
        if closer is not None:
            full = np.zeros((height, width), np.float32)
            full[y1:y2, x1:x2] = stretch(closer, part.shape[1::-1])
            return full
    return stretch(mask, (width, height))


def segment(rgb: np.ndarray) -> np.ndarray | None:
    """Find the piece in (H, W, 3) uint8 RGB, on a copy of at most ``WORK_SIDE`` pixels.

    Returns:
        (h, w) float32, 0..1, soft mask in the copy's size; None where the photo is all piece.
    """
    small, _ = shrunk(rgb, WORK_SIDE)
    # Print, linen and sensor noise go; the outline stays.
    smooth = cv2.medianBlur(small, 3)
    scene = find_background(smooth)
    if scene is None:
        return None
    lab, distance = scene.lab, scene.distance
    found = _pick(scene.apart() | _enclosed(_slope(lab), distance, scene.spread))
    if found is None:
        return None
    body = _cut(smooth, found, _shadow(found, lab, scene.nearest))
    if not _plausible(body, distance):
        return None
    return cv2.GaussianBlur(body.astype(np.float32), (0, 0), 1.0)


def _pick(mask: np.ndarray) -> np.ndarray | None:
    """The one part of (H, W) uint8 0/1 that is the piece, filled; None if there is none."""
    height, width = mask.shape
    close = disc(0.006 * max(height, width))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, close)
    mask = cv2.morphologyEx(fill_holes(mask), cv2.MORPH_OPEN, close)
    count, labels, stats, centroids = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if count < 2:
        return None
    # Big and near the middle: neighbours that reach into the photo are small and at its edge.
    middle = np.array([width / 2.0, height / 2.0])
    off = np.linalg.norm(centroids[1:] - middle, axis=1) / max(height, width)
    best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA] * np.exp(-((off / 0.3) ** 2))))
    return fill_holes((labels == best).astype(np.uint8))


def _slope(lab: np.ndarray) -> np.ndarray:
    """(H, W) change of (H, W, 3) Lab per pixel, the length over the channels."""
    dx = cv2.Sobel(lab, cv2.CV_32F, 1, 0, scale=0.125)
    dy = cv2.Sobel(lab, cv2.CV_32F, 0, 1, scale=0.125)
    return np.sqrt((dx**2).sum(axis=2) + (dy**2).sum(axis=2))


def _enclosed(slope: np.ndarray, distance: np.ndarray, spread: float) -> np.ndarray:
    """What sharp edges enclose, (H, W) uint8 0/1: parts of a piece in the background's colour.

    The cut's rim shows even where the print matches the table.
    """
    side = max(slope.shape)
    plain = border(slope.shape) & (distance < max(4.0, 3.0 * spread))
    noise = float(np.percentile(slope[plain], 98)) if plain.sum() > 20 else 0.0
    edges = (slope > max(1.2, 1.6 * noise)).astype(np.uint8)
    # Off the frame, so that edges cannot be closed through it.
    edges[border(slope.shape)] = 0
    closed = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, disc(0.012 * side))
    filled = cv2.erode(fill_holes(closed), disc(2))
    return cv2.morphologyEx(filled, cv2.MORPH_OPEN, disc(0.02 * side))


def _shadow(mask: np.ndarray, lab: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Where the strip along the piece's edge looks like its background, only darker.

    Args:
        mask: (H, W) uint8 0/1, the piece with its shadow.
        lab: (H, W, 3) the photo.
        background: (H, W, 3) Lab of the background under the piece.

    Returns:
        (H, W) bool.
    """
    # In Lab, dimming light by s scales L + 16, a and b alike, by the cube root of s.
    dim = (lab[..., 0] + 16.0) / (background[..., 0] + 16.0)
    expected = dim[..., None] * background[..., 1:]
    off = np.linalg.norm(lab[..., 1:] - expected, axis=2)
    like = (dim > 0.35) & (dim < 1.0) & (off < 4.0 + 0.25 * np.linalg.norm(expected, axis=2))
    side = float(np.sqrt(mask.sum()))
    return like & (mask > 0) & (cv2.erode(mask, disc(_SHADOW * side)) == 0)


def _cut(rgb: np.ndarray, mask: np.ndarray, shadow: np.ndarray) -> np.ndarray:
    """Move the edge of the first guess to where the photo's colours part (GrabCut).

    Rother, Kolmogorov and Blake, "GrabCut: interactive foreground extraction using iterated graph
    cuts" (2004).

    Args:
        rgb: (H, W, 3) uint8, smoothed.
        mask: (H, W) uint8 0/1, the first guess.
        shadow: (H, W) bool, parts of it that may be shadow.

    Returns:
        (H, W) uint8 0/1; the first guess again if the cut loses most of it.
    """
    side = float(np.sqrt(mask.sum()))
    labels = np.full(mask.shape, cv2.GC_BGD, np.uint8)
    labels[cv2.dilate(mask, disc(_MARGIN * side)) > 0] = cv2.GC_PR_BGD
    labels[mask > 0] = cv2.GC_PR_FGD
    labels[shadow] = cv2.GC_PR_BGD
    labels[cv2.erode(mask, disc(_CORE * side)) > 0] = cv2.GC_FGD
    if not (labels == cv2.GC_BGD).any() or not (labels == cv2.GC_FGD).any():
        return mask
    # OpenCV starts the colour models from its own random numbers; the same photo must always
    # give the same outline.
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(rgb, labels, None, models[0], models[1], 2, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    cut = _pick((labels & 1).astype(np.uint8))
    return mask if cut is None or cut.sum() < 0.5 * mask.sum() else cut


def _plausible(mask: np.ndarray, distance: np.ndarray) -> bool:
    """Whether this is a loose piece on a background, and not a motif in a crop of the picture.

    Args:
        mask: (H, W) uint8 0/1, what was found.
        distance: (H, W) from the background, in Lab.
    """
    area = float(mask.sum())
    if area < max(30.0, 0.003 * mask.size):
        return False
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if edge.mean() > _MAX_TOUCH:
        return False
    # A piece is about as long as wide, and solid: no knob or blank takes half of it.
    points = cv2.findNonZero(mask)
    _, (long, short), _ = cv2.minAreaRect(points)
    if max(long, short) > 2.6 * (min(long, short) + 1.0):
        return False
    if area < 0.55 * float(cv2.contourArea(cv2.convexHull(points))):
        return False
    body = open_body(mask, 0.12 * np.sqrt(area))
    if sum(float(part.sum()) for part in body) < 0.55 * area:
        return False
    # Around it there is background, give or take a neighbour or a shadow.
    outside = cv2.dilate(mask, disc(0.08 * np.sqrt(area))) == 0
    return not outside.any() or float((distance[outside] > _FAR).mean()) < _MAX_CLUTTER
