"""Folders as phones and macOS leave them; standard input, pipes and addresses."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from reports_support import CELL, PICTURE, PIECE, heic, is_right, piece, saved

from heatmap_locator.command.cli import main
from heatmap_locator.command.inputs import gather
from heatmap_locator.errors import InputError
from heatmap_locator.picture.read import read_picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "pieces"
    inside.mkdir()
    for name, kind in (
        *(("a.jpg", "JPEG"), ("b.jfif", "JPEG"), ("d.jpe", "JPEG"), ("e.jp2", "JPEG2000")),
        *(("f.tga", "TGA"), ("g.avif", "AVIF"), ("no ending", "PNG"), ("wrong.txt", "PNG")),
    ):
        (inside / name).write_bytes(saved(piece(), kind))
    (inside / "c.HEIC").write_bytes(heic(piece()))
    (inside / "._a.jpg").write_bytes(b"\0\5\x16\7" + bytes(20))
    (inside / ".hidden.png").write_bytes(saved(piece(), "PNG"))
    (inside / "notes.txt").write_text("not an image")
    (inside / "film.mov").write_bytes(b"\0\0\0\x14ftypqt  " + bytes(40))
    (inside / "box.jpg").symlink_to(PICTURE)
    (inside / "gone.jpg").symlink_to(tmp_path / "moved.jpg")
    (inside / "sub").mkdir()
    return inside


def test_what_is_an_image_by_its_content_is_read_and_the_rest_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pieces, picture = gather([str(folder), str(PICTURE)])
    assert [Path(one.name).name for one in pieces] == [
        *("a.jpg", "b.jfif", "c.HEIC", "d.jpe", "e.jp2", "f.tga", "g.avif"),
        *("no ending", "wrong.txt"),
    ]
    assert picture.source == str(PICTURE)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"heatmap-predict: {folder}: 3 files left out, no image: film.mov, gone.jpg, notes.txt",
        f"heatmap-predict: {folder}: 2 files left out, hidden: ._a.jpg, .hidden.png",
    ]


def test_a_damaged_image_in_a_folder_is_not_passed_over(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.jpg").write_bytes(b"")
    pieces, _ = gather([str(folder), str(PICTURE)])
    assert str(folder / "broken.jpg") in [one.name for one in pieces]


def test_many_left_out_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(25):
        (tmp_path / f"{number:02}.txt").write_text("no image")
    (tmp_path / "a.png").write_bytes(saved(piece(), "PNG"))
    gather([str(tmp_path), str(PICTURE)])
    (line,) = capsys.readouterr().err.splitlines()
    assert "25 files left out" in line
    assert line.endswith("09.txt and 15 more")


def run(command: str, **options: object) -> "subprocess.CompletedProcess[bytes]":
    here = f"exec {sys.executable} -m heatmap_locator"
    return subprocess.run(
        ["bash", "-c", command.replace("PREDICT", here)], capture_output=True, **options
    )


def cell_of(done: "subprocess.CompletedProcess[bytes]") -> list[int]:
    assert done.returncode == 0, done.stderr.decode()
    place = json.loads(done.stdout)["results"][0]["placements"][0]
    assert is_right(place)
    return place["cell"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        f"- {PICTURE} < {PIECE}",
        f"{PIECE} - < {PICTURE}",
        f"<(cat {PIECE}) {PICTURE}",
        f"<(cat {PIECE}) <(cat {PICTURE})",
        f"/dev/stdin {PICTURE} < <(cat {PIECE})",
    ],
)
def test_standard_input_and_pipes(arguments: str) -> None:
    assert cell_of(run(f"PREDICT --pieces 192 --json {arguments}")) == list(CELL)


def test_standard_input_is_one_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-", "-"]) == 2
    assert "standard input is one image" in capsys.readouterr().err


@pytest.mark.parametrize("given", [b"", b"just text"])
def test_nothing_or_no_image_through_a_pipe(given: bytes) -> None:
    done = run(f"PREDICT - {PICTURE}", input=given)
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("heatmap-predict: standard input: ")


def test_the_library_reads_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(PIECE.read_bytes(),))
    writer.start()
    assert read_picture(pipe).shape == (360, 360, 3)
    writer.join()


@pytest.mark.parametrize("address", ["https://example.org/a.jpg", "file:///tmp/a.jpg"])
def test_an_address_is_to_be_downloaded_first(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="is an address, not a file; download it first"):
        read_picture(address)
    for images in ([address, str(PICTURE)], [str(PIECE), address]):
        assert main(images) == 2
        assert "download it first" in capsys.readouterr().err
