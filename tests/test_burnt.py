"""Photos with a border of one colour to the digit: burnt out, or a piece cut out and laid on it."""

import cv2
import numpy as np
from drawn_pieces import draw_shape

from heatmap_locator.outline.burnt import is_burnt_out
from heatmap_locator.outline.find import find_outlines
from heatmap_locator.outline.given import Shown, given_outline
from heatmap_locator.outline.shape import overlap

_SIZE = 260


def _printed(shadow: float) -> tuple[np.ndarray, np.ndarray]:
    """(260, 260, 3) uint8, a piece on white with a shadow as dark as that, and its mask."""
    mask = draw_shape(120, 0.4, _SIZE, (1, -1, 1, -1)).astype(np.float32)
    moved = cv2.warpAffine(mask, np.array([[1, 0, 8], [0, 1, 10]], np.float32), (_SIZE, _SIZE))
    table = 255 * (1 - shadow * cv2.GaussianBlur(moved, (0, 0), 2.0))[..., None]
    left = (np.arange(_SIZE) < 125)[None, :, None]
    printed = np.where(left, (60, 110, 190), (200, 150, 40)) * np.ones((_SIZE, _SIZE, 1))
    cover = cv2.GaussianBlur(mask, (0, 0), 0.6)[..., None]
    return (printed * cover + table * (1 - cover)).round().astype(np.uint8), mask


def _fill(photo: np.ndarray) -> np.ndarray:
    """What of a photo differs from its border's colour."""
    given = given_outline(photo, None, "piece")
    assert isinstance(given, Shown)
    assert given.filled is not None
    return given.filled


def test_a_shadow_on_paper_that_is_burnt_out_is_none_of_the_piece() -> None:
    photo, mask = _printed(shadow=0.3)
    (found,) = find_outlines(photo, None)
    assert overlap(_fill(photo), mask) < 0.9
    assert overlap(found.mask, mask) > 0.95
    assert found.sure
    assert found.searched


def test_a_cut_out_on_a_fill_keeps_its_outline() -> None:
    photo, mask = _printed(shadow=0.0)
    (found,) = find_outlines(photo, None)
    assert overlap(found.mask, mask) > 0.94
    assert not found.searched
    assert np.array_equal(found.mask, _fill(photo))


def test_a_motif_on_pale_print_is_not_the_piece() -> None:
    photo, mask = _printed(shadow=0.0)
    # Print hardly darker than the fill, but for a disc with clear edges.
    pale = np.where(mask[..., None] > 0.5, 247, 255) * np.ones((1, 1, 3))
    disc = np.zeros_like(mask)
    cv2.circle(disc, (130, 130), 50, 1.0, -1)
    photo = np.where(disc[..., None] > 0, photo, pale).astype(np.uint8)
    assert not is_burnt_out(photo, mask, disc)


def test_what_reaches_out_of_the_fill_is_not_the_piece() -> None:
    photo, mask = _printed(shadow=0.3)
    turned = np.ascontiguousarray(mask[:, ::-1])
    assert is_burnt_out(photo, _fill(photo), mask)
    assert not is_burnt_out(photo, _fill(photo), turned)
