"""The wheel: what is in it, what is not, and that it works away from the repository."""

import configparser
import os
import zipfile
from pathlib import Path

import pytest
from packaging_support import FIXTURES, ROOT, needs_build, run

COMMANDS = ("heatmap-predict", "heatmap-serve", "heatmap-train", "heatmap-eval", "heatmap-export")

pytestmark = needs_build
wheel, installed = FIXTURES


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


@pytest.mark.slow
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
