"""How much a reader has to hold at once, and what is done in one place alone."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("heatmap_locator", "train", "eval")
READ = (*PACKAGES, "benchmarks", "tests")
LONGEST_FILE, LONGEST_FUNCTION = 300, 60

ONE_PLACE = {
    "cv2.resize": "heatmap_locator/resample.py",
    "safetensors.torch.save": "heatmap_locator/model/files.py",
    "argparse.ArgumentParser": "heatmap_locator/options.py",
}
"""Names that only one file of the packages may use: the others ask that file."""


def too_long(source: str, name: str) -> list[str]:
    """A line for a file and each of its functions that have too many lines."""
    lines = len(source.splitlines())
    found = [f"{name}: {lines} lines"] if lines > LONGEST_FILE else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            own = node.end_lineno - node.lineno + 1
            if own > LONGEST_FUNCTION:
                found.append(f"{name}: {node.name} has {own} lines")
    return found


def used(source: str) -> set[str]:
    """Dotted names that a source uses, of modules by what they were imported from."""
    tree, known, found = ast.parse(source), dict[str, str](), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            known |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
            found |= {f"{node.module}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Import):
            known |= {a.asname: a.name for a in node.names if a.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            found.add(f"{known.get(first, first)}.{rest}")
    return found


def test_no_file_and_no_function_is_too_long() -> None:
    files = [path for folder in READ for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(files) > 200
    found = [line for p in files for line in too_long(p.read_text(), str(p.relative_to(ROOT)))]
    assert not found, "\n" + "\n".join(found)


def test_no_file_of_the_page_is_too_long() -> None:
    static = ROOT / "heatmap_locator" / "service" / "static"
    files = [p for kind in ("html", "css", "js") for p in static.rglob(f"*.{kind}")]
    assert len(files) > 30
    long = {p.name: n for p in files if (n := len(p.read_text().splitlines())) > LONGEST_FILE}
    assert not long


@pytest.mark.parametrize("name", ONE_PLACE)
def test_what_is_done_in_one_place_is_done_nowhere_else(name: str) -> None:
    files = [path for folder in PACKAGES for path in sorted((ROOT / folder).rglob("*.py"))]
    users = [str(p.relative_to(ROOT)) for p in files if name in used(p.read_text())]
    # A parser is an annotation in many places, and made in one.
    made = [p for p in users if name != "argparse.ArgumentParser" or made_in(ROOT / p, name)]
    assert made == [ONE_PLACE[name]]


def made_in(path: Path, name: str) -> bool:
    """Whether a file calls a class, or derives one from it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
            return True
        if isinstance(node, ast.ClassDef) and name in map(ast.unparse, node.bases):
            return True
    return False


def test_what_is_too_long_or_done_twice_is_seen() -> None:
    body = "    x = 1\n" * LONGEST_FUNCTION
    assert too_long(f"async def f():\n{body}", "a.py") == ["a.py: f has 61 lines"]
    assert too_long(f"def f():\n{body[:-10]}", "a.py") == []
    assert too_long("\n" * 301, "a.py") == ["a.py: 301 lines"]
    assert "cv2.resize" in used("import cv2\ndef f(a):\n    return cv2.resize(a, (2, 2))")
    assert "cv2.resize" in used("from cv2 import resize")
    assert "cv2.resize" in used("import cv2 as c\nc.resize")
    assert "cv2.resize" not in used("import cv2\nresize = cv2.blur")


def bare_constants(source: str) -> list[str]:
    """Module-level numbers that neither a comment nor a docstring explains, by name.

    One may stand for a run of them, without an empty line between.
    """
    lines, found = source.splitlines(), []
    body = ast.parse(source).body
    for statement in body:
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
            continue
        first = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        names = [n.id for n in ast.walk(first) if isinstance(n, ast.Name)]
        parts = list(ast.walk(statement.value))
        numbers = [
            n for n in parts if isinstance(n, ast.Constant) and type(n.value) in (int, float)
        ]
        table = any(isinstance(n, ast.Dict | ast.Call) for n in parts)
        if not all(name.isupper() for name in names) or not numbers or table:
            continue
        above = statement.lineno - 2
        while above >= 0 and lines[above] and not lines[above].startswith(("#", '"""')):
            above -= 1
        told = lines[above].startswith("#") if above >= 0 else False
        below = statement.end_lineno or statement.lineno
        while below < len(lines) and lines[below] and not lines[below].startswith('"""'):
            below += 1
        told |= below < len(lines) and lines[below].startswith('"""')
        if not told:
            found.append(names[0])
    return found


def test_every_constant_says_what_it_is() -> None:
    paths = sorted((ROOT / "heatmap_locator").rglob("*.py"))
    found = [f"{p.relative_to(ROOT)}: {n}" for p in paths for n in bare_constants(p.read_text())]
    assert not found, "\n" + "\n".join(found)


def test_a_constant_that_says_nothing_is_seen() -> None:
    assert bare_constants("import re\n\nA = 3\n\n_B = (1.5, 2)\n") == ["A", "_B"]
    told = ['A = 3\n"""Of it."""', "# Of it.\nA = 3\nB = 4", "A = x", "a = 3"]
    assert [bare_constants(text) for text in told] == [[]] * 4
    assert bare_constants('B = 4\n\nA = 3\n"""Of it."""') == ["B"]
