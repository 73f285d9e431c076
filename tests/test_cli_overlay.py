"""The command line: overlays, what they are called and what they never overwrite."""

from pathlib import Path

import pytest
from command_support import FIXTURES, fails

from heatmap_locator.command.cli import main
from heatmap_locator.picture.read import read_picture

fake_locator, files = FIXTURES


def test_overlay(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out.png").write_text("an older one")
    assert main(["a.png", "puzzle.png", "--overlay", "out.png"]) == 0
    assert read_picture("out.png").shape[1] > 1000
    expected = {"a.png", "b.png", "bad.png", "cut.png", "out.png", "puzzle.png"}
    assert {path.name for path in files.iterdir()} == expected  # nothing half written is left


def test_overlays_of_several_pieces(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("more").mkdir()
    Path("more/a.png").write_bytes(Path("a.png").read_bytes())
    argv = ["a.png", "more/a.png", "bad.png", "b.png", "puzzle.png", "--overlay", "more/out.jpg"]
    assert main(argv) == 1
    names = sorted(path.name for path in Path("more").iterdir())
    assert names == ["a.png", "out-a-2.jpg", "out-a.jpg", "out-b.jpg"]


def test_overlay_refuses_a_derived_name_that_is_an_input(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path("b.png").read_bytes()
    Path("o-a.png").write_bytes(before)
    assert "overwrite" in fails(capsys, "a.png", "o-a.png", "puzzle.png", "--overlay", "o.png")
    Path("link.png").symlink_to("puzzle.png")
    assert "overwrite" in fails(capsys, "a.png", "puzzle.png", "--overlay", "link.png")
    assert Path("o-a.png").read_bytes() == before


def test_overlay_that_cannot_be_written(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("heatmap_locator.command.report.os.replace", full)
    assert main(["a.png", "puzzle.png", "--overlay", "out.png"]) == 2
    err = capsys.readouterr().err
    assert "out.png" in err
    assert "No space left" in err
    assert not [path for path in files.iterdir() if "out" in path.name]


def test_overlays_with_names_as_long_as_they_can_be(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longest = f"{'o' * 251}.png"
    assert main(["a.png", "puzzle.png", "--overlay", longest]) == 0
    assert Path(longest).exists()
    capsys.readouterr()
    for argv in (["--overlay", f"o{longest}"], ["b.png", "--overlay", longest]):
        said = fails(capsys, "a.png", *argv[:-2], "puzzle.png", *argv[-2:])
        assert said.endswith(
            ".png: cannot be written (File name too long); choose a shorter name\n"
        )
    assert "(File name too long); check the path" in fails(capsys, f"o{longest}", "puzzle.png")
