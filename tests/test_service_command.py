"""The command: its help, its settings and its refusals."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import HANG
from service_support import (
    Server,
)

from heatmap_locator.errors import InputError
from heatmap_locator.outline.network import OutlineConfig, OutlineNet, save_outline_net
from heatmap_locator.service.device import load_locator
from heatmap_locator.service.environment import read
from heatmap_locator.service.settings import Layout, Settings


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "heatmap_locator.service.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=HANG,
        env={**os.environ, **environment},
    )


def test_help_is_quick_to_come() -> None:
    code = "import sys\nfrom heatmap_locator.service.cli import main\n"
    code += "try: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'torch', 'cv2', 'fastapi', 'numpy', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    for flag in ("--port", "--data", "--token", "--max-upload-mb", "--max-storage-gb"):
        assert flag in done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--port", "70000"], {}, "'70000' is not a whole number from 0 to 65535"),
        (["--device", "tpu"], {}, "'tpu': use auto, cpu or cuda"),
        (["--max-upload-mb", "-1"], {}, "'-1' is not a number above 0"),
        (["--nonsense"], {}, "--nonsense"),
        (["--weights", "none.safetensors"], {}, "none.safetensors: no such weights file"),
        (["--outline-weights", "none.safetensors"], {}, "none.safetensors: no such weights file"),
        ([], {"HEATMAP_PORT": "http"}, "HEATMAP_PORT: 'http' is not a whole number"),
        (["--queue", "0"], {}, "argument --queue: '0' is not a whole number from 1 to 10000 (see"),
        (["--cache", "2.5"], {}, "'2.5' is not a whole number from 1 to 1000"),
        (["--idle-seconds", "nan"], {}, "'nan' is not a number above 0"),
        ([], {"HEATMAP_KEEP_MINUTES": "1e9"}, "KEEP_MINUTES: '1e9' is not a number above 0"),
        ([], {"HEATMAP_DEVICE": "tpu"}, "HEATMAP_DEVICE: 'tpu': use auto, cpu or cuda"),
        ([], {"HEATMAP_TOKNE": "x"}, "HEATMAP_TOKNE: no setting has this name; did you mean HEATM"),
        (["--token", ""], {}, "--token: is empty, or has spaces around it; give one without"),
        ([], {"HEATMAP_TOKEN": "s3cret\n"}, "HEATMAP_TOKEN: is empty, or has spaces around it"),
        (["--data", "/dev/null/x", "--port", "0"], {}, "/dev/null/x: cannot be written"),
        (["--data", ""], {}, "argument --data: is empty; name a file or folder"),
        (["--weights", ""], {}, "argument --weights: is empty; name a file or folder"),
    ],
)
def test_the_command_refuses_in_one_line(
    arguments: list[str], environment: dict[str, str], said: str
) -> None:
    done = command(*arguments, **environment)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("heatmap-serve: ")
    assert said in done.stderr


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(Settings) == Settings()
    assert read(Layout) == Layout()
    monkeypatch.setenv("HEATMAP_PORT", "9001")
    monkeypatch.setenv("HEATMAP_CORS", "https://a.example, https://b.example/")
    monkeypatch.setenv("HEATMAP_QUEUE", "")
    monkeypatch.setenv("HEATMAP_REPLICAS", "3")
    monkeypatch.setenv("HEATMAP_STORAGE", "s3://bucket/folder")
    found = read(Settings)
    assert found == Settings(port=9001, cors=("https://a.example", "https://b.example"))
    assert read(Settings, {"port": "9002", "data": "d"}) == replace(
        found, port=9002, data=Path("d")
    )
    assert read(Layout) == Layout(replicas=3, storage="s3://bucket/folder")
    monkeypatch.setenv("HEATMAP_FRONTS", "0")
    with pytest.raises(InputError, match="HEATMAP_FRONTS: '0' is not a whole number from 1 to"):
        read(Layout)
    monkeypatch.setenv("HEATMAP_CORS", "*")
    assert read(Settings).cors == ("*",)
    for wrong in ("app.example", "https://a.example/page", "https://a.example,null"):
        monkeypatch.setenv("HEATMAP_CORS", wrong)
        with pytest.raises(InputError, match=r"HEATMAP_CORS: .*give origins such as https://"):
            read(Settings)
    assert "token = ****" in Settings(token="s3cret").lines()
    assert not any("s3cret" in line for line in Settings(token="s3cret").lines())


@pytest.mark.slow
def test_the_service_finds_pieces_with_the_outline_network_it_is_told(
    tmp_path: Path, plain_weights: Path
) -> None:
    path = tmp_path / "net.safetensors"
    config = OutlineConfig(size=64, channels=(8, 8, 8, 8), decoder=(8, 8, 8, 8, 8), fused=8)
    save_outline_net(OutlineNet(config), path, {})
    settings = Settings(weights=plain_weights, device="cpu", outline_weights=path)
    assert load_locator(settings).outlines.net.config == config
    done = command(
        *("--weights", str(plain_weights), "--outline-weights", str(plain_weights)),
        *("--data", str(tmp_path / "data"), "--port", "0"),
    )
    assert done.returncode == 2
    assert "not weights of an outline network" in done.stderr


@pytest.mark.slow
def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path, plain_weights: Path) -> None:
    with Server(tmp_path / "data", plain_weights) as server:
        done = command("--data", str(server.data), "--port", "0")
    assert done.returncode == 2
    assert "another server uses it" in done.stderr


@pytest.mark.slow
def test_it_prints_its_settings_and_stops_when_told(tmp_path: Path, plain_weights: Path) -> None:
    server = Server(tmp_path / "data", plain_weights, token="s3cret")
    assert server.client.get("/v1/puzzles").status_code == 401
    output = server.stop()
    assert server.process.returncode in (0, -15)
    assert f"port = {server.port}" in output
    assert "token = ****" in output
    assert "s3cret" not in output
