"""What befalls a photo of a piece: fingers, glare, hard shadow, backs, motion, low light.

Each works on a scene of about 0..1, before light and camera (``camera.py``), in numpy.
"""

import math

import cv2
import numpy as np

from heatmap_locator.geometry import Array

from .noise import Rng, blur, colour, fractal, noise
from .tables import draw_hand, skin_tone

_BOARD = np.array([(0.55, 0.54, 0.52), (0.62, 0.5, 0.38), (0.86, 0.85, 0.82), (0.3, 0.4, 0.52)])
"""RGB, 0..1, of the backs of pieces: grey, brown, white and blue board."""


def finger(
    rng: Rng, image: np.ndarray, mask: np.ndarray, outline: Array, side: float
) -> np.ndarray:
    """A finger that holds the piece at its edge and runs off the photo.

    Args:
        rng: everything follows from it.
        image: (h, w, 3) float32.
        mask: (h, w) 0..1 of the piece.
        outline: (N, 2) of the piece in the photo.
        side: of a cell, pixels.
    """
    h, w = mask.shape
    middle = outline.mean(axis=0)
    at = outline[int(rng.integers(len(outline)))]
    way = at - middle
    angle = math.atan2(way[1], way[0]) + float(rng.normal(0, 0.25))
    direction = np.array([math.cos(angle), math.sin(angle)])
    half = side * float(rng.uniform(0.16, 0.42))
    # So far it lies on the piece.
    tip = at - direction * side * float(rng.uniform(0.02, 0.22)) + direction * half
    ys, xs = np.mgrid[:h, :w].astype(np.float32)
    x, y = xs + 0.5 - np.float32(tip[0]), ys + 0.5 - np.float32(tip[1])
    along = x * np.float32(direction[0]) + y * np.float32(direction[1])
    across = y * np.float32(direction[0]) - x * np.float32(direction[1])
    # A little thicker towards the hand, and bent.
    bent = across + np.float32(rng.normal(0, 0.04) / side) * along.clip(0, None) ** 2
    wide = half * (1 + 0.12 * (along / (3 * half)).clip(0, 1))
    off = np.where(along < 0, np.hypot(along, bent), np.abs(bent)) / wide
    cover = ((1 - off) * half / 1.2 + 0.5).clip(0, 1).astype(np.float32)
    round_ = np.sqrt((1 - off.clip(0, 1) ** 2).clip(0.02, 1))
    crease = 0.06 * np.exp(-(((along - 2.6 * half) / (0.12 * half)) ** 2))
    shade = 0.5 + 0.5 * round_ - crease + 0.025 * fractal(rng, h, w, 20)
    skin = skin_tone(rng) * shade[..., None] ** np.array([0.7, 1.0, 1.15], np.float32)
    if rng.random() < 0.6:  # the nail
        u, v = (along + 0.15 * half) / (0.62 * half), bent / (0.55 * half)
        nail = ((1 - np.hypot(u, v)) * 6).clip(0, 1)[..., None]
        skin = skin + nail * 0.5 * (
            np.array([0.95, 0.8, 0.76], np.float32) * shade[..., None] - skin
        )
    cast = blur(np.roll(cover, (int(0.1 * half), int(0.08 * half)), (0, 1)), 0.25 * half)
    image = image * (1 - np.float32(rng.uniform(0.2, 0.6)) * cast[..., None])
    return np.asarray(image + cover[..., None] * (skin - image), np.float32)


def hand(rng: Rng, image: np.ndarray, mask: np.ndarray, outline: Array, side: float) -> np.ndarray:
    """Fingers over an edge of the piece; arguments as of :func:`finger`."""
    h, w = mask.shape
    x, y = outline.mean(axis=0)
    for _ in range(20):
        reach = float(rng.uniform(0.35, 0.6)) * side
        skin, where = draw_hand(rng, h, w, (float(x), float(y)), reach)
        share = float((where * mask).sum() / max(mask.sum(), 1.0))
        if 0.01 < share < 0.3:
            break
    cast = blur(where, 0.06 * side)
    image = image * (1 - np.float32(rng.uniform(0.1, 0.5)) * cast[..., None])
    return np.asarray(image + where[..., None] * (skin - image), np.float32)


def palm(rng: Rng, h: int, w: int) -> np.ndarray:
    """(h, w, 3) a palm that the piece lies on, instead of a table."""
    lines = 1 - np.abs(noise(rng, h, w, rng.uniform(2, 4))).clip(0, 1)
    shade = 0.85 + 0.12 * noise(rng, h, w, 2.5) - 0.14 * (lines > 0.94) * lines
    shade = blur(shade.astype(np.float32), 1.0) + 0.02 * fractal(rng, h, w, 30)
    tinted = shade[..., None].clip(0.1, 2) ** np.array([0.8, 1.0, 1.15], np.float32)
    return np.asarray(skin_tone(rng) * tinted, np.float32)


def glare(rng: Rng, image: np.ndarray, mask: np.ndarray, side: float) -> np.ndarray:
    """A window or lamp mirrored in glossy print: burnt out in its middle, a veil around it.

    It takes about a tenth to two fifths of the piece.
    """
    h, w = mask.shape
    ys, xs = np.nonzero(mask > 0.5)
    at = int(rng.integers(len(xs)))
    angle, tall = rng.uniform(0, np.pi), rng.uniform(0.6, 1.6)
    gy, gx = np.mgrid[:h, :w].astype(np.float32)
    dx, dy = gx - xs[at], gy - ys[at]
    u = dx * np.cos(angle) + dy * np.sin(angle)
    v = (dy * np.cos(angle) - dx * np.sin(angle)) * tall
    round_ = rng.random() < 0.6
    off = np.hypot(u, v) if round_ else np.maximum(np.abs(u), np.abs(v))
    off = off * (1 + 0.15 * noise(rng, h, w, 5))
    wanted, area = float(rng.uniform(0.1, 0.4)), max(float(mask.sum()), 1.0)
    inside = np.sort(off[mask > 0.5])
    radius = float(inside[min(int(wanted * area), len(inside) - 1)])
    core = ((radius - off) / (radius * rng.uniform(0.1, 0.35) + 1)).clip(-6, 6)
    shine = 1 / (1 + np.exp(-3 * core))
    veil = np.exp(-((off / (1.8 * radius + 1)) ** 2)) * rng.uniform(0.05, 0.3)
    tint = np.array([1.0, 1.0, 1.0]) + rng.normal(0, 0.03, 3)
    light = (shine * rng.uniform(1.0, 1.6) + veil)[..., None] * tint
    # A table is duller than print.
    gloss = mask + (1 - mask) * rng.uniform(0, 0.4)
    return np.asarray(image + light * gloss[..., None], np.float32)


def hard_shadow(rng: Rng, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The shadow of a straight edge across piece and table: light by a factor of 0.3 to 0.6."""
    h, w = mask.shape
    ys, xs = np.nonzero(mask > 0.5)
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    low, high = np.quantile(xs * c + ys * s, (0.25, 0.75))
    at = rng.uniform(low, high)
    gy, gx = np.mgrid[:h, :w].astype(np.float32)
    off = gx * np.float32(c) + gy * np.float32(s) - np.float32(at)
    share = (off / np.float32(rng.uniform(0.7, 4.0)) + 0.5).clip(0, 1)[..., None]
    # What is left is the sky's light, bluer than the lamp's.
    factor = rng.uniform(0.3, 0.6) * (1 + np.array([-0.05, 0.0, 0.07]) * rng.uniform(0, 1.5))
    return np.asarray(image * (1 + share * (factor - 1)), np.float32)


def back(rng: Rng, h: int, w: int, side: float) -> np.ndarray:
    """(h, w, 3) the back of a piece: board, plain or printed with letters, dots or lines."""
    board = _BOARD[rng.integers(len(_BOARD))] * rng.uniform(0.8, 1.1)
    fibre = 0.03 * fractal(rng, h, w, 12) + 0.03 * noise(rng, h, w, max(h, w) / 3)
    image = (board * (1 + fibre[..., None])).astype(np.float32)
    kind = rng.random()
    if kind < 0.5:
        return image
    ink = np.zeros((h, w), np.uint8)
    pitch = side * float(rng.uniform(0.18, 0.7))
    if kind < 0.8:  # letters, as makers print to sort pieces by
        letter = "ABCDEFGHKXZ"[rng.integers(11)]
        size = pitch / 40
        for row, y in enumerate(np.arange(0, h + pitch, pitch)):
            for x in np.arange(-pitch * (row % 2) / 2, w, pitch):
                at = int(x), int(y)
                cv2.putText(ink, letter, at, cv2.FONT_HERSHEY_SIMPLEX, size, 255, 1, cv2.LINE_AA)
    elif kind < 0.9:
        for y in np.arange(0, h, pitch):
            cv2.line(ink, (0, int(y)), (w, int(y)), 255, 2, cv2.LINE_AA)
    else:
        for y in np.arange(0, h, pitch):
            for x in np.arange(0, w, pitch):
                cv2.circle(ink, (int(x), int(y)), max(2, int(0.15 * pitch)), 255, -1, cv2.LINE_AA)
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), float(rng.uniform(0, 360)), 1.3)
    laid = cv2.warpAffine(ink, turn, (w, h)).astype(np.float32)[..., None] / 255
    return image + laid * np.float32(rng.uniform(0.4, 0.9)) * (colour(rng) - image)


def motion(rng: Rng, image: np.ndarray, side: float) -> np.ndarray:
    """The camera moved by 4 to 14 hundredths of a cell while the shutter was open."""
    length = max(3, round(side * float(rng.uniform(0.04, 0.14))))
    size = 2 * (length // 2) + 3
    kernel = np.zeros((size, size), np.float32)
    angle, bend = rng.uniform(0, np.pi), rng.normal(0, 0.1)
    steps = np.linspace(-0.5, 0.5, 4 * size)
    for t in steps:
        x = t * length * np.cos(angle) - bend * length * t**2 * np.sin(angle)
        y = t * length * np.sin(angle) + bend * length * t**2 * np.cos(angle)
        kernel[round(size / 2 - 0.5 + y), round(size / 2 - 0.5 + x)] += 1
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.float32)


def low_light(rng: Rng, image: np.ndarray) -> np.ndarray:
    """A dim lamp: few photons, a warm cast, gain that lifts their noise, smoothed by the phone."""
    level, gain = rng.uniform(0.05, 0.2), rng.uniform(1.5, 4.0)
    warm = np.array([1.1, 0.95, 0.75]) ** rng.uniform(0, 1.5)
    photons = float(np.exp(rng.uniform(np.log(150), np.log(1500))))
    seen = (image.clip(0, 1.2) ** 1.2 * level * warm).clip(0, 1)
    shot = np.sqrt(seen / photons + 1e-5) * rng.standard_normal(image.shape)
    noisy = ((seen + shot) * gain).astype(np.float32)
    return np.asarray(blur(noisy, float(rng.uniform(0.3, 1.2))), np.float32)
