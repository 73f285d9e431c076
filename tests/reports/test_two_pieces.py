"""Two or three pieces in a photo that was meant to show one."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from reports_support import EXAMPLES, PICTURE, saved
from test_many import lay

from heatmap_locator.command.cli import main
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.outline.others import find_others, part_of_photo
from heatmap_locator.puzzle import Puzzle

LEFT, RIGHT, BELOW = (3, 5, 300, 450, 25.0), (8, 10, 820, 400, 140.0), (6, 2, 600, 750, 80.0)


@pytest.mark.parametrize("table", ["wood", "white", "green"])
def test_the_more_central_one_is_answered_and_the_other_named(
    table: str, example_puzzle: Puzzle
) -> None:
    search = example_puzzle.search(lay([LEFT, RIGHT], table=table).photo)
    assert search.placements[0].cell == RIGHT[:2]
    (other,) = search.others
    x1, y1, x2, y2 = other.box
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx(LEFT[2:4], abs=15)
    assert other.where == "left"
    assert search.about_others() == "two pieces in the photo, the other at the left"


def test_the_larger_one_is_answered(example_puzzle: Puzzle) -> None:
    small, large = lay([LEFT], side=90).photo, lay([RIGHT], side=180).photo
    both = np.hstack([small[:, :560], large[:, 560:]])
    assert example_puzzle.locate(both)[0].cell == RIGHT[:2]


def test_three_are_counted(example_puzzle: Puzzle) -> None:
    search = example_puzzle.search(lay([LEFT, RIGHT, BELOW]).photo)
    assert search.about_others() == "3 pieces in the photo, the others at the left, bottom"


def test_one_piece_has_no_others(example_puzzle: Puzzle) -> None:
    for number in (1, 2, 3):
        assert example_puzzle.search(EXAMPLES / f"piece{number}.jpg").others == ()


def test_what_is_no_whole_piece_is_not_counted() -> None:
    table = lay([LEFT])
    photo = table.photo.copy()
    photo[100:260, 900:1060] = (40, 40, 160)  # a box of matches, square as a piece without knobs
    photo[300:460, 1120:] = (160, 40, 40)  # the photo's edge runs through it
    photo[600:620, 600:620] = (10, 10, 10)  # a crumb
    others = find_others(photo, table.masks[0].astype(np.float32), OutlineFinder())
    assert all(other.box[0] > 880 and other.box[3] < 280 for other in others)


def test_parts_of_a_photo() -> None:
    assert part_of_photo(0.1, 0.1) == "top left"
    assert part_of_photo(0.5, 0.5) == "middle"
    assert part_of_photo(0.99, 0.5) == "right"
    assert part_of_photo(0.5, 1.0) == "bottom"


def test_the_command_says_so_and_its_json_has_outline_and_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.png"
    path.write_bytes(saved(lay([LEFT, RIGHT]).photo, "PNG"))
    assert main([str(path), str(PICTURE), "--pieces", "192", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err.strip() == (
        f"heatmap-predict: {path}: two pieces in the photo, the other at the left; "
        "--many locates all of them"
    )
    (result,) = json.loads(out)["results"]
    assert [other["where"] for other in result["others"]] == ["left"]
    x1, y1, x2, y2 = result["photo_box"]
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == pytest.approx(RIGHT[2:4], abs=15)
    outline = np.array(result["outline"])
    assert outline.min(axis=0) == pytest.approx([x1, y1], abs=1.5)
    assert outline.max(axis=0) == pytest.approx([x2, y2], abs=1.5)


def test_the_service_says_so(
    make_client: Callable[..., TestClient], example_puzzle: Puzzle
) -> None:
    from heatmap_locator.locator import Locator

    client = make_client(Locator.from_pretrained(device="cpu"))
    puzzle = client.post(
        "/v1/puzzles", files={"picture": PICTURE.read_bytes()}, data={"pieces": "192"}
    ).json()["id"]
    photo = saved(lay([LEFT, RIGHT]).photo, "PNG")
    answer = client.post(f"/v1/puzzles/{puzzle}/locate", files={"photos": ("two.png", photo)})
    (found,) = answer.json()["pieces"]
    assert found["placements"][0]["cell"] == list(RIGHT[:2])
    assert [other["where"] for other in found["others"]] == ["left"]
    assert client.get(found["links"]["self"]).json()["others"] == found["others"]
