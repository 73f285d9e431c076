"""Output that the papers show is what the commands print."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from heatmap_locator.command.cli import main

ROOT = Path(__file__).resolve().parents[1]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
LAST_DIGIT = 0.21
"""Pixels or degrees that machines may differ by, as the README says."""


def test_the_readme_shows_what_the_demo_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"^```\n\$ make demo\n(.*?)^```", text, re.M | re.S)
    *shown, wrote = block.splitlines()
    makefile = (ROOT / "Makefile").read_text()
    (line,) = re.findall(r"heatmap-predict (.*) --overlay demo.png$", makefile, re.M)
    assert f'@echo "{wrote}"' in makefile
    assert main(line.split()) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [NUMBER.sub("0", line) for line in printed] == [NUMBER.sub("0", s) for s in shown]
    for was, told in zip(printed, shown, strict=True):
        values = [np.array([float(n) for n in NUMBER.findall(one)]) for one in (was, told)]
        np.testing.assert_allclose(*values, atol=LAST_DIGIT)
    truth = json.loads((ROOT / "examples" / "truth.json").read_text())["piece1.jpg"]
    row, column = (n + 1 for n in truth["cell"])
    assert f"row {row}, column {column}" in text
