"""Mirrored photos, backs of pieces and pieces of other puzzles: said, and never sure."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from reports_support import EXAMPLES, PICTURE, piece, saved

from heatmap_locator.command.cli import main
from heatmap_locator.locator import Locator
from heatmap_locator.puzzle import Puzzle
from heatmap_train.draw.cutter import cut_grid
from heatmap_train.draw.nuisances import Subject, draw_nuisance
from heatmap_train.draw.procedural import draw_picture

SURELY = "probably not of this picture"
LESS_SURELY = "perhaps not of this picture"


@pytest.fixture(scope="module")
def foreign() -> Subject:
    picture = draw_picture(640, 480, np.random.default_rng(9))
    cut = cut_grid(12, 16, 640, 480, np.random.default_rng(8))
    return Subject(picture, cut.outline(5, 6).astype(float), 70.0, 110.0, 110 / 40)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_pieces_of_the_picture_are_not_doubted(number: int, example_puzzle: Puzzle) -> None:
    search = example_puzzle.search(EXAMPLES / f"piece{number}.jpg")
    assert search.foreign is not None
    assert search.foreign < 0.05
    assert search.doubts == ()
    assert search.placements[0].score > 0.95


@pytest.mark.parametrize(("kind", "said"), [("foreign", LESS_SURELY), ("back", SURELY)])
def test_others_are_told(kind: str, said: str, foreign: Subject, example_puzzle: Puzzle) -> None:
    photo = draw_nuisance(kind, foreign, foreign, foreign, 13)
    search = example_puzzle.search(photo)
    assert any(doubt.startswith((SURELY, said)) for doubt in search.doubts)
    assert search.placements[0].score < 0.5


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_mirrored_photo_is_said_to_be_one(number: int, example_puzzle: Puzzle) -> None:
    search = example_puzzle.search(EXAMPLES / f"piece{number}.jpg")
    turned = np.ascontiguousarray(search.piece_rgb[:, ::-1])
    mirrored = example_puzzle.search(turned)
    assert mirrored.placements[0].score < 0.9
    x, y = search.placements[0].center
    (first, *_) = mirrored.doubts
    assert first == f"looks mirrored: its mirror image goes to {x:.0f},{y:.0f}"
    assert mirrored.foreign is not None
    assert mirrored.foreign < 0.5


def test_the_command_says_so(
    tmp_path: Path, foreign: Subject, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.png"
    path.write_bytes(saved(draw_nuisance("foreign", foreign, foreign, foreign, 13), "PNG"))
    assert main([str(path), str(PICTURE), "--grid", "12x16", "--json"]) == 0
    out, err = capsys.readouterr()
    (result,) = json.loads(out)["results"]
    assert result["foreign"] >= 0.5
    said = result["doubts"][0]
    assert said.startswith((SURELY, LESS_SURELY))
    assert f"heatmap-predict: {path}: {said}" in err


@pytest.mark.slow
def test_the_service_says_so_and_of_files_cut_short_too(
    make_client: Callable[..., TestClient], foreign: Subject
) -> None:
    client = make_client(Locator.from_pretrained(device="cpu"))
    puzzle = client.post(
        "/v1/puzzles", files={"picture": PICTURE.read_bytes()}, data={"grid": "12x16"}
    ).json()["id"]
    other = saved(draw_nuisance("foreign", foreign, foreign, foreign, 13), "PNG")
    short = saved(piece(), "JPEG", quality=92)[:-2]
    answer = client.post(
        f"/v1/puzzles/{puzzle}/locate",
        files=[("photos", ("other.png", other)), ("photos", ("short.jpg", short))],
    )
    first, second = sorted(answer.json()["pieces"], key=lambda one: one["photo"])
    assert first["foreign"] >= 0.5
    assert first["doubts"][0].startswith((SURELY, LESS_SURELY))
    assert second["foreign"] < 0.05
    (doubt,) = second["doubts"]
    assert doubt.startswith("cut short")
    again = client.get(second["links"]["self"]).json()
    assert (again["doubts"], again["foreign"]) == (second["doubts"], second["foreign"])
