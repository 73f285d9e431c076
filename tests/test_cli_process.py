"""The command line: its help, what it loads before it must, a reader that goes away."""

import subprocess
import sys
from pathlib import Path

import command_support
import pytest
from command_support import FIXTURES
from conftest import HANG

from heatmap_locator import __version__
from heatmap_locator.command.cli import main
from heatmap_locator.picture.formats import NAMES

fake_locator, files = FIXTURES


@pytest.mark.parametrize(
    ("argv", "status", "forbidden"),
    [
        (["--help"], 0, {"torch", "cv2", "numpy", "PIL"}),
        (["--version"], 0, {"torch", "cv2", "numpy", "PIL"}),
        ([], 2, {"torch", "cv2", "numpy", "PIL"}),
        (["none.png", "puzzle.png"], 2, {"torch", "cv2"}),
        (["a.png", "puzzle.png", "--overlay", "no/out.png"], 2, {"torch", "cv2"}),
        (["a.png", "puzzle.png", "--grid", "x"], 2, {"torch", "cv2"}),
    ],
)
def test_heavy_imports_wait(argv: list[str], status: int, forbidden: set[str], files: Path) -> None:
    script = (
        "import sys; from heatmap_locator.command.cli import main; status = main(sys.argv[1:]);"
        "heavy = ('torch', 'cv2', 'numpy', 'PIL');"
        "print('LOADED', status, *[m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *argv], capture_output=True, text=True, check=True
    )
    _, code, *loaded = done.stdout.splitlines()[-1].split()
    assert int(code) == status
    assert not forbidden & set(loaded)
    assert "Traceback" not in done.stderr


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    options = (
        "--pieces",
        "--grid",
        "--top",
        "--json",
        "--overlay",
        "--device",
        "--weights",
        "--outline-weights",
    )
    for option in (*options, "--many", "--assign", "--corners", "--cutout"):
        assert option in text
    assert f"Images are {NAMES}." in text
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.split() == ["heatmap-predict", __version__]


@pytest.mark.slow
def test_reader_that_goes_away(files: Path) -> None:
    # FAKE model in a process of its own, because closing stdout cannot be undone.
    script = (
        "import sys, types, tests_fake as f; m = types.ModuleType('heatmap_locator.locator');"
        "m.Locator = f.FakeLocator; sys.modules['heatmap_locator.locator'] = m;"
        "from heatmap_locator.command.cli import main;"
        "sys.exit(main(['a.png'] * 40 + ['puzzle.png', '--top', '100']))"
    )
    Path("tests_fake.py").write_text(Path(command_support.__file__).read_text())
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(10)
        child.stdout.close()
        err = child.stderr.read()
        status = child.wait(HANG)
    assert (status, err) == (141, b"")
