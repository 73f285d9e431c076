"""Takes the hand out of an outline that runs along it off the photo."""

import math

import cv2
import numpy as np

from heatmap_locator.outline.shape import ASPECT, biggest, disc, is_piece_shaped
from heatmap_locator.resample import shrunk, stretch

# The outline is parted on a copy whose longer side is this.
_SIDE = 192
# Skin in CIELAB, whatever its darkness: hue of (a, b) in degrees, and their length; from drawn and
# published tones (Chardon et al., "Skin colour typology", 1991, has 28 to 80 degrees for b over L).
_HUE, _CHROMA = (15.0, 85.0), (6.0, 60.0)
# How far from the hand's own colour, where it leaves the photo, its skin is: lightness, chroma.
_LIGHT, _COLOUR = 34.0, 15.0
# Of the outline, the part that is left has so much at least, and along the photo's edge the hand is
# so many of its sides wide at most: more is half of a piece that skin-coloured print runs through.
_LEFT, _WIDE = 0.45, 0.75
# Skin is smooth: deviation of its detail, in CIELAB, at most.
_DETAIL = 2.8


def without_hand(rgb: np.ndarray, mask: np.ndarray, aspect: float = ASPECT) -> np.ndarray | None:
    """An outline without the skin that it runs along to the photo's edge.

    Args:
        rgb: (H, W, 3) uint8.
        mask: (H, W) float32, 0..1, an outline that runs off the photo.
        aspect: of a piece, longest side over the shortest at most.

    Returns:
        of the same size; ``None`` where what leaves the photo has not the colour of skin, or what
        is left is no piece.
    """
    height, width = mask.shape
    small, own = (shrunk(image, _SIDE)[0] for image in (rgb, mask))
    lab = cv2.cvtColor(
        cv2.GaussianBlur(small, (0, 0), 1.0).astype(np.float32) / 255, cv2.COLOR_RGB2Lab
    )
    solid = own > 0.5
    frame = np.ones(solid.shape, bool)
    frame[3:-3, 3:-3] = False
    leaving = solid & frame
    if leaving.sum() < 4:
        return None
    tone = np.median(lab[leaving], axis=0)
    hue, chroma = float(np.degrees(np.arctan2(tone[2], tone[1]))), float(np.hypot(*tone[1:]))
    if not (_HUE[0] <= hue <= _HUE[1] and _CHROMA[0] <= chroma <= _CHROMA[1]):
        return None
    off = lab - tone
    alike = (np.abs(off[..., 0]) < _LIGHT) & (np.hypot(off[..., 1], off[..., 2]) < _COLOUR)
    skin = cv2.morphologyEx((alike & solid).astype(np.uint8), cv2.MORPH_OPEN, disc(2))
    _, labels = cv2.connectedComponents(skin, connectivity=4)
    touching = np.unique(labels[leaving & (labels > 0)])
    part = np.isin(labels, touching[touching > 0]).astype(np.uint8)
    # Its nail and its shaded edge go with it.
    hand = cv2.morphologyEx(part, cv2.MORPH_CLOSE, disc(4))
    rest = cv2.morphologyEx(
        solid.astype(np.uint8) * (1 - cv2.dilate(hand, disc(1))), cv2.MORPH_OPEN, disc(2)
    )
    piece = biggest(rest)
    if piece is None or piece.sum() < _LEFT * solid.sum() or not is_piece_shaped(piece, aspect):
        return None
    if (hand[frame] > 0).sum() > 3 * _WIDE * math.sqrt(piece.sum()) or _detail(lab, hand) > _DETAIL:
        return None
    near = cv2.dilate(piece, disc(2)).astype(np.float32)
    soft = own * near * (1 - hand)
    return np.asarray(mask * stretch(soft, (width, height)).clip(0, 1), np.float32)


def _detail(lab: np.ndarray, where: np.ndarray) -> float:
    """Deviation of fine structure in (h, w) uint8 0/1, away from its rim."""
    inner = cv2.erode(where, disc(2)) > 0
    if not inner.any():
        return 0.0
    weight = inner.astype(np.float32)[..., None]
    share = cv2.GaussianBlur(weight, (0, 0), 4.0)[..., None].clip(1e-3)
    fine = lab - cv2.GaussianBlur(lab * weight, (0, 0), 4.0) / share
    return float(np.sqrt((fine[inner] ** 2).sum(axis=1).mean()))
