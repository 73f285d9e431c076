"""A user's script against what ``pip install .`` installs: mypy --strict, pyright, and it runs."""

import importlib.util
import sysconfig
from pathlib import Path

import pytest
from packaging_support import FIXTURES, ROOT, needs_build, run

SCRIPT = ROOT / "examples" / "script.py"
MISTAKES = """\
from heatmap_locator import Lokator, Placement
def cell(place: Placement) -> str:
    return place.row
"""

wheel, installed = FIXTURES
pytestmark = [
    needs_build,
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("mypy", "pyright")),
        reason="needs mypy and pyright: make test, or pip install '.[dev]'",
    ),
]


@pytest.fixture(scope="module")
def python(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment that has the wheel in it and borrows the other packages."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    made = run("-m", "venv", "--without-pip", folder)
    assert made.returncode == 0, made.stderr
    (site,) = (folder / "lib").glob("*/site-packages")
    here = sysconfig.get_path("purelib")
    borrowed = [here, *(line for p in Path(here).glob("*.pth") for line in p.read_text().split())]
    paths = [str(installed), *(path for path in borrowed if Path(path).is_dir())]
    (site / "borrowed.pth").write_text("".join(f"{path}\n" for path in paths))
    return folder / "bin" / "python"


@pytest.fixture
def mistaken(tmp_path: Path) -> Path:
    """A script with a wrong name and a wrong type."""
    script = tmp_path / "mistaken.py"
    script.write_text(MISTAKES)
    return script


def test_under_mypy_strict(python: Path, mistaken: Path, tmp_path: Path) -> None:
    checked = ("-m", "mypy", "--strict", "--python-executable", python, "--cache-dir", tmp_path)
    done = run(*checked, SCRIPT, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(*checked, mistaken, cwd=tmp_path)
    assert 'no attribute "Lokator"' in done.stdout
    assert 'Incompatible return value type (got "int | None", expected "str")' in done.stdout


def test_under_pyright(python: Path, mistaken: Path, tmp_path: Path) -> None:
    done = run("-m", "pyright", "--pythonpath", python, SCRIPT, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 errors, 0 warnings" in done.stdout
    done = run("-m", "pyright", "--pythonpath", python, mistaken, cwd=tmp_path)
    assert '"Lokator" is unknown import symbol' in done.stdout
    assert 'Type "int | None" is not assignable to return type "str"' in done.stdout


def test_it_runs(tmp_path: Path) -> None:
    examples = ROOT / "examples"
    photos = [examples / f"piece{number}.jpg" for number in (1, 2)]
    done = run(SCRIPT, examples / "puzzle.jpg", 192, *photos, "--drawings", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "row 4, column 6" in done.stdout
    assert "2 of 2 sure of their cell" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["piece1.png", "piece2.png"]
