"""The wheel: what is in it, what is not, and that it works away from the repository."""

import configparser
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("heatmap-predict", "heatmap-serve", "heatmap-train", "heatmap-eval", "heatmap-export")

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("build", "setuptools", "pip")),
    reason="needs build, setuptools and pip: make test, or pip install pip '.[dev]'",
)


def run(*arguments: str | Path, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, **settings
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the repository and nothing stale gets in."""
    source, out = tmp_path_factory.mktemp("source") / "tree", tmp_path_factory.mktemp("wheel")
    source.mkdir()
    for name in ("heatmap_locator", "train", "eval", "tests"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    built = run("-m", "build", "--wheel", "--no-isolation", "-o", out, source, cwd=out)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    done = run(
        *("-m", "pip", "install", "--no-deps", "--no-index", "--quiet"),
        *("--disable-pip-version-check", "--target", target, wheel),
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def away(installed: Path, tmp_path: Path) -> dict[str, object]:
    """Settings of a process that sees the installed wheel and runs in another folder."""
    return {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(installed)}}


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert top == {"heatmap_locator", "heatmap_train", "heatmap_eval"}
    # every module and recipe of the working tree, under the name it is installed by
    for folder, package in (
        ("heatmap_locator", "heatmap_locator"),
        ("train", "heatmap_train"),
        ("eval", "heatmap_eval"),
    ):
        for path in (ROOT / folder).rglob("*"):
            page = "static" in path.parts and path.is_file()
            if path.suffix in (".py", ".toml") or path.name == "py.typed" or page:
                assert f"{package}/{path.relative_to(ROOT / folder).as_posix()}" in names
    for package in ("heatmap_locator", "heatmap_train", "heatmap_eval"):
        assert f"{package}/py.typed" in names
    assert "heatmap_train/locator/recipes/base.toml" in names


def test_the_wheel_ships_the_weights(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for file in ("heatmap_locator.safetensors", "outline.safetensors"):
        assert (ROOT / "heatmap_locator/weights" / file).is_file()
        assert f"heatmap_locator/weights/{file}" in names


def test_the_wheel_names_its_commands(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (name,) = (n for n in archive.namelist() if n.endswith("entry_points.txt"))
    parser = configparser.ConfigParser()
    parser.read_string(archive.read(name).decode())
    assert set(parser["console_scripts"]) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_installed_commands_answer_help(
    command: str, installed: Path, away: dict[str, object]
) -> None:
    done = run(installed / "bin" / command, "--help", **away)
    assert done.returncode == 0, done.stderr
    assert f"usage: {command}" in done.stdout


def test_installed_modules_come_from_the_wheel(installed: Path, away: dict[str, object]) -> None:
    code = "import heatmap_locator, heatmap_train, heatmap_eval\n"
    code += "for m in (heatmap_locator, heatmap_train, heatmap_eval): print(m.__file__)"
    done = run("-c", code, **away)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert Path(line).is_relative_to(installed)


def test_installed_recipes_load(away: dict[str, object]) -> None:
    code = "from heatmap_train.recipes import load_recipe; print(load_recipe('base').run.batch)"
    done = run("-c", code, **away)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1


@pytest.mark.parametrize("name", ["train", "eval", "tests", "recipes"])
def test_no_common_name_is_taken(name: str, away: dict[str, object]) -> None:
    done = run("-c", f"import {name}", **away)
    assert "ModuleNotFoundError" in done.stderr


def test_the_page_is_in_the_wheel(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "heatmap_locator/service/static/index.html" in names


def test_help_does_not_import_torch(away: dict[str, object]) -> None:
    code = "import sys\nfrom heatmap_locator.command.cli import main\nstatus = main(['--help'])\n"
    code += "print(status, 'torch' in sys.modules, 'cv2' in sys.modules)"
    done = run("-c", code, **away)
    assert done.stdout.splitlines()[-1] == "0 False False"
