"""Cut a picture's area into jigsaw pieces: outlines in picture pixels, and their rasters.

Coordinates are pixels, x right, y down; column 0 spans x 0..1, so its centre is at 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

STYLES: tuple[str, ...] = ("interlocking", "square")

# Samples per Bezier of an edge: shoulder, neck to side, side to top, and the mirror image.
_SAMPLES = (8, 4, 6, 6, 4, 8)
_KAPPA = 0.5523  # control length that makes a cubic Bezier a quarter of an ellipse
_MAX_HEAD = 0.16  # half the head's width: wider heads make pieces outside 0.7..1.3 of a cell


def _bernstein(t: np.ndarray) -> np.ndarray:
    """(len(t), 4) weights of a cubic Bezier's control points at t in 0..1."""
    return np.stack(((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3), axis=1)


# (K, 24): takes the control points of an edge's six Beziers to its K points, the last one too.
_BLOCKS = [_bernstein(np.arange(count) / count) for count in _SAMPLES]
_SAMPLING = np.vstack((block_diag(*_BLOCKS), np.eye(24)[-1:]))


@dataclass(frozen=True, eq=False)
class Cut:
    """How a picture is cut into rows x cols pieces.

    width and height are the picture's, in pixels. edges holds two float32 arrays of points in
    picture pixels, (x, y) last: the horizontal edges (rows + 1, cols, K, 2), each from left to
    right, and the vertical ones (rows, cols + 1, K, 2), each from top to bottom. Piece
    (row, col) lies between horizontal edges row and row + 1 and vertical edges col and col + 1.
    """

    rows: int
    cols: int
    width: float
    height: float
    edges: tuple[np.ndarray, np.ndarray]

    def outline(self, row: int, col: int) -> np.ndarray:
        """The piece's polygon, (N, 2) float32 in picture pixels, knobs included.

        Clockwise as seen from the top left corner, which is not repeated at the end. Neighbours
        hold the very same points along a shared edge. Raises IndexError where no such piece is.
        """
        return np.concatenate([side[:-1] for side in self.sides(row, col)])

    def sides(self, row: int, col: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The piece's sides, (K, 2) each, clockwise from the top, each from corner to corner.

        Raises IndexError where no such piece is.
        """
        self._check(row, col)
        across, down = self.edges
        bottom, left = across[row + 1, col, ::-1], down[row, col, ::-1]
        return across[row, col], down[row, col + 1], bottom, left

    def box(self, row: int, col: int) -> tuple[float, float, float, float]:
        """Bounds (x1, y1, x2, y2) of the piece's outline, in picture pixels."""
        points = self.outline(row, col)
        return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())

    def cell_center(self, row: int, col: int) -> tuple[float, float]:
        """Centre (x, y) of the piece's cell in the regular grid, in picture pixels."""
        self._check(row, col)
        return (col + 0.5) * self.width / self.cols, (row + 0.5) * self.height / self.rows

    def _check(self, row: int, col: int) -> None:
        if not (0 <= row < self.rows and 0 <= col < self.cols):
            raise IndexError(f"no piece ({row}, {col}) in a cut of {self.rows} x {self.cols}")


def cut_grid(
    rows: int,
    cols: int,
    width: float,
    height: float,
    rng: np.random.Generator,
    style: str = "interlocking",
) -> Cut:
    """Cut a width x height pixel picture into rows x cols pieces.

    "interlocking" samples one look for the whole cut (plump or slender knobs, how far they
    wander along their edges, bowed or wavy edges, corners jittered by 0 to 6% of the cell, tabs
    in the ribbon pattern or at random) and then varies every edge around it. "square" cuts plain
    rectangles and draws nothing from rng. The picture's border stays straight.

    Raises ValueError for rows or cols below 1, a size that is not positive, or another style.
    """
    if rows < 1 or cols < 1:
        raise ValueError(f"rows and cols must be at least 1, got {rows} x {cols}")
    if not (0 < width < np.inf and 0 < height < np.inf):
        raise ValueError(f"width and height must be positive pixels, got {width} x {height}")
    if style not in STYLES:
        raise ValueError(f"unknown style {style!r}: use one of {', '.join(STYLES)}")

    xs, ys = np.linspace(0.0, width, cols + 1), np.linspace(0.0, height, rows + 1)
    corners = np.stack(np.meshgrid(xs, ys), axis=-1)
    cell, jitter = np.array([width / cols, height / rows]), 0.0
    if style == "interlocking":
        # Some puzzles have nearly regular corners, so those get their own share of the cuts.
        jitter = float(rng.uniform(0.0, 0.008) if rng.random() < 0.2 else rng.uniform(0.008, 0.06))
        corners += _corner_shifts(rows, cols, jitter, rng) * cell

    lines = ((corners[:, :-1], corners[:, 1:]), (corners[:-1], corners[1:]))
    points = np.concatenate([np.reshape(pair, (2, -1, 2)) for pair in lines], axis=1).swapaxes(0, 1)
    if style == "interlocking":
        points = _edge_points(points, _signs(rows, cols, rng), float(cell.min()), jitter, rng)
    across, down = np.split(points.astype(np.float32), [(rows + 1) * cols])
    edges = across.reshape(rows + 1, cols, -1, 2), down.reshape(rows, cols + 1, -1, 2)
    return Cut(rows, cols, width, height, edges)


def _corner_shifts(rows: int, cols: int, jitter: float, rng: np.random.Generator) -> np.ndarray:
    """Shifts of the grid's corners, (rows + 1, cols + 1, 2), within +-jitter of a cell."""
    own = rng.uniform(-1.0, 1.0, (rows + 1, cols + 1, 2))
    # Ribbon dies wander slowly, so whole rows and columns swing together.
    row, col = np.mgrid[: rows + 1, : cols + 1]
    (a, b, c, d), phases = rng.uniform(0.3, 1.6, 4), rng.uniform(0.0, 2 * np.pi, 2)
    swing = np.sin(np.stack((a * row + 0.3 * b * col, c * col + 0.3 * d * row), axis=-1) + phases)
    shifts = jitter * (swing + rng.uniform(0.0, 1.0) * (own - swing))
    shifts[:, [0, -1], 0] = shifts[[0, -1], :, 1] = 0.0  # the border stays where it is
    return shifts


def _signs(rows: int, cols: int, rng: np.random.Generator) -> np.ndarray:
    """Which way each edge's knob points, (E,): +1, -1, or 0 on the border, which has none."""
    across, down = (
        np.indices((rows + 1, cols)).sum(axis=0),
        np.indices((rows, cols + 1)).sum(axis=0),
    )
    across, down = across % 2 * 2.0 - 1.0, down % 2 * 2.0 - 1.0
    # Ribbon pattern: two opposite tabs and two blanks on every piece; otherwise coin tosses.
    side, flip = rng.choice([-1.0, 1.0]), rng.choice([0.0, 0.05, 0.5], p=[0.3, 0.15, 0.55])
    for signs in (across, down):
        signs *= side * np.where(rng.random(signs.shape) < flip, -1.0, 1.0)
    across[[0, -1]] = down[:, [0, -1]] = 0.0
    return np.concatenate((across.ravel(), down.ravel()))


def _edge_points(
    ends: np.ndarray, signs: np.ndarray, unit: float, jitter: float, rng: np.random.Generator
) -> np.ndarray:
    """Points (E, K, 2), in pixels, of E edges, given their ends (E, 2, 2).

    Inside, an edge has its own frame, u along it and v off it, in units of the cell's shorter side.
    """
    n = len(signs)
    vary = rng.normal(0.0, 1.0, (10, n)).clip(-2.0, 2.0)
    chord = (ends[:, 1] - ends[:, 0]) / unit
    length = np.linalg.norm(chord, axis=1)
    along = chord / length[:, None]

    loose = rng.uniform(0.0, 1.0)  # how much this cut's edges differ from one another
    size = (rng.uniform(0.18, 0.28) * (1 + 0.08 * loose * vary[0])).clip(0.16, 0.28)
    head = (size * rng.uniform(0.44, 0.62) * (1 + 0.06 * loose * vary[1])).clip(0.065, _MAX_HEAD)
    neck = head * (rng.uniform(0.5, 0.76) + 0.04 * loose * vary[2])
    uneven = rng.uniform(0.0, 0.08) * vary[3]
    neck_v = size * (rng.uniform(0.22, 0.32) + 0.02 * loose * vary[4])
    head_v = size * (rng.uniform(0.56, 0.64) + 0.015 * loose * vary[5])
    skew = rng.uniform(0.0, 0.14) * vary[6]
    curl = rng.uniform(0.0, 0.3) * neck
    dip = rng.uniform(0.0, 0.16) * size
    bow = rng.uniform(0.0, 0.016) * vary[7]
    wave = (0.005 + 0.011 * (rng.random() < 0.3)) * rng.uniform(0.0, 1.0) * vary[8:10]

    # Two heads that enter one piece from adjoining sides stay clear of each other when each
    # keeps its centre this far from the corner: the two gaps then add up to both radii.
    radius = np.maximum(head * (1 + np.abs(uneven)), size - head_v)
    clear = head_v + np.sqrt(2.0) * radius + 0.03 + jitter + np.abs(bow) + np.abs(wave).sum(axis=0)
    slack = np.minimum(0.5 * length - clear, 0.16 * length).clip(0.0)
    center = 0.5 * length + rng.uniform(0.0, 1.0) * slack * rng.uniform(-1.0, 1.0, n)
    center -= skew * head_v  # the skew below moves the head, not the neck

    zero, lift, cap = np.zeros(n), head_v - neck_v, size - head_v
    halves = []
    for side, end in ((-1.0, zero), (1.0, length)):
        reach = side * head * (1 - side * uneven)
        neck_u = center + side * neck * (1 - side * uneven)
        shoulder = [(end, zero), (0.5 * (end + neck_u), zero), (neck_u - side * curl, -dip)]
        rise = [(neck_u, neck_v + 0.45 * lift), (center + reach, head_v - 0.6 * lift)]
        dome = [(center + reach, head_v + _KAPPA * cap), (center + _KAPPA * reach, size)]
        joints = [(neck_u, neck_v)] * 2, [(center + reach, head_v)] * 2
        halves.append([*shoulder, *joints[0], *rise, *joints[1], *dome, (center, size)])
    controls = np.array(halves[0] + halves[1][::-1])  # (24, 2, n)
    u, v = np.tensordot(_SAMPLING, controls, axes=1).transpose(1, 2, 0)  # each (n, K)

    # Both steps only shear the plane, so they cannot make a simple curve cross itself.
    u = u + skew[:, None] * v
    t = (u / length[:, None]).clip(0.0, 1.0)
    swell = np.sin(np.pi * t * np.arange(1, 4)[:, None, None])  # one, two and three half waves
    v = v * signs[:, None] + (np.stack((bow, *wave))[..., None] * swell).sum(axis=0)

    border = signs == 0.0
    u[border], v[border] = length[border, None] * np.linspace(0.0, 1.0, u.shape[1]), 0.0
    normal = along[:, ::-1] * (-1.0, 1.0)
    points = u[..., None] * along[:, None] + v[..., None] * normal[:, None]
    points = points * unit + ends[:, :1]
    points[:, [0, -1]] = ends  # exact, so that corners are shared to the bit
    return points


def rasterize(
    outline: np.ndarray,
    size: tuple[int, int],
    matrix: np.ndarray | None = None,
    supersample: int = 4,
) -> np.ndarray:
    """Area coverage of a simple polygon, (H, W) float32 in 0..1.

    outline is (N, 2) points, three or more, either way round. size is the result's (height, width).
    matrix is 2x3 and maps points to result pixels; both sides count a pixel's centre at +0.5,
    unlike cv2.warpAffine, which counts it at 0. supersample is the scanlines per pixel row: along
    one, coverage is exact, so polygons that share edges add up to 1 at any setting. Raises
    ValueError for other shapes, numbers that are not finite, or size or supersample below 1.
    """
    points = np.asarray(outline, dtype=np.float64)
    affine = np.eye(2, 3) if matrix is None else np.asarray(matrix, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or affine.shape != (2, 3):
        raise ValueError(f"need (N >= 3, 2) and 2x3, got {points.shape} and {affine.shape}")
    height, width = size
    if min(height, width, supersample) < 1:
        raise ValueError(f"size and supersample must be at least 1, got {size}, {supersample}")
    points = points @ affine[:, :2].T + affine[:, 2]
    if not np.isfinite(points).all():
        raise ValueError("outline and matrix must be finite")

    # cv2.fillPoly also paints the boundary, which fattens a piece by up to a sample on every
    # side. Summing the signed crossings of each scanline has no such bias.
    x0, y0 = points[:, 0], points[:, 1] * supersample - 0.5
    x1, y1 = np.roll(x0, -1), np.roll(y0, -1)
    lines = height * supersample
    first = np.ceil(np.minimum(y0, y1)).clip(0, lines).astype(np.int64)
    last = np.ceil(np.maximum(y0, y1)).clip(0, lines).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(points)), counts)
    line = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]

    slope = (x1 - x0) / np.where(y0 == y1, 1.0, y1 - y0)  # level edges cross no scanline
    x = (x0[edge] + (line - y0[edge]) * slope[edge]).clip(0.0, width)
    column = np.floor(x).astype(np.int64)
    turn = np.sign(x0 @ np.roll(points[:, 1], -1) - x1 @ points[:, 1])
    weight = np.where(y1 > y0, -turn, turn)[edge] / supersample
    part = weight * (x - column)  # of the pixel that is crossed, what lies left of the crossing
    flat, cells = (line // supersample) * (width + 2) + column, height * (width + 2)
    total = np.bincount(flat, weight - part, cells) + np.bincount(flat + 1, part, cells)
    cover = np.cumsum(total.reshape(height, width + 2), axis=1)[:, :width]
    return cover.clip(0.0, 1.0).round(6).astype(np.float32)  # rounded: no dust where it is 0
