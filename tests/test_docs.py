"""The papers: their links lead somewhere, their commands parse, their figures are small."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from heatmap_eval.cli import build_parser as build_eval
from heatmap_locator.command.arguments import build_parser as build_predict
from heatmap_locator.command.export import build_parser as build_export
from heatmap_locator.service.cli import build_parser as build_serve
from heatmap_locator.service.settings import Layout, Settings
from heatmap_train.cli import build_parser as build_train

ROOT = Path(__file__).resolve().parents[1]
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "eval").glob("*.md")])
PARSERS = {
    "heatmap-predict": build_predict,
    "heatmap-export": build_export,
    "heatmap-serve": build_serve,
    "heatmap-train": build_train,
    "heatmap-eval": build_eval,
}
LARGEST = {"figures": 60_000, "page": 100_000}
"""Bytes of a picture in a folder of docs."""

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_BLOCK = re.compile(r"^```(?:sh|bash)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def links(text: str) -> list[str]:
    """Where a paper leads to within the repository."""
    found = _LINK.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


def anchors(text: str) -> set[str]:
    """Of a paper's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", head.lower()) for head in heads)
    return {head.strip().replace(" ", "-") for head in kept}


def commands(text: str) -> Iterator[list[str]]:
    """Our commands in a paper's blocks, as words; what is around them in a pipe is left out."""
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield from commands_in(line.removeprefix("$ "))


def commands_in(line: str) -> Iterator[list[str]]:
    """Those of one line."""
    reader = shlex.shlex(line, posix=True, punctuation_chars="|<>;&")
    reader.whitespace_split = True
    try:
        words = list(reader)
    except ValueError:  # an answer that is shown, with a quote in it
        return
    part: list[str] = []
    for word in [*words, "|"]:
        if not set(word) <= set("|<>;&"):
            part.append(word)
            continue
        while part and re.fullmatch(r"[A-Z_]+=.*", part[0]):
            part.pop(0)
        if part and part[0] in PARSERS:
            yield part
        part = []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_links_lead_somewhere(paper: Path) -> None:
    text = paper.read_text()
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = (paper.parent / path).resolve() if path else paper
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text()), link


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.name)
def test_commands_have_the_options_that_papers_give_them(paper: Path) -> None:
    for name, *arguments in commands(paper.read_text()):
        if not {"--help", "--version", "--print-completion"} & set(arguments):
            PARSERS[name]().parse_args(arguments)


def test_commands_are_found() -> None:
    text = "```\n$ cat a | A=1 heatmap-predict - b --csv > c  # d\nheatmap-eval x \\\n  y\n```\n"
    assert list(commands(text)) == [
        ["heatmap-predict", "-", "b", "--csv"],
        ["heatmap-eval", "x", "y"],
    ]
    assert sum(1 for paper in PAPERS for _ in commands(paper.read_text())) > 30


@pytest.mark.slow
@pytest.mark.parametrize("paper", ["README.md", "docs/use.md"])
def test_scripts_in_papers_run(paper: str, tmp_path: Path) -> None:
    (script,) = re.findall(r"^```python\n(.*?)^```", (ROOT / paper).read_text(), re.M | re.S)
    names = {"box": "puzzle", "piece": "piece1", "table": "piece2", "a": "piece1", "b": "piece3"}
    for name, example in names.items():
        shutil.copy(ROOT / "examples" / f"{example}.jpg", tmp_path / f"{name}.jpg")
    script = script.replace("pieces=1000", "pieces=192")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") >= 5


def test_figures_are_small_and_shown() -> None:
    figures = sorted((ROOT / "docs").glob("*/*.jpg"))
    shown = {
        (paper.parent / link).resolve() for paper in PAPERS for link in links(paper.read_text())
    }
    assert figures
    for figure in figures:
        assert figure.stat().st_size <= LARGEST[figure.parent.name], figure.name
        assert figure in shown, figure.name


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    reached = set(links((ROOT / "README.md").read_text()))
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= reached


def test_defaults_in_the_paper_on_deploying_are_the_real_ones() -> None:
    """The tables of limits, by flag, and of a cluster, by environment variable."""
    text = (ROOT / "docs" / "deploying.md").read_text()
    kinds = {"--": Settings(), "HEATMAP_": Layout()}
    told = 0
    for names, values in re.findall(r"^\| (`[^|]*`) \| ([^|]*) \|", text, re.M):
        found = re.findall(r"`([^`]+)`", names)
        given = re.split(r", (?!\d{3})", values.strip())
        assert len(found) == len(given), names
        for name, value in zip(found, given, strict=True):
            start = "--" if name.startswith("--") else "HEATMAP_"
            field = name.removeprefix(start).replace("-", "_").lower()
            default = getattr(kinds[start], field)
            assert (float(value.replace(",", "")) if value else None) == default, name
            told += 1
    assert told > 10
