"""One set of names for a placement, wherever it is written."""

import json

import pytest

from heatmap_locator.placement import Placement

PLACE = Placement(
    box=(1 / 3, 20.126, 40.0, 61.999),
    center=(20.1666666, 41.06),
    rotation=359.998,
    score=0.123456,
    cell=(3, 5),
    matrix=(0.4, -1 / 3, 361.2, 1 / 3, 0.4, 205.9),
)


def test_what_is_shown_is_rounded() -> None:
    assert PLACE.to_dict() == {
        "box": [0.33, 20.13, 40.0, 62.0],
        "center": [20.17, 41.06],
        "rotation": 0.0,
        "score": 0.1235,
        "cell": [3, 5],
    }


@pytest.mark.parametrize("cell", [(3, 5), None])
def test_what_is_kept_comes_back_to_the_last_digit(cell: tuple[int, int] | None) -> None:
    place = Placement(PLACE.box, PLACE.center, PLACE.rotation, PLACE.score, cell, PLACE.matrix)
    kept = json.loads(json.dumps(place.to_dict(exact=True)))
    assert Placement.from_dict(kept) == place
    assert list(place.to_dict(exact=True))[:5] == list(place.to_dict())
    with pytest.raises(KeyError):
        Placement.from_dict(place.to_dict())
