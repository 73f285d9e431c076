"""Draws the figures of docs/how-it-works.md: each stage of one search, of ``examples/piece1.jpg``.

    python docs/figures/stages.py

Nothing in them is made up: each is read off the networks and maps of that search.  Needs the
packages for training (``pip install '.[train]'``).
"""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from heatmap_locator import Locator, Placement, Puzzle
from heatmap_locator.geometry import STRIDE, compose, invert, transform
from heatmap_locator.model.bank import bank_angles
from heatmap_locator.model.network import EncodedImages
from heatmap_locator.resample import stretch
from heatmap_locator.search.levels import Level, encode_levels
from heatmap_locator.search.named import Named
from heatmap_locator.search.piece import PreparedPiece, prepare_piece
from heatmap_locator.search.propose import NAMED, name_places
from heatmap_locator.warp import warp_piece

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
PIECES = 192
AROUND = 1.4
"""Cells shown on each side of a place."""


@dataclass
class Stages:
    """One search, step by step.

    Attributes:
        puzzle: encoded, with its one level.
        level: the picture at 32 pixels a cell.
        piece: prepared.
        bank: its features and pixels in 36 rotations.
        feature, pixel: (R, h, w) correlations.
        heat: (h, w) of the head, 0..1.
        named: places proposed.
        places: the answer, best first.
    """

    puzzle: Puzzle
    level: Level
    piece: PreparedPiece
    bank: EncodedImages
    feature: Tensor
    pixel: Tensor
    heat: np.ndarray
    named: Named
    places: list[Placement]


@torch.inference_mode()
def search() -> Stages:
    """The example's first piece, looked for in its picture."""
    puzzle = Locator.from_pretrained(device="cpu").encode(EXAMPLES / "puzzle.jpg", pieces=PIECES)
    model = puzzle.model
    (level,) = encode_levels(puzzle.picture, puzzle.grid, model, puzzle.device)
    piece = prepare_piece(EXAMPLES / "piece1.jpg", puzzle.outlines)
    templates, masks = piece.rotated(model.config.rotations, torch.device("cpu"))
    bank = model.encode_pieces(templates, masks)
    feature, pixel = model.correlate_bank(level.encoded, bank.trimmed())
    maps = model.head(feature, pixel)
    field = level.field
    gain = model.head.rotation_gain
    named = name_places(maps, pixel, [piece], field.grid, field.size, gain)
    heat = maps.heat[0, 0].sigmoid().numpy()
    places = puzzle.locate(EXAMPLES / "piece1.jpg", top=4)
    return Stages(puzzle, level, piece, bank, feature[0], pixel[0], heat, named, places)


def draw_features(stages: Stages) -> Figure:
    """Features of picture and piece in the same three colours: their principal components."""
    field = stages.level.encoded.features[0].float().flatten(1).T.numpy()
    mean = field.mean(0)
    axes = np.linalg.svd(field - mean, full_matrices=False)[2][:3]
    spread = 2.5 * ((field - mean) @ axes.T).std(0)

    def coloured(features: Tensor) -> np.ndarray:
        flat = (features.float().flatten(1).T.numpy() - mean) @ axes.T
        return (0.5 + flat / (2 * spread)).clip(0, 1).reshape(*features.shape[1:], 3)

    turn = _true_turn(stages)
    shown = [
        (stages.puzzle.picture, "the picture"),
        (coloured(stages.level.encoded.features[0]), "its features"),
    ]
    assert stages.bank.feature_mask is not None
    for step, title in ((0, "the piece as it lies,\nits features"), (turn, "set upright")):
        cover = stages.bank.feature_mask[0, step, 0].float().numpy()[..., None]
        own = coloured(stages.bank.features[0, step]) * cover + (1 - cover)
        shown.append((own, title))
    figure, panels = plt.subplots(
        1, 4, figsize=(12, 3.2), width_ratios=(4 / 3, 4 / 3, 0.7, 0.7), layout="constrained"
    )
    for axis, (image, title) in zip(panels, shown, strict=True):
        _show(axis, image, title)
    return figure


def draw_turns(stages: Stages) -> Figure:
    """Correlations at the true place by turn, and maps of the turns that say most and least."""
    row, column = _true_cell(stages)
    at_place = [volume[:, row, column].float().numpy() for volume in (stages.feature, stages.pixel)]
    turn = _true_turn(stages)
    worst = int(at_place[1].argmin())
    figure, panels = plt.subplots(
        1, 3, figsize=(12, 3.2), width_ratios=(1.2, 1, 1), layout="constrained"
    )
    degrees = bank_angles(len(at_place[0])).numpy()
    for values, label in zip(at_place, ("features", "pixels"), strict=True):
        panels[0].plot(degrees, values, label=label)
    panels[0].axvline(stages.places[0].rotation, color="grey", linewidth=0.8)
    panels[0].set_xlabel("turned back by, degrees")
    panels[0].set_title("correlation at the piece's place, in 36 turns", fontsize=10)
    panels[0].legend(fontsize=9)
    for axis, step in zip(panels[1:], (turn, worst), strict=True):
        image = stages.pixel[step].float().numpy()
        axis.imshow(image, cmap="magma", vmin=-0.4, vmax=1.0)
        axis.set_title(f"pixels' NCC, turned back by {degrees[step]:.0f}°", fontsize=10)
        axis.plot(column, row, "o", markersize=16, fillstyle="none", color="white")
        axis.set_axis_off()
    return figure


def draw_heat(stages: Stages) -> Figure:
    """What the head says, and the places proposed by it and by the pixels alone."""
    puzzle = stages.puzzle
    size = (puzzle.width, puzzle.height)
    heat = np.sqrt(stretch(stages.heat, size))[..., None]
    glow = plt.get_cmap("inferno")(heat[..., 0])[..., :3] * 255
    grey = np.repeat(puzzle.picture.mean(2, keepdims=True), 3, 2)
    figure, panels = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
    over = (0.5 * (1 - heat) * grey + heat * glow).astype(np.uint8)
    _show(panels[0], over, "the head's heatmap (its root), over the picture")
    places = transform(stages.level.to_picture, stages.named.place[0].double().numpy())
    real = stages.named.real[0].numpy()
    _show(panels[1], (0.7 * puzzle.picture + 70).astype(np.uint8), "")
    panels[1].set_title(
        f"{NAMED} places of the head (red), {real[NAMED:].sum()} of the pixels (blue)", fontsize=10
    )
    for own, colour in ((slice(NAMED, None), "#0a63ff"), (slice(0, NAMED), "#ff2d55")):
        x, y = places[own][real[own]].T
        panels[1].plot(x, y, "o", markersize=5, fillstyle="none", color=colour)
    return figure


def draw_comparison(stages: Stages) -> Figure:
    """The places that came first, each as the picture is there and with the piece laid on it."""
    puzzle, piece = stages.puzzle, stages.piece
    assert puzzle.grid is not None
    side = AROUND * 2 * np.sqrt(np.prod(puzzle.grid.cell_size(puzzle.width, puzzle.height)))
    pixels = 180
    figure, panels = plt.subplots(2, 4, figsize=(10, 5.2), layout="constrained")
    everywhere = np.ones(puzzle.picture.shape[:2], np.float32)
    for rank, place in enumerate(stages.places):
        scale = pixels / side
        x, y = place.center
        view = np.array(
            [[scale, 0, pixels / 2 - scale * x], [0, scale, pixels / 2 - scale * y]], np.float64
        )
        there, _ = warp_piece(puzzle.picture, everywhere, view, (pixels, pixels))
        laid = compose(view, np.reshape(place.matrix, (2, 3)))
        own, cover = warp_piece(piece.rgb, piece.mask, laid, (pixels, pixels))
        with_it = np.where(cover[..., None] > 0.5, own, 0.6 * there).astype(np.uint8)
        cell = f"cell {place.cell}, turned {place.rotation:.0f}°"
        _show(panels[0, rank], there.astype(np.uint8), f"{rank + 1}: {cell}")
        _show(panels[1, rank], with_it, f"score {place.score:.4f}")
    return figure


def _true_turn(stages: Stages) -> int:
    """Of the bank, the one nearest to the answer's rotation."""
    steps = stages.feature.shape[0]
    return round(stages.places[0].rotation / (360 / steps)) % steps


def _true_cell(stages: Stages) -> tuple[int, int]:
    """(row, column) of the features' grid where the piece's reference point belongs."""
    matrix = np.reshape(stages.places[0].matrix, (2, 3))
    reference = stages.piece.reference.double().numpy()
    in_photo = transform(invert(stages.piece.to_resized), reference)
    x, y = transform(compose(invert(stages.level.to_picture), matrix), in_photo)[0]
    return int(y // STRIDE), int(x // STRIDE)


def _show(axis: Axes, image: np.ndarray, title: str) -> None:
    axis.imshow(image)
    axis.set_title(title, fontsize=10)
    axis.set_axis_off()


FIGURES = {
    "features": draw_features,
    "turns": draw_turns,
    "heat": draw_heat,
    "comparison": draw_comparison,
}


def main(folder: Path = HERE) -> None:
    """Write all figures, each small enough for a repository."""
    stages = search()
    for name, draw in FIGURES.items():
        figure = draw(stages)
        options = {"quality": 80, "optimize": True}
        figure.savefig(folder / f"{name}.jpg", dpi=80, bbox_inches="tight", pil_kwargs=options)
        plt.close(figure)


if __name__ == "__main__":
    main()
