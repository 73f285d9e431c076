"""Recipes by name or file, and which kind each is."""

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from heatmap_locator.errors import InputError

from .locator.recipe import Recipe
from .outline.recipe import OutlineRecipe
from .ranker.recipe import RankerRecipe
from .regressor.recipe import RegressionRecipe
from .settings import build
from .shared.recipe import LoopRecipe

_ROOMS = {"": ("locator", "outline", "ranker"), "regression": ("regressor",)}
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


def load_recipe(name: str) -> LoopRecipe | RankerRecipe:
    """Read a recipe by path, or by the name of one that comes with the package."""
    path = Path(name)
    shipped = _shipped()
    if path.suffix != ".toml" and name in shipped:
        data = shipped[name].read_bytes()
    elif path.is_file():
        data = path.read_bytes()
    else:
        known = recipe_names() + recipe_names("regression")
        raise InputError(f"{name}: no such recipe; give a .toml file or {known}")
    try:
        values = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: not valid TOML: {error}") from error
    return build(RankerRecipe, values, name) if "ranker" in values else loop_recipe(values, name)


def loop_recipe(values: dict[str, Any], source: str = "recipe") -> LoopRecipe:
    """A recipe of the loop: a ``Recipe``, or of another kind if it has that kind's own table.

    Raises:
        InputError: an unknown key, a wrong type or a value out of range, by name.
    """
    if "outline" in values:
        return build(OutlineRecipe, values, source)
    return build(RegressionRecipe if "regressor" in values else Recipe, values, source)


def recipe_of(checkpoint: dict[str, Any]) -> LoopRecipe:
    """The recipe that a checkpoint was trained by."""
    return loop_recipe(checkpoint["hyper_parameters"]["recipe"], "checkpoint")
