"""A piece half seen, or held by a finger that comes in from the photo's edge: never sure."""

import cv2
import numpy as np
import pytest
from test_many import lay

from heatmap_locator.outline.given import runs_off
from heatmap_locator.puzzle import Puzzle
from heatmap_locator.search.remarks import MOST_CUT_OFF

PIECE = (3, 5, 300, 450, 25.0)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return lay([PIECE], side=220).photo


@pytest.mark.parametrize("edge", ["left", "right", "top", "bottom"])
def test_a_piece_at_the_edge_is_not_sure(
    edge: str, photo: np.ndarray, example_puzzle: Puzzle
) -> None:
    view = {
        "left": photo[200:700, 230:800],
        "right": photo[200:700, :370],
        "top": photo[380:800, 50:600],
        "bottom": photo[100:520, 50:600],
    }[edge]
    search = example_puzzle.search(view.copy(), top=3)
    assert runs_off(search.piece_mask)
    assert all(place.score <= MOST_CUT_OFF < 0.9 for place in search.placements)


def test_with_a_finger_from_the_edge(photo: np.ndarray, example_puzzle: Puzzle) -> None:
    skin = photo.astype(np.float32)
    finger = np.zeros(photo.shape[:2], np.uint8)
    cv2.line(finger, (40, 899), (250, 560), 255, 70)
    soft = cv2.GaussianBlur(finger, (0, 0), 1.5)[..., None] / np.float32(255)
    mixed = (skin * (1 - soft) + np.float32([224, 172, 138]) * soft).astype(np.uint8)
    search = example_puzzle.search(mixed)
    if runs_off(search.piece_mask):
        assert search.placements[0].score <= MOST_CUT_OFF
    else:  # the finger was left out of the outline
        assert search.piece_mask[860:, :80].max() < 0.5


def test_whole_in_the_photo_it_stays_sure(photo: np.ndarray, example_puzzle: Puzzle) -> None:
    (place,) = example_puzzle.locate(photo)
    assert place.cell == (3, 5)
    assert place.score > 0.9


def test_cut_outs_may_fill_their_image(photo: np.ndarray, example_puzzle: Puzzle) -> None:
    mask = example_puzzle.search(photo).piece_mask
    x, y, w, h = cv2.boundingRect((mask > 0.5).astype(np.uint8))
    alpha = np.rint(255 * mask).astype(np.uint8)
    tight = np.dstack([photo, alpha])[y : y + h, x : x + w]
    assert runs_off(tight[..., 3] / 255)
    assert example_puzzle.locate(tight)[0].score > 0.9
