"""What a loose piece lies on: a table, cloth or scanner lid, modelled from the photo's border."""

from dataclasses import dataclass

import cv2
import numpy as np

from heatmap_locator.resample import stretch

# The background as a smooth field: blocks along the longer side, how far in Lab one block may be
# from the next, and what part of the border must go on so, in runs of at least so much of it.
_BLOCKS = 40
_STEP = 7.0
_MIN_RING, _MIN_RUN = 0.6, 0.2
# A photo smaller than this has no room for it: it is more likely a crop of the picture.
_FIELD_SIDE = 100


@dataclass(frozen=True)
class Background:
    """A photo against its background.

    Attributes:
        lab: (H, W, 3) float32, the photo.
        nearest: (H, W, 3) float32 Lab, what the background would be everywhere; where it has two
            colours, the one nearer to the photo's.
        distance: (H, W) float32, between the two.
        spread: robust standard deviation of the distance on the background itself.
    """

    lab: np.ndarray
    nearest: np.ndarray
    distance: np.ndarray
    spread: float

    def apart(self) -> np.ndarray:
        """(H, W) uint8 0/1, what differs from the background in colour."""
        return (self.distance > _threshold(self.distance, self.spread)).astype(np.uint8)


def find_background(rgb: np.ndarray) -> Background | None:
    """Models the background of (H, W, 3) uint8 RGB, smoothed; None if its border is too mixed."""
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab)
    found = _layers(lab)
    if found is None:
        return None
    layers, spread = found
    distance = np.full(lab.shape[:2], np.inf, np.float32)
    nearest = layers[0]
    for layer in layers:
        d = np.sqrt(((lab - layer) ** 2).sum(axis=2))
        nearest = np.where((d < distance)[..., None], layer, nearest)
        distance = np.minimum(distance, d)
    return Background(lab, nearest, distance, spread)


def border(shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool, true on a thin frame along the photo's edge."""
    height, width = shape[:2]
    thick = max(2, round(0.02 * max(height, width)))
    frame = np.ones((height, width), bool)
    frame[thick:-thick, thick:-thick] = False
    return frame


def _layers(lab: np.ndarray) -> tuple[list[np.ndarray], float] | None:
    """The background seen along the border of (H, W, 3) Lab.

    Returns:
        One or two images (H, W, 3) of what the background would be everywhere, and its spread
        (robust standard deviation of the distance in Lab); None if the border is too mixed.
    """
    field = _field(lab) if min(lab.shape[:2]) >= _FIELD_SIDE else None
    if field is not None:
        return [field[0]], field[1]
    height, width = lab.shape[:2]
    frame = border(lab.shape)
    ys, xs = np.nonzero(frame)
    colours = lab[frame]
    u, v = xs / width * 2.0 - 1.0, ys / height * 2.0 - 1.0
    # One colour under a light that falls off: a plane per channel, fitted robustly from the mode.
    start = _mode(colours)
    residual = np.linalg.norm(colours - start, axis=1)
    kept = residual < max(12.0, float(np.percentile(residual, 30)))
    terms = np.stack([np.ones_like(u), u, v, u * v], axis=1)
    for _ in range(5):
        if kept.sum() < 0.25 * len(kept):
            break
        plane = np.linalg.lstsq(terms[kept], colours[kept], rcond=None)[0]
        residual = np.linalg.norm(colours - terms @ plane, axis=1)
        spread = 1.48 * float(np.median(residual[kept]))
        kept = residual < np.clip(3.0 * spread, 4.0, 14.0)
    if kept.mean() >= 0.55:
        gy, gx = np.mgrid[0:height, 0:width].astype(np.float32)
        gu, gv = gx / width * 2.0 - 1.0, gy / height * 2.0 - 1.0
        grid = np.stack([np.ones_like(gu), gu, gv, gu * gv], axis=2)
        return [(grid @ plane.astype(np.float32))], spread
    # Two colours: a table's edge, a striped cloth.
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    flags = cv2.KMEANS_PP_CENTERS
    cv2.setRNGSeed(0)
    _, labels, centres = cv2.kmeans(colours.astype(np.float32), 2, None, criteria, 2, flags)  # type: ignore[call-overload]
    residual = np.linalg.norm(colours - centres[labels[:, 0]], axis=1)
    spread = 1.48 * float(np.median(residual))
    if spread > 7.0 or (residual < 14.0).mean() < 0.8:
        return None
    return [np.broadcast_to(c, lab.shape).astype(np.float32) for c in centres], spread


def _field(lab: np.ndarray) -> tuple[np.ndarray, float] | None:
    """The background as a smooth field, grown inwards from the border of (H, W, 3) Lab.

    Blocks are background as long as they go on from those accepted before them, in colour and in
    grain; what they leave is filled from its surroundings.

    Returns:
        (H, W, 3) float32 and its spread, as in :func:`_layers`; None if less of the border
        than ``_MIN_RING`` goes on smoothly.
    """
    height, width = lab.shape[:2]
    block = max(2, round(max(height, width) / _BLOCKS))
    rows, cols = max(height // block, 4), max(width // block, 4)
    ys, xs = np.arange(height) * rows // height, np.arange(width) * cols // width
    index = (ys[:, None] * cols + xs).ravel()
    count = np.bincount(index, minlength=rows * cols)[:, None]
    flat = lab.reshape(-1, 3)
    mean = np.stack([np.bincount(index, flat[:, c]) for c in range(3)], axis=1) / count
    square = np.bincount(index, ((flat - mean[index]) ** 2).sum(axis=1)) / count[:, 0]
    colour, grain = mean.reshape(rows, cols, 3), np.sqrt(square).reshape(rows, cols)
    ring = np.zeros((rows, cols), bool)
    ring[[0, -1]] = ring[:, [0, -1]] = True
    usual = float(np.median(grain[ring]))
    fine = grain < 2.0 * usual + 2.0
    near = max(_STEP, usual)
    # Around the ring, in order: runs of blocks that go on from one another.
    order = [(0, c) for c in range(cols)] + [(r, cols - 1) for r in range(1, rows)]
    order += [(rows - 1, c) for c in range(cols - 2, -1, -1)]
    order += [(r, 0) for r in range(rows - 2, 0, -1)]
    at = np.array(order)
    along = colour[at[:, 0], at[:, 1]]
    joined = np.linalg.norm(along - np.roll(along, 1, axis=0), axis=1) < near
    fit = fine[at[:, 0], at[:, 1]]
    start = int(np.argmin(joined & fit))  # a place where the ring breaks, if there is one
    runs = np.cumsum(np.roll(~joined | ~fit, -start))
    lengths = np.bincount(runs, np.roll(fit, -start))
    long = lengths >= _MIN_RUN * len(at)
    keep = np.roll(long[runs], start) & fit
    if keep.mean() < _MIN_RING:
        return None
    accepted = np.zeros((rows, cols), bool)
    accepted[at[keep, 0], at[keep, 1]] = True
    for _ in range(rows + cols):
        weight = cv2.blur(accepted.astype(np.float32), (3, 3), borderType=cv2.BORDER_CONSTANT)
        sums = cv2.blur(
            np.where(accepted[..., None], colour, 0.0).astype(np.float32),
            (3, 3),
            borderType=cv2.BORDER_CONSTANT,
        )
        off = np.linalg.norm(sums / np.maximum(weight, 1e-6)[..., None] - colour, axis=2)
        # Two neighbours at least, so that it does not leak through a single gap.
        more = ~accepted & fine & (weight > 1.5 / 9) & (off < near)
        if not more.any():
            break
        accepted |= more
    field = _fill(colour.astype(np.float32), accepted)
    full = stretch(field, (width, height))
    residual = np.linalg.norm(lab - full, axis=2)[accepted[ys[:, None], xs]]
    return full, 1.48 * float(np.median(residual))


def _fill(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(h, w, 3) float32 with what is not known, (h, w) bool, filled smoothly from around it."""
    filled, weight = np.where(known[..., None], values, 0), known.astype(np.float32)
    result, rest = filled.copy(), ~known
    sigma = 1.0
    while rest.any() and sigma < 4 * max(known.shape):
        total = cv2.GaussianBlur(weight, (0, 0), sigma)
        mean = cv2.GaussianBlur(filled, (0, 0), sigma) / np.maximum(total, 1e-6)[..., None]
        now = rest & (total > 0.05)
        result[now], rest = mean[now], rest & ~now
        sigma *= 1.5
    smooth = cv2.GaussianBlur(result, (0, 0), 2.0)
    return np.where(known[..., None], result, smooth)


def _mode(colours: np.ndarray) -> np.ndarray:
    """The densest colour among (N, 3) in Lab, by counting in coarse bins."""
    bins = np.floor(colours / 8.0).astype(np.int64)
    _, inverse, counts = np.unique(bins, axis=0, return_inverse=True, return_counts=True)
    return np.median(colours[inverse.reshape(-1) == int(np.argmax(counts))], axis=0)


def _threshold(distance: np.ndarray, spread: float) -> float:
    """The distance from the background, in Lab, from which a pixel belongs to the piece."""
    clipped = np.clip(distance * 4.0, 0, 255).astype(np.uint8)
    otsu = cv2.threshold(clipped, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0] / 4.0
    # Otsu sits half way to a strong piece and would cut off its pale parts; the background is
    # known well, so staying nearer to it is safe.
    return float(np.clip(0.6 * otsu, max(5.0, 3.0 * spread), 16.0))
