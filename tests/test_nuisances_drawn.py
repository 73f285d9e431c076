"""Photos that go wrong, as they are drawn."""

import numpy as np
import pytest

from heatmap_train.draw.cutter import cut_grid
from heatmap_train.draw.names import FOREIGN, MIRRORED, PHOTOS, PLACED
from heatmap_train.draw.nuisances import Subject, draw_nuisance
from heatmap_train.draw.procedural import draw_picture


def subject(seed: int, cell: tuple[int, int]) -> Subject:
    picture = draw_picture(240, 180, np.random.default_rng(seed))
    cut = cut_grid(3, 4, 240, 180, np.random.default_rng(seed))
    return Subject(picture, cut.outline(*cell).astype(float), 40.0, 72.0, 72 / 60)


@pytest.fixture(scope="module")
def photos() -> dict[str, np.ndarray]:
    own, beside, foreign = subject(1, (1, 1)), subject(1, (2, 3)), subject(2, (0, 1))
    return {kind: draw_nuisance(kind, own, beside, foreign, 5) for kind in PHOTOS}


def test_all_are_photos_and_none_is_the_plain_one(photos: dict[str, np.ndarray]) -> None:
    plain = photos["plain"]
    for kind, photo in photos.items():
        assert photo.dtype == np.uint8
        assert photo.ndim == 3
        assert min(photo.shape[:2]) > 60
        if kind not in ("plain", "count"):
            assert photo.shape != plain.shape or (photo != plain).mean() > 0.02, kind


def test_what_is_not_of_the_kind_stays(photos: dict[str, np.ndarray]) -> None:
    plain = photos["plain"].astype(int)
    assert np.array_equal(photos["count"], photos["plain"])
    assert np.array_equal(photos["mirrored"], photos["plain"][:, ::-1])
    # A finger and a shadow cover a part of the photo; the camera's grain is the same beside them.
    for kind in ("finger", "shadow"):
        off = np.abs(photos[kind].astype(int) - plain).max(axis=2)
        assert (off > 25).mean() > 0.03, kind
        assert (off < 12).mean() > 0.2, kind
    assert photos["dark"].mean() < 0.6 * photos["plain"].mean()
    assert photos["glare"].mean() > photos["plain"].mean()
    assert photos["two"].shape[1] > 1.2 * photos["plain"].shape[1]


def test_they_follow_from_the_seed() -> None:
    own, beside, foreign = subject(1, (1, 1)), subject(1, (2, 3)), subject(2, (0, 1))
    first, again, other = (draw_nuisance("hand", own, beside, foreign, seed) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)
    with pytest.raises(ValueError, match="no kind 'nail'"):
        draw_nuisance("nail", own, beside, foreign, 0)


def test_those_that_are_placed_come_first() -> None:
    assert PHOTOS[: len(PLACED)] == PLACED
    assert {MIRRORED, *FOREIGN} == set(PHOTOS) - set(PLACED)
