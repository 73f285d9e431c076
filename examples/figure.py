"""Draws the README's figure: what becomes of a photo on its way to a place.

    python examples/figure.py

Everything in it is read off one search of ``piece1.jpg`` in ``puzzle.jpg``; needs the packages for
training (``pip install '.[train]'``).
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from heatmap_locator import Locator
from heatmap_locator.resample import stretch
from heatmap_locator.warp import warp_piece

HERE = Path(__file__).parent
PIECES = 192
AROUND = 90
"""Picture pixels shown around the answer."""


def main() -> None:
    puzzle = Locator.from_pretrained(device="cpu").encode(HERE / "puzzle.jpg", pieces=PIECES)
    found = puzzle.search(HERE / "piece1.jpg")
    picture, place = puzzle.picture, found.placements[0]
    cutout = np.where(found.piece_mask[..., None] > 0.5, found.piece_rgb, 255)
    heat = np.sqrt(stretch(found.heatmap, (puzzle.width, puzzle.height)))[..., None]
    glow = plt.get_cmap("inferno")(heat[..., 0])[..., :3] * 255
    warm = (0.7 * (1 - heat) * picture + heat * glow).astype(np.uint8)
    size = (puzzle.width, puzzle.height)
    matrix = np.reshape(place.matrix, (2, 3))
    there, cover = warp_piece(found.piece_rgb, found.piece_mask, matrix, size)
    laid = np.where(cover[..., None] > 0.5, there, (0.55 * picture).astype(np.uint8))
    figure, axes = plt.subplots(
        1, 4, figsize=(12, 3.1), width_ratios=(1, 1, 4 / 3, 4 / 3), layout="constrained"
    )
    panels = (
        (found.piece_rgb, "a photo of a piece"),
        (cutout, "→ its outline"),
        (warm, "→ where it correlates with the picture,\nin 36 turns, read by a U-Net"),
        (laid, "→ the best place, aligned and ranked"),
    )
    for axis, (image, title) in zip(axes, panels, strict=True):
        axis.imshow(image)
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    _mark(axes[2], place.box, "white")
    _mark(axes[3], place.box, "#ff2d55")
    (x, y), (height, width) = place.center, (AROUND * 3 / 4, AROUND)
    axes[3].set_xlim(x - width, x + width)
    axes[3].set_ylim(y + height, y - height)
    told = f"box {', '.join(f'{v:.0f}' for v in place.box)}   turned {place.rotation:.0f}°   "
    told += f"score {place.score:.3f}"
    axes[3].text(0.5, -0.04, told, transform=axes[3].transAxes, ha="center", va="top", fontsize=9)
    figure.savefig(HERE / "figure.jpg", dpi=110, bbox_inches="tight", pil_kwargs={"quality": 88})


def _mark(axis: Axes, box: tuple[float, ...], colour: str) -> None:
    """Draw a box, in pixels with centres at +0.5, on an image that counts from centres."""
    x1, y1, x2, y2 = (v - 0.5 for v in box)
    axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, color=colour, linewidth=1.5))


if __name__ == "__main__":
    main()
