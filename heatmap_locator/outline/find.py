"""Where the piece is in its photo: a soft mask, from alpha, its fill, or a network and colour."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.outline.by_colour import outline_by_colour
from heatmap_locator.outline.by_fill import cut_out_on_fill
from heatmap_locator.outline.by_network import OutlineFinder, find_pieces, likelihoods
from heatmap_locator.outline.shape import biggest, fill_holes, is_piece_shaped, overlap

CONTOUR_INSET = 0.25
"""Pixels by which :func:`outline_points` lie inside the outline."""

# Overlap from which the outline by colour is of the piece that the network sees, but is unsure of.
_AGREE = 0.8
# Mean of the mask inside the outline that the network gives to pieces; motifs in crops of a picture
# mostly have less.
_SURE = 0.94
# Likelihood from which an outline that colour alone shows is a piece: pieces have more than 0.8,
# motifs mostly less than 0.5.
_LIKELY = 0.3


@dataclass(frozen=True)
class Outline:
    """What may be the piece in a photo.

    Attributes:
        mask: (H, W) float32, 0..1, 1 inside the piece.
        sure: given, or seen clearly; otherwise whether it fits the picture has to tell.
    """

    mask: np.ndarray
    sure: bool


def find_outlines(
    rgb: np.ndarray,
    alpha: np.ndarray | None,
    name: str = "piece",
    finder: OutlineFinder | None = None,
) -> list[Outline]:
    """Finds the piece in its photo.

    With alpha, the biggest opaque part is the piece.  Without, what differs to the digit from a
    fill of one colour is; in a photo, a network finds the piece (``by_network.py``),
    or else colour.  A photo in which nothing has a piece's shape is all piece; one in which the
    network is not sure of what it sees, as in crops of a picture with motifs, may be either.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        alpha: (H, W) uint8, or None.
        name: what error messages call the piece.
        finder: asked where nothing tells the outline; None reads the network that ships, anew.

    Returns:
        at least one, the likeliest first.

    Raises:
        InputError: alpha leaves nothing opaque.
    """
    given = given_outline(rgb, alpha, name)
    return [given] if given is not None else outlines_in_photos([rgb], finder or OutlineFinder())[0]


def find_outline(
    rgb: np.ndarray,
    alpha: np.ndarray | None,
    name: str = "piece",
    finder: OutlineFinder | None = None,
) -> np.ndarray:
    """(H, W) float32 mask, 0..1, of the first of :func:`find_outlines`."""
    return find_outlines(rgb, alpha, name, finder)[0].mask


def given_outline(rgb: np.ndarray, alpha: np.ndarray | None, name: str) -> Outline | None:
    """What alpha or a fill of one colour says of the outline; None where neither does.

    Arguments and errors as in :func:`find_outlines`.
    """
    if alpha is not None:
        return Outline(_from_alpha(alpha, name), True)
    filled = cut_out_on_fill(rgb)
    if filled is not None and is_piece_shaped(filled):
        return Outline(filled, True)
    return None


def outlines_in_photos(photos: Sequence[np.ndarray], finder: OutlineFinder) -> list[list[Outline]]:
    """:func:`find_outlines` of several photos, (H, W, 3) uint8, that nothing else tells about."""
    answers = []
    for rgb, found in zip(photos, outlines_on_background(photos, finder), strict=True):
        whole = Outline(np.ones(rgb.shape[:2], np.float32), False)
        if found is None or not is_piece_shaped(found.mask):
            answers.append([whole])
        else:
            answers.append([found] if found.sure else [whole, found])
    return answers


def outlines_on_background(
    photos: Sequence[np.ndarray], finder: OutlineFinder
) -> list[Outline | None]:
    """The one loose piece nearest the middle of each photo, or None.

    Args:
        photos: (H, W, 3) uint8 each.
        finder: whose network is asked.
    """
    seen = [
        mask if mask is not None and is_piece_shaped(mask) else None
        for mask in find_pieces(photos, finder)
    ]
    found = [None if mask is None else Outline(mask, _is_sure(mask)) for mask in seen]
    unsure = [i for i, one in enumerate(found) if one is None or not one.sure]
    parted = {i: outline_by_colour(photos[i]) for i in unsure}
    shaped = {i: mask for i, mask in parted.items() if mask is not None and is_piece_shaped(mask)}
    # One too small in the photo for the network, or half seen, it knows from near by.
    agreed = {
        i
        for i, mask in shaped.items()
        if (own := seen[i]) is not None and overlap(own, mask) > _AGREE
    }
    asked = [i for i in shaped if i not in agreed]
    likely = likelihoods([(photos[i], shaped[i]) for i in asked], finder)
    agreed |= {i for i, value in zip(asked, likely, strict=True) if value > _LIKELY}
    for i in agreed:
        found[i] = Outline(shaped[i], True)
    return found


def outline_on_background(rgb: np.ndarray, finder: OutlineFinder) -> Outline | None:
    """The same of one photo."""
    return outlines_on_background([rgb], finder)[0]


def _is_sure(seen: np.ndarray) -> bool:
    return float(seen[seen > 0.5].mean()) > _SURE


def outline_points(mask: np.ndarray) -> np.ndarray:
    """Points along the outline of the largest part, ``CONTOUR_INSET`` inside its pixels' edges.

    Args:
        mask: (H, W) float, 0..1, more than 0.5 somewhere.

    Returns:
        (N, 2) float64, in pixels, clockwise.
    """
    padded = np.pad((mask > 0.5).astype(np.uint8), 1)
    # OpenCV's contours run through pixel centres; twice the size brings those near the edge.
    doubled = padded.repeat(2, axis=0).repeat(2, axis=1)
    found, _ = cv2.findContours(doubled, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = max(found, key=cv2.contourArea)[::-1, 0].astype(np.float64)
    return (points + 0.5) / 2 - 1


def _from_alpha(alpha: np.ndarray, name: str) -> np.ndarray:
    opaque = (alpha >= 128).astype(np.uint8)
    body = biggest(opaque)
    if body is None:
        raise InputError(
            f"{name}: the piece is fully transparent; save it with an opaque body, "
            "or without transparency"
        )
    filled = fill_holes(body)
    # Soft edges are kept around the body; other parts go, and so do holes.
    near = cv2.dilate(filled, np.ones((5, 5), np.uint8))
    soft = np.where(near > 0, alpha.astype(np.float32) / 255.0, 0.0)
    inside = cv2.erode(filled, np.ones((3, 3), np.uint8))
    return np.where(inside > 0, np.maximum(soft, 1.0), soft).astype(np.float32)
