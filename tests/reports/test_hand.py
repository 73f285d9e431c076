"""A hand that holds the piece: skin is no piece."""

import cv2
import numpy as np
import pytest
from drawn_pieces import draw_shape

from heatmap_locator.outline.given import runs_off
from heatmap_locator.outline.hand import without_hand
from heatmap_locator.outline.shape import overlap

SIDE = 220


def held(tone: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A blue piece on grey with a finger of that colour from its edge off the photo; the outline
    that runs along both, and the piece's own."""
    own = draw_shape(80, 0.2, SIDE, (1, -1, 1, -1)).astype(np.float32)
    finger = np.zeros((SIDE, SIDE), np.uint8)
    cv2.line(finger, (150, 130), (SIDE + 20, 190), 1, 26)
    photo = np.full((SIDE, SIDE, 3), 128, np.uint8)
    photo[own > 0.5] = (40, 70, 160)
    photo[::3][own[::3] > 0.5] = (60, 110, 190)
    photo[finger > 0] = tone
    return photo, np.maximum(own, finger), own * (1 - finger)


@pytest.mark.parametrize("tone", [(238, 196, 170), (200, 150, 115), (110, 75, 55)])
def test_a_finger_is_taken_out_of_the_outline(tone: tuple[int, int, int]) -> None:
    photo, outline, own = held(tone)
    assert runs_off(outline)
    found = without_hand(photo, outline)
    assert found is not None
    assert not runs_off(found)
    assert overlap(found, own) > 0.93


def test_what_has_not_the_colour_of_skin_stays() -> None:
    photo, outline, _ = held((40, 160, 60))
    assert without_hand(photo, outline) is None


def test_a_piece_that_lies_half_out_of_the_photo_stays_whole() -> None:
    own = draw_shape(80, 0.2, SIDE, (1, -1, 1, -1)).astype(np.float32)[:, 100:]
    photo = np.full((*own.shape, 3), 128, np.uint8)
    photo[own > 0.5] = (215, 165, 130)  # sand, which has the colour of skin
    assert runs_off(own)
    assert without_hand(photo, own) is None
