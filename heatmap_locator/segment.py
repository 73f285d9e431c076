"""Tells a loose piece from what it lies on, by colour and by sharp edges."""

import cv2
import numpy as np

from heatmap_locator.shape import disc

# The search for the outline works on a copy no larger than this; the mask comes back full size.
WORK_SIDE = 320
# Parts of the piece's side: how wide a shadow can be, how far out of the first guess the piece
# may reach, and how far in it is piece for sure.
_SHADOW = 0.12
_MARGIN = 0.05
_CORE = 0.17
# What a loose piece's photo can look like: part of the edge that the piece covers, and part of
# the rest that differs from the background by more than so much in Lab.
_MAX_TOUCH = 0.2
_MAX_CLUTTER = 0.3
_FAR = 14.0
# The background as a smooth field: blocks along the longer side, how far in Lab one block may be
# from the next, and what part of the border must go on so, in runs of at least so much of it.
_BLOCKS = 40
_STEP = 7.0
_MIN_RING, _MIN_RUN = 0.6, 0.2
# A photo smaller than this has no room for it: it is more likely a crop of the picture.
_FIELD_SIDE = 100


def segment(rgb: np.ndarray) -> np.ndarray | None:
    """Finds the piece in (H, W, 3) uint8 RGB, on a copy of at most ``WORK_SIDE`` pixels.

    Returns:
        (h, w) float32, 0..1, soft mask in the copy's size; None where the photo is all piece.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, WORK_SIDE / max(height, width))
    size = (max(round(width * scale), 8), max(round(height * scale), 8))
    small = rgb if scale == 1.0 else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    # Print, linen and sensor noise go; the outline stays.
    smooth = cv2.medianBlur(small, 3)
    lab = cv2.cvtColor(smooth.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab)
    background = _background(lab)
    if background is None:
        return None
    layers, spread = background
    distance = np.full(lab.shape[:2], np.inf, np.float32)
    nearest = layers[0]
    for layer in layers:
        d = np.sqrt(((lab - layer) ** 2).sum(axis=2))
        nearest = np.where((d < distance)[..., None], layer, nearest)
        distance = np.minimum(distance, d)
    apart = (distance > _threshold(distance, spread)).astype(np.uint8)
    found = _pick(apart | _enclosed(_slope(lab), distance, spread))
    if found is None:
        return None
    body = _cut(smooth, found, _shadow(found, lab, nearest))
    if not _plausible(body, distance):
        return None
    return cv2.GaussianBlur(body.astype(np.float32), (0, 0), 1.0)


def _border(shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool, true on a thin frame along the photo's edge."""
    height, width = shape[:2]
    thick = max(2, round(0.02 * max(height, width)))
    frame = np.ones((height, width), bool)
    frame[thick:-thick, thick:-thick] = False
    return frame


def _background(lab: np.ndarray) -> tuple[list[np.ndarray], float] | None:
    """The background seen along the border of (H, W, 3) Lab.

    Returns:
        One or two images (H, W, 3) of what the background would be everywhere, and its spread
        (robust standard deviation of the distance in Lab); None if the border is too mixed.
    """
    field = _field(lab) if min(lab.shape[:2]) >= _FIELD_SIDE else None
    if field is not None:
        return [field[0]], field[1]
    height, width = lab.shape[:2]
    frame = _border(lab.shape)
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
        (H, W, 3) float32 and its spread, as in :func:`_background`; None if less of the border
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
    full = cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR)
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


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """(H, W) uint8 0/1 with every hole that does not reach the image's edge filled."""
    padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    flooded = padded.copy()
    cv2.floodFill(flooded, None, (0, 0), 2)
    return (flooded[1:-1, 1:-1] != 2).astype(np.uint8)


def _pick(mask: np.ndarray) -> np.ndarray | None:
    """The one part of (H, W) uint8 0/1 that is the piece, filled; None if there is none."""
    height, width = mask.shape
    close = disc(0.006 * max(height, width))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, close)
    mask = cv2.morphologyEx(fill_holes(mask), cv2.MORPH_OPEN, close)
    count, labels, stats, centroids = cv2.connectedComponentsWithStats(mask, connectivity=4)
    if count < 2:
        return None
    # Big and near the middle: neighbours that reach into the photo are small and at its edge.
    middle = np.array([width / 2.0, height / 2.0])
    off = np.linalg.norm(centroids[1:] - middle, axis=1) / max(height, width)
    best = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA] * np.exp(-((off / 0.3) ** 2))))
    return fill_holes((labels == best).astype(np.uint8))


def _slope(lab: np.ndarray) -> np.ndarray:
    """(H, W) change of (H, W, 3) Lab per pixel, the length over the channels."""
    dx = cv2.Sobel(lab, cv2.CV_32F, 1, 0, scale=0.125)
    dy = cv2.Sobel(lab, cv2.CV_32F, 0, 1, scale=0.125)
    return np.sqrt((dx**2).sum(axis=2) + (dy**2).sum(axis=2))


def _enclosed(slope: np.ndarray, distance: np.ndarray, spread: float) -> np.ndarray:
    """What sharp edges enclose, (H, W) uint8 0/1: parts of a piece in the background's colour.

    The cut's rim shows even where the print matches the table.
    """
    side = max(slope.shape)
    plain = _border(slope.shape) & (distance < max(4.0, 3.0 * spread))
    noise = float(np.percentile(slope[plain], 98)) if plain.sum() > 20 else 0.0
    edges = (slope > max(1.2, 1.6 * noise)).astype(np.uint8)
    # Off the frame, so that edges cannot be closed through it.
    edges[_border(slope.shape)] = 0
    closed = cv2.morphologyEx(edges, cv2.MORPH_CLOSE, disc(0.012 * side))
    filled = cv2.erode(fill_holes(closed), disc(2))
    return cv2.morphologyEx(filled, cv2.MORPH_OPEN, disc(0.02 * side))


def _shadow(mask: np.ndarray, lab: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Where the strip along the piece's edge looks like its background, only darker.

    Args:
        mask: (H, W) uint8 0/1, the piece with its shadow.
        lab: (H, W, 3) the photo.
        background: (H, W, 3) Lab of the background under the piece.

    Returns:
        (H, W) bool.
    """
    # In Lab, dimming light by s scales L + 16, a and b alike, by the cube root of s.
    dim = (lab[..., 0] + 16.0) / (background[..., 0] + 16.0)
    expected = dim[..., None] * background[..., 1:]
    off = np.linalg.norm(lab[..., 1:] - expected, axis=2)
    like = (dim > 0.35) & (dim < 1.0) & (off < 4.0 + 0.25 * np.linalg.norm(expected, axis=2))
    side = float(np.sqrt(mask.sum()))
    return like & (mask > 0) & (cv2.erode(mask, disc(_SHADOW * side)) == 0)


def _cut(rgb: np.ndarray, mask: np.ndarray, shadow: np.ndarray) -> np.ndarray:
    """Moves the edge of the first guess to where the photo's colours part (GrabCut).

    Args:
        rgb: (H, W, 3) uint8, smoothed.
        mask: (H, W) uint8 0/1, the first guess.
        shadow: (H, W) bool, parts of it that may be shadow.

    Returns:
        (H, W) uint8 0/1; the first guess again if the cut loses most of it.
    """
    side = float(np.sqrt(mask.sum()))
    labels = np.full(mask.shape, cv2.GC_BGD, np.uint8)
    labels[cv2.dilate(mask, disc(_MARGIN * side)) > 0] = cv2.GC_PR_BGD
    labels[mask > 0] = cv2.GC_PR_FGD
    labels[shadow] = cv2.GC_PR_BGD
    labels[cv2.erode(mask, disc(_CORE * side)) > 0] = cv2.GC_FGD
    if not (labels == cv2.GC_BGD).any() or not (labels == cv2.GC_FGD).any():
        return mask
    # OpenCV starts the colour models from its own random numbers; the same photo must always
    # give the same outline.
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(rgb, labels, None, models[0], models[1], 2, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    cut = _pick((labels & 1).astype(np.uint8))
    return mask if cut is None or cut.sum() < 0.5 * mask.sum() else cut


def _plausible(mask: np.ndarray, distance: np.ndarray) -> bool:
    """Whether this is a loose piece on a background, and not a motif in a crop of the picture.

    Args:
        mask: (H, W) uint8 0/1, what was found.
        distance: (H, W) from the background, in Lab.
    """
    area = float(mask.sum())
    if area < max(30.0, 0.003 * mask.size):
        return False
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if edge.mean() > _MAX_TOUCH:
        return False
    # A piece is about as long as wide, and solid: no knob or blank takes half of it.
    points = cv2.findNonZero(mask)
    _, (long, short), _ = cv2.minAreaRect(points)
    if max(long, short) > 2.6 * (min(long, short) + 1.0):
        return False
    if area < 0.55 * float(cv2.contourArea(cv2.convexHull(points))):
        return False
    core = cv2.morphologyEx(mask, cv2.MORPH_OPEN, disc(0.12 * np.sqrt(area)))
    if float(core.sum()) < 0.55 * area:
        return False
    # Around it there is background, give or take a neighbour or a shadow.
    outside = cv2.dilate(mask, disc(0.08 * np.sqrt(area))) == 0
    return not outside.any() or float((distance[outside] > _FAR).mean()) < _MAX_CLUTTER
