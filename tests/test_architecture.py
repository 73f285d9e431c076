"""Who may import whom: rooms import one way only, and no files import each other in a circle.

Imports are read from the sources, nothing is run.  Those inside functions and under
``TYPE_CHECKING`` count like any other: they say as much about who knows whom.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "heatmap_locator": "heatmap_locator",
    "heatmap_train": "train",
    "heatmap_eval": "eval",
}

GROUND = (
    "cell_lines",
    "completion",
    "device",
    "errors",
    "files",
    "fitted_grid",
    "found",
    "geometry",
    "grid",
    "likely_cuts",
    "cuts_by_pieces",
    "options",
    "outcome",
    "overlay",
    "placement",
    "resample",
    "steps",
    "warp",
)
"""Modules of ``heatmap_locator`` that every room stands on."""

ROOMS = ("picture", "outline", "model", "search", "assign", "command", "service")
"""Folders of ``heatmap_locator``.  Its other rooms are ``ground``, the modules above; ``puzzle``
and ``locator``, a module each; and ``face``, the package's own names."""

_BELOW_PUZZLE = {"ground", "picture", "outline", "model", "search", "assign"}
_LIBRARY = {*_BELOW_PUZZLE, "puzzle", "locator", "face"}

ALLOWED: dict[str, set[str]] = {
    "ground": set(),
    "picture": {"ground"},
    "model": {"ground"},
    "outline": {"ground", "picture", "model"},
    "search": {"ground", "picture", "model", "outline", "assign"},
    "assign": {"ground", "picture", "model", "outline"},
    "puzzle": _BELOW_PUZZLE,
    "locator": {*_BELOW_PUZZLE, "puzzle"},
    "face": {"ground", "picture", "assign", "locator"},
    "command": _LIBRARY,
    "service": _LIBRARY,
    "heatmap_train": {*_LIBRARY, "command"},  # the command's line of progress
    "heatmap_eval": {*_LIBRARY, "command", "heatmap_train"},
}
"""Rooms that a room may import, besides itself."""


def module_of(path: Path, root: Path, package: str) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join((package, *(parts[:-1] if parts[-1] == "__init__" else parts)))


def imported(source: str, module: str, is_package: bool) -> Iterator[str]:
    """Absolute dotted names that a module's source imports: modules, or names in modules."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [node.module] if node.module else []
            if node.level:
                own = module.split(".")
                base = own[: len(own) - node.level + is_package] + base
            yield from (".".join([*base, alias.name]) for alias in node.names)


def read_imports(folders: dict[str, Path]) -> dict[str, set[str]]:
    """Of every module in the packages: the modules of the packages that it imports.

    That importing a module runs the packages around it is not counted.
    """
    files = {
        module_of(path, root, package): path
        for package, root in folders.items()
        for path in sorted(root.rglob("*.py"))
    }
    edges: dict[str, set[str]] = {}
    for module, path in files.items():
        names = imported(path.read_text(), module, path.name == "__init__.py")
        # What is no module is a name in one.
        targets = {name if name in files else name.rpartition(".")[0] for name in names}
        edges[module] = targets & files.keys() - {module}
    return edges


def room_of(module: str) -> str:
    """The room a module is in; raises a ValueError where it is in none."""
    package, *path = module.split(".")
    if package != "heatmap_locator":
        return package
    if not path:
        return "face"
    if path == ["__main__"]:
        return "command"
    if path[0] in ROOMS or (len(path) == 1 and path[0] in ("locator", "puzzle")):
        return path[0]
    if len(path) == 1 and path[0] in GROUND:
        return "ground"
    raise ValueError(f"{module} is in no room: move it into one, or add it to GROUND")


def wrong_ways(edges: dict[str, set[str]]) -> list[str]:
    """A line for each import that the table does not allow."""
    found = []
    for module, targets in sorted(edges.items()):
        for target in sorted(targets):
            own, other = room_of(module), room_of(target)
            if own != other and other not in ALLOWED[own]:
                found.append(f"{module} imports {target}: {own} may not import {other}")
    return found


def circles(edges: dict[str, set[str]]) -> set[frozenset[str]]:
    """Sets of modules that import each other, directly or by way of others."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = list(edges[start])
        while ahead:
            module = ahead.pop()
            if module not in seen:
                seen.add(module)
                ahead += edges[module]
        return seen

    reached = {module: reach(module) for module in edges}
    return {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in edges
        if module in reached[module]
    }


@pytest.fixture(scope="module")
def edges() -> dict[str, set[str]]:
    return read_imports({package: ROOT / folder for package, folder in FOLDERS.items()})


def test_all_modules_are_read(edges: dict[str, set[str]]) -> None:
    count = sum(len(list((ROOT / folder).rglob("*.py"))) for folder in FOLDERS.values())
    assert len(edges) == count > 100
    assert "heatmap_locator.puzzle" in edges["heatmap_locator.locator"]


def test_every_module_is_in_a_room(edges: dict[str, set[str]]) -> None:
    assert {room_of(module) for module in edges} == set(ALLOWED)


def test_the_table_of_rooms_goes_one_way() -> None:
    assert not circles({room: others - {room} for room, others in ALLOWED.items()})


def test_rooms_import_one_way_only(edges: dict[str, set[str]]) -> None:
    found = wrong_ways(edges)
    assert not found, "\n" + "\n".join(found)


def test_no_files_import_each_other_in_a_circle(edges: dict[str, set[str]]) -> None:
    found = [" <-> ".join(sorted(circle)) for circle in circles(edges)]
    assert not found, "\nimport each other:\n" + "\n".join(sorted(found))


def test_the_installed_packages_are_the_rooms_on_disk() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {
        module_of(path, ROOT / folder, package)
        for package, folder in FOLDERS.items()
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert set(listed) == there


def test_the_page_names_files_that_are_there() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    whole = re.findall(r"`((?:heatmap_locator|train|eval|tests)/[\w/]+\.py)`", page)
    figure = page.split("```")[1]
    rooms = re.findall(r"\b((?:picture|outline|model|search)/)(\w+(?:, \w+)*)", figure)
    parts = [f"heatmap_locator/{room}{f}.py" for room, files in rooms for f in files.split(", ")]
    assert len(whole) >= 10
    assert len(parts) > 15
    assert [name for name in [*whole, *parts] if not (ROOT / name).is_file()] == []


# That the rules can be broken: small packages that break them.


def written(root: Path, files: dict[str, str]) -> dict[str, set[str]]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in Path(name).parents:
            (root / folder / "__init__.py").touch()
        path.write_text(text)
    return read_imports({"heatmap_locator": root / "heatmap_locator", "heatmap_eval": root / "e"})


@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("picture/read.py", "import heatmap_locator.model.bank", "picture may not import model"),
        (
            "model/bank.py",
            "from heatmap_locator.puzzle import Puzzle",
            "model may not import puzzle",
        ),
        ("grid.py", "def f():\n from heatmap_locator.search import piece", "import search"),
        ("search/piece.py", "from .. import locator", "search may not import locator"),
        ("puzzle.py", "if TYPE_CHECKING:\n from .locator import Locator", "not import locator"),
        ("locator.py", "import heatmap_eval.ncc", "locator may not import heatmap_eval"),
        ("service/app.py", "from ..command import cli", "service may not import command"),
        ("search/piece.py", "from heatmap_locator import Locator", "search may not import face"),
    ],
)
def test_a_wrong_way_is_seen(tmp_path: Path, file: str, text: str, line: str) -> None:
    files = "picture/read model/bank search/piece command/cli service/app grid locator puzzle"
    tree = {f"heatmap_locator/{name}.py": "" for name in files.split()}
    tree |= {"e/ncc.py": "", f"heatmap_locator/{file}": text}
    (found,) = wrong_ways(written(tmp_path, tree))
    assert line in found


def test_a_module_in_no_room_is_seen() -> None:
    with pytest.raises(ValueError, match=r"heatmap_locator.extra is in no room"):
        room_of("heatmap_locator.extra")


def test_a_circle_is_seen(tmp_path: Path) -> None:
    tree = {
        "heatmap_locator/a.py": "from . import b",
        "heatmap_locator/b.py": "def f():\n    from heatmap_locator.c import x",
        "heatmap_locator/c.py": "if TYPE_CHECKING:\n    import heatmap_locator.a",
        "heatmap_locator/d.py": "import heatmap_locator.a",
        "e/__init__.py": "",
    }
    names = {f"heatmap_locator.{name}" for name in "abc"}
    assert circles(written(tmp_path, tree)) == {frozenset(names)}
