"""What is no piece but the picture, or much of it, is told apart from a piece."""

import cv2
import numpy as np
import pytest
from conftest import draw_texture
from service_support import EXAMPLES

from heatmap_locator import Puzzle
from heatmap_locator.errors import NoPieceError
from heatmap_locator.search.oversize import refuse_oversize

TABLE = (90, 90, 95)


def on_table(rgb: np.ndarray, degrees: float = 20.0) -> np.ndarray:
    """A photo of something lying on a grey table, turned."""
    height, width = rgb.shape[:2]
    side = int(1.6 * np.hypot(height, width))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    matrix[:, 2] += [(side - width) / 2, (side - height) / 2]
    return cv2.warpAffine(rgb, matrix, (side, side), flags=cv2.INTER_CUBIC, borderValue=TABLE)


@pytest.mark.parametrize("way", ["the file", "a photo", "5 x 5 cells"])
def test_what_is_many_pieces_large_is_refused(example_puzzle: Puzzle, way: str) -> None:
    picture = example_puzzle.picture
    photo = {"the file": picture, "a photo": on_table(picture), "5 x 5 cells": None}[way]
    if photo is None:
        photo = on_table(picture[210:560, 280:630])
    found = example_puzzle.search(photo, 3)
    said = "5 by 5 pieces" if way == "5 x 5 cells" else "the whole picture"
    with pytest.raises(NoPieceError, match=said):
        refuse_oversize(picture, example_puzzle.grid, found, "photo")


def test_pieces_pass_also_those_of_other_puzzles(example_puzzle: Puzzle) -> None:
    picture, grid = example_puzzle.picture, example_puzzle.grid
    for name in ("piece1.jpg", "piece2.jpg", "piece3.jpg"):
        refuse_oversize(picture, grid, example_puzzle.search(EXAMPLES / name, 3), name)
    foreign = on_table(draw_texture(90, 90, 4))
    refuse_oversize(picture, grid, example_puzzle.search(foreign, 3), "foreign")
    # A quarter of four cells is a piece.
    refuse_oversize(
        picture, grid, example_puzzle.search(on_table(picture[210:280, 280:350]), 3), ""
    )
