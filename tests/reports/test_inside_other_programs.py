"""The library as a part of something else: its types, settings, threads, forks and disks."""

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from reports_support import CELL, EXAMPLES, PICTURE, is_right, piece

from heatmap_locator.errors import InputError
from heatmap_locator.grid import Grid
from heatmap_locator.locator import Locator
from heatmap_locator.puzzle import Puzzle

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, *options: str, **settings: object) -> "subprocess.CompletedProcess[str]":
    """A program of its own that uses the library."""
    script = f"PIECE, PICTURE = {str(EXAMPLES / 'piece1.jpg')!r}, {str(PICTURE)!r}\n"
    script += textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, *options, "-c", script],
        **{"capture_output": True, "text": True, "timeout": 120, **settings},  # type: ignore[call-overload]
    )


LOCATE = """
from heatmap_locator import Locator
puzzle = Locator.from_pretrained(device="cpu").encode(PICTURE, pieces=192)
print(puzzle.locate(PIECE)[0].cell)
"""


def found(done: "subprocess.CompletedProcess[str]") -> None:
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(CELL), done.stderr


@pytest.mark.parametrize("kind", [np.int16, np.int64, np.uint8])
def test_whole_numbers_of_numpy(kind: type, example_puzzle: Puzzle, plain_locator: Locator) -> None:
    grid = plain_locator.encode(PICTURE, grid=(kind(12), kind(16))).grid
    assert grid == Grid(12, 16)
    assert type(grid.rows) is int
    assert plain_locator.encode(PICTURE, grid=np.array([12, 16], kind)).grid == grid
    assert plain_locator.encode(PICTURE, pieces=kind(192)).grid == grid
    places = example_puzzle.locate(piece(), top=kind(2))
    assert is_right(places[0])
    assert len(places) <= 2


@pytest.mark.parametrize("value", [np.float64(2), np.bool_(True), "2", None])
def test_what_is_no_whole_number_is_refused(value: object, example_puzzle: Puzzle) -> None:
    with pytest.raises(InputError, match="whole number"):
        example_puzzle.locate(piece(), top=value)  # type: ignore[arg-type]


def test_double_precision_by_default() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        puzzle = Locator.from_pretrained(device="cpu").encode(PICTURE, pieces=192)
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(puzzle.locate, [piece()] * 4))
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(is_right(places[0]) for places in answers)


def test_one_thread_of_torch(example_puzzle: Puzzle) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert is_right(example_puzzle.locate(piece())[0])
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
def test_eight_threads_on_one_puzzle(example_puzzle: Puzzle) -> None:
    photos = [EXAMPLES / f"piece{1 + n % 3}.jpg" for n in range(16)]
    alone = [example_puzzle.locate(photo) for photo in photos[:3]]
    with ThreadPoolExecutor(8) as threads:
        for n, places in enumerate(threads.map(example_puzzle.locate, photos)):
            assert places[0].cell == alone[n % 3][0].cell
            assert places[0].box == pytest.approx(alone[n % 3][0].box, abs=0.5)


def test_a_picture_that_changes_on_disk_after_encoding(
    tmp_path: Path, example_puzzle: Puzzle
) -> None:
    path = tmp_path / "box.jpg"
    path.write_bytes(PICTURE.read_bytes())
    puzzle = Locator.from_pretrained(device="cpu").encode(path, pieces=192)
    path.write_bytes(b"no picture any more")
    assert is_right(puzzle.locate(piece())[0])
    path.unlink()
    np.testing.assert_array_equal(puzzle.picture, example_puzzle.picture)


@pytest.mark.slow
def test_warnings_as_errors() -> None:
    found(run(LOCATE, "-W", "error"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_process_that_forks_after_loading(threads: int) -> None:
    code = (
        LOCATE
        + """
import os
child = os.fork()
if not child:
    print(puzzle.locate(PIECE)[0].cell, flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(puzzle.locate(PIECE)[0].cell)
"""
    )
    done = run(code, env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    found(done)
    assert done.stdout.splitlines() == [str(CELL)] * 3


@pytest.mark.slow
def test_without_a_home_and_from_an_install_that_cannot_be_written(tmp_path: Path) -> None:
    """Nothing is written: neither under HOME, nor beside the package, nor in the folder."""
    code = (
        """
import builtins, io, os, sys
def watch(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        if not str(arguments[0]).startswith(("/dev/", "/proc/")):
            print("WRITTEN", arguments[0], file=sys.stderr)
    if event in ("os.mkdir", "os.rename"):
        print("WRITTEN", arguments, file=sys.stderr)
sys.addaudithook(watch)
"""
        + LOCATE
    )
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    done = run(
        code,
        cwd=home,
        env={**os.environ, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    found(done)
    assert "WRITTEN" not in done.stderr
    assert list(home.iterdir()) == []
