"""Classical methods to compare with: masked correlation, SIFT, and SIFT with the former behind."""

import cv2
import numpy as np

from heatmap_locator.geometry import compose, similarity, to_cv2
from heatmap_locator.grid import Grid
from heatmap_locator.outline import body_size
from heatmap_locator.placement import Placement

from .methods import Prepared, hull, outline_of, placement

NCC_CELL = 24
"""Side of a cell in pixels at which pictures and pieces are correlated."""

NCC_TURNS = 36
NCC_SCALES = (0.9, 0.95, 1.0, 1.05, 1.1)

SIFT_RATIO = 0.75
SIFT_INLIERS = 4
SIFT_SCALE = 1.4
"""A place is believed where its scale is within this factor of what the cell's size implies."""


def correlate(picture: np.ndarray, template: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Zero-mean normalised correlation over a mask, means per channel, -1..1.

    Args:
        picture: (H, W, 3) float32.
        template: (h, w, 3) float32.
        mask: (h, w), 0 or 1.

    Returns:
        (H - h + 1, W - w + 1) float32; windows too flat to tell anything hold -1.
    """
    found = cv2.matchTemplate(picture, template, cv2.TM_CCOEFF_NORMED, mask=mask.astype(np.float32))
    # OpenCV divides by the window's spread: where that is 0, or 0 but for rounding, it returns
    # infinity, no number, or more than 1.
    return np.where(np.isfinite(found) & (found <= 1.001), found, -1.0).astype(np.float32)


class Ncc:
    """Masked correlation under 36 turns and 5 sizes, exhaustively."""

    def prepare(self, picture: np.ndarray, grid: Grid) -> Prepared:
        return _NccPrepared(picture, grid)


class _NccPrepared:
    def __init__(self, picture: np.ndarray, grid: Grid) -> None:
        self.picture, self.grid = picture, grid
        height, width = picture.shape[:2]
        cell = np.sqrt(width * height / grid.pieces)
        size = max(8, round(width * NCC_CELL / cell)), max(8, round(height * NCC_CELL / cell))
        way = cv2.INTER_AREA if cell > NCC_CELL else cv2.INTER_CUBIC
        self.small = cv2.resize(picture, size, interpolation=way).astype(np.float32)
        self.to_picture = np.array([[width / size[0], 0, 0], [0, height / size[1], 0]])

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        rgb, mask = outline_of(piece)
        points, side = hull(mask), body_size(mask)
        # Averaged down to about the final size first, or the print would alias.
        factor = NCC_CELL / side
        size = max(1, round(mask.shape[1] * factor)), max(1, round(mask.shape[0] * factor))
        way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        photo = cv2.resize(rgb, size, interpolation=way)
        cover = cv2.resize(mask, size, interpolation=way)
        resize = np.array(
            [[size[0] / mask.shape[1], 0.0, 0.0], [0.0, size[1] / mask.shape[0], 0.0]]
        )
        ends = points @ resize[:, :2].T
        middle = (ends.max(axis=0) + ends.min(axis=0)) / 2
        reach = float(np.linalg.norm(ends - middle, axis=1).max()) * max(NCC_SCALES)
        half = int(np.ceil(reach)) + 1
        hypotheses = [
            (360.0 * turn / NCC_TURNS, scale) for turn in range(NCC_TURNS) for scale in NCC_SCALES
        ]
        # Pieces at the border stick out by what their outline is off.
        padded = cv2.copyMakeBorder(self.small, half, half, half, half, cv2.BORDER_REPLICATE)
        best = np.full(self.small.shape[:2], -1.0, np.float32)
        which = np.zeros(best.shape, np.int32)
        maps = []
        for index, (rotation, scale) in enumerate(hypotheses):
            # An odd side puts the piece's middle on the middle of a pixel.
            center = (half + 0.5, half + 0.5)
            upright = similarity((float(middle[0]), float(middle[1])), center, -rotation, scale)
            maps.append(compose(upright, resize))
            matrix, canvas = to_cv2(upright), (2 * half + 1, 2 * half + 1)
            template = cv2.warpAffine(
                photo, matrix, canvas, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            turned = cv2.warpAffine(cover, matrix, canvas, flags=cv2.INTER_LINEAR)
            # The bevelled rim shows cardboard and light, not print, and misleads badly.
            inside = cv2.erode((turned > 0.5).astype(np.uint8), np.ones((3, 3), np.uint8))
            found = correlate(padded, template.astype(np.float32), inside)
            better = found > best
            best[better], which[better] = found[better], index
        places = []
        for x, y in _peaks(best, NCC_CELL / 2, top):
            if best[y, x] > -1.0:
                matrix = maps[which[y, x]].copy()
                matrix[:, 2] += np.array([x, y]) - half
                matrix = compose(self.to_picture, matrix)
                rotation, score = hypotheses[which[y, x]][0], float(best[y, x])
                places.append(placement(points, matrix, rotation, score, self.picture, self.grid))
        return places


def _peaks(score: np.ndarray, radius: float, count: int) -> list[tuple[int, int]]:
    """(x, y) of the highest points, best first, no two within ``radius`` of one another."""
    left = score.copy()
    ys, xs = np.mgrid[: score.shape[0], : score.shape[1]]
    found = []
    for _ in range(count):
        y, x = (int(v) for v in np.unravel_index(int(left.argmax()), left.shape))
        if not np.isfinite(left[y, x]):
            break
        found.append((x, y))
        left[(xs - x) ** 2 + (ys - y) ** 2 <= radius**2] = -np.inf
    return found


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
        good = [a for a, b in pairs if a.distance < SIFT_RATIO * b.distance]
        if len(good) < SIFT_INLIERS:
            return []
        cv2.setRNGSeed(0)
        found, inliers = cv2.estimateAffinePartial2D(
            points[[m.queryIdx for m in good]],
            self.points[[m.trainIdx for m in good]],
            method=cv2.RANSAC,
            ransacReprojThreshold=3.0,
        )
        if found is None or int(inliers.sum()) < SIFT_INLIERS:
            return []
        matrix = np.asarray(found, np.float64)
        height, width = self.picture.shape[:2]
        expected = np.sqrt(width * height / self.grid.pieces) / body_size(mask)
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0])) / expected
        if not 1 / SIFT_SCALE <= scale <= SIFT_SCALE:
            return []
        # The matrix sets the photo upright: it turns by the negative of the photo's rotation.
        rotation = -float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
        score = float(inliers.mean())
        return [placement(hull(mask), matrix, rotation, score, self.picture, self.grid)]


class SiftThenNcc:
    """SIFT where it answers, correlation where it does not."""

    def prepare(self, picture: np.ndarray, grid: Grid) -> Prepared:
        return _SiftThenNccPrepared(Sift().prepare(picture, grid), Ncc().prepare(picture, grid))


class _SiftThenNccPrepared:
    def __init__(self, first: Prepared, second: Prepared) -> None:
        self.first, self.second = first, second

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        return self.first.locate(piece, top) or self.second.locate(piece, top)
