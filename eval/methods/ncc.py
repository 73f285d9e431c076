"""Exhaustive masked correlation, the classical method to beat.

Every rotation, size and place is tried; Fourier transforms of the picture are kept between
pieces, and nothing is approximated (Lewis, "Fast Normalized Cross-Correlation", 1995; masked as
in Padfield, "Masked Object Registration in the Fourier Domain", 2012).
"""

import cv2
import numpy as np

from heatmap_locator.geometry import compose, similarity, to_cv2
from heatmap_locator.grid import Grid
from heatmap_locator.outline.body import body_size
from heatmap_locator.placement import Placement
from heatmap_locator.resample import resize

from .places import hull, outline_of, placement
from .protocol import Prepared

CELL = 24
"""Side of a cell in pixels at which pictures and pieces are correlated."""

TURNS = 36
SCALES = (0.9, 0.95, 1.0, 1.05, 1.1)
"""Rotations, as many as the library's bank has, and sizes relative to what the outline implies."""

FLAT = 0.3
"""Spread, in levels of 255, below which a window tells nothing but rounding."""

_REACH = 36
"""Pixels from a piece's middle to its end that a picture is prepared for; more cost a new one."""


class Correlator:
    """Zero-mean normalised correlation of templates with one picture.

    Args:
        picture: (H, W, 3) float32, 0..255.
    """

    def __init__(self, picture: np.ndarray) -> None:
        self.shape = picture.shape[:2]
        height, width = self.shape
        self.size = cv2.getOptimalDFTSize(height), cv2.getOptimalDFTSize(width)
        # Correlation does not see the mean; without it the squares below lose fewer digits.
        centred = picture.astype(np.float64) - picture.mean(axis=(0, 1), dtype=np.float64)
        self.channels = [self._spectrum(centred[..., c]) for c in range(3)]
        self.squares = self._spectrum((centred**2).sum(axis=2))

    def _spectrum(self, image: np.ndarray) -> np.ndarray:
        # In double: a window's squares are nearly cancelled by its mean's.  OpenCV's transform
        # of singles is no faster.
        padded = np.zeros(self.size, np.float64)
        padded[: image.shape[0], : image.shape[1]] = image
        spectrum: np.ndarray = cv2.dft(padded, nonzeroRows=image.shape[0])
        return spectrum

    def _back(self, spectrum: np.ndarray, rows: int, cols: int) -> np.ndarray:
        flags = cv2.DFT_INVERSE | cv2.DFT_REAL_OUTPUT | cv2.DFT_SCALE
        plane: np.ndarray = cv2.dft(spectrum, flags=flags, nonzeroRows=rows)
        return plane[:rows, :cols]

    def match(self, template: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Scores of every place.

        Args:
            template: (h, w, 3) float32.
            mask: (h, w), 0 or 1, not all 0.

        Returns:
            (H - h + 1, W - w + 1) float32 in -1..1; windows too flat to tell anything hold -1.
        """
        height, width = template.shape[:2]
        rows, cols = self.shape[0] - height + 1, self.shape[1] - width + 1
        inside = mask.astype(np.float64)[..., None]
        count = float(inside.sum())
        own = (template - (template * inside).sum((0, 1)) / count) * inside
        energy, least = float((own**2).sum()), 3 * count * FLAT**2
        if energy < least:
            return np.full((rows, cols), -1.0, np.float32)
        total = np.zeros(self.size)
        for c, spectrum in enumerate(self.channels):
            total += cv2.mulSpectrums(spectrum, self._spectrum(own[..., c]), 0, conjB=True)
        shared = self._back(total, rows, cols)
        cover = self._spectrum(inside[..., 0])
        *sums, squares = (
            self._back(cv2.mulSpectrums(plane, cover, 0, conjB=True), rows, cols)
            for plane in (*self.channels, self.squares)
        )
        for plane in sums:
            squares -= plane * plane / count
        known = squares >= least
        scores = shared / np.sqrt(np.maximum(squares, least) * energy)
        return np.where(known, scores, -1.0).clip(-1, 1).astype(np.float32)


class Ncc:
    """Masked correlation under 36 turns and 5 sizes, exhaustively."""

    def prepare(self, picture: np.ndarray, grid: Grid) -> Prepared:
        return _NccPrepared(picture, grid)


class _NccPrepared:
    def __init__(self, picture: np.ndarray, grid: Grid) -> None:
        self.picture, self.grid = picture, grid
        height, width = picture.shape[:2]
        cell = np.sqrt(width * height / grid.pieces)
        size = max(8, round(width * CELL / cell)), max(8, round(height * CELL / cell))
        self.small = resize(picture, size, CELL / cell).astype(np.float32)
        self.to_picture = np.array([[width / size[0], 0, 0], [0, height / size[1], 0]])
        self.half = 0
        self._reach_for(_REACH)

    def _reach_for(self, half: int) -> None:
        """Be ready for pieces of up to ``half`` pixels around their middle."""
        if half > self.half:
            # Pieces at the border stick out by what their outline is off.
            padded = cv2.copyMakeBorder(self.small, half, half, half, half, cv2.BORDER_REPLICATE)
            self.half, self.correlator = half, Correlator(padded)

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        rgb, mask = outline_of(piece)
        points, side = hull(mask), body_size(mask)
        # Averaged down to about the final size first, or the print would alias.
        factor = CELL / side
        size = max(1, round(mask.shape[1] * factor)), max(1, round(mask.shape[0] * factor))
        photo, cover = resize(rgb, size, factor), resize(mask, size, factor)
        to_small = np.array(
            [[size[0] / mask.shape[1], 0.0, 0.0], [0.0, size[1] / mask.shape[0], 0.0]]
        )
        ends = points @ to_small[:, :2].T
        middle = (ends.max(axis=0) + ends.min(axis=0)) / 2
        reach = float(np.linalg.norm(ends - middle, axis=1).max()) * max(SCALES)
        self._reach_for(int(np.ceil(reach)) + 1)
        hypotheses = [(360.0 * turn / TURNS, scale) for turn in range(TURNS) for scale in SCALES]
        best = np.full(self.small.shape[:2], -1.0, np.float32)
        which = np.zeros(best.shape, np.int32)
        maps = []
        for index, (rotation, scale) in enumerate(hypotheses):
            # An odd side puts the piece's middle on the middle of a pixel.
            center = (self.half + 0.5, self.half + 0.5)
            upright = similarity((float(middle[0]), float(middle[1])), center, -rotation, scale)
            maps.append(compose(upright, to_small))
            matrix, canvas = to_cv2(upright), (2 * self.half + 1, 2 * self.half + 1)
            template = cv2.warpAffine(
                photo, matrix, canvas, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            turned = cv2.warpAffine(cover, matrix, canvas, flags=cv2.INTER_LINEAR)
            # The bevelled rim shows cardboard and light, not print, and misleads badly.
            inside = cv2.erode((turned > 0.5).astype(np.uint8), np.ones((3, 3), np.uint8))
            if not inside.any():
                continue
            found = self.correlator.match(template.astype(np.float32), inside)
            better = found > best
            np.copyto(best, found, where=better)
            np.copyto(which, index, where=better)
        places = []
        for x, y in peaks(best, CELL / 2, top):
            if best[y, x] > -1.0:
                matrix = maps[which[y, x]].copy()
                matrix[:, 2] += np.array([x, y]) - self.half
                matrix = compose(self.to_picture, matrix)
                rotation, score = hypotheses[which[y, x]][0], float(best[y, x])
                places.append(placement(points, matrix, rotation, score, self.picture, self.grid))
        return places


def peaks(score: np.ndarray, radius: float, count: int) -> list[tuple[int, int]]:
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
