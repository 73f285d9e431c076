"""One set of names for a placement, wherever it is written."""

import json
from dataclasses import replace

import pytest

from heatmap_locator.placement import Placement, Why

PLACE = Placement(
    box=(1 / 3, 20.126, 40.0, 61.999),
    center=(20.1666666, 41.06),
    rotation=359.998,
    score=0.123456,
    cell=(3, 5),
    matrix=(0.4, -1 / 3, 361.2, 1 / 3, 0.4, 205.9),
    why=Why(print=1 / 3, sides=-2.499),
)


def test_what_is_shown_is_rounded() -> None:
    assert PLACE.to_dict() == {
        "box": [0.33, 20.13, 40.0, 62.0],
        "center": [20.17, 41.06],
        "rotation": 0.0,
        "score": 0.1235,
        "cell": [3, 5],
        "why": {"print": 0.33, "sides": -2.5},
    }


@pytest.mark.parametrize("cell", [(3, 5), None])
@pytest.mark.parametrize("why", [PLACE.why, None])
def test_what_is_kept_comes_back_to_the_last_digit(
    cell: tuple[int, int] | None, why: Why | None
) -> None:
    place = replace(PLACE, cell=cell, why=why)
    kept = json.loads(json.dumps(place.to_dict(exact=True)))
    assert Placement.from_dict(kept) == place
    assert [name for name in place.to_dict(exact=True) if name != "matrix"] == list(place.to_dict())
    with pytest.raises(KeyError):
        Placement.from_dict(place.to_dict())


def test_a_place_kept_before_there_were_reasons_comes_back_without() -> None:
    kept = PLACE.to_dict(exact=True)
    del kept["why"]
    assert Placement.from_dict(kept) == replace(PLACE, why=None)


def test_reasons_are_shown_where_they_say_something() -> None:
    assert "why=(print +0.3, sides -2.5)" in repr(PLACE)
    assert "why=(print +0.3)" in repr(replace(PLACE, why=Why(0.333)))
    assert "why" not in repr(replace(PLACE, why=None))
