"""What an image says of the outline by itself: an alpha channel, or a fill of one colour.

An alpha that is opaque all over, as screenshots and many editors write, or opaque in a plain
rectangle, says nothing of a piece: what it shows is a photo like any other.  So does an upright
rectangle on a fill: a screenshot of a gallery, a photo in a white frame; and so do an alpha that is
round, has round corners, or fades out towards the edge.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.outline.by_fill import cut_out_on_fill
from heatmap_locator.outline.shape import biggest, fill_holes, is_piece_shaped, overlap
from heatmap_locator.picture.opening import MIN_SIDE

OPAQUE = 128
"""Alpha from which a pixel is shown."""

# Pixels on an edge of the photo from which an outline touches it.
_TOUCHING = 3
# Parts of the area of a box, upright or turned, from which what fills it is a plain rectangle: a
# window's rounded corners are missing, and some pixels that an editor has softened.
_UPRIGHT, _TURNED = 0.98, 0.95
# Part of its hull that a round frame fills, and its overlap with what has that box and that area
# and elliptic corners; knobs and blanks leave 0.92 of the hull at most (real cut-outs), and pieces
# of square cut have corners.
_CONVEX, _ROUND = 0.98, 0.96


@dataclass(frozen=True)
class Outline:
    """What may be the piece in a photo.

    Attributes:
        mask: (H, W) float32, 0..1, 1 inside the piece.
        sure: given, or seen clearly; otherwise whether it fits the picture has to tell.
        searched: it was found in a photo, and not given.
        cut_off: it runs into the photo's edge: with a hand, or half of a piece.
    """

    mask: np.ndarray
    sure: bool
    searched: bool = False
    cut_off: bool = False


def runs_off(mask: np.ndarray) -> bool:
    """Whether an outline, (H, W) 0..1, found in a photo runs into the photo's edge."""
    solid = mask > 0.5
    edges = (solid[0], solid[-1], solid[:, 0], solid[:, -1])
    return any(int(edge.sum()) >= _TOUCHING for edge in edges)


@dataclass(frozen=True)
class Shown:
    """The part of an image that is a photo, for an outline to be searched in.

    Attributes:
        rgb: (h, w, 3) uint8.
        corner: (x, y) of its top left pixel in the image.
        mask: (H, W) float32, 0..1, all of the photo in the image.
        turned: the photo lies turned in the image, and ``rgb`` continues it outside, as it does
            where the photo is round.
        filled: (H, W) float32, 0..1, what of the image differs from a fill of one colour, where
            that has a piece's shape: the piece, unless the background is burnt out.
    """

    rgb: np.ndarray
    corner: tuple[int, int]
    mask: np.ndarray
    turned: bool = False
    filled: np.ndarray | None = None

    @classmethod
    def of(cls, rgb: np.ndarray) -> "Shown":
        """An image, (H, W, 3) uint8, that is photo all over."""
        return cls(rgb, (0, 0), np.ones(rgb.shape[:2], np.float32))

    def laid(self, mask: np.ndarray) -> np.ndarray:
        """A mask of the photo, (h, w) float32, as one of the image, (H, W)."""
        if mask.shape == self.mask.shape:
            return mask
        whole = np.zeros_like(self.mask)
        (x, y), (h, w) = self.corner, mask.shape
        whole[y : y + h, x : x + w] = mask
        return whole

    @property
    def whole(self) -> Outline:
        """All of the photo.  One that lies turned in its image was cut out by somebody."""
        return Outline(self.mask, self.turned)

    def holds(self, mask: np.ndarray) -> bool:
        """Whether a mask of the image lies within the photo, off its edge."""
        inner = cv2.erode((self.mask > 0.5).astype(np.uint8), np.ones((5, 5), np.uint8))
        return not (mask > 0.5)[inner == 0].any()


def given_outline(
    rgb: np.ndarray, alpha: np.ndarray | None, name: str, cutout: bool = False
) -> Outline | Shown:
    """The outline that an image gives, or what there is to search one in.

    A fill of one colour gives one only where the image is known to be cut out; else it may be a
    photo's burnt-out table, and what differs from it is weighed against what is seen.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        alpha: (H, W) uint8, or None.
        name: what error messages call the piece.
        cutout: the image is known to be a piece cut out: its alpha is the outline whatever its
            shape, and without alpha all of it is piece.

    Raises:
        InputError: alpha leaves nothing opaque.
    """
    if cutout and alpha is None:
        return Outline(np.ones(rgb.shape[:2], np.float32), True)
    shown = Shown.of(rgb)
    if alpha is not None:
        photo = None if cutout else photo_in(rgb, alpha)
        if photo is None:
            return Outline(_from_alpha(alpha, name), True)
        shown = photo
    filled = None if shown.turned else cut_out_on_fill(shown.rgb)
    if filled is None or not is_piece_shaped(filled):
        return shown
    left, top, w, h = cv2.boundingRect((filled > 0.5).astype(np.uint8))
    # The halo of JPEG around a rectangle has not its corners.
    if cutout or (filled > 0.5).sum() < _TURNED * w * h or min(w, h) < MIN_SIDE:
        laid = shown.laid(filled)
        return Outline(laid, True) if cutout else replace(shown, filled=laid)
    # A photo on the plain page of a gallery, or in a white frame.
    framed = np.ascontiguousarray(shown.rgb[top : top + h, left : left + w])
    corner = shown.corner[0] + left, shown.corner[1] + top
    return Shown(framed, corner, shown.laid(filled))


def photo_in(rgb: np.ndarray, alpha: np.ndarray) -> Shown | None:
    """The photo that an image with alpha shows; None where the alpha cuts something out.

    Args:
        rgb: (H, W, 3) uint8 RGB.
        alpha: (H, W) uint8.
    """
    solid = (alpha >= OPAQUE).astype(np.uint8)
    area = int(solid.sum())
    if area < MIN_SIDE**2:
        return None
    x, y, w, h = cv2.boundingRect(solid)
    if min(w, h) < MIN_SIDE:
        return None
    mask = _from_alpha(alpha, "photo")
    if area >= _UPRIGHT * w * h:
        return Shown(np.ascontiguousarray(rgb[y : y + h, x : x + w]), (x, y), mask)
    contours, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if len(contours) == 1 and _is_round_frame(solid[y : y + h, x : x + w], contours[0]):
        return Shown(_continued(rgb, solid), (0, 0), mask)
    _, sides, _ = cv2.minAreaRect(np.concatenate(contours))
    # Contours run through the middles of pixels.
    if area < _TURNED * (sides[0] + 0.5) * (sides[1] + 0.5):
        return None
    return Shown(_continued(rgb, solid), (0, 0), mask, True)


def _is_round_frame(solid: np.ndarray, contour: np.ndarray) -> bool:
    """Whether a shape in its box, (h, w) 0/1, is an ellipse, or a rectangle with round corners."""
    if cv2.contourArea(contour) < _CONVEX * cv2.contourArea(cv2.convexHull(contour)):
        return False
    (h, w), area = solid.shape, int(solid.sum())
    # Four quarters of an ellipse leave this part of their boxes' corners.
    corner = (h * w - area) / (4 - np.pi)
    y, x = np.mgrid[:h, :w] + 0.5
    for aspect in (1.0, w / h):
        rx = min(np.sqrt(corner * aspect), w / 2)
        ry = min(np.sqrt(corner / aspect), h / 2)
        beside = np.maximum(np.maximum(rx - x, x - (w - rx)), 0) / rx
        above = np.maximum(np.maximum(ry - y, y - (h - ry)), 0) / ry
        if overlap(np.hypot(beside, above) <= 1, solid) >= _ROUND:
            return True
    return False


def _continued(rgb: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 with each pixel outside ``solid``, (H, W) 0/1, as the nearest inside."""
    inner = cv2.erode(solid, np.ones((3, 3), np.uint8))  # without a softened rim
    _, nearest = cv2.distanceTransformWithLabels(
        1 - inner, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    colours[nearest[inner > 0]] = rgb[inner > 0]
    return np.where(solid[..., None] > 0, rgb, colours[nearest])


def _from_alpha(alpha: np.ndarray, name: str) -> np.ndarray:
    body = biggest((alpha >= OPAQUE).astype(np.uint8))
    if body is None:
        raise InputError(
            "the piece is fully transparent; save it with an opaque body, or without transparency",
            name=name,
        )
    filled = fill_holes(body)
    # Soft edges are kept around the body; other parts go, and so do holes.
    near = cv2.dilate(filled, np.ones((5, 5), np.uint8))
    soft = np.where(near > 0, alpha.astype(np.float32) / 255.0, 0.0)
    inside = cv2.erode(filled, np.ones((3, 3), np.uint8))
    return np.where(inside > 0, np.maximum(soft, 1.0), soft).astype(np.float32)
