"""Tells the pieces in a mask of many apart, and parts those that touch."""

from dataclasses import dataclass

import cv2
import numpy as np

from heatmap_locator.outline.shape import disc, fill_holes, is_piece_shaped

# Parts of the photo's area: less is a speck.
_SPECK = 0.0004
# Areas, in parts of the usual piece's: less is debris, more is several pieces in one.
_SMALLEST, _LARGEST = 0.3, 1.6
# Pieces that the photo's edge cuts off by more than so much of their side are left out.
_CUT_OFF = 0.35
# Of all that lies on the background, in parts of its area, pieces are so much at least.
_PIECES = 0.4
# Levels at which touching pieces are told apart, in parts of the deepest point inside them.
_LEVELS = np.arange(0.9, 0.35, -0.05)


@dataclass(frozen=True)
class Part:
    """One piece.

    Attributes:
        mask: (h, w) uint8 0/1.
        touching: it touches another, or is still several in one.
        odd: it is as large as one piece, but has not its shape, so that there is one at most.
    """

    mask: np.ndarray
    touching: bool
    odd: bool = False

    @property
    def area(self) -> float:
        return float(self.mask.sum())


def find_parts(mask: np.ndarray, trusted: bool) -> list[Part]:
    """Tell pieces apart.

    Args:
        mask: (h, w) uint8 0/1, all that is piece.
        trusted: it is known to be, of any shape, and cut off by the edge or not.
    """
    if not trusted:
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, disc(1))
        mask = cv2.morphologyEx(fill_holes(mask), cv2.MORPH_OPEN, disc(2))
    labels, stats = cv2.connectedComponentsWithStats(mask, connectivity=4)[1:3]
    areas = stats[1:, cv2.CC_STAT_AREA]
    whole = [
        fill_holes((labels == 1 + i).astype(np.uint8))
        for i in np.flatnonzero(areas >= max(_SPECK * mask.size, 30))
    ]
    if not trusted:
        whole = [m for m in whole if not _is_cut_off(m)]
    single = [float(m.sum()) for m in whole if is_piece_shaped(m)]
    usual = float(np.median(single)) if single else None
    parts: list[Part] = []
    for m in whole:
        area = float(m.sum())
        if usual is not None and area < _SMALLEST * usual:
            continue
        shaped = is_piece_shaped(m)
        if shaped and (usual is None or area <= _LARGEST * usual):
            parts.append(Part(m, False))
            continue
        split = _split(m, usual)
        if split:
            parts += [Part(s, True) for s in split]
        elif shaped or trusted or (usual is not None and area > _LARGEST * usual):
            parts.append(Part(m, not trusted or usual is None or area > _LARGEST * usual))
        elif usual is not None:
            parts.append(Part(m, False, odd=True))
    told = sum(part.area for part in parts if not part.odd)
    if not trusted and told < _PIECES * float(mask.sum()):
        return []  # shapes in a scene, not pieces on a table
    return parts


def _is_cut_off(mask: np.ndarray) -> bool:
    """Whether the photo's edge runs through the piece."""
    edge = sum(int(line.sum()) for line in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    return edge > _CUT_OFF * float(np.sqrt(mask.sum()))


def _split(mask: np.ndarray, usual: float | None) -> list[np.ndarray]:
    """Part touching pieces, (h, w) uint8 0/1, at their necks.

    Args:
        mask: several pieces in one.
        usual: area of a piece in pixels, if any is known.

    Returns:
        Two piece-shaped masks or more of like area, or none if there is no such cut.
    """
    x, y, w, h = cv2.boundingRect(mask)
    part = cv2.copyMakeBorder(mask[y : y + h, x : x + w], 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    depth = cv2.GaussianBlur(cv2.distanceTransform(part, cv2.DIST_L2, 5), (0, 0), 1.0)
    best: list[np.ndarray] = []
    best_cost = np.inf
    tried = {1}
    for level in _LEVELS:
        count, markers = cv2.connectedComponents((depth > level * depth.max()).astype(np.uint8))
        count -= 1
        if count in tried:
            continue
        tried.add(count)
        flooded = _flood(depth, markers)
        pieces = [((flooded == i + 1) & (part > 0)).astype(np.uint8) for i in range(count)]
        areas = np.array([float(p.sum()) for p in pieces])
        like = usual if usual is not None else float(np.median(areas))
        if areas.min() < 0.5 * like or areas.max() > 1.8 * like:
            continue
        if not all(is_piece_shaped(p) for p in pieces):
            continue
        cost = abs(float(np.log(areas.mean() / like))) + float(np.log(areas.max() / areas.min()))
        if cost < best_cost:
            best, best_cost = pieces, cost
    result = []
    for piece in best:
        full = np.zeros_like(mask)
        full[y : y + h, x : x + w] = piece[1:-1, 1:-1]
        result.append(full)
    return result


def _flood(depth: np.ndarray, markers: np.ndarray) -> np.ndarray:
    """Watershed of (h, w) depth from (h, w) int markers, 0 for none, from the deepest level up.

    OpenCV's and SciPy's go by differences between neighbours, which are alike all over a distance
    transform.
    """
    from scipy import ndimage  # here: it takes a while to load

    labels = markers.copy()
    for level in np.linspace(float(depth[labels > 0].min()), 0.0, 24):
        rows, cols = ndimage.distance_transform_edt(
            labels == 0, return_distances=False, return_indices=True
        )
        labels = np.where((labels == 0) & (depth > level), labels[rows, cols], labels)
    return labels
