"""The command's first answer: nothing is imported for it that it does not use."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

UNUSED = (
    "segmentation_models_pytorch",
    "timm",
    "torchvision",
    "huggingface_hub",
    "torch._dynamo",
    "torch._inductor",
    "sympy",
    "scipy",
    "kornia",
    "lightning",
    "matplotlib",
    "fastapi",
    "heatmap_train",
    "heatmap_eval",
)

# As ``python -m heatmap_locator`` runs it, and then what has been imported, on stderr.
CODE = """
import json, runpy, sys
try:
    runpy.run_module("heatmap_locator", run_name="__main__", alter_sys=True)
finally:
    json.dump(sorted(sys.modules), sys.stderr)
"""


def test_an_answer_imports_only_what_it_uses() -> None:
    arguments = ["examples/piece1.jpg", "examples/puzzle.jpg", "--pieces", "192", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (result,) = json.loads(done.stdout)["results"]
    assert result["placements"][0]["cell"] == [3, 5]
    modules = json.loads(done.stderr)
    assert {"torch", "cv2", "PIL.Image", "heatmap_locator.puzzle"} <= set(modules)
    assert [m for m in modules if any(m == u or m.startswith(f"{u}.") for u in UNUSED)] == []


def test_the_package_runs_as_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "heatmap_locator", "--version"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("heatmap-predict ")
