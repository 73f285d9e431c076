"""The command, from its arguments to its files."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heatmap_eval.cli import COMMANDS, main
from heatmap_eval.options import METHODS
from heatmap_locator.model.files import save_model
from heatmap_locator.model.network import HeatmapLocator, ModelConfig
from heatmap_locator.options import Parser
from heatmap_train.draw.procedural import draw_picture

OUTPUT_ROWS = "method  group"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    config = ModelConfig(features=16, rotations=16, head_decoder=(16, 16, 16))
    save_model(HeatmapLocator(config), path, {})
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    picture = draw_picture(240, 160, np.random.default_rng(0))
    Image.fromarray(picture).save(root / "one.png")
    return root


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "nonsense"),
        (["exact", "--photos"], "--photos"),
        (["exact", "--dataset", "."], "--dataset"),
        ([], "COMMAND"),
        (["captured", "--methods", "loftr"], "none left to run"),
        (["captured", "--methods", "loftr", "--loftr-weights", "no.pt"], "no such weights file"),
        (["ladder"], "--out"),
        (["ladder", "--out", "x", "--corpus", "missing"], "missing: no such folder"),
        (["ladder", "--out", "x", "--corpus", "tests"], "holds no folder bench"),
        (["ladder", "--out", "x", "--real", "tests"], "holds a manifest.csv"),
        (["ladder", "--out", "x", "--rungs", "moon"], "'moon'"),
        (["calibrate"], "--write"),
        (["calibrate", "--write", "missing/x.safetensors"], "its folder does not exist"),
        (["real"], "--dataset"),
        (["real", "--dataset", "missing"], "missing: no such folder"),
        (["captured", "--pictures", "missing"], "missing: no such folder"),
        (["captured", "--pieces", "24,0"], "'0'"),
        (["captured", "--methods", "ours,magic"], "'magic'"),
        (["captured", "--weights", "missing.safetensors"], "no such weights file"),
        (["captured", "--limit", "x"], "'x'"),
        (["captured", "--unknown"], "--unknown"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("heatmap-eval: ")
    told = [line for line in err.splitlines() if "loftr skipped" not in line]
    assert len(told) == 1
    assert message in told[0]


def test_arguments_are_checked_before_torch_is_imported() -> None:
    code = (
        "import sys; from heatmap_eval.cli import main; status = main(['real']); "
        "assert status == 2; assert 'torch' not in sys.modules and 'cv2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_methods_of_the_command_are_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exact", "--help"]) == 0
    assert f"of {', '.join(METHODS)}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_captured_to_files_and_on(
    folder: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    common = ["captured", "--pictures", str(folder), "--pieces", "6", "--device", "cpu"]
    common += ["--weights", str(weights), "--out", str(out)]
    assert main([*common, "--limit", "2", "--methods", "ours,sift"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(OUTPUT_ROWS)
    first = (out / "predictions.jsonl").read_text()
    assert len(first.splitlines()) == 5

    # One piece more, and a method more: only those are asked.
    assert main([*common, "--limit", "3", "--methods", "ours,ncc", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    result = json.loads(captured.out)
    assert json.loads((out / "results.json").read_text()) == result
    assert (result["protocol"], result["seed"], result["photos"]) == ("captured", 0, False)
    counts = {row["method"]: row["n"] for row in result["results"] if row["group"] == "all"}
    assert counts == {"ours": 3, "sift": 2, "ncc": 3}
    assert (out / "predictions.jsonl").read_text().startswith(first)

    assert main([*common, "--seed", "1"]) == 2
    assert "of another run (seed 0 not 1)" in capsys.readouterr().err


@pytest.mark.slow
def test_validation_photos_and_exact_without_pictures(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for protocol, extra in (("validation", ["--photos"]), ("exact", [])):
        arguments = [protocol, *extra, "--limit", "1", "--per-picture", "1", "--device", "cpu"]
        assert main([*arguments, "--weights", str(weights), "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)["results"]
        assert (row["method"], row["group"], row["n"]) == ("ours", "all", 1)


def options_of(name: str, prog: str) -> set[str]:
    """The flags that a command adds to a parser of any name."""
    parser = Parser(prog=prog)
    COMMANDS[name][0].add_arguments(parser)
    return set(re.findall(r"--[\w-]+", parser.format_usage()))


@pytest.mark.parametrize("prog", ["x", "x real", "x exact"])
def test_a_protocol_asks_the_same_whatever_the_program_is_called(prog: str) -> None:
    exact, captured, real = (options_of(name, prog) for name in ("exact", "captured", "real"))
    assert exact == options_of("tiny", prog)
    assert captured == options_of("validation", prog)
    assert captured - exact == {"--pieces", "--photos"}
    assert real - captured == {"--dataset"}
    assert captured - real == {"--pictures", "--per-picture", "--seed", "--pieces"}
