"""``heatmap-eval sides``: pieces of known sides, and what is said of those found."""

import json
from dataclasses import replace

import numpy as np
import pytest

from heatmap_eval.cli import main
from heatmap_eval.protocols.sides import (
    SETS,
    SidesCase,
    judge_sides,
    sides_cases,
    sides_summary,
    true_sides,
)
from heatmap_train.draw.cutter import rasterize

Seen = tuple[np.ndarray, np.ndarray | None]


def own_mask(case: SidesCase) -> np.ndarray:
    return rasterize(case.outline, (case.image.shape[0], case.image.shape[1]))


@pytest.mark.parametrize("which", SETS)
def test_the_true_outline_has_the_true_sides(which: str) -> None:
    for case in sides_cases(which, None, 100.0, 3, seed=1):
        judged = judge_sides(case, lambda _, case=case: (own_mask(case), None))
        assert judged.found
        assert judged.right
        assert judged.corner < 0.01
        assert judged.curves.max() < 0.01
        assert judged.straight.sum() == 4 * judged.regular


def test_the_photo_shows_the_piece_where_its_outline_is() -> None:
    (case,) = sides_cases("cut-outs", None, 100.0, 1, seed=2)
    alpha = case.image[..., 3] > 127
    true = own_mask(case) > 0.5
    assert (alpha & true).sum() > 0.95 * (alpha | true).sum()


def test_an_outline_that_lacks_a_knob_is_not_right() -> None:
    case = next(c for c in sides_cases("cut-outs", None, 100.0, 9, seed=3) if _knob(c))
    side = true_sides(case.outline)[_knob(case)[0]]
    flat = np.linspace(side[0], side[-1], len(side))[:-1]
    count, at = len(case.outline) // 4, _knob(case)[0]
    cut_off = case.outline.copy()
    cut_off[at * count : (at + 1) * count] = flat
    other = replace(case, outline=cut_off)
    judged = judge_sides(case, lambda _: (own_mask(other), None))
    assert judged.found
    assert not judged.right
    assert judged.curves.max() > 0.03
    assert judged.straight[0, 1] == 1


def _knob(case: SidesCase) -> list[int]:
    """Which of the true sides have a knob."""
    found = []
    for i, side in enumerate(true_sides(case.outline)):
        chord = side[-1] - side[0]
        height = (side - side[0]) @ np.array([chord[1], -chord[0]]) / float(chord @ chord)
        found += [i] if height.max() > 0.12 else []
    return found


def test_no_outline_counts_as_not_right() -> None:
    (case,) = sides_cases("photos", None, 60.0, 1, seed=4)
    judged = judge_sides(case, lambda _: None)
    row = sides_summary([judged])
    assert (row["n"], row["found"], row["kinds"], row["curve"]) == (1, 0.0, 0.0, None)


def test_the_command_prints_a_row_a_set_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sides", "--cells", "60", "--count", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    assert [(row["set"], row["cell"], row["n"]) for row in rows] == [(s, 60, 1) for s in SETS]
