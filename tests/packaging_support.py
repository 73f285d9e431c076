"""What tests of packaging share: the wheel, built as ``pip install .`` builds it, installed."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

needs_build = pytest.mark.skipif(
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


FIXTURES = wheel, installed
"""For a test module to take by their names."""
