"""The command line: CSV and JSON lines, piece by piece."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from command_support import FIXTURES, FakePuzzle, fails

from heatmap_locator.command.answers import COLUMNS
from heatmap_locator.command.cli import main

fake_locator, files = FIXTURES

ROW = {
    "piece": "a.png",
    "number": "",
    "rank": "1",
    "x1": "10.0",
    "y1": "20.0",
    "x2": "60.0",
    "y2": "70.0",
    "center_x": "35.0",
    "center_y": "45.0",
    "rotation": "123.46",
    "row": "1",
    "col": "2",
    "score": "0.9",
    "sure": "",
    "error": "",
}


def read(text: str) -> list[dict[str, str]]:
    reader = csv.DictReader(StringIO(text))
    rows = list(reader)
    assert reader.fieldnames == list(COLUMNS)
    return rows


def test_csv(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path('b, "c".png').write_bytes(Path("b.png").read_bytes())
    argv = ["a.png", "bad.png", 'b, "c".png', "puzzle.png", "--pieces", "24", "--csv", "--top=2"]
    assert main(argv) == 1
    rows = read(capsys.readouterr().out)
    assert rows[0] == ROW
    assert [(row["piece"], row["rank"]) for row in rows] == [
        ("a.png", "1"),
        ("a.png", "2"),
        ("bad.png", ""),
        ('b, "c".png', "1"),
        ('b, "c".png', "2"),
    ]
    assert rows[2]["error"].startswith("bad.png: ")


@pytest.mark.parametrize("name", ["a\nb.png", "a\rb.png"])
def test_csv_of_a_name_in_two_lines(
    name: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_bytes(Path("a.png").read_bytes())
    assert main([name, "b.png", "puzzle.png", "--pieces", "24", "--csv"]) == 0
    written = capsys.readouterr().out
    rows = list(csv.DictReader(StringIO(written, newline="")))
    assert [row["piece"] for row in rows] == [name, "b.png"]


def test_csv_of_assigned_pieces(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a.png", "b.png", "puzzle.png", "--grid", "1x2", "--assign", "--csv"]) == 0
    rows = read(capsys.readouterr().out)
    assert {(row["row"], row["col"]) for row in rows} == {("0", "0"), ("0", "1")}
    assert {row["sure"] for row in rows} <= {"yes", "no"}


def test_json_lines_are_the_results_of_json(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["a.png", "bad.png", "b.png", "puzzle.png", "--pieces", "24"]
    assert main([*argv, "--json"]) == 1
    whole = json.loads(capsys.readouterr().out)["results"]
    assert main([*argv, "--jsonl"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for result in (*whole, *lines):
        result.pop("seconds", None)
    assert lines == whole


@pytest.mark.parametrize("form", ["--jsonl", "--csv"])
def test_a_line_is_there_as_soon_as_its_piece_is_done(
    form: str, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    search, before = FakePuzzle.search, []

    def watched(self: FakePuzzle, *arguments: object, **named: object) -> object:
        before.append(capsys.readouterr().out)
        return search(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(FakePuzzle, "search", watched)
    assert main(["a.png", "b.png", "puzzle.png", form]) == 0
    assert "a.png" not in before[0]
    assert "a.png" in before[1]
    assert "b.png" in capsys.readouterr().out


def test_one_form_at_a_time(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "not allowed with" in fails(capsys, "a.png", "puzzle.png", "--csv", "--json")
    assert "not allowed with" in fails(capsys, "a.png", "puzzle.png", "--csv", "--jsonl")
