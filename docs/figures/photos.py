"""Draws the figure of docs/photos.md: one piece, photographed well and badly, and the answers.

    python docs/figures/photos.py

The photos are drawn (``train/draw/nuisances.py``), of the piece of ``examples/piece1.jpg``; each is
really looked for in ``examples/puzzle.jpg``.  Needs ``pip install '.[train]'``.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from heatmap_locator import InputError, Locator, Puzzle
from heatmap_train.draw.cutter import cut_grid
from heatmap_train.draw.nuisances import Subject, draw_nuisance
from heatmap_train.draw.procedural import draw_picture

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
ROWS, COLS, SIZE = 12, 16, (1120, 840)
"""Of the example, as ``examples/make.py`` draws it."""

PIECE, ROTATION, NEIGHBOUR = (3, 5), 218.0, (8, 10)
SIDE = 130.0
"""Pixels of the photo on a cell's side."""

SEED = 3
SHOWN = {
    "plain": "good: all of it, even light",
    "finger": "a finger on it",
    "glare": "glare",
    "shadow": "a hard shadow across it",
    "partly": "not all of it",
    "two": "another piece beside it",
    "cloth": "on a colourful cloth",
    "motion": "shaken",
    "dark": "too dark",
    "mirrored": "mirrored",
}


def subjects() -> tuple[Subject, Subject, Subject]:
    """The piece, another of its puzzle, and one of another picture."""
    rng = np.random.default_rng(7)
    drawing = draw_picture(2 * SIZE[0], 2 * SIZE[1], rng, "scene")
    cut = cut_grid(ROWS, COLS, 2.0 * SIZE[0], 2.0 * SIZE[1], rng)
    scale = SIDE / (2 * SIZE[0] / COLS)
    other = draw_picture(2 * SIZE[0], 2 * SIZE[1], np.random.default_rng(1), "scene")

    def subject(picture: np.ndarray, cell: tuple[int, int]) -> Subject:
        outline = cut.outline(*cell).astype(np.float64)
        return Subject(picture, outline, ROTATION, SIDE, scale)

    return subject(drawing, PIECE), subject(drawing, NEIGHBOUR), subject(other, PIECE)


def answer(puzzle: Puzzle, photo: np.ndarray) -> str:
    """What is answered, in a few words."""
    try:
        place = puzzle.locate(photo)[0]
    except InputError as error:
        return error.reason.split(";")[0]
    right = place.cell == PIECE and abs((place.rotation - ROTATION + 180) % 360 - 180) < 15
    return f"{'right' if right else 'wrong'}, score {place.score:.2f}"


def main(folder: Path = HERE) -> None:
    """Write the figure."""
    puzzle = Locator.from_pretrained(device="cpu").encode(
        EXAMPLES / "puzzle.jpg", pieces=ROWS * COLS
    )
    piece, neighbour, foreign = subjects()
    figure, axes = plt.subplots(2, 5, figsize=(11, 5.4), layout="constrained")
    for axis, (kind, title) in zip(axes.flat, SHOWN.items(), strict=True):
        photo = draw_nuisance(kind, piece, neighbour, foreign, SEED)
        axis.imshow(photo)
        axis.set_title(f"{title}\n{answer(puzzle, photo)}", fontsize=9)
        axis.set_axis_off()
    options = {"quality": 78, "optimize": True}
    figure.savefig(folder / "photos.jpg", dpi=75, bbox_inches="tight", pil_kwargs=options)


if __name__ == "__main__":
    main()
