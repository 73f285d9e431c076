"""Where the piece is in its photo: a soft mask, from alpha, its fill, or a network and colour."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from heatmap_locator.outline.burnt import is_burnt_out
from heatmap_locator.outline.by_colour import outline_by_colour
from heatmap_locator.outline.by_network import OutlineFinder, find_pieces, likelihoods
from heatmap_locator.outline.contour import along_pixels
from heatmap_locator.outline.dim import well_exposed
from heatmap_locator.outline.given import Outline as Outline
from heatmap_locator.outline.given import Shown, given_outline, runs_off
from heatmap_locator.outline.hand import without_hand
from heatmap_locator.outline.shape import is_piece_shaped, overlap
from heatmap_locator.resample import stretch

CONTOUR_INSET = 0.25
"""Pixels by which :func:`outline_points` lie inside the outline."""

# Overlap from which the outline by colour is of the piece that the network sees, but is unsure of
# (train/LOG.md, "network and colour"; so is _LIKELY).
_AGREE = 0.8
# Mean of the mask inside the outline that the network gives to pieces; motifs in crops of a picture
# mostly have less.
_SURE = 0.94
# Likelihood from which an outline that colour alone shows is a piece: pieces have more than 0.8,
# motifs mostly less than 0.5.
_LIKELY = 0.3


def find_outlines(
    rgb: np.ndarray,
    alpha: np.ndarray | None,
    name: str = "piece",
    finder: OutlineFinder | None = None,
    cutout: bool = False,
) -> list[Outline]:
    """Find the piece in its photo.

    With alpha, the biggest opaque part is the piece, unless all is opaque, or a plain rectangle:
    that is a photo.  Without, what differs to the digit from a fill of one colour is, unless that
    is a photo's burnt-out table (``burnt.py``); in a photo, a network finds the piece
    (``by_network.py``), or else colour.  A photo in which nothing has a piece's shape is all piece;
    one in which the network is not sure of what it sees, as in crops of a picture with motifs, may
    be either.  A dim photo is looked at brightened as well, one that is nearly burnt out darkened.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        alpha: (H, W) uint8, or None.
        name: what error messages call the piece.
        finder: asked where nothing tells the outline; None reads the network that ships, anew.
        cutout: the image is a piece cut out, whatever its shape.

    Returns:
        at least one, the likeliest first.

    Raises:
        InputError: alpha leaves nothing opaque.
    """
    given = given_outline(rgb, alpha, name, cutout)
    if isinstance(given, Outline):
        return [given]
    return outlines_in_photos([given], finder or OutlineFinder())[0]


def find_outline(
    rgb: np.ndarray,
    alpha: np.ndarray | None,
    name: str = "piece",
    finder: OutlineFinder | None = None,
    cutout: bool = False,
) -> np.ndarray:
    """(H, W) float32 mask, 0..1, of the first of :func:`find_outlines`."""
    return find_outlines(rgb, alpha, name, finder, cutout)[0].mask


def outlines_in_photos(
    photos: Sequence[np.ndarray | Shown], finder: OutlineFinder
) -> list[list[Outline]]:
    """:func:`find_outlines` of several photos that nothing else tells about.

    Args:
        photos: (H, W, 3) uint8, or what of an image is photo; the outlines are the image's.
        finder: whose network is asked.
    """
    return _outlines([p if isinstance(p, Shown) else Shown.of(p) for p in photos], finder)


def _outlines(photos: Sequence[Shown], finder: OutlineFinder) -> list[list[Outline]]:
    answers = []
    seen = outlines_on_background([photo.rgb for photo in photos], finder)
    lost = [
        i
        for i, (photo, one) in enumerate(zip(photos, seen, strict=True))
        if photo.filled is None and (one is None or not one.sure)
    ]
    dim = [(i, view) for i in lost if (view := well_exposed(photos[i].rgb)) is not None]
    for (i, _), again in zip(
        dim, outlines_on_background([view for _, view in dim], finder), strict=True
    ):
        if again is not None and again.sure:
            height, width = photos[i].rgb.shape[:2]
            seen[i] = replace(again, mask=stretch(again.mask, (width, height)))
    for photo, found in zip(photos, seen, strict=True):
        whole = photo.whole
        if photo.filled is not None:
            answers.append([_filled(photo, found)])
            continue
        if found is None or not is_piece_shaped(found.mask, finder.aspect):
            answers.append([whole])
            continue
        laid = Outline(photo.laid(found.mask), found.sure, True, runs_off(found.mask))
        if photo.turned:
            # What somebody cut out is the piece, unless one is seen for certain within it.
            answers.append([laid] if found.sure and photo.holds(laid.mask) else [whole])
        else:
            answers.append([laid] if found.sure else [whole, laid])
    return answers


def _filled(photo: Shown, found: Outline | None) -> Outline:
    """The piece on a fill: what differs from it, or what is seen on a background burnt out."""
    assert photo.filled is not None
    x, y = photo.corner
    height, width = photo.rgb.shape[:2]
    filled = photo.filled[y : y + height, x : x + width]
    if found is not None and found.sure and is_burnt_out(photo.rgb, filled, found.mask):
        return Outline(photo.laid(found.mask), True, True)
    return Outline(photo.filled, True)


def outlines_on_background(
    photos: Sequence[np.ndarray], finder: OutlineFinder
) -> list[Outline | None]:
    """The one loose piece nearest the middle of each photo, or None.

    Args:
        photos: (H, W, 3) uint8 each.
        finder: whose network is asked.
    """
    seen = [
        mask if mask is not None and is_piece_shaped(mask, finder.aspect) else None
        for mask in _parted(photos, find_pieces(photos, finder), finder.aspect)
    ]
    found = [None if mask is None else Outline(mask, _is_sure(mask)) for mask in seen]
    unsure = [i for i, one in enumerate(found) if one is None or not one.sure]
    parted = {i: outline_by_colour(photos[i]) for i in unsure}
    shaped = {
        i: mask
        for i, mask in parted.items()
        if mask is not None and is_piece_shaped(mask, finder.aspect)
    }
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


def _parted(
    photos: Sequence[np.ndarray], masks: Sequence[np.ndarray | None], aspect: float
) -> list[np.ndarray | None]:
    """Masks, those that run along a hand off the photo without it."""
    parted: list[np.ndarray | None] = []
    for photo, mask in zip(photos, masks, strict=True):
        held = mask is not None and runs_off(mask)
        without = without_hand(photo, mask, aspect) if held and mask is not None else None
        parted.append(mask if without is None else without)
    return parted


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
    solid = (mask > 0.5).astype(np.uint8)
    x, y, w, h = cv2.boundingRect(solid)  # a photo is much larger than its piece
    return along_pixels(np.pad(solid[y : y + h, x : x + w], 1)) - 1 + [x, y]
