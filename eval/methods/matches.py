"""From matched points to a place: what keypoint methods and learned matchers share."""

import cv2
import numpy as np

from heatmap_locator.geometry import Array
from heatmap_locator.grid import Grid
from heatmap_locator.outline.body import body_size
from heatmap_locator.placement import Placement

from .places import hull, placement

FEWEST_INLIERS = 4
"""Two points fix a similarity; of two more it is hardly chance that they agree."""

REPROJECTION = 3.0
"""Pixels of the picture that the two ends of a match may disagree by."""

SCALE_FACTOR = 1.4
"""A place is believed where its scale is within this factor of what the cell's size implies."""


def place_by_matches(
    photo_points: Array,
    picture_points: Array,
    mask: np.ndarray,
    picture: np.ndarray,
    grid: Grid,
    reprojection: float = REPROJECTION,
) -> list[Placement]:
    """The similarity that most matches agree on (RANSAC): one place, or none.

    Args:
        photo_points: (N, 2) pixels of the photo.
        picture_points: (N, 2) pixels of the picture, matched one to one.
        mask: (H, W) the outline in the photo.
        picture: (H, W, 3) uint8.
        grid: its rows and columns.
        reprojection: picture pixels up to which a match agrees.

    Returns:
        A list of at most one; its score grows with the number of matches that agree, 0.5..1.
    """
    if len(photo_points) < FEWEST_INLIERS:
        return []
    cv2.setRNGSeed(0)
    found, inliers = cv2.estimateAffinePartial2D(
        photo_points, picture_points, method=cv2.RANSAC, ransacReprojThreshold=reprojection
    )
    agreeing = 0 if found is None else int(inliers.sum())
    if agreeing < FEWEST_INLIERS:
        return []
    matrix = np.asarray(found, np.float64)
    height, width = picture.shape[:2]
    expected = np.sqrt(width * height / grid.pieces) / body_size(mask)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0])) / expected
    if not 1 / SCALE_FACTOR <= scale <= SCALE_FACTOR:
        return []
    # The matrix sets the photo upright: it turns by the negative of the photo's rotation.
    rotation = -float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
    score = agreeing / (agreeing + FEWEST_INLIERS)
    return [placement(hull(mask), matrix, rotation, score, picture, grid)]
