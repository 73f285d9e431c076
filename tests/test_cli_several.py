"""The command line with several photos: side by side in small parts, answered as one by one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_support import FIXTURES, FakePuzzle
from conftest import HANG
from PIL import Image
from service_support import EXAMPLES, small_piece

from heatmap_locator import Locator, Puzzle
from heatmap_locator.command.cli import main
from heatmap_locator.search.lanes import LANES
from heatmap_locator.search.searcher import Searcher

fake_locator, files = FIXTURES


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Photos of each call of a FAKE puzzle that takes three side by side."""
    found, search = list[int](), FakePuzzle.search_many

    def counted(puzzle: FakePuzzle, pieces: Sequence[str], *args: Any, **options: Any) -> list[Any]:
        found.append(len(pieces))
        return search(puzzle, pieces, *args, **options)

    monkeypatch.setattr(FakePuzzle, "search_many", counted)
    monkeypatch.setattr(FakePuzzle, "lanes", 3)
    return found


@pytest.mark.parametrize("form", [["--json"], ["--jsonl"], ["--csv"], [], ["--assign", "--json"]])
def test_answers_and_errors_are_those_of_one_by_one(
    form: list[str],
    files: Path,
    calls: list[int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = ["a.png", "bad.png", "b.png", "cut.png", "a.png", "none.png", "b.png", "a.png"]
    argv = [*images, "puzzle.png", "--grid", "4x6", *form]
    statuses, printed = [], []
    for lanes in (1, 3):
        monkeypatch.setattr(FakePuzzle, "lanes", lanes)
        statuses.append(main(argv))
        out, err = capsys.readouterr()
        printed.append((_without_seconds(out, form), err))
    assert statuses == [1, 1]
    assert printed[0] == printed[1]
    assert calls == [1] * 6 + [3, 3]


def _without_seconds(out: str, form: list[str]) -> Any:
    if form not in (["--json"], ["--jsonl"], ["--assign", "--json"]):
        return out
    texts = out.splitlines() if form == ["--jsonl"] else [out]
    found = [json.loads(text) for text in texts]
    for answer in found:
        for result in answer.get("results", [answer]):
            result.pop("seconds", None)
    return found


def test_answers_come_after_each_part(
    files: Path,
    calls: list[int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed, search = list[int](), FakePuzzle.search_many

    def watched(*args: Any, **options: Any) -> list[Any]:
        printed.append(capsys.readouterr().out.count("\n"))
        return search(*args, **options)

    monkeypatch.setattr(FakePuzzle, "search_many", watched)
    assert main([*["a.png", "b.png"] * 4, "puzzle.png", "--pieces", "24", "--jsonl"]) == 0
    assert calls == [3, 3, 2]
    assert printed == [0, 3, 3]


def test_pieces_of_one_photo_go_side_by_side_too(
    files: Path, calls: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.hstack([small_piece(0, col) for col in range(4)])).save("photo.png")
    assert main(["photo.png", "puzzle.png", "--many", "--pieces", "24", "--jsonl"]) == 0
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [result["number"] for result in results] == [1, 2, 3, 4]
    assert calls == [3, 1]


def test_a_puzzle_says_how_many() -> None:
    """One until a piece has fitted, and where the number of pieces is open."""
    locator = Locator.from_pretrained(device="cpu")
    puzzle = locator.encode(EXAMPLES / "puzzle.jpg", pieces=192)
    assert puzzle.abreast(8) == 1
    puzzle.locate(EXAMPLES / "piece1.jpg")
    assert puzzle.abreast(8) == puzzle._lanes(8) >= 1
    assert puzzle.abreast(1) == 1
    assert locator.encode(EXAMPLES / "puzzle.jpg").abreast(8) == 1


def test_a_gpu_takes_those_that_go_through_the_network_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    puzzle = Locator.from_pretrained(device="cpu").encode(EXAMPLES / "puzzle.jpg", pieces=192)
    puzzle.locate(EXAMPLES / "piece1.jpg")
    monkeypatch.setattr(Puzzle, "_lanes", lambda *_: 1)
    monkeypatch.setattr(Searcher, "together", 3)
    assert [puzzle.abreast(photos) for photos in (1, 2, 8)] == [1, 2, 3]
    monkeypatch.setattr(Searcher, "together", 300)
    assert puzzle.abreast(300) == LANES


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C of Windows is another")
def test_an_interrupt_ends_several_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "heatmap_locator", *[str(EXAMPLES / "piece1.jpg")] * 40]
    with subprocess.Popen(
        [*command, str(EXAMPLES / "puzzle.jpg"), "--pieces", "192", "--jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    ) as child:
        assert child.stdout is not None
        for _ in range(3):  # from the second on they go side by side
            assert json.loads(child.stdout.readline())["placements"][0]["cell"] == [3, 5]
        child.send_signal(signal.SIGINT)
        start = time.monotonic()
        assert child.wait(HANG) == 130
        assert time.monotonic() - start < 5.0  # of a busy machine; else a few hundredths
