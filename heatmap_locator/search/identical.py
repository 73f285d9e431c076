"""Identical pixels: where a piece was cut from the very file it is looked for in, say so.

The working picture has 32 pixels a cell, which leaves little of a flat piece.  At the picture's
own resolution a piece of the same file still matches in one place only, to the last grain.  A
photographed piece is not expected to reach ``IDENTICAL`` and is left as the ranker has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from heatmap_locator.geometry import Array, clockwise, to_cv2, transform
from heatmap_locator.grid import Grid
from heatmap_locator.search.lattice import cell_evidence
from heatmap_locator.search.piece import PreparedPiece
from heatmap_locator.search.place import Laid
from heatmap_locator.search.template import match_template

IDENTICAL = 0.97
"""Masked NCC from which pixels count as the same.  ``train/LOG.md`` has what all of this gains, and
that two of 100 crops cannot be told: "exact, four of 100 missed", "crops of the very file"."""

GAIN = 20.0
"""Logit that a correlation of 1 earns."""

SURELY = 0.9999
"""Part of GAIN below which better pixels may be elsewhere: sky differs by its grain alone."""

CANDIDATES = 40
"""Places, best first, whose pixels are compared."""

REACH = 12
"""Picture pixels around a candidate that are searched."""

LARGEST = 160
"""Sides of a piece in the picture beyond which flatness is no longer the trouble."""

SAME_LEVELS = 3.0
"""Mean difference, in levels of 255, up to which pixels count as the same."""

LOWEST = 32
"""Places of the least squared difference that are compared exactly, beside those that are equal."""

MOST_EQUAL = 4096
"""Places with the crop's sums that are looked at in each quarter turn; of more, evenly some."""

EQUALS = 5
"""Places answered at most of those that are the same to the pixel."""

OFF_CELL = 1.5
"""Picture pixels by which rounding moves a crop out of the middle of its cell at most."""

SNAP_DEGREES = 10.0
SNAP_SCALE = 0.1
"""How far a place may be from a quarter turn, and from the photo's own scale, to be compared."""


def verify(laid: Laid, piece: PreparedPiece, picture: np.ndarray) -> Laid:
    """Compare the pixels of a piece laid on the picture with the picture's.

    Args:
        laid: where it lies.
        piece: the piece.
        picture: (H, W, 3) uint8.

    Returns:
        the same, or with the logit raised and the place made exact where the pixels are the same.
    """
    height, width = piece.mask.shape
    snapped = _snap(laid.matrix, np.array([width / 2, height / 2]))
    if snapped is None:
        return laid
    corners = transform(snapped, np.array([[0.0, 0.0], [width, 0], [width, height], [0, height]]))
    low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
    size = tuple(int(v) for v in high - low)
    if max(size) > LARGEST or min(size) < 3:
        return laid
    local = snapped.copy()
    local[:, 2] -= low
    into = to_cv2(local)
    upright = cv2.warpAffine(piece.rgb, into, size, flags=cv2.INTER_LINEAR)
    cover = cv2.warpAffine(piece.mask, into, size, flags=cv2.INTER_LINEAR)
    mask = (cover > 0.99).astype(np.float32)
    if mask.sum() < 16:
        return laid
    window = _window(picture, low - REACH, high + REACH)
    scores = match_template(window.astype(np.float32), upright.astype(np.float32), mask)
    row, col = np.unravel_index(int(scores.argmax()), scores.shape)
    best = float(scores[row, col])
    if best < IDENTICAL:
        return laid
    snapped[:, 2] += [col - REACH, row - REACH]
    found = window[row : row + size[1], col : col + size[0]]
    same = _sameness(found, upright, mask > 0)
    # Equal to the pixel is as good as can be, whatever correlation loses in rounding.
    gain = GAIN if same == 1 else GAIN * (best - IDENTICAL) / (1 - IDENTICAL) * same
    rotation = float(np.degrees(np.arctan2(snapped[0, 1], snapped[0, 0])) % 360.0 % 360.0)
    return replace(laid, matrix=snapped, rotation=rotation, logit=laid.logit + gain)


def find_identical(
    piece: PreparedPiece, picture: np.ndarray, grid: Grid | None, nearly: bool = True
) -> list[Laid]:
    """Look for a rectangular crop in its own file, in every place and quarter turn.

    The last resort for a crop so flat that none of the candidates was its place.  Of places
    that are the same to the pixel the one in the middle of a cell comes first, and the more there
    are, the less each of them earns: a piece of one colour may lie in any.

    Args:
        piece: the piece; one that is not a filled rectangle is not looked for.
        picture: (H, W, 3) uint8.
        grid: how the puzzle is cut, where it is known.
        nearly: where no place is equal to the pixel, look for those that are nearly, which takes
            seconds in a large picture.

    Returns:
        where it may lie, its logit what the match earns, best first, ``EQUALS`` at most, no two in
        one cell.
    """
    if grid is not None and not grid.exact:
        grid = None
    inside = piece.mask > 0.5
    ys, xs = np.nonzero(inside)
    left, top, right, bottom = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    if not inside[top:bottom, left:right].all():
        return []
    crop = piece.rgb[top:bottom, left:right]
    turned = [(quarter, np.ascontiguousarray(np.rot90(crop, quarter))) for quarter in range(4)]
    fitting = [(q, c) for q, c in turned if (np.array(c.shape) <= picture.shape).all()]
    # Sums find what is equal; only where nothing is, squares are asked, which take long.
    matches: list[_Match] = []
    totals = cv2.split(cv2.integral(picture, sdepth=cv2.CV_32S))
    for quarter, crop in fitting:
        matches += _matches(crop, picture, grid, quarter, _equal_sums(crop, picture, grid, totals))
    if nearly and all(match.sameness < 1 for match in matches):
        for quarter, crop in fitting:
            matches += _matches(crop, picture, grid, quarter, _least_squares(crop, picture, grid))
    distinct: list[_Match] = []
    equal = {m.bin for m in matches if m.sameness == 1}
    # A lucky middle does not make up for a single differing pixel.
    for match in sorted(matches, key=lambda m: (m.sameness < 1, -m.likely)):
        if all(match.bin[1:] != other.bin[1:] for other in distinct):
            distinct.append(match)
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    found = []
    for match in distinct[: EQUALS if len(equal) > 1 else 1]:
        linear = clockwise(-90.0 * match.quarter).round()
        place = np.array([match.x, match.y])
        logit = GAIN * match.sameness - np.log(max(len(equal), 1))
        matrix = np.column_stack([linear, place - linear @ middle])
        found.append(Laid(matrix, 90.0 * match.quarter, float(logit)))
    return found


@dataclass(frozen=True)
class _Match:
    """A place whose pixels are a crop's, or nearly.

    Attributes:
        x, y: its middle in pixels of the picture.
        quarter: turns of 90 degrees clockwise of the photo.
        sameness: above 0, at most 1.
        likely: logit by which matches are ordered.
        bin: (quarter, row, column) of the cell it lies in, of crop-sized ones without a grid.
    """

    x: float
    y: float
    quarter: int
    sameness: float
    likely: float
    bin: tuple[int, int, int]


def _matches(
    upright: np.ndarray, picture: np.ndarray, grid: Grid | None, quarter: int, places: np.ndarray
) -> list[_Match]:
    """Which of (N, 2) places, (row, col) where it may begin, are like a crop, (h, w, 3) uint8."""
    (height, width), (rows, cols) = upright.shape[:2], picture.shape[:2]
    cell = (cols / grid.cols, rows / grid.rows) if grid is not None else (width, height)
    found = []
    for row, col in places.tolist():
        same = _sameness(picture[row : row + height, col : col + width], upright)
        if same <= 0:
            continue
        x, y, likely = col + width / 2, row + height / 2, GAIN * same
        if grid is not None:
            likely += float(cell_evidence(torch.tensor([x, y]).double(), grid, cols, rows))
        own_bin = (quarter, int(y // cell[1]), int(x // cell[0]))
        found.append(_Match(x, y, quarter, same, likely, own_bin))
    return found


def _least_squares(crop: np.ndarray, picture: np.ndarray, grid: Grid | None) -> np.ndarray:
    """(N, 2) places, (row, col), ``LOWEST`` at most, where a crop differs least from the picture.

    Squared differences come out of a Fourier transform whose rounding is larger than what sets a
    flat crop apart.
    """
    squares = cv2.matchTemplate(picture, crop, cv2.TM_SQDIFF)
    squares[~np.logical_and.outer(*_in_cells(grid, crop.shape[:2], picture.shape[:2]))] = np.inf
    least = min(LOWEST, squares.size)
    near = np.argpartition(squares, least - 1, axis=None)[:least]
    near = near[np.isfinite(squares.ravel()[near])]
    return np.column_stack(np.divmod(near, squares.shape[1]))


def _equal_sums(
    crop: np.ndarray, picture: np.ndarray, grid: Grid | None, totals: Sequence[np.ndarray]
) -> np.ndarray:
    """(N, 2) places, (row, col), where a crop may begin whose channels each add up to its own.

    Sums of integers are exact, and one grain of noise changes them.

    Args:
        crop: (h, w, 3) uint8.
        picture: (H, W, 3) uint8.
        grid: of the puzzle.
        totals: (H + 1, W + 1) int32 of each channel, the picture's sums; where they are more than
            32 bits hold, differences of them are right all the same.

    Returns:
        ``MOST_EQUAL`` at most; of more, evenly some.
    """
    height, width = crop.shape[:2]
    wanted = crop.sum((0, 1), dtype=np.int32)
    ys, xs = (np.flatnonzero(m) for m in _in_cells(grid, crop.shape[:2], picture.shape[:2]))
    total = totals[0]
    bands = total[ys + height] - total[ys]
    sums = bands[:, xs + width] - bands[:, xs]
    rows, cols = np.nonzero(sums == wanted[0])
    y, x = ys[rows], xs[cols]
    for channel in (1, 2):
        total = totals[channel]
        own = (
            total[y + height, x + width] - total[y + height, x] - total[y, x + width] + total[y, x]
        )
        y, x = y[own == wanted[channel]], x[own == wanted[channel]]
    return np.column_stack([y, x])[:: len(y) // MOST_EQUAL + 1]


def _in_cells(
    grid: Grid | None, crop: tuple[int, ...], picture: tuple[int, ...]
) -> list[np.ndarray]:
    """Rows and columns where a crop may begin: in the middle of a cell, if of its size.

    Args:
        grid: of the puzzle; without it, anywhere.
        crop: (height, width) in pixels.
        picture: (height, width).

    Returns:
        (H - h + 1,) and (W - w + 1,) bool.
    """
    anywhere = [np.ones(w - own + 1, bool) for own, w in zip(crop, picture, strict=True)]
    if grid is None:
        return anywhere
    near = []
    for count, own, whole in zip((grid.rows, grid.cols), crop, picture, strict=True):
        cell, starts = whole / count, np.arange(whole - own + 1)
        if abs(cell - own) > 2 * OFF_CELL:
            return anywhere
        middles = starts + own / 2
        near.append(np.abs(middles % cell - cell / 2) <= OFF_CELL)
    return near if all(along.any() for along in near) else anywhere


def _sameness(found: np.ndarray, piece: np.ndarray, inside: np.ndarray | None = None) -> float:
    """1 where all pixels are equal, 0 from a mean difference of SAME_LEVELS on."""
    apart = np.abs(found.astype(np.float32) - piece.astype(np.float32))
    mean = apart.mean() if inside is None else apart[inside].mean()
    return max(0.0, 1 - float(mean) / SAME_LEVELS)


def _snap(matrix: Array, middle: Array) -> Array | None:
    """The nearest quarter turn at the photo's own scale, pixel on pixel; ``None`` if far off."""
    linear = matrix[:, :2]
    scale = float(np.sqrt(abs(np.linalg.det(linear))))
    if abs(scale - 1) > SNAP_SCALE:
        return None
    angle = float(np.degrees(np.arctan2(linear[1, 0], linear[0, 0])))
    if abs((angle + 45) % 90 - 45) > SNAP_DEGREES:
        return None
    quarter = np.rint(linear / scale)
    # Turned and sized about the middle of the photo, so that the piece stays where it was.
    translation = matrix[:, 2] + (linear - quarter) @ middle
    return np.column_stack([quarter, np.rint(translation)])


def _window(picture: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Pixels ``low`` to ``high`` (x, y) of the picture, its border repeated where they leave it."""
    height, width = picture.shape[:2]
    xs = np.arange(low[0], high[0]).clip(0, width - 1)
    ys = np.arange(low[1], high[1]).clip(0, height - 1)
    return picture[np.ix_(ys, xs)]
