"""What is no piece but the picture, or much of it, is told apart from a piece."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import draw_texture
from fastapi.testclient import TestClient
from PIL import Image
from service_support import EXAMPLES, encoded, send_photos, wait_ready

from heatmap_locator import Locator, Puzzle, Search
from heatmap_locator.command.cli import main
from heatmap_locator.errors import NoPieceError
from heatmap_locator.picture.read import read_picture
from heatmap_locator.search.oversize import CELLS

TABLE = (90, 90, 95)


def on_table(rgb: np.ndarray, degrees: float = 20.0) -> np.ndarray:
    """A photo of something lying on a grey table, turned."""
    height, width = rgb.shape[:2]
    side = int(1.6 * np.hypot(height, width))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    matrix[:, 2] += [(side - width) / 2, (side - height) / 2]
    return cv2.warpAffine(rgb, matrix, (side, side), flags=cv2.INTER_CUBIC, borderValue=TABLE)


def photo_of(way: str, picture: np.ndarray) -> np.ndarray:
    """Of the picture, or of 5 x 5 of its cells."""
    if way == "the file":
        return picture
    return on_table(picture if way == "a photo" else picture[210:560, 280:630])


WAYS = {
    "the file": "the whole picture",
    "a photo": "the whole picture",
    "5 x 5 cells": "5 by 5 pieces",
}
each_way = pytest.mark.parametrize("way", WAYS)


@each_way
def test_what_is_many_pieces_large_is_refused(example_puzzle: Puzzle, way: str) -> None:
    photo = photo_of(way, example_puzzle.picture)
    with pytest.raises(NoPieceError, match=f"^piece: no piece found: this is {WAYS[way]}") as told:
        example_puzzle.locate(photo)
    assert "\n" not in str(told.value)
    # It does not take others with it.
    good = EXAMPLES / "piece1.jpg"
    refused, found = example_puzzle.search_many([photo, good])
    assert isinstance(refused, NoPieceError)
    assert isinstance(found, Search)
    assert found.placements[0].cell == (3, 5)


@each_way
def test_the_command_says_so(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    picture = read_picture(EXAMPLES / "puzzle.jpg")
    Image.fromarray(photo_of(way, picture)).save("photo.png")
    puzzle, piece = str(EXAMPLES / "puzzle.jpg"), str(EXAMPLES / "piece1.jpg")
    assert main(["photo.png", puzzle, "--pieces", "192"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"heatmap-predict: photo.png: no piece found: this is {WAYS[way]}")
    assert err.count("\n") == 1
    if way == "a photo":  # the others are answered
        assert main(["photo.png", piece, puzzle, "--pieces", "192", "--jsonl"]) == 1
        refused, found = map(json.loads, capsys.readouterr().out.splitlines())
        assert sorted(refused) == ["error", "piece"]
        assert found["placements"][0]["cell"] == [3, 5]


@pytest.mark.parametrize("pieces", [None, 192])
def test_the_service_says_so(make_client: Callable[..., TestClient], pieces: int | None) -> None:
    client = make_client(Locator.from_pretrained(device="cpu"))
    files = {"picture": ("puzzle.jpg", (EXAMPLES / "puzzle.jpg").read_bytes())}
    data = {} if pieces is None else {"pieces": str(pieces)}
    puzzle = client.post("/v1/puzzles", files=files, data=data).json()["id"]
    wait_ready(client, puzzle)
    photo = encoded(on_table(read_picture(EXAMPLES / "puzzle.jpg")))
    refused = send_photos(client, puzzle, photo)
    assert refused.status_code == 422
    assert "0.png: no piece found: this is the whole picture" in refused.json()["detail"]


@pytest.mark.slow
def test_pieces_pass_also_those_of_other_puzzles(example_puzzle: Puzzle) -> None:
    for name in ("piece1.jpg", "piece2.jpg", "piece3.jpg"):
        assert example_puzzle.locate(EXAMPLES / name)
    assert example_puzzle.locate(on_table(draw_texture(90, 90, 4)))
    # A quarter of four cells is a piece.
    assert example_puzzle.locate(on_table(example_puzzle.picture[210:280, 280:350]))


def test_rows_and_columns_that_cannot_be_say_how_large_the_piece_then_is() -> None:
    puzzle = Locator.from_pretrained(device="cpu").encode(EXAMPLES / "puzzle.jpg", grid=(1, 192))
    with pytest.raises(NoPieceError, match=r"this is 1\d by 0\.\d+ pieces large"):
        puzzle.search(EXAMPLES / "piece1.jpg")


def test_one_piece_of_a_puzzle_with_far_fewer_than_were_given_is_one() -> None:
    puzzle = Locator.from_pretrained(device="cpu").encode(EXAMPLES / "puzzle.jpg", pieces=2500)
    found = puzzle.search(EXAMPLES / "piece1.jpg")
    x1, y1, x2, y2 = found.placements[0].box
    across, down = puzzle.grid.cell_size(puzzle.width, puzzle.height)  # type: ignore[union-attr]
    assert max((x2 - x1) / across, (y2 - y1) / down) > CELLS
    assert found.size_estimate == pytest.approx(192, rel=0.1)
