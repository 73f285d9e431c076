"""Photos taken in the dark, and nearly burnt out ones: their outline is looked for again."""

import cv2
import numpy as np
from drawn_pieces import draw_shape

from heatmap_locator.outline.dim import brightened, darkened
from heatmap_locator.outline.find import find_outlines
from heatmap_locator.outline.shape import overlap

_SIZE = 300


def _photo(table: float, print_: float, grain: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """(300, 300, 3) uint8 of a piece on a table that gets darker to one side, and its mask."""
    rng = np.random.default_rng(0)
    mask = draw_shape(130, 0.4, _SIZE, (1, -1, 1, -1)).astype(np.float32)
    cover = cv2.GaussianBlur(mask, (0, 0), 1.0)
    slope = np.linspace(0, -3, _SIZE)[None]
    seen = table + slope + cover * (print_ - table) + rng.normal(0, grain, mask.shape)
    return np.repeat(seen[..., None].clip(0, 255).round().astype(np.uint8), 3, axis=2), mask


def test_what_is_neither_dim_nor_pale_stays() -> None:
    photo, _ = _photo(200, 120)
    assert brightened(photo) is None
    assert darkened(photo) is None


def test_a_pale_photo_gets_contrast_and_no_other_colours() -> None:
    photo, mask = _photo(252, 246)
    found = darkened(photo)
    assert found is not None
    assert brightened(photo) is None
    inside, outside = found[mask > 0.5].mean(axis=0), found[mask < 0.5].mean(axis=0)
    assert (outside - inside).min() > 4 * 6 * 0.8
    assert np.ptp(inside) < 1


def test_a_piece_that_hardly_shows_in_a_pale_photo_is_found() -> None:
    photo, mask = _photo(252.5, 248.5, grain=1.5)
    found = find_outlines(photo, None)[0]
    assert found.sure
    assert found.searched
    assert overlap(found.mask, mask) > 0.9
