"""What light does to a photographed piece: highlights that burn print out, a shadow's hard edge."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from heatmap_locator.geometry import Array
from heatmap_locator.outline.falls import best_step, changes_across, distances, refined
from heatmap_locator.outline.highlights import burnt_out
from heatmap_locator.outline.shape import disc
from heatmap_locator.resample import shrunk, stretch

# Set by hand, as all below, in view of drawn photos of training pictures.  Light is looked at on a
# copy whose longer side is this.
_SIDE = 160
# A shadow's edge: share of the variance of the table's log light that a line explains at least;
# least and most log of the factor; least part of the piece on either side; share of the places
# along the edge, on the table, at which light falls by half of that or more; and by what part of
# itself the log of the factor may be another on the piece.
_EXPLAINED, _STEP, _SIDE_SHARE, _ALONG, _APART = 0.3, (0.25, 1.8), 0.04, 0.75, 0.65
# Where the table does not tell, the piece alone may show an edge, which runs right across: this
# share of the places along its line are in the piece; at this share of them light falls by half of
# what it does or more; and by what part of itself the log of the factor may be another in red,
# green or blue, as print seldom is on either side of a line.
_ACROSS, _OWN_ALONG, _COLOURED = 0.6, 0.72, 0.25


@dataclass(frozen=True)
class Light:
    """What light does in a photo.

    Attributes:
        lost: (H, W) float32, 0..1, where the piece's print is burnt out; ``None`` for nowhere.
        gain: (H, W, 3) float32, by which to multiply for even light; ``None`` for even light.
        step: natural logarithm, 0 and more, of the factor across a shadow's edge.
    """

    lost: np.ndarray | None = None
    gain: np.ndarray | None = None
    step: float = 0.0

    def levelled(self, rgb: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 in even light, no brighter than it can be."""
        if self.gain is None:
            return rgb
        found: np.ndarray = (rgb * self.gain + 0.5).clip(0, 255).astype(np.uint8)
        return found


def look_at_light(rgb: np.ndarray, mask: np.ndarray, cut_out: bool = False) -> Light:
    """Find highlights and a shadow's edge on a piece in its photo.

    Args:
        rgb: (H, W, 3) uint8.
        mask: (H, W) float32, 0..1, the piece.
        cut_out: nothing is known of what lies around it, by which a shadow's edge is told.
    """
    height, width = mask.shape
    (small, scale), (inside, _) = (shrunk(image, _SIDE) for image in (rgb, mask))
    solid = inside > 0.5
    if solid.sum() < 64:
        return Light()
    if cut_out:
        small = np.where(solid[..., None], small, np.uint8(0))
    lost = burnt_out(small, solid)
    edge = None if cut_out else _shadow_edge(small, inside, lost)
    if edge is not None:  # just at the edge light is neither
        lost = np.maximum(edge.band(solid.shape), 0.0 if lost is None else lost)
    return Light(
        None if lost is None else stretch(lost, (width, height)),
        None if edge is None else edge.gain(rgb.shape, scale),
        0.0 if edge is None else edge.step,
    )


def look_for_own_shadow(rgb: np.ndarray, mask: np.ndarray, light: Light) -> Light | None:
    """The light as it is if what looks like a shadow's edge on the piece is one, and not print.

    Only the picture can tell which it is: the table shows no such edge, or is not known.

    Args:
        rgb: (H, W, 3) uint8.
        mask: (H, W) float32, 0..1, the piece.
        light: what was found otherwise.

    Returns:
        ``None`` where nothing looks like it, or an edge was found already.
    """
    if light.step:
        return None
    height, width = mask.shape
    (small, scale), (inside, _) = (shrunk(image, _SIDE) for image in (rgb, mask))
    solid = inside > 0.8
    if light.lost is not None:
        solid &= shrunk(light.lost, _SIDE)[0] < 0.5
    edge = _own_edge(small, solid) if solid.sum() >= 64 else None
    if edge is None:
        return None
    band = stretch(edge.band(solid.shape), (width, height))
    lost = band if light.lost is None else np.maximum(band, light.lost)
    return Light(lost, edge.gain(rgb.shape, scale), edge.step)


@dataclass(frozen=True)
class _Edge:
    """A straight edge in a small photo: light is dimmer where ``x c + y s`` is beyond ``at``.

    Attributes:
        normal: (c, s).
        at: in its pixels.
        factors: (3,) of the light beyond over the light before, 0..1.
        soft: width of the edge in pixels.
    """

    normal: tuple[float, float]
    at: float
    factors: Array
    soft: float = 1.5

    @property
    def step(self) -> float:
        return float(-np.log(self.factors).mean())

    def band(self, shape: tuple[int, ...]) -> np.ndarray:
        """(h, w) float32, 0..1, where the edge itself runs in the small photo."""
        x, y = np.arange(shape[1])[None], np.arange(shape[0])[:, None]
        off = np.abs(x * self.normal[0] + y * self.normal[1] - self.at)
        return np.asarray((off < self.soft + 1.0), np.float32)

    def gain(self, shape: tuple[int, ...], scale: float) -> np.ndarray:
        """(H, W, 3) float32 for the photo that is 1 / ``scale`` times as large."""
        height, width = shape[:2]
        x = (np.arange(width, dtype=np.float32) + 0.5) * np.float32(scale) - 0.5
        y = (np.arange(height, dtype=np.float32) + 0.5) * np.float32(scale) - 0.5
        off = x[None] * np.float32(self.normal[0]) + y[:, None] * np.float32(self.normal[1])
        share = ((off - np.float32(self.at)) / np.float32(self.soft) + 0.5).clip(0, 1)
        return np.asarray(1 + share[..., None] * (1 / self.factors - 1), np.float32)


def _shadow_edge(rgb: np.ndarray, inside: np.ndarray, lost: np.ndarray | None) -> _Edge | None:
    """A shadow's edge that crosses table and piece alike, or None.

    The table shows it: light falls along a line; the piece, whose print is not known, has to
    change by a like factor just across it.
    """
    light = np.log(cv2.GaussianBlur(rgb, (0, 0), 0.8).astype(np.float32) + 4.0)
    table = cv2.dilate((inside > 0.05).astype(np.uint8), disc(5)) == 0
    if table.sum() < 0.1 * table.size:
        return None
    found = best_step(light.mean(axis=2), table)
    if found is None or found[2] < _EXPLAINED:
        return None
    line = refined(light.mean(axis=2), table, found[0], found[1])
    across = changes_across(light, table, line)
    step = float(-np.median(across, axis=0).mean()) if len(across) >= 12 else 0.0
    if not _STEP[0] <= step <= _STEP[1] or (across.mean(axis=1) < -step / 2).mean() < _ALONG:
        return None
    solid = inside > 0.8
    if lost is not None:
        solid &= lost < 0.5
    own = changes_across(light, solid, line)
    if len(own) < 8 or abs(float(np.median(own.mean(axis=1))) + step) > _APART * step:
        return None
    return _edge_along(line, np.median(across, axis=0), solid)


def _own_edge(rgb: np.ndarray, solid: np.ndarray) -> _Edge | None:
    """A line right across the piece at which it grows darker in all colours alike, or None."""
    # Nothing of the table may run into what is compared.
    own = np.where(solid[..., None], rgb, np.uint8(0)).astype(np.float32)
    cover = cv2.GaussianBlur(solid.astype(np.float32), (0, 0), 0.8)[..., None]
    light = np.log(cv2.GaussianBlur(own, (0, 0), 0.8) / np.maximum(cover, 1e-3) + 4.0)
    found = best_step(light.mean(axis=2), solid)
    if found is None or found[2] < _EXPLAINED:
        return None
    line = refined(light.mean(axis=2), solid, found[0], found[1])
    across = changes_across(light, solid, line)
    chord = int((np.abs(distances(solid.shape, line)) < 0.5)[solid].sum())
    if len(across) < 12 or len(across) < _ACROSS * chord:
        return None
    falls = -np.median(across, axis=0)
    step = float(falls.mean())
    if not _STEP[0] <= step <= _STEP[1] or np.abs(falls - step).max() > _COLOURED * step:
        return None
    if (across.mean(axis=1) < -step / 2).mean() < _OWN_ALONG:
        return None
    return _edge_along(line, -falls, solid)


def _edge_along(line: tuple[float, float], change: np.ndarray, solid: np.ndarray) -> _Edge | None:
    """The edge across which log light changes by (3,), or None where one side has too little.

    Args:
        line: the angle of its normal, and its distance.
        change: of red, green and blue.
        solid: (h, w) bool, the piece.
    """
    share = float((distances(solid.shape, line) > 0)[solid].mean())
    if not _SIDE_SHARE <= share <= 1 - _SIDE_SHARE:
        return None
    factors = np.exp(change.astype(np.float64)).clip(0.05, 1.5)
    return _Edge((math.cos(line[0]), math.sin(line[0])), line[1], factors)
