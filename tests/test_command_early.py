"""Every command: what needs no model is told before torch is loaded; a full disk is a failure."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HANG
from service_support import EXAMPLES

from heatmap_locator import device
from heatmap_locator.errors import InputError
from heatmap_locator.outcome import run_command

MODULES = {
    "heatmap-predict": "heatmap_locator.command.cli",
    "heatmap-export": "heatmap_locator.command.export",
    "heatmap-serve": "heatmap_locator.service.cli",
    "heatmap-train": "heatmap_train.cli",
    "heatmap-eval": "heatmap_eval.cli",
}
PIECE, PICTURE = str(EXAMPLES / "piece1.jpg"), str(EXAMPLES / "puzzle.jpg")

WITHOUT_CUDA = """\
import sys
from heatmap_locator import device
device._without_cuda = lambda: True
from {module} import main
status = main(sys.argv[1:])
print("LOADED", status, *[m for m in ("torch", "lightning") if m in sys.modules])
"""
"""Runs a command on a machine that it takes for one without CUDA."""


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("heatmap-predict", [PIECE, PICTURE, "--device", "cuda"], "use --device cpu"),
        ("heatmap-predict", [PIECE, PICTURE, "--weights", "none"], "no such weights file"),
        ("heatmap-predict", [PIECE, PICTURE, "--overlay", "no/o.png"], "does not exist"),
        ("heatmap-predict", [PICTURE, "--watch", "none"], "--watch takes one"),
        ("heatmap-export", ["{file}/onnx"], "not a folder; name another for FOLDER"),
        ("heatmap-export", ["onnx", "--weights", "none"], "no such weights file"),
        ("heatmap-serve", ["--device", "cuda"], "use --device cpu"),
        ("heatmap-serve", ["--port", "{port}"], "in use); give another --host or --port"),
        ("heatmap-serve", ["--host", "192.0.2.1"], "give another --host or --port"),
        ("heatmap-serve", ["--data", "{file}", "--port", "0"], "name another --data"),
        ("heatmap-train", ["nonesuch", "--out", "x"], "nonesuch: no such recipe"),
        ("heatmap-train", ["{file}.toml", "--out", "x"], "no such recipe"),
        ("heatmap-train", ["base", "--out", "{file}"], "not a folder; name another for --out"),
        ("heatmap-train", ["base", "--out", "x", "--device", "cuda"], "use --device cpu"),
        ("heatmap-train", ["base", "--out", "x", "--pictures", "none"], "none: no such folder"),
        ("heatmap-eval", ["exact", "--out", "{file}/x"], "not a folder; name another for --out"),
        ("heatmap-eval", ["ladder", "--out", "x", "--device", "cuda"], "use --device cpu"),
        ("heatmap-eval", ["exact", "--device", "cuda"], "use --device cpu"),
        ("heatmap-eval", ["collapse", "--out", "{file}"], "not a folder; name another for --out"),
    ],
)
def test_it_is_told_before_torch_is_loaded(
    command: str, arguments: list[str], said: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        values = {"file": file, "port": taken.getsockname()[1]}
        done = subprocess.run(
            [
                *(sys.executable, "-c", WITHOUT_CUDA.format(module=MODULES[command])),
                *(argument.format(**values) for argument in arguments),
            ],
            capture_output=True,
            text=True,
            timeout=HANG,
            cwd=tmp_path,
        )
    assert done.stdout.splitlines()[-1] == "LOADED 2", done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{command}: ")
    assert said in line
    assert file.read_text() == "mine"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
@pytest.mark.parametrize("option", ["--help", "--version", "--print-completion=bash"])
@pytest.mark.parametrize("command", MODULES)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_is_no_success(command: str, option: str, unbuffered: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", MODULES[command], option],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{command}: standard output: cannot be written (No space left")


@pytest.mark.parametrize(("version", "missing"), [("2.9.0+cpu", True), ("2.9.0+rocm6.4", False)])
def test_what_a_build_of_torch_says_of_cuda(
    version: str, missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device.importlib.metadata, "version", lambda name: version)
    assert device._without_cuda() is missing


def test_a_machine_without_the_driver_has_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.importlib.metadata, "version", lambda name: "2.9.0")
    monkeypatch.setattr(device, "_DRIVERS", {sys.platform: "libno-such-driver.so"})
    with pytest.raises(InputError, match="--device cuda: no CUDA device here"):
        device.check_device("cuda")
    device.check_device("cpu")
    device.check_device("auto")


def test_a_full_disk_in_the_middle_of_the_work_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full() -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert run_command("heatmap-eval", full) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("heatmap-eval: a file or standard output cannot be written (No space")


def test_other_errors_are_not_taken_for_a_full_disk() -> None:
    def broken() -> int:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    with pytest.raises(ConnectionRefusedError):
        run_command("heatmap-train", broken)
