"""Recipes: what is unknown or of the wrong type is refused by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heatmap_locator.errors import InputError
from heatmap_train.locator.recipe import Recipe
from heatmap_train.outline.recipe import OutlineRecipe
from heatmap_train.ranker.recipe import RankerRecipe
from heatmap_train.recipes import load_recipe, loop_recipe, recipe_names
from heatmap_train.verifier.recipe import VerifierRecipe


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"modle": {}}, "'modle'"),
        ({"model": {"feature": 8}}, "'model.feature'"),
        ({"scenes": {"sise": 96}}, "'scenes.sise'"),
        ({"optim": {"lr": 1e-3}}, "'optim.lr'"),
        ({"run": {"batches": 2}}, "'run.batches'"),
    ],
)
def test_an_unknown_key_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match="unknown key") as caught:
        loop_recipe(values, "mine.toml")
    assert named in str(caught.value)
    assert str(caught.value).startswith("mine.toml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"model": 3}, "'model' must be a table"),
        ({"model": {"encoder": 18}}, "'model.encoder' must be of type str"),
        ({"model": {"features": "32"}}, "'model.features' must be of type int"),
        ({"model": {"features": 32.0}}, "'model.features' must be of type int"),
        ({"model": {"head_decoder": 16}}, "'model.head_decoder' must be"),
        ({"model": {"head_decoder": "abc"}}, "'model.head_decoder' must be"),
        ({"model": {"head_decoder": [16, 16.5, 16]}}, "'model.head_decoder' must be"),
        ({"optim": {"steps": True}}, "'optim.steps' must be of type int"),
        ({"optim": {"clip": "much"}}, "'optim.clip' must be of type float"),
        ({"optim": {"clip": True}}, "'optim.clip' must be of type float"),
        ({"run": {"seed": [1]}}, "'run.seed' must be of type int"),
    ],
)
def test_a_wrong_type_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError) as caught:
        loop_recipe(values, "mine.toml")
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"run": {"sampled_rotations": 3}}, "at least 4"),
        ({"scenes": {"size": 100}}, "multiple of 8"),
        ({"scenes": {"size": 88}}, "at least 96"),
    ],
)
def test_values_out_of_range(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        loop_recipe(values)


def test_values_arrive_and_the_rest_keeps_its_default() -> None:
    recipe = loop_recipe(
        {"model": {"head_decoder": [8, 8, 8]}, "optim": {"clip": 2}, "run": {"batch": 7}}
    )
    assert recipe.model.head_decoder == (8, 8, 8)
    assert recipe.optim.clip == 2.0
    assert isinstance(recipe.optim.clip, float)
    assert recipe.run.batch == 7
    assert recipe.scenes == Recipe().scenes
    assert recipe.optim.steps == Recipe().optim.steps


def test_a_recipe_survives_its_dictionary() -> None:
    recipe = loop_recipe({"model": {"features": 5}, "scenes": {"size": 104}})
    assert loop_recipe(recipe.to_dict()) == recipe


def test_a_strength_out_of_range_is_an_error() -> None:
    with pytest.raises(InputError, match=r"scenes\.mildest must be from 0 to 1"):
        loop_recipe({"scenes": {"mildest": 1.5}})


def test_every_recipe_of_the_package_loads() -> None:
    names = recipe_names()
    assert {"base", "tiny"} <= set(names)
    for name in names:
        kind = {"ranker": RankerRecipe, "verifier": VerifierRecipe}.get(name, Recipe)
        kind = OutlineRecipe if name.startswith("outline") else kind
        assert isinstance(load_recipe(name), kind)


def test_a_recipe_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[run]\nseed = 12\n")
    assert load_recipe(str(path)).run.seed == 12


def test_a_missing_recipe_names_those_there_are() -> None:
    with pytest.raises(InputError, match=r"nowhere: no such recipe.*base.*tiny"):
        load_recipe("nowhere")


@pytest.mark.parametrize("content", [b"[run\n", b"seed = \xff\xfe\n"])
def test_a_damaged_recipe_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not valid TOML") as caught:
        load_recipe(str(path))
    assert "bad.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optim": {"clip": float("nan")}}, "optim.clip must be a finite number, not nan"),
        ({"optim": {"learning_rate": 0}}, "optim.learning_rate must be above 0, not 0"),
        ({"optim": {"steps": 0}}, "optim.steps must be at least 1, not 0"),
        ({"run": {"seed": -1}}, "run.seed must be at least 0, not -1"),
        ({"scenes": {"seams_share": 2}}, "scenes.seams_share must be from 0 to 1, not 2"),
        ({"scenes": {"size": 100}}, "scenes.size must be a multiple of 8, at least 96, not 100"),
        ({"run": {"head_pieces": 9}}, "run.head_pieces must be from 1 to scenes.pieces"),
        (
            {"outline": {}, "photos": {"piece": [0.1]}},
            "'photos.piece' must be a list of 2 float, not [0.1]",
        ),
        (
            {"outline": {}, "photos": {"piece": [0.5, 0.1]}},
            "photos.piece must be two numbers from 0.01 to 1, rising, not (0.5, 0.1)",
        ),
        (
            {"regressor": {"channels": 40}, "loss": {"l1": 1}},
            "regressor.channels must be a multiple of 32, at least 32, not 40",
        ),
    ],
)
def test_a_range_stands_beside_its_field(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        loop_recipe(values, "mine.toml")
    assert str(caught.value) == f"mine.toml: {message}"


def test_a_misspelt_key_is_told_before_what_follows_from_it() -> None:
    with pytest.raises(InputError, match=r"unknown key 'loss\.l2'"):
        loop_recipe({"regressor": {"piece_size": 1}, "loss": {"l2": 1.0}})


def test_settings_made_in_code_are_held_to_the_same_ranges() -> None:
    with pytest.raises(ValueError, match="less than or equal to 1"):
        replace(Recipe().scenes, mildest=1.5)


def test_a_date_is_no_setting(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[run]\nseed = 2026-11-25\n")
    with pytest.raises(InputError, match=r"'run\.seed' must be of type int"):
        load_recipe(str(path))
