"""Errors carry what they are about apart from what is wrong with it."""

import pickle

import numpy as np
import pytest

from heatmap_locator.errors import InputError, NoPieceError
from heatmap_locator.grid import Grid
from heatmap_locator.picture.read import read_picture


def test_a_name_leads_the_message() -> None:
    error = InputError("too small: 3x3; use a larger image", name="a: b.png")
    assert str(error) == "a: b.png: too small: 3x3; use a larger image"
    assert (error.name, error.reason) == ("a: b.png", "too small: 3x3; use a larger image")
    assert str(InputError("give pieces or grid")) == "give pieces or grid"
    assert InputError("give pieces or grid").name is None


def test_an_error_is_told_under_another_name() -> None:
    """Colons in a name, or a message without one, do not change what is said."""
    error = NoPieceError("no piece found; lay pieces apart", name="photo: 1")
    assert str(error.renamed("b: c.jpg")) == "b: c.jpg: no piece found; lay pieces apart"
    assert type(error.renamed("b.jpg")) is NoPieceError
    assert str(InputError("give pieces or grid").renamed("Lake")) == "Lake: give pieces or grid"


def test_an_error_travels_between_processes() -> None:
    error = pickle.loads(pickle.dumps(NoPieceError("no piece found", name="a.png")))
    assert type(error) is NoPieceError
    assert (error.name, error.reason, str(error)) == (
        "a.png",
        "no piece found",
        "a.png: no piece found",
    )


def test_the_library_names_what_it_refuses() -> None:
    with pytest.raises(InputError) as told:
        read_picture(np.zeros((2, 2, 3), np.uint8))
    assert told.value.name == "array"
    assert told.value.reason.startswith("2x2 pixels is too small")
    with pytest.raises(InputError) as told:
        Grid.parse("3by4")
    assert str(told.value) == "grid '3by4': give it as ROWSxCOLS, such as 25x38"
    assert told.value.name == "grid '3by4'"
