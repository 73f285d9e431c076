"""SIFT (Lowe, 2004), and SIFT with correlation behind it."""

import cv2
import numpy as np

from heatmap_locator.grid import Grid
from heatmap_locator.placement import Placement

from .matches import FEWEST_INLIERS, place_by_matches
from .places import outline_of
from .protocol import Method, Prepared, borrowed

RATIO = 0.75
"""A match counts where its distance is below this part of the second best's: 0.8 in Lowe (2004),
0.75 in OpenCV's own example."""


class Sift:
    """SIFT, a ratio test, and the similarity that most matches agree on."""

    def prepare(self, picture: np.ndarray, grid: Grid) -> Prepared:
        return _SiftPrepared(picture, grid)


class _SiftPrepared:
    def __init__(self, picture: np.ndarray, grid: Grid) -> None:
        self.picture, self.grid = picture, grid
        self.sift = cv2.SIFT.create()
        self.points, self.features = self._describe(picture, None)

    def _describe(
        self, rgb: np.ndarray, mask: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """(N, 2) points in pixels and (N, 128) features, ``None`` where there are no points."""
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        keypoints, features = self.sift.detectAndCompute(grey, mask)
        # OpenCV puts a pixel's centre on the integer.
        return np.array([k.pt for k in keypoints], np.float64).reshape(-1, 2) + 0.5, features

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        """At most one place; none where too few points agree."""
        rgb, mask = outline_of(piece)
        points, features = self._describe(rgb, (mask > 0.5).astype(np.uint8) * 255)
        if features is None or self.features is None or len(self.features) < 2:
            return []
        pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(features, self.features, k=2)
        good = [a for a, b in pairs if a.distance < RATIO * b.distance]
        if len(good) < FEWEST_INLIERS:
            return []
        ours, theirs = [m.queryIdx for m in good], [m.trainIdx for m in good]
        return place_by_matches(points[ours], self.points[theirs], mask, self.picture, self.grid)


class SiftThenNcc:
    """SIFT where it answers, correlation where it does not.

    Args:
        sift: the first.
        ncc: the second.

    Attributes:
        parts: names of the two, whose memory counts as this method's own.
    """

    parts = ("sift", "ncc")

    def __init__(self, sift: Method, ncc: Method) -> None:
        self.sift, self.ncc = sift, ncc

    def prepare(self, picture: np.ndarray, grid: Grid) -> Prepared:
        return _SiftThenNccPrepared(
            self.sift.prepare(picture, grid), self.ncc.prepare(picture, grid)
        )


class _SiftThenNccPrepared:
    def __init__(self, first: Prepared, second: Prepared) -> None:
        self.first, self.second = first, second
        self.borrowed = borrowed(first) + borrowed(second)

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        places = self.first.locate(piece, top)
        self.borrowed = borrowed(self.first)
        if not places:
            places = self.second.locate(piece, top)
            self.borrowed += borrowed(self.second)
        return places
