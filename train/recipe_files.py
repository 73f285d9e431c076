"""Recipes' files, by name or path.  Imports nothing heavy: what is no recipe is told at once."""

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from heatmap_locator.errors import InputError

_ROOMS = {"": ("locator", "outline", "ranker", "verifier"), "regression": ("regressor",)}
"""Where the recipes of a family lie: the direct regressors', and all others, which need no name."""


def _shipped() -> dict[str, Traversable]:
    """The recipes that come with the package, by name."""
    found = {}
    for family, rooms in _ROOMS.items():
        for room in rooms:
            for file in resources.files(f"heatmap_train.{room}").joinpath("recipes").iterdir():
                if file.name.endswith(".toml"):
                    stem = file.name.removesuffix(".toml")
                    found[f"{family}/{stem}" if family else stem] = file
    return dict(sorted(found.items()))


def recipe_names(family: str = "") -> list[str]:
    """The recipes that come with the package: those of a family, or those of none."""
    return [name for name in _shipped() if name.rpartition("/")[0] == family]


def find_recipe(name: str) -> dict[str, Any]:
    """What a recipe says, not checked: by path, or the name of one that comes with the package.

    Raises:
        InputError: there is none, or it is no TOML.
    """
    path = Path(name)
    shipped = _shipped()
    if path.suffix != ".toml" and name in shipped:
        data = shipped[name].read_bytes()
    elif path.is_file():
        data = path.read_bytes()
    else:
        known = recipe_names() + recipe_names("regression")
        raise InputError(f"no such recipe; give a .toml file or {known}", name=name)
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"not valid TOML: {error}", name=name) from error
