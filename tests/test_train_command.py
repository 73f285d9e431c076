"""``heatmap-train``: what it refuses, with status 2 and in one line."""

from pathlib import Path

import pytest
from training_support import complaint

from heatmap_train.cli import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tiny", "--pictures", "no-such-folder"], "no-such-folder: no such folder"),
        (["nonesuch"], "nonesuch: no such recipe"),
        (["tiny", "--steps", "0"], "--steps must be at least 1"),
        (["tiny", "--steps", "many"], "--steps"),
        (["tiny", "--stop", "0"], "--stop must be at least 1"),
        (["tiny", "--init", "none.safetensors"], "none.safetensors: no such weights file"),
        (["tiny", "--pictures", ""], "--pictures: is empty; name a file or folder"),
        (["tiny", "--workers", "-1"], "--workers must be"),
        (["tiny", "--devices", "0"], "--devices must be"),
        (["tiny", "--resume"], "nothing to resume"),
        (["tiny", "--nonsense"], "--nonsense"),
    ],
)
def test_the_command_refuses_in_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert message in complaint(capsys, *arguments, "--out", str(out))
    assert not out.exists()


def test_out_may_not_be_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--out: is empty; name a file or folder" in complaint(capsys, "tiny", "--out", "")


def test_out_may_not_be_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    out.write_text("mine")
    assert "not a folder" in complaint(capsys, "tiny", "--out", str(out))
    assert out.read_text() == "mine"


def test_a_folder_without_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("none")
    said = complaint(capsys, "tiny", "--pictures", str(tmp_path), "--out", str(tmp_path / "run"))
    assert "no train images" in said


def test_a_damaged_picture_that_a_worker_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for n in range(60):
        (pictures / f"{n}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    told = ["tiny", "--pictures", str(pictures), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main([*told, "--steps", "1"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"heatmap-train: {pictures}/")
    assert line.endswith("copy or download it again")


def test_a_damaged_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"half")
    assert "last.ckpt" in complaint(capsys, "tiny", "--out", str(tmp_path), "--resume")
