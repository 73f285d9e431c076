"""Straight edges of a photo.

A Hough transform in which an edge pixel votes for lines across its own gradient alone, after
O'Gorman and Clowes, "Finding picture edges through collinearity of feature points" (1976).
"""

from dataclasses import dataclass

import cv2
import numpy as np

Array = np.ndarray

# Most lines, and most within some degrees of each other, so that wood grain leaves room.
_LINES, _ALIKE, _ALIKE_DEGREES = 110, 24, 6
# Votes for a line, and edge pixels on it, at least; directions in a half turn.
_LEAST_VOTES, _LEAST_PIXELS = 6.0, 18
_ANGLES = 180
# The spread of an edge pixel's direction, in degrees, and how far its votes go.
_SPREAD, _REACH = 2.5, 4
# An edge pixel lies on a line within so many pixels, and so many degrees of its direction.
_ACROSS, _TURN = 1.6, np.deg2rad(16.0)
# Pixels along a line, without an edge, that are closed over.
_GAP = 5


@dataclass(frozen=True)
class Lines:
    """Straight edges of a photo of ``size`` (width, height); a pixel's centre is whole.

    Attributes:
        normals: (N, 3), (a, b, c) with a x + b y = c, a and b of length 1.
        along: (N, S + 1) float32, how many pixels lie on an edge up to each along the line, from
            S / 2 before to S / 2 after its point nearest to the middle of the photo.
    """

    normals: Array
    along: Array
    size: tuple[int, int]

    def support(self, line: Array, start: Array, end: Array) -> Array:
        """The part of the way from start to end, (..., 2) each, on lines (...), that is edge."""
        s, e = self._place(line, start), self._place(line, end)
        low, high = np.minimum(s, e), np.maximum(s, e)
        return (self.along[line, high] - self.along[line, low]) / np.maximum(high - low, 1)

    def _place(self, line: Array, point: Array) -> Array:
        a, b = self.normals[line, 0], self.normals[line, 1]
        at = (point[..., 1] - self.size[1] / 2) * a - (point[..., 0] - self.size[0] / 2) * b
        half = (self.along.shape[1] - 1) // 2
        return np.clip(np.rint(at) + half, 0, 2 * half).astype(np.int64)


@dataclass(frozen=True)
class _Edges:
    """Edge pixels, each (N,): place from the photo's middle, gradient's angle, strength."""

    x: Array
    y: Array
    turn: Array
    weight: Array

    def near(self, theta: float, rho: float, across: float) -> Array:
        """(N,) bool, those that lie on a line and go along it."""
        off = self.x * np.cos(theta) + self.y * np.sin(theta) - rho
        apart = np.abs(np.mod(self.turn - theta + np.pi / 2, np.pi) - np.pi / 2)
        return (np.abs(off) < across) & (apart < _TURN)


def find_lines(rgb: Array) -> Lines:
    """The straight edges of (H, W, 3) uint8 that stand out most among those along them."""
    height, width = rgb.shape[:2]
    edges = _edges(rgb)
    far = int(np.hypot(width, height) / 2) + 2
    votes = _vote(edges, far)
    found: list[tuple[float, float]] = []
    along = []
    alike = np.zeros(_ANGLES, np.int64)
    for _ in range(6 * _LINES):
        angle, place = (int(v) for v in np.unravel_index(int(votes.argmax()), votes.shape))
        if votes[angle, place] < _LEAST_VOTES or len(found) == _LINES:
            break
        if alike[angle] >= _ALIKE:
            votes[angle] = 0
            continue
        for off in range(-4, 5):  # a line's close neighbours are the line itself
            middle = place if 0 <= angle + off < _ANGLES else 2 * far - place
            votes[(angle + off) % _ANGLES, max(middle - 3, 0) : middle + 4] = 0
        theta, rho = _settle(edges, angle * np.pi / _ANGLES, float(place - far))
        on = edges.near(theta, rho, _ACROSS)
        if on.sum() < _LEAST_PIXELS or any(_same((theta, rho), other) for other in found):
            continue
        found.append((theta, rho))
        alike[np.arange(angle - _ALIKE_DEGREES, angle + _ALIKE_DEGREES + 1) % _ANGLES] += 1
        at = edges.y[on] * np.cos(theta) - edges.x[on] * np.sin(theta)
        filled = np.zeros((1, 2 * far + 1), np.uint8)
        filled[0, np.clip(np.rint(at).astype(np.int64) + far, 0, 2 * far)] = 1
        closed = cv2.morphologyEx(filled, cv2.MORPH_CLOSE, np.ones((1, _GAP), np.uint8))
        along.append(np.concatenate([[0.0], np.cumsum(closed)]).astype(np.float32))
    t, q = np.array(found).reshape(-1, 2).T
    a, b = np.cos(t), np.sin(t)
    normals = np.stack([a, b, q + width / 2 * a + height / 2 * b], axis=1)
    sums = np.array(along, np.float32).reshape(len(found), 2 * far + 2)
    return Lines(normals, sums, (width, height))


def _edges(rgb: Array) -> _Edges:
    """Where colour changes most."""
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255.0, cv2.COLOR_RGB2Lab)
    lab = cv2.GaussianBlur(lab, (0, 0), 1.2)
    dx = np.stack([cv2.Sobel(c, cv2.CV_32F, 1, 0, scale=0.125) for c in cv2.split(lab)])
    dy = np.stack([cv2.Sobel(c, cv2.CV_32F, 0, 1, scale=0.125) for c in cv2.split(lab)])
    channel = np.hypot(dx, dy).argmax(axis=0)[None]
    gx, gy = (np.take_along_axis(d, channel, axis=0)[0] for d in (dx, dy))
    slope = np.hypot(gx, gy)
    ux, uy = gx / np.maximum(slope, 1e-6), gy / np.maximum(slope, 1e-6)
    # Against how much it changes all around.
    contrast = np.asarray(slope / (0.35 + cv2.blur(slope, (41, 41))))
    height, width = slope.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    before = cv2.remap(contrast, x - ux, y - uy, cv2.INTER_LINEAR)
    after = cv2.remap(contrast, x + ux, y + uy, cv2.INTER_LINEAR)
    thin = (contrast >= before) & (contrast >= after) & (contrast > 0.6)
    thin[:2], thin[-2:], thin[:, :2], thin[:, -2:] = False, False, False, False
    turn = np.mod(np.arctan2(uy[thin], ux[thin]), np.pi)
    return _Edges(x[thin] - width / 2, y[thin] - height / 2, turn, np.minimum(contrast[thin], 2.0))


def _vote(edges: _Edges, far: int) -> Array:
    """(angles, 2 far + 1) float32, votes for lines by their normal's angle and distance."""
    votes: Array = np.zeros((_ANGLES, 2 * far + 1), np.float32)
    for off in range(-_REACH, _REACH + 1):
        index = np.rint(edges.turn * _ANGLES / np.pi).astype(np.int64) + off
        angle = index * np.pi / _ANGLES
        rho = np.rint(edges.x * np.cos(angle) + edges.y * np.sin(angle)).astype(np.int64)
        rho = np.where(index // _ANGLES % 2 == 1, -rho, rho) + far
        share = edges.weight * np.exp(-0.5 * (off / _SPREAD) ** 2)
        flat = (index % _ANGLES) * votes.shape[1] + np.clip(rho, 0, 2 * far)
        votes += np.bincount(flat, share, votes.size).reshape(votes.shape).astype(np.float32)
    votes = cv2.GaussianBlur(votes, (0, 0), 0.8)
    # Wood grain votes for every line along it: what stands out among its own direction counts.
    return votes - 0.7 * cv2.blur(votes, (61, 1))


def _settle(edges: _Edges, theta: float, rho: float) -> tuple[float, float]:
    """The line (theta, rho) fitted to the edge pixels near it."""
    for reach in (2.5, _ACROSS, _ACROSS):
        near = edges.near(theta, rho, reach)
        if near.sum() < 8:
            break
        x, y = edges.x[near], edges.y[near]
        off = x * np.cos(theta) + y * np.sin(theta) - rho
        slope, shift = np.polyfit(y * np.cos(theta) - x * np.sin(theta), off, 1)
        if abs(slope) > 0.05 or abs(shift) > 3:
            break
        theta, rho = theta - float(np.arctan(slope)), rho + float(shift)
    return theta, rho


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    apart = one[0] - other[0]
    turned = np.cos(apart) < 0
    return bool(abs(np.sin(apart)) < 0.02 and abs(one[1] - (-1) ** turned * other[1]) < 2.5)
