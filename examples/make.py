"""Makes the example picture and pieces: drawn, cut, printed and photographed by this project.

    python examples/make.py

The picture is drawn at twice its size, so that the pieces, rendered from the drawing, hold detail
that the picture has lost; each then goes through a capture of its own.  ``truth.json`` holds where
each piece belongs.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from heatmap_locator.geometry import bounds, clockwise, to_cv2, transform
from heatmap_train.draw.capture import capture_pictures, capture_pieces
from heatmap_train.draw.cutter import cut_grid, rasterize
from heatmap_train.draw.procedural import draw_picture

HERE = Path(__file__).parent
ROWS, COLS = 12, 16
SIZE = (1120, 840)
PIECES = {"piece1": (3, 5, 218.0), "piece2": (8, 10, 41.0), "piece3": (6, 2, 97.0)}
PHOTO = 360
PIXELS_PER_CELL = 150.0


def main() -> None:
    rng = np.random.default_rng(7)
    drawing = draw_picture(2 * SIZE[0], 2 * SIZE[1], rng, "scene")
    cut = cut_grid(ROWS, COLS, 2.0 * SIZE[0], 2.0 * SIZE[1], rng)
    picture = cv2.resize(drawing, SIZE, interpolation=cv2.INTER_AREA)
    save(capture_pictures(tensor(picture), torch.Generator().manual_seed(5)), "puzzle.jpg", 88)

    truth = {}
    for seed, (name, (row, col, rotation)) in enumerate(PIECES.items(), start=11):
        outline = cut.outline(row, col).astype(np.float64)
        box = bounds(outline)
        scale = PIXELS_PER_CELL / (2 * SIZE[0] / COLS)
        linear = scale * clockwise(rotation)
        center = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        matrix = np.column_stack([linear, PHOTO / 2 - linear @ center])
        photo = cv2.warpAffine(
            drawing, to_cv2(matrix), (PHOTO, PHOTO), borderMode=cv2.BORDER_REPLICATE
        )
        mask = rasterize(transform(matrix, outline).astype(np.float32), (PHOTO, PHOTO))
        generator = torch.Generator().manual_seed(seed)
        captured, _ = capture_pieces(tensor(photo), torch.from_numpy(mask)[None, None], generator)
        save(captured, f"{name}.jpg", 90)
        truth[f"{name}.jpg"] = {
            "box": [round(v / 2, 1) for v in box],
            "rotation": rotation,
            "cell": [row, col],
        }
    (HERE / "truth.json").write_text(json.dumps(truth, indent=2) + "\n")


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def save(image: torch.Tensor, name: str, quality: int) -> None:
    array = (image[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    Image.fromarray(array).save(HERE / name, quality=quality)


if __name__ == "__main__":
    main()
