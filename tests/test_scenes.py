"""Training scenes: their labels are true of their pixels."""

from dataclasses import fields

import cv2
import numpy as np
import pytest
import torch
from conftest import draw_texture

from heatmap_locator.geometry import CELL, angle_difference, clockwise
from heatmap_locator.model.bank import OVERSAMPLE
from heatmap_train.draw.cutter import rasterize
from heatmap_train.draw.scenes import (
    PHOTO,
    Scenes,
    SceneSettings,
    apply_homography,
    collate,
    make_scene,
)

SIZE = 128


def scene(seed: int, exact: bool = False, **changes: float) -> dict[str, np.ndarray]:
    settings = SceneSettings(
        size=SIZE, pieces=3, exact_share=float(exact), **{"seams_share": 0.0, **changes}
    )
    return make_scene(draw_texture(230, 260, seed), settings, np.random.default_rng(seed))


def warp_back(made: dict[str, np.ndarray], piece: int) -> tuple[np.ndarray, np.ndarray]:
    """The piece's photo and mask laid over the picture by the homography alone."""
    centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(centre) @ made["homographies"][piece] @ centre
    photo = made["photos"][piece].transpose(1, 2, 0)
    way = cv2.INTER_LINEAR
    return (
        cv2.warpPerspective(photo, matrix, (SIZE, SIZE), flags=way),
        cv2.warpPerspective(made["masks"][piece, 0], matrix, (SIZE, SIZE), flags=way),
    )


def linear_part(homography: np.ndarray, point: np.ndarray) -> np.ndarray:
    """2x2 derivative of the map at a point."""
    steps = point + np.array([[0, 0], [1e-3, 0], [0, 1e-3]])
    at, right, down = apply_homography(homography, steps)
    return np.stack([right - at, down - at], 1) / 1e-3


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_photos_lie_on_the_picture_where_the_labels_say(seed: int, exact: bool) -> None:
    made = scene(seed, exact)
    picture = made["pictures"].transpose(1, 2, 0).astype(float)
    for piece in range(3):
        photo, mask = warp_back(made, piece)
        inside = mask > 0.99
        assert inside.sum() > 0.4 * CELL**2
        ours, truth = photo[inside].ravel(), picture[inside].ravel()
        assert np.corrcoef(ours, truth)[0, 1] > 0.95
        shifted = np.roll(picture, 3, axis=1)[inside].ravel()
        assert np.corrcoef(ours, shifted)[0, 1] < np.corrcoef(ours, truth)[0, 1]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_photos_are_not_off_by_part_of_a_pixel(seed: int, exact: bool) -> None:
    made = scene(seed, exact)
    picture = made["pictures"].transpose(1, 2, 0).astype(float).mean(2)
    for piece in range(3):
        photo, mask = warp_back(made, piece)
        inside = mask > 0.99
        # The shift that explains the difference best (Lucas and Kanade, 1981).
        down, right = (g[inside] for g in np.gradient(picture))
        slopes = np.stack([right, down, np.ones_like(down)], 1)
        shift = np.linalg.lstsq(slopes, (photo.mean(2) - picture)[inside], rcond=None)[0][:2]
        assert np.abs(shift).max() < 0.06


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_the_box_is_the_outline_s(seed: int, exact: bool) -> None:
    made = scene(seed, exact)
    for piece in range(3):
        _, mask = warp_back(made, piece)
        ys, xs = np.nonzero(mask > 0.5)
        found = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        np.testing.assert_allclose(found, made["box"][piece], atol=1.3)
        assert made["box"][piece].min() > -0.01
        assert made["box"][piece].max() < SIZE + 0.01


@pytest.mark.parametrize("seed", range(8))
def test_the_rotation_is_the_homography_s(seed: int) -> None:
    made = scene(seed, perspective=0.0, aspect_error=0.0)
    for piece in range(3):
        to_picture = linear_part(made["homographies"][piece], np.array([PHOTO / 2, PHOTO / 2]))
        # The photo is turned clockwise from its place, so the way back turns the other way.
        angle = np.degrees(np.arctan2(to_picture[1, 0], to_picture[0, 0]))
        assert abs(angle_difference(-angle, made["rotation"][piece])) < 0.05
        assert np.linalg.det(to_picture) > 0


@pytest.mark.parametrize("seed", range(4))
def test_the_rotation_survives_perspective_and_aspect(seed: int) -> None:
    made = scene(seed)
    for piece in range(3):
        linear = linear_part(made["homographies"][piece], np.array([PHOTO / 2, PHOTO / 2]))
        angle = np.degrees(np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
        assert abs(angle_difference(-angle, made["rotation"][piece])) < 6
        assert np.sqrt(np.linalg.det(linear)) * OVERSAMPLE == pytest.approx(1, abs=0.2)


def test_exact_scenes_are_quarter_turns_of_square_cells() -> None:
    seen = set()
    for seed in range(6):
        made = scene(seed, exact=True)
        assert made["exact"]
        seen.update(made["rotation"].tolist())
        for piece in range(3):
            x1, y1, x2, y2 = made["box"][piece]
            assert x2 - x1 == pytest.approx(CELL, abs=1e-3)
            assert y2 - y1 == pytest.approx(CELL, abs=1e-3)
            wanted = clockwise(-made["rotation"][piece]) / OVERSAMPLE
            np.testing.assert_allclose(made["homographies"][piece][:2, :2], wanted, atol=1e-9)
    assert seen == {0.0, 90.0, 180.0, 270.0}


def test_other_scenes_are_not_exact_and_turn_freely() -> None:
    made = scene(0)
    assert not made["exact"]
    assert all(angle % 90 > 0.01 for angle in made["rotation"])


def test_the_generator_decides_all() -> None:
    first, again, other = scene(3), scene(3), scene(4)
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name], err_msg=name)
    assert not np.array_equal(first["rotation"], other["rotation"])


def test_seams_are_drawn_into_the_picture_but_not_the_photos() -> None:
    def off(seams_share: float) -> tuple[float, float]:
        """Mean difference of picture and photo along the cut, and well inside the piece."""
        made = scene(2, seams_share=seams_share)
        picture = made["pictures"].transpose(1, 2, 0).astype(float)
        photo, mask = warp_back(made, 0)
        differs = np.abs(photo - picture).mean(2)
        inside = cv2.erode((mask > 0.9).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        return float(differs[(mask > 0.3) & (mask < 0.7)].mean()), float(differs[inside].mean())

    plain, seamed = off(0.0), off(1.0)
    assert seamed[0] > 2 * plain[0]
    assert seamed[1] < 1.5 * plain[1] + 1


def test_a_picture_smaller_than_the_scene_is_enlarged() -> None:
    settings = SceneSettings(size=SIZE, pieces=30, exact_share=0.0)
    made = make_scene(draw_texture(60, 70), settings, np.random.default_rng(0))
    assert made["pictures"].shape == (3, SIZE, SIZE)
    assert made["photos"].shape == (30, 3, PHOTO, PHOTO)


def test_collate_stacks_every_field() -> None:
    batch = collate([scene(0), scene(1, exact=True)])
    assert batch.pictures.shape == (2, 3, SIZE, SIZE)
    assert batch.photos.shape == (2, 3, 3, PHOTO, PHOTO)
    assert batch.masks.shape == (2, 3, 1, PHOTO, PHOTO)
    assert batch.exact.tolist() == [False, True]
    assert 0.2 < batch.pictures.max() <= 1
    for f in fields(Scenes):
        assert getattr(batch, f.name).dtype in (torch.float32, torch.bool), f.name


def test_masks_are_the_outline_in_the_photo() -> None:
    made = scene(1, exact=True)
    for piece in range(3):
        x1, y1, x2, y2 = made["box"][piece]
        corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
        in_photo = apply_homography(np.linalg.inv(made["homographies"][piece]), corners)
        wanted = rasterize(in_photo.astype(np.float32), (PHOTO, PHOTO))
        np.testing.assert_allclose(made["masks"][piece, 0], wanted, atol=0.01)
