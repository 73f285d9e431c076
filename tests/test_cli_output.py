"""The command line: what is printed, as a table and as JSON, of one piece and of many."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_support import FIXTURES, FakeLocator, FakePuzzle, fails
from PIL import Image

from heatmap_locator.command.cli import main
from heatmap_locator.grid import Grid
from heatmap_locator.picture.read import read_picture

fake_locator, files = FIXTURES


def test_table(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a.png", "b.png", "puzzle.png", "--pieces", "24", "--top", "2"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    head, *rows = out.splitlines()
    assert head.split() == ["piece", "rank", "box", "centre", "rotation", "row", "col", "score"]
    assert [row.split()[:2] for row in rows] == [
        ["a.png", "1"],
        ["a.png", "2"],
        ["b.png", "1"],
        ["b.png", "2"],
    ]
    assert rows[0].split()[2:] == [
        "10.0",
        "20.0",
        "60.0",
        "70.0",
        "35.0",
        "45.0",
        "123.5",
        *("2", "3"),  # from 1, of cell (1, 2)
        "0.900",
    ]


def test_options_may_stand_anywhere(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a.png", "b.png", "puzzle.png", "--pieces", "24"]) == 0
    table = capsys.readouterr().out
    for argv in (
        ["--pieces", "24", "a.png", "b.png", "puzzle.png"],
        ["a.png", "--pieces=24", "b.png", "--top", "1", "puzzle.png"],
        ["a.png", "--pieces", "24", "--", "b.png", "puzzle.png"],
    ):
        assert main(argv) == 0
        assert capsys.readouterr().out == table
    said = fails(capsys, "a.png", "--piece", "24", "puzzle.png")
    assert "unrecognized arguments: --piece" in said


def test_one_of_a_few_places_is_said_where_not_all_are_shown(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    search = FakePuzzle.search
    monkeypatch.setattr(
        FakePuzzle, "search", lambda *args, **options: replace(search(*args, **options), one_of=3)
    )
    assert main(["a.png", "puzzle.png", "--pieces", "24"]) == 0
    said = "heatmap-predict: a.png: one of 3 places; --top 3 prints and draws them all\n"
    assert capsys.readouterr().err == said
    assert main(["a.png", "puzzle.png", "--pieces", "24", "--top", "3"]) == 0
    out, err = capsys.readouterr()
    assert (err, out.count("\n")) == ("", 4)


def test_standard_input_has_room_in_the_table(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(Path("a.png").read_bytes()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["-", "puzzle.png"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert row.startswith("standard input ")
    assert head.index("score") == row.index("0.900")


def test_json(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--pieces", "24", "a.png", "puzzle.png"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    answer = json.loads(out)
    assert answer["puzzle"] == {"path": "puzzle.png", "width": 300, "height": 200, "pieces": 24}
    (result,) = answer["results"]
    assert result.pop("seconds") >= 0.0
    assert result == {
        "piece": "a.png",
        "photo_box": [0.0, 0.0, 50.0, 40.0],
        "outline": [[0.25, 0.25], [49.75, 0.25], [49.75, 39.75], [0.25, 39.75]],
        "others": [],
        "foreign": None,
        "doubts": [],
        "placements": [
            {
                "box": [10.0, 20.0, 60.0, 70.0],
                "center": [35.0, 45.0],
                "rotation": 123.46,
                "score": 0.9,
                "cell": [1, 2],
                "why": None,
            }
        ],
        "one_of": None,
    }


def test_json_without_a_grid_has_null_pieces(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--json", "a.png", "puzzle.png"]) == 0
    assert json.loads(capsys.readouterr().out)["puzzle"]["pieces"] is None


def test_the_size_settled_on_is_told(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakePuzzle, "size_estimate", 190)
    assert main(["--json", "a.png", "b.png", "puzzle.png"]) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert (answer["puzzle"]["pieces"], answer["puzzle"]["size_estimate"]) == (None, 190)
    assert [result["size_estimate"] for result in answer["results"]] == [190, 190]
    assert err == (
        "heatmap-predict: size of a piece not given: looks like about 190 pieces; "
        "give --pieces 190 to be faster\n"
    )
    assert main(["a.png", "puzzle.png"]) == 0
    out, err = capsys.readouterr()
    assert "190" not in out
    assert "--pieces 190" in err


def test_rows_and_columns_that_pieces_show_are_told_where_nothing_was_given(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(self: FakeLocator, picture: str, **cut: Any) -> FakePuzzle:
        puzzle = FakePuzzle(picture, cut["grid"])
        puzzle.cut = Grid(12, 16)
        return puzzle

    monkeypatch.setattr(FakeLocator, "encode", encode)
    monkeypatch.setattr(FakePuzzle, "size_estimate", 192)
    assert main(["--json", "a.png", "puzzle.png"]) == 0
    out, err = capsys.readouterr()
    puzzle = json.loads(out)["puzzle"]
    assert (puzzle["pieces"], puzzle["size_estimate"]) == (None, 192)
    assert (puzzle["cut"]["rows"], puzzle["cut"]["cols"]) == (12, 16)
    assert "looks like 12 rows of 16; give --grid 12x16 to be faster" in err


def test_the_cut_that_pieces_show_is_told(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(self: FakeLocator, picture: str, **cut: Any) -> FakePuzzle:
        puzzle = FakePuzzle(picture, cut["grid"])
        puzzle.cut = Grid(2, 3, edges=(-0.1, 0.0, 1.1, 1.0))
        return puzzle

    monkeypatch.setattr(FakeLocator, "encode", encode)
    assert main(["--json", "a.png", "puzzle.png", "--pieces", "6"]) == 0
    out, err = capsys.readouterr()
    puzzle = json.loads(out)["puzzle"]
    wide, high = puzzle["width"], puzzle["height"]
    assert puzzle["cut"]["rows"] == 2
    assert puzzle["cut"]["cols"] == 3
    assert puzzle["cut"]["edges"] == pytest.approx([-0.1 * wide, 0, 1.1 * wide, high], abs=0.01)
    assert "by the pieces placed, the puzzle has 2 rows of 3 and its edges lie at x" in err


def test_with_very_many_pieces_what_begins_is_told_without_a_terminal(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    search = FakePuzzle.search_many

    def misfits(puzzle: FakePuzzle, *args: Any, **options: Any) -> list[Any]:
        puzzle.progress("trying 6 to 810 pieces")
        return search(puzzle, *args, **options)

    monkeypatch.setattr(FakePuzzle, "search_many", misfits)
    Image.new("RGB", (1200, 960)).save("large.png")
    argv = ["a.png", "b.png", "large.png", "--json"]
    assert main([*argv, "--pieces", "49999"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"heatmap-predict: {what}"
        for what in (
            "loading the model",
            "reading the picture for 49999 pieces",
            "piece 1 of 2: a.png",
            "no sure fit at the size given: trying 6 to 810 pieces",
            "piece 2 of 2: b.png",
            "no sure fit at the size given: trying 6 to 810 pieces",
        )
    ]
    for few in ([], ["--pieces", "4000"]):
        assert main([*argv, *few]) == 0
        assert capsys.readouterr().err == ""


def test_where_no_size_is_clear_none_is_told(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--json", "a.png", "puzzle.png"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["puzzle"]["size_estimate"] is None
    assert err == ""


def _composed(path: str, spots: list[tuple[int, int]]) -> None:
    """Writes a photo of plain interlocking shapes on a table."""
    photo = np.full((300, 400, 3), (150, 112, 74), np.uint8)
    for x, y in spots:
        photo[y - 30 : y + 30, x - 30 : x + 30] = (40, 80, 160)
        photo[y - 42 : y - 30, x - 8 : x + 8] = (40, 80, 160)
        photo[y - 8 : y + 8, x + 30 : x + 42] = (40, 80, 160)
    Image.fromarray(photo).save(path)


def test_many(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _composed("photo.png", [(90, 80), (290, 90), (200, 220)])
    assert main(["photo.png", "puzzle.png", "--many", "--pieces", "24"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["photo.png#1", "photo.png#2", "photo.png#3"]
    argv = ["photo.png", "puzzle.png", "--many", "--pieces", "24", "--json", "--overlay", "o.png"]
    assert main(argv) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [(r["piece"], r["number"]) for r in results] == [("photo.png", n) for n in (1, 2, 3)]
    np.testing.assert_allclose(results[0]["photo_box"], [60, 38, 132, 110], atol=2)
    assert all(len(r["outline"]) >= 8 and r["touching"] is False for r in results)
    assert read_picture("o.png").shape[1] == 1600


def test_many_with_a_photo_of_nothing(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (200, 150), (150, 112, 74)).save("empty.png")
    _composed("photo.png", [(90, 80)])
    assert "no piece found" in fails(capsys, "empty.png", "puzzle.png", "--many")
    assert main(["empty.png", "photo.png", "puzzle.png", "--many", "--json"]) == 1
    out, err = capsys.readouterr()
    assert "empty.png" in err
    results = json.loads(out)["results"]
    assert sorted(results[0]) == ["error", "piece"]
    assert results[1]["number"] == 1


def test_assign(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Both fakes lie over the first cell: one has to give way.
    assert main(["a.png", "b.png", "puzzle.png", "--pieces", "24", "--assign"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[-1] == "sure"
    cells = [tuple(row.split()[-4:-2]) for row in rows]
    assert len(rows) == len(set(cells)) == 2
    assert ("1", "1") in cells
    argv = ["a.png", "b.png", "puzzle.png", "--grid", "4x6", "--assign", "--json"]
    assert main([*argv, "--overlay", "o.png"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [len(r["placements"]) for r in results] == [1, 1]
    found = {tuple(r["assignment"]["cell"]): r["assignment"]["sure"] for r in results}
    assert len(found) == 2
    assert set(results[0]["assignment"]) == {*results[0]["placements"][0], "sure"}
    assert Path("o.png").exists()


def test_more_pieces_than_cells(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a.png", "b.png", "puzzle.png", "--grid", "1x1", "--assign", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "no cell left" in err
    assigned = [r["assignment"] for r in json.loads(out)["results"]]
    assert sum(a is None for a in assigned) == 1


def test_a_folder_stands_for_its_images(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for bad in ("bad.png", "cut.png"):
        Path(bad).unlink()
    Path("notes.txt").write_text("not an image")
    assert main([".", "puzzle.png", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [r["piece"] for r in results] == ["a.png", "b.png"]


def test_corners(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["a.png", "puzzle.png", "--json", "--pieces", "24"]
    assert main([*argv, "--corners", "20,10 280,10 280,190 20,190"]) == 0
    puzzle = json.loads(capsys.readouterr().out)["puzzle"]
    assert (puzzle["width"], puzzle["height"]) == (260, 180)
    assert puzzle["squared_up"] is True
    assert puzzle["corners"] == [[20, 10], [280, 10], [280, 190], [20, 190]]
    assert main([*argv, "--corners", "auto"]) == 0
    out, err = capsys.readouterr()
    assert "no corners found" in err
    puzzle = json.loads(out)["puzzle"]
    assert (puzzle["width"], puzzle["squared_up"], puzzle["corners"]) == (300, False, None)
