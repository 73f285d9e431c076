"""Recipes by name or file, checked: which kind each is."""

from typing import Any

from .locator.recipe import Recipe
from .outline.recipe import OutlineRecipe
from .ranker.recipe import RankerRecipe
from .recipe_files import find_recipe
from .recipe_files import recipe_names as recipe_names
from .regressor.recipe import RegressionRecipe
from .settings import build
from .shared.recipe import LoopRecipe
from .verifier.recipe import VerifierRecipe


def load_recipe(name: str) -> LoopRecipe | RankerRecipe | VerifierRecipe:
    """Read a recipe by path, or by the name of one that comes with the package."""
    values = find_recipe(name)
    if "verifier" in values:
        return build(VerifierRecipe, values, name)
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
