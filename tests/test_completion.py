"""Shell completion, as a shell asks for it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from heatmap_locator.command.cli import main
from heatmap_locator.completion import SHELLS

bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")

ASK = """\
source "$1"
COMP_WORDS=("${@:2}")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_shtab_%s
printf '%%s\\n' "${COMPREPLY[@]}"
"""


def script(module: str, shell: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, "--print-completion", shell], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@bash
@pytest.mark.parametrize(
    ("module", "words", "offered"),
    [
        ("heatmap_locator.command.cli", ["heatmap-predict", "--outl"], {"--outline-weights"}),
        (
            "heatmap_locator.command.cli",
            ["heatmap-predict", "--device", ""],
            {"auto", "cpu", "cuda"},
        ),
        ("heatmap_locator.service.cli", ["heatmap-serve", "--max-u"], {"--max-upload-mb"}),
        ("heatmap_train.cli", ["heatmap-train", "--over"], {"--overfit"}),
        ("heatmap_eval.cli", ["heatmap-eval", "lad"], {"ladder"}),
        ("heatmap_eval.cli", ["heatmap-eval", "real", "--phot"], {"--photos"}),
        ("heatmap_locator.command.export", ["heatmap-export", "--w"], {"--weights"}),
    ],
)
def test_bash_offers_what_fits(
    module: str, words: list[str], offered: set[str], tmp_path: Path
) -> None:
    file = tmp_path / "completion"
    file.write_text(script(module, "bash"))
    ask = ASK % words[0].replace("-", "_")
    done = subprocess.run(["bash", "-c", ask, "bash", file, *words], capture_output=True, text=True)
    assert set(done.stdout.split()) == offered, done.stdout + done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-completion", shell]) == 0
    text = capsys.readouterr().out
    assert "heatmap-predict" in text
    assert "outline-weights" in text


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--print-completion", "fish"]) == 2
    assert "'fish'" in capsys.readouterr().err
