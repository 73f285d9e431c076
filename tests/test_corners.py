"""Pictures on a table seen by a pinhole camera of known pose: corners, aspect and pixels."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import draw_texture
from table_photos import empty_table, kinds, photograph
from table_tops import TABLES

from heatmap_locator.errors import InputError
from heatmap_locator.picture.corners import (
    aspect_ratio,
    check_corners,
    find_corners,
    parse_corners,
    square_up,
)
from heatmap_locator.picture.read import read_picture

EXAMPLES = Path(__file__).parents[1] / "examples"
SIZE = (1000, 750)


@dataclass
class View:
    """A photo of a flat picture, and the picture's corners in it, clockwise from top left."""

    photo: np.ndarray
    corners: np.ndarray


def view(
    picture: np.ndarray,
    tilt: float,
    turn: float,
    roll: float = 0.0,
    focal: float = 950.0,
    fill: float = 0.6,
    table: tuple[int, int, int] = (120, 96, 70),
) -> View:
    """Photographs a picture: tilt about x, turn about y, roll about z, degrees; focal in pixels."""
    height, width = picture.shape[:2]
    rx, ry, rz = np.deg2rad([tilt, turn, roll])
    about_x = [[1, 0, 0], [0, np.cos(rx), -np.sin(rx)], [0, np.sin(rx), np.cos(rx)]]
    about_y = [[np.cos(ry), 0, np.sin(ry)], [0, 1, 0], [-np.sin(ry), 0, np.cos(ry)]]
    about_z = [[np.cos(rz), -np.sin(rz), 0], [np.sin(rz), np.cos(rz), 0], [0, 0, 1]]
    pose = np.array(about_z) @ np.array(about_x) @ np.array(about_y)
    far = focal * max(width / SIZE[0], height / SIZE[1]) / fill
    camera = np.array([[focal, 0, SIZE[0] / 2], [0, focal, SIZE[1] / 2], [0, 0, 1]])
    middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    flat = np.column_stack([pose[:, 0], pose[:, 1], [0, 0, far]])
    forward = camera @ flat @ middle
    square = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]).T
    seen = forward @ square
    corners = (seen[:2] / seen[2]).T
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # OpenCV's centres are at 0
    into = np.linalg.inv(half) @ forward @ half
    rng = np.random.default_rng(0)
    photo = np.ones((SIZE[1], SIZE[0], 3)) * table * np.linspace(0.9, 1.1, SIZE[0])[None, :, None]
    mask = cv2.warpPerspective(np.ones((height, width), np.float32), into, SIZE)[..., None]
    shown = cv2.warpPerspective(
        cv2.GaussianBlur(picture, (0, 0), 1.0), into, SIZE, borderMode=cv2.BORDER_REPLICATE
    )
    photo = photo * (1 - mask) + shown * mask + rng.normal(0, 3.0, photo.shape)
    return View(photo.clip(0, 255).astype(np.uint8), corners)


POSES = [(25, 0, 0), (0, 20, 3), (30, 15, 5), (15, -25, -12), (-28, 10, 20), (5, 3, -35), (0, 0, 0)]


def error(found: np.ndarray, truth: np.ndarray) -> float:
    """Largest distance of a corner from the nearest true one, in parts of the shortest side."""
    apart = np.linalg.norm(found[:, None] - truth[None], axis=2).min(axis=1)
    side = np.linalg.norm(np.roll(truth, -1, axis=0) - truth, axis=1).min()
    return float(apart.max() / side)


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("kind", ["example", "texture"])
def test_corners_are_found(pose: tuple[float, float, float], kind: str) -> None:
    picture = (
        read_picture(EXAMPLES / "puzzle.jpg") if kind == "example" else draw_texture(900, 1200, 3)
    )
    seen = view(picture, *pose)
    found = find_corners(seen.photo)
    assert found is not None
    assert found.shape == (4, 2)
    assert found.dtype == np.float32
    # The texture's border is blurred: 0.0099 with one version of OpenCV, 0.0101 with another.
    assert error(found, seen.corners) < (0.005 if kind == "example" else 0.012)
    # Clockwise from the one nearest to the top left.
    assert found.sum(axis=1).argmin() == 0
    check_corners(found, *SIZE)


@pytest.mark.parametrize("table", [(235, 235, 230), (30, 30, 34), (60, 110, 70)])
def test_other_tables(table: tuple[int, int, int]) -> None:
    seen = view(read_picture(EXAMPLES / "puzzle.jpg"), 20, -15, 8, table=table)
    found = find_corners(seen.photo)
    assert found is not None
    assert error(found, seen.corners) < 0.01


@pytest.mark.parametrize("grain", [6.0, 14.0, 22.0])
def test_a_noisy_brown_table(grain: float) -> None:
    seen = view(read_picture(EXAMPLES / "puzzle.jpg"), 25, -12, 6, table=(96, 66, 44))
    noise = np.random.default_rng(3).normal(0, grain, seen.photo.shape)
    found = find_corners((seen.photo + noise).clip(0, 255).astype(np.uint8))
    assert found is not None
    assert error(found, seen.corners) < 0.01


@pytest.mark.slow
def test_tables_of_many_kinds() -> None:
    """A sample of what ``corner_accuracy.py`` measures at length."""
    rng = np.random.default_rng(4)
    right = wrong = 0
    for table in kinds(3 * len(TABLES)):
        seen = photograph(rng, table)
        found = find_corners(seen.photo)
        right += found is not None and seen.error(found) < 0.03
        wrong += found is not None and seen.error(found) > 0.2
    assert right >= 15, (right, wrong)
    assert wrong <= 2, (right, wrong)


@pytest.mark.slow
def test_tables_without_a_picture() -> None:
    rng = np.random.default_rng(5)
    photos = [empty_table(rng, table).photo for table in TABLES]
    assert sum(find_corners(photo) is not None for photo in photos) <= 1


def test_nothing_to_find() -> None:
    ramp = np.linspace(0, 255, 400)[None, :, None] * np.ones((300, 1, 3))
    round_one = np.full((300, 400, 3), 210, np.uint8)
    cv2.circle(round_one, (200, 150), 110, (50, 60, 120), -1)
    for photo in (
        read_picture(EXAMPLES / "puzzle.jpg"),
        draw_texture(300, 400),
        np.full((300, 400, 3), 128, np.uint8),
        ramp.astype(np.uint8),
        np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8),
        round_one,
    ):
        assert find_corners(photo) is None


@pytest.mark.parametrize("shape", [(800, 800), (600, 900), (900, 640), (500, 1200)])
@pytest.mark.parametrize("pose", [(30, 15, 5), (-20, 30, 25), (20, 20, -40), (0, 0, 10)])
@pytest.mark.parametrize("focal", [750.0, 950.0, 1300.0])
def test_aspect_from_perspective(
    shape: tuple[int, int], pose: tuple[float, float, float], focal: float
) -> None:
    seen = view(np.zeros((*shape, 3), np.uint8), *pose, focal=focal)
    ratio = aspect_ratio(seen.corners, *SIZE) / (shape[1] / shape[0])
    assert ratio == pytest.approx(1.0, abs=0.02)


def test_squared_up_is_the_picture() -> None:
    picture = cv2.GaussianBlur(draw_texture(600, 900, 5), (0, 0), 2.0)
    seen = view(picture, 25, 15, 10, fill=0.7)
    flat = square_up(seen.photo, seen.corners)
    assert flat.dtype == np.uint8
    assert flat.shape[1] / flat.shape[0] == pytest.approx(1.5, rel=0.02)
    expected = cv2.resize(picture, flat.shape[1::-1], interpolation=cv2.INTER_AREA)
    inner = (slice(8, -8), slice(8, -8))
    assert np.corrcoef(flat[inner].ravel(), expected[inner].ravel())[0, 1] > 0.99


def test_corners_of_the_whole_photo_change_nothing() -> None:
    """The half-pixel rule: the photo's own corners are 0, 0 and W, H."""
    photo = draw_texture(60, 90, 1)
    whole = np.array([[0, 0], [90, 0], [90, 60], [0, 60]], np.float32)
    np.testing.assert_array_equal(square_up(photo, whole), photo)
    part = np.array([[10, 20], [70, 20], [70, 50], [10, 50]], np.float32)
    np.testing.assert_array_equal(square_up(photo, part), photo[20:50, 10:70])


def test_the_first_corner_becomes_the_top_left() -> None:
    photo = draw_texture(64, 64, 1)
    whole = np.array([[0, 0], [64, 0], [64, 64], [0, 64]], np.float32)
    turned = square_up(photo, np.roll(whole, -1, axis=0))
    np.testing.assert_array_equal(turned, np.rot90(photo))


def test_parse() -> None:
    points = parse_corners(" 10,20  300.5,21; 310,.5 12,240 ")
    np.testing.assert_array_equal(
        points, np.float32([[10, 20], [300.5, 21], [310, 0.5], [12, 240]])
    )
    for text in (
        "",
        "1,2 3,4 5,6",
        "1,2 3,4 5,6 7,8 9,10",
        "a,b c,d e,f g,h",
        "1,2,3,4,5,6,7,8",
        "1,2 3,4 5,6 7,nan",
        "1,2 3,4 5,6 7,1e9",
        "1,2\n3,4 5,6 7,8 x",
    ):
        with pytest.raises(InputError, match="corners") as caught:
            parse_corners(text)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("corners", "says"),
    [
        ([[10, 10], [90, 10], [10, 90], [90, 90]], "convex"),  # crossed
        ([[10, 10], [90, 10], [40, 40], [10, 90]], "convex"),
        ([[10, 10], [90, 10], [50, 10], [10, 90]], "convex"),
        ([[10, 10], [10, 90], [90, 90], [90, 10]], "clockwise"),
        ([[10, 10], [190, 10], [190, 90], [10, 90]], "outside"),
        ([[-30, 10], [90, 10], [90, 90], [10, 90]], "outside"),
        ([[10, 10], [15, 10], [15, 90], [10, 90]], "pixels apart"),
        ([[10, 10], [90, 10], [90, 90]], "give four"),
        ([[10, 10], [90, 10], [90, 90], [10, np.nan]], "give four"),
        ("all", "give four"),
    ],
)
def test_bad_corners(corners: list[list[float]], says: str) -> None:
    photo = draw_texture(100, 100)
    with pytest.raises(InputError, match=says):
        square_up(photo, corners)
