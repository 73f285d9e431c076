"""Who may import whom in train/ and eval/: no circles, rooms in order, the library by itself."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"heatmap_train": ROOT / "train", "heatmap_eval": ROOT / "eval"}

MAY_IMPORT: dict[str, dict[str, set[str]]] = {
    "heatmap_train": {
        "settings": set(),
        "draw": {"settings"},
        "shared": {"settings", "draw"},
        "locator": {"settings", "draw", "shared"},
        "outline": {"settings", "draw", "shared"},
        "regressor": {"settings", "draw", "shared"},
        "ranker": {"settings", "draw", "shared"},
        "verifier": {"settings", "draw", "shared"},
        "recipe_files": set(),
        "recipes": {
            "settings",
            "shared",
            "locator",
            "outline",
            "regressor",
            "ranker",
            "verifier",
            "recipe_files",
        },
        "loop": {"draw", "shared", "locator", "outline", "regressor", "recipes"},
        "cli": {"recipes", "recipe_files", "loop", "ranker", "verifier"},
    },
    "heatmap_eval": {
        "options": set(),
        "methods": {"options"},
        "protocols": set(),
        "label": {"protocols"},
        "answers": {"methods", "protocols"},
        "report": {"options", "answers", "protocols"},
        "collapse": {"methods", "report"},
        "commands": {"options", "methods", "protocols", "collapse", "answers", "report", "label"},
        "cli": {"options", "commands"},
    },
}
"""Rooms, and files beside them, by package: each with those besides itself that it may import."""


def module_name(path: Path, package: str, folder: Path) -> str:
    parts = path.relative_to(folder).with_suffix("").parts
    return ".".join((package, *(p for p in parts if p != "__init__")))


def imported(source: str, module: str, is_package: bool = False) -> Iterator[str]:
    """Every name that a module's imports may mean, wherever in the file they stand."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = node.level - 1 if is_package else node.level
                parts = module.split(".")[: len(module.split(".")) - above]
                base = ".".join([*parts, *([node.module] if node.module else [])])
            # `from x import y` means x.y where that is a module, x where it is not.
            yield from (f"{base}.{alias.name}" for alias in node.names)
            yield base


def graph(package: str, folder: Path) -> dict[str, set[str]]:
    """The files of a package, and the files of it that each imports."""
    files = {module_name(p, package, folder): p for p in sorted(folder.rglob("*.py"))}
    found = {}
    for name, path in files.items():
        names = imported(path.read_text(), name, path.name == "__init__.py")
        # An empty __init__.py above a module is nobody's circle.
        found[name] = {n for n in names if n in files and files[n].name != "__init__.py"} - {name}
    return found


def circles(edges: dict[str, set[str]]) -> list[str]:
    """One circle of imports, if there is any."""
    try:
        list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def strays(edges: dict[str, set[str]], package: str) -> list[str]:
    """Imports that the order of the rooms does not allow."""
    order, found = MAY_IMPORT[package], []
    for name, targets in edges.items():
        parts = name.split(".")
        if len(parts) == 1:
            continue
        for target in targets:
            room = target.split(".")[1]
            if room != parts[1] and room not in order[parts[1]]:
                found.append(f"{name} imports {target}")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_circle_of_files(package: str) -> None:
    edges = graph(package, PACKAGES[package])
    assert len(edges) > 20
    assert circles(edges) == []


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_keep_the_order_of_the_rooms(package: str) -> None:
    edges = graph(package, PACKAGES[package])
    assert {name.split(".")[1] for name in edges if "." in name} == set(MAY_IMPORT[package])
    assert strays(edges, package) == []


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_the_order_of_the_rooms_is_one(package: str) -> None:
    assert circles(MAY_IMPORT[package]) == []


def tops(folder: Path, package: str) -> set[str]:
    found = set()
    for path in folder.rglob("*.py"):
        name = module_name(path, package, folder)
        names = imported(path.read_text(), name, path.name == "__init__.py")
        found |= {n.split(".")[0] for n in names}
    return found


def test_the_library_imports_neither() -> None:
    library = tops(ROOT / "heatmap_locator", "heatmap_locator")
    assert "torch" in library
    assert not library & {"heatmap_train", "heatmap_eval", "train", "eval"}


def test_training_does_not_import_evaluation() -> None:
    assert "heatmap_eval" not in tops(ROOT / "train", "heatmap_train")


def test_these_checks_can_fail(tmp_path: Path) -> None:
    (tmp_path / "methods").mkdir()
    (tmp_path / "commands").mkdir()
    (tmp_path / "methods/__init__.py").write_text("")
    (tmp_path / "methods/a.py").write_text("from .b import x\n")
    (tmp_path / "methods/b.py").write_text("def f():\n    from . import a\n")
    (tmp_path / "methods/c.py").write_text("from ..commands.d import y\n")
    (tmp_path / "commands/d.py").write_text("from heatmap_eval.methods import c\n")
    edges = graph("heatmap_eval", tmp_path)
    assert edges["heatmap_eval.methods.b"] == {"heatmap_eval.methods.a"}
    assert edges["heatmap_eval.commands.d"] == {"heatmap_eval.methods.c"}
    assert strays(edges, "heatmap_eval") == [
        "heatmap_eval.methods.c imports heatmap_eval.commands.d"
    ]
    del edges["heatmap_eval.methods.c"]
    circle = circles(edges)
    assert circle[0] == circle[-1]
    assert set(circle) == {"heatmap_eval.methods.a", "heatmap_eval.methods.b"}
