"""Light and camera, in numpy: from a drawn scene, about 0..1, to the photo that is taken of it."""

import cv2
import numpy as np

from heatmap_locator.resample import resize, smooth, stretch

from .noise import Rng, blur, noise


def light(rng: Rng, image: np.ndarray) -> np.ndarray:
    h, w = image.shape[:2]
    image = image * np.exp(rng.uniform(0, 0.18) * noise(rng, h, w, 2))[..., None]
    if rng.random() < 0.3:
        ys, xs = np.mgrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        image = image * (1 - rng.uniform(0.05, 0.4) * (xs**2 + ys**2) / 2)[..., None]
    if rng.random() < 0.06:  # another thing's shadow falls over it all
        image = image * (1 - rng.uniform(0.1, 0.6) * (noise(rng, h, w, 3) > 0.4))[..., None]
    return np.asarray(image, np.float32)


def photograph(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Exposure, colour, defocus, fewer pixels than here, noise, sharpening, JPEG; uint8."""
    h, w = image.shape[:2]
    gain = np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.06, 3)).astype(np.float32)
    image = image * gain
    fewer = float(np.exp(rng.uniform(0, np.log(2.5)))) if rng.random() < 0.35 else 1.0
    small = max(24, round(w / fewer)), max(24, round(h / fewer))
    if fewer > 1:
        image = resize(image, small, 1 / fewer)
    if rng.random() < 0.6:
        image = blur(image, float(rng.uniform(0.3, 1.0 + 1.2 * (rng.random() < 0.3))))
    if rng.random() < 0.06:
        kernel = np.zeros((7, 7), np.float32)
        tip = tuple(int(v) for v in rng.integers(0, 7, 2))
        cv2.line(kernel, tip, (6 - tip[0], 6 - tip[1]), 1.0)
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    size = image.shape[:2]
    strength = rng.exponential(0.012)
    luma = rng.standard_normal(size, np.float32)[..., None]
    tint = noise(rng, size[0], size[1], max(size) / 2)[..., None] * rng.normal(0, 0.6, 3).astype(
        np.float32
    )
    image = image + np.float32(strength) * (luma + tint)
    if rng.random() < 0.3:
        image = image + np.float32(rng.uniform(0.2, 1.5)) * (image - cv2.blur(image, (3, 3)))
    image = image.clip(0, 1) ** np.float32(np.exp(rng.normal(0, 0.15)))
    taken: np.ndarray = (image * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.6:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 97))]
        coded = cv2.imencode(".jpg", taken, quality)[1]
        taken = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    if fewer > 1:
        grow = stretch if rng.random() < 0.5 else smooth
        taken = grow(taken, (w, h))
    return taken
