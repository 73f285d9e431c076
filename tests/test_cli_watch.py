"""The command line: photos that come into a folder."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command_support import FIXTURES, fails
from conftest import HANG
from PIL import Image
from service_support import encoded, small_picture, small_piece, wait_until

from heatmap_locator.command.watch import PATIENCE, QUIET, Arrivals

fake_locator, files = FIXTURES

PHOTO = encoded(small_piece(1, 2))


class Folder:
    """A folder that is looked through at moments the test decides."""

    def __init__(self, path: Path) -> None:
        self.path, self.now, self.said = path, 0.0, list[str]()
        self.arrivals = Arrivals(path, self.said.append, lambda: self.now, lambda seconds: None)

    def after(self, seconds: float) -> list[str]:
        """Names of what has come by then."""
        self.now += seconds
        return [path.name for path in self.arrivals._whole()]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "old.png").write_bytes(PHOTO)
    return Folder(tmp_path)


def test_what_is_there_already_is_no_arrival(folder: Folder) -> None:
    assert folder.after(0) == folder.after(QUIET) == folder.after(PATIENCE) == []
    (folder.path / "new.png").write_bytes(PHOTO)
    assert folder.after(0.5) == []
    assert folder.after(QUIET) == ["new.png"]
    assert folder.after(PATIENCE) == []


def test_a_file_waits_until_it_is_whole(folder: Folder) -> None:
    new = folder.path / "new.png"
    new.write_bytes(PHOTO[:100])
    assert folder.after(0) == folder.after(QUIET) == folder.after(QUIET) == []
    new.write_bytes(PHOTO)
    assert folder.after(0) == []
    assert folder.after(QUIET) == ["new.png"]


def test_a_file_that_never_becomes_whole_is_told_in_the_end(folder: Folder) -> None:
    (folder.path / "cut.png").write_bytes(PHOTO[:100])
    (folder.path / "notes.txt").write_text("milk")
    assert folder.after(0) == folder.after(QUIET) == []
    assert folder.after(PATIENCE) == ["cut.png"]
    (said,) = folder.said
    assert said.endswith("notes.txt: left out, no image")
    assert folder.after(PATIENCE) == []
    assert len(folder.said) == 1


@pytest.mark.parametrize("name", [".new.png", "new.png.part", "new.png.tmp"])
def test_files_of_programs_that_still_write_are_left_alone(name: str, folder: Folder) -> None:
    (folder.path / name).write_bytes(PHOTO)
    assert folder.after(0) == folder.after(PATIENCE) == []
    (folder.path / name).rename(folder.path / "moved.png")
    assert folder.after(0) == []
    assert folder.after(QUIET) == ["moved.png"]


def test_a_photo_that_changes_comes_again(folder: Folder) -> None:
    (folder.path / "old.png").write_bytes(encoded(small_piece(0, 0)))
    assert folder.after(0) == []
    assert folder.after(QUIET) == ["old.png"]


def test_a_folder_that_is_gone_for_a_while(folder: Folder, tmp_path: Path) -> None:
    away = tmp_path.with_name("away")
    tmp_path.rename(away)
    assert folder.after(0) == folder.after(1) == []
    (said,) = folder.said
    assert "cannot be read" in said
    away.rename(tmp_path)
    (tmp_path / "new.png").write_bytes(PHOTO)
    assert folder.after(1) == []
    assert folder.after(QUIET) == ["new.png"]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["puzzle.png", "--watch", "none"], "none: no such folder"),
        (["puzzle.png", "--watch", ".", "--json"], "--watch has none"),
        (["puzzle.png", "--watch", ".", "--assign", "--pieces", "4"], "--watch has none"),
        (["puzzle.png", "--watch", ".", "--overlay", "o.png"], "the folder that is watched"),
        (["puzzle.png", "--watch", ".", "--overlay", "../o.png", "--many"], "--watch has none"),
        (["--watch", "."], "the picture of the puzzle"),
    ],
)
def test_what_cannot_be_watched(
    argv: list[str], says: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in fails(capsys, *argv)


@pytest.fixture
def watching(tmp_path: Path, plain_weights: Path) -> Iterator["subprocess.Popen[str]"]:
    """The command at work on ``tmp_path / "in"``, its first photo named."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    Image.fromarray(small_picture()).save(tmp_path / "puzzle.png")
    (tmp_path / "first.png").write_bytes(encoded(small_piece(0, 1)))
    command = [sys.executable, "-m", "heatmap_locator", "first.png", "puzzle.png", "--grid", "3x4"]
    command += ["--weights", str(plain_weights), "--jsonl", "--watch", "in"]
    with (tmp_path / "lines").open("w") as lines, (tmp_path / "said").open("w") as said:
        child = subprocess.Popen(
            [*command, "--overlay", "out/o.png"], cwd=tmp_path, stdout=lines, stderr=said, text=True
        )
        yield child
        child.kill()
        child.wait()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a system with signals")
def test_photos_are_answered_as_they_come(
    watching: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    def answered(count: int) -> list[dict[str, object]]:
        file = tmp_path / "lines"
        assert wait_until(lambda: file.read_text().count("\n") >= count), _said(tmp_path)
        return [json.loads(line) for line in file.read_text().splitlines()]

    assert answered(1)[0]["placements"][0]["cell"] == [0, 1]  # type: ignore[index]
    Image.fromarray(np.full((90, 90, 3), 90, np.uint8)).save(tmp_path / "in" / "table.png")
    (bad,) = answered(2)[1:]
    assert bad["piece"] == "in/table.png"
    assert "error" in bad
    with (tmp_path / "in" / "new.png").open("wb") as new:
        new.write(PHOTO[:200])
        new.flush()
        new.write(PHOTO[200:])
    (good,) = answered(3)[2:]
    assert good["placements"][0]["cell"] == [1, 2]  # type: ignore[index]
    drawn = {"o.png", "o-new.png.png"}  # none of what has no place
    assert wait_until(lambda: {path.name for path in (tmp_path / "out").iterdir()} == drawn)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(HANG) == 130
    assert "Traceback" not in _said(tmp_path)


def _said(folder: Path) -> str:
    return (folder / "said").read_text()
