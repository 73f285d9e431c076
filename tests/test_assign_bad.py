"""Bad input to fitting together, from photos on: each has a word, the rest is solved.

The same pieces through the library, the command and the service.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import draw_texture
from fastapi.testclient import TestClient
from service_support import encoded, send_photos, wait_ready

from heatmap_locator import InputError, Locator
from heatmap_locator.command.cli import main
from heatmap_locator.geometry import clockwise
from heatmap_train.draw.cutter import Cut, cut_grid, rasterize

pytestmark = pytest.mark.slow

ROWS, COLS, CELL, ZOOM = 5, 6, 40, 3.0
BACK, TORN, TWICE = (3, 1), (2, 2), (1, 4)


def drawn(seed: int) -> tuple[np.ndarray, Cut]:
    """A picture, and how it is cut."""
    size = ROWS * CELL, COLS * CELL
    cut = cut_grid(ROWS, COLS, size[1], size[0], np.random.default_rng(seed))
    return draw_texture(*size, seed), cut


def cut_out(picture: np.ndarray, outline: np.ndarray, degrees: float) -> np.ndarray:
    """(H, W, 4) uint8 of a piece, turned clockwise and enlarged, with alpha."""
    side = round(2.2 * CELL * ZOOM)
    linear = ZOOM * clockwise(degrees)
    middle = (outline.min(axis=0) + outline.max(axis=0)) / 2
    matrix = np.column_stack([linear, side / 2 - linear @ middle])
    alpha = rasterize(outline, (side, side), matrix)
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # OpenCV counts from pixel centres
    print_ = cv2.warpAffine(picture, shifted, (side, side), flags=cv2.INTER_CUBIC)
    return np.dstack([print_, np.rint(alpha * 255).astype(np.uint8)])


def torn(cut: Cut, cell: tuple[int, int]) -> np.ndarray:
    """A piece's outline with less than half of one knob."""
    sides = [side.astype(np.float64) for side in cut.sides(*cell)]
    for number, side in enumerate(sides):
        chord = side[-1] - side[0]
        out = np.array([chord[1], -chord[0]]) / np.hypot(*chord)
        off = (side - side[0]) @ out
        if off.max() > 0.12 * CELL:
            sides[number] = side - 0.55 * off[:, None] * out
            break
    return np.concatenate([side[:-1] for side in sides])


@pytest.fixture(scope="module")
def photos() -> dict[str, np.ndarray]:
    """All pieces by name; in the place of one its back, one torn, one a second time, a stranger."""
    picture, cut = drawn(3)
    rng = np.random.default_rng(0)
    found = {}
    for row, col in np.ndindex(ROWS, COLS):
        turn = float(rng.uniform(0, 360))
        outline = torn(cut, (row, col)) if (row, col) == TORN else cut.outline(row, col)
        photo = cut_out(picture, outline, turn)
        if (row, col) == BACK:
            photo = np.ascontiguousarray(photo[:, ::-1])
            photo[..., :3] = 150
        found[f"r{row}c{col}.png"] = photo
    found["twice.png"] = cut_out(picture, cut.outline(*TWICE), 77.0)
    found["stranger.png"] = cut_out(drawn(8)[0], drawn(8)[1].outline(2, 3), 30.0)
    return found


@pytest.fixture(scope="module")
def too_many() -> dict[str, np.ndarray]:
    """All pieces, and of one its print alone, cut out as a rectangle."""
    picture, cut = drawn(3)
    found = {
        f"r{row}c{col}.png": cut_out(picture, cut.outline(row, col), 90.0 * (row + col) + 10)
        for row, col in np.ndindex(ROWS, COLS)
    }
    box = np.array([[1, 1], [2, 1], [2, 2], [1, 2]], np.float32) * CELL
    found["square.png"] = cut_out(picture, box, 0.0)
    return found


Told = dict[str, tuple[tuple[int, int] | None, dict[str, Any] | None]]
"""By name of a photo its cell and what is the matter, ``other`` by name."""


def check(told: Told) -> None:
    """What has to be said of ``photos``."""
    wrong = {name: problem["kind"] for name, (_, problem) in told.items() if problem}
    twice = "r1c4.png" if "r1c4.png" in wrong else "twice.png"
    assert wrong == {
        "r3c1.png": "behind",
        "r2c2.png": "damaged",
        "r1c2.png": "damaged",  # its neighbour: one of both is
        "stranger.png": "foreign",
        twice: "twice",
    }
    both = {"r1c4.png", "twice.png"}
    for name, (cell, problem) in told.items():
        if name in ("r3c1.png", "stranger.png", twice):
            assert cell is None, name
        else:
            assert cell == (TWICE if name in both else (int(name[1]), int(name[3]))), name
        if name == twice:
            assert problem is not None
            assert {problem["other"]} == both - {twice}
    behind = told["r3c1.png"][1]
    assert behind is not None
    assert tuple(behind["cell"]) == BACK


def check_too_many(told: Told) -> None:
    """What has to be said of ``too_many``."""
    left = {name for name, (cell, _) in told.items() if cell is None}
    assert len(left) == 1
    assert left <= {"square.png", "r1c1.png"}
    (name,) = left
    problem = told[name][1]
    assert problem is not None
    assert problem["kind"] == "no-cell"
    rest = {n: cell for n, (cell, _) in told.items() if n not in ("square.png", "r1c1.png")}
    assert rest == {n: (int(n[1]), int(n[3])) for n in rest}


def by_library(locator: Locator, photos: dict[str, np.ndarray]) -> Told:
    puzzle, names = locator.encode(drawn(3)[0], grid=(ROWS, COLS)), list(photos)
    found = {}
    for name, one in zip(names, puzzle.assign(list(photos.values())), strict=True):
        assert not isinstance(one, InputError)
        problem = None if one.problem is None else one.problem.to_dict()
        if problem is not None and "other" in problem:
            problem["other"] = names[problem["other"]]
        found[name] = one.cell, problem
    return found


def by_command(
    weights: Path, photos: dict[str, np.ndarray], folder: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[Told, str]:
    for name, photo in {**photos, "box.png": drawn(3)[0]}.items():
        (folder / name).write_bytes(encoded(photo))
    given = [*(str(folder / name) for name in photos), str(folder / "box.png")]
    options = ["--grid", f"{ROWS}x{COLS}", "--assign", "--json", "--device", "cpu"]
    assert main([*given, *options, "--weights", str(weights)]) == 0
    out, err = capsys.readouterr()
    results = json.loads(out)["results"]
    names, found = [Path(one["piece"]).name for one in results], {}
    for name, one in zip(names, results, strict=True):
        problem = one.get("problem")
        if problem is not None and "other" in problem:
            problem["other"] = names[problem["other"]]
        cell = None if one["assignment"] is None else tuple(one["assignment"]["cell"])
        found[name] = cell, problem
    return found, err


def by_service(client: TestClient, photos: dict[str, np.ndarray]) -> Told:
    files = {"picture": ("box.png", encoded(drawn(3)[0]))}
    puzzle = client.post("/v1/puzzles", files=files, data={"grid": f"{ROWS}x{COLS}"}).json()["id"]
    wait_ready(client, puzzle)
    names, ids = list(photos), dict[str, str]()
    for start in range(0, len(names), 8):
        part = names[start : start + 8]
        answer = send_photos(client, puzzle, *(encoded(photos[name]) for name in part))
        for name, piece in zip(part, answer.json()["pieces"], strict=True):
            ids[piece["id"]] = name
    found = {}
    for one in client.post(f"/v1/puzzles/{puzzle}/solve").json()["assignments"]:
        problem = one["problem"]
        if problem is not None and problem["other"] is not None:
            problem["other"] = ids[problem["other"]]
        cell = None if one["cell"] is None else tuple(one["cell"])
        found[ids[one["piece"]]] = cell, problem
    return found


def test_the_library_says_it(plain_locator: Locator, photos: dict[str, np.ndarray]) -> None:
    check(by_library(plain_locator, photos))


def test_the_library_says_which_are_too_many(
    plain_locator: Locator, too_many: dict[str, np.ndarray]
) -> None:
    check_too_many(by_library(plain_locator, too_many))


def test_the_command_says_it(
    plain_weights: Path,
    photos: dict[str, np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told, err = by_command(plain_weights, photos, tmp_path, capsys)
    check(told)
    for words in (
        "r3c1.png: photographed from behind; turned over it fits row 4, column 2",
        "stranger.png: fits no open cell; of another puzzle",
        "does not fit its neighbour",
        "the same piece as",
    ):
        assert words in err


def test_the_command_says_which_are_too_many(
    plain_weights: Path,
    too_many: dict[str, np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told, err = by_command(plain_weights, too_many, tmp_path, capsys)
    check_too_many(told)
    assert "no cell left for it; more pieces than cells" in err


def test_the_service_says_it(
    make_client: Callable[..., TestClient], photos: dict[str, np.ndarray]
) -> None:
    check(by_service(make_client(), photos))


def test_the_service_says_which_are_too_many(
    make_client: Callable[..., TestClient], too_many: dict[str, np.ndarray]
) -> None:
    check_too_many(by_service(make_client(), too_many))
