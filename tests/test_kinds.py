"""What misleads: prints that repeat, and prints with little to go by."""

import numpy as np
import pytest
from conftest import draw_texture

from heatmap_eval.protocols.synthesis import captured_tasks
from heatmap_train.draw.kinds import as_kind
from heatmap_train.draw.names import PICTURES


def likeness(image: np.ndarray) -> float:
    """Highest correlation of the picture with itself, moved by a tenth of its side or more."""
    grey = image.astype(np.float64).mean(2)
    power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    shifted = np.fft.ifft2(power).real / power.mean()
    far = max(shifted.shape) // 14
    shifted[:far, :far] = shifted[:far, -far:] = shifted[-far:, :far] = shifted[-far:, -far:] = 0
    return float(shifted.max())


def test_repeating_pictures_are_like_themselves_elsewhere() -> None:
    image = draw_texture(240, 320)
    own = likeness(image)
    made = [likeness(as_kind(image, "repeating", np.random.default_rng(n))) for n in range(8)]
    assert own < 0.2
    assert np.median(made) > 0.6


def test_smooth_pictures_have_little_detail_but_the_same_colours() -> None:
    image = draw_texture(240, 320)
    made = as_kind(image, "smooth", np.random.default_rng(0))
    assert (
        np.abs(np.diff(made.astype(float), axis=1)).mean()
        < 0.3 * np.abs(np.diff(image.astype(float), axis=1)).mean()
    )
    assert made.reshape(-1, 3).mean(0) == pytest.approx(image.reshape(-1, 3).mean(0), abs=2)


def test_kinds_are_pictures_of_their_size_and_plain_ones_are_left() -> None:
    image = draw_texture(96, 128)
    for kind in PICTURES:
        made = as_kind(image, kind, np.random.default_rng(1))
        assert (made.shape, made.dtype) == (image.shape, np.uint8)
        assert (made == image).all() == (kind == "plain")
    with pytest.raises(ValueError, match="no kind"):
        as_kind(image, "other", np.random.default_rng(1))


def test_pieces_of_a_kind_go_by_another_name() -> None:
    plain, smooth = (
        next(captured_tasks(None, "all", 0, 24, 1, kind=kind)) for kind in ("plain", "smooth")
    )
    assert plain.piece_id(plain.pieces[0]) != smooth.piece_id(smooth.pieces[0])
    assert (plain.image != smooth.image).any()
