"""Whole puzzles: photos that share a light, a share of the pieces, and what the command counts."""

import json
from pathlib import Path

import numpy as np
import pytest

from heatmap_eval.answers.whole import Answered, alone, judge
from heatmap_eval.cli import main
from heatmap_eval.protocols.whole import whole_puzzles
from heatmap_locator.assign import Assignment, Located
from heatmap_locator.placement import Placement


def test_one_light_changes_photos_and_nothing_else() -> None:
    (own,), (lit,), (again,) = (
        whole_puzzles(None, "validation", 3, 12, 1, one) for one in (False, True, True)
    )
    assert lit.name == f"{own.name}-one-light"
    np.testing.assert_array_equal(own.picture, lit.picture)
    photos = [puzzle.photograph(1, 1) for puzzle in (own, lit, again)]
    np.testing.assert_array_equal(photos[1].photo, photos[2].photo)
    assert photos[0].photo.shape == photos[1].photo.shape
    assert (photos[0].photo != photos[1].photo).any()
    np.testing.assert_array_equal(photos[0].corners, photos[1].corners)


def _answered(cell: tuple[int, int], said: tuple[int, int], score: float, texture: str) -> Answered:
    place = Placement((0, 0, 1, 1), (0.5, 0.5), 10.0, score, said, (1, 0, 0, 0, 1, 0))
    located = Located([place], np.zeros((2, 2)), colour=(-1.0, -0.5, -0.25))
    return Answered(cell, 12.0, texture, located, 0.1)


def test_likely_answers_are_counted_and_colours_are_kept() -> None:
    answers = [
        _answered((0, 0), (0, 0), 0.95, "low"),
        _answered((0, 1), (1, 1), 0.92, "high"),
        _answered((1, 0), (1, 0), 0.4, "low"),
        Answered((1, 1), 0.0, "low", None, 0.1),
    ]
    found = alone(answers)
    assert [(found[key].right, found[key].of) for key in ("all", "low", "likely")] == [
        (2, 4),
        (2, 3),
        (1, 2),
    ]
    assigned = [
        Assignment(index, one.located.placements[0].cell, one.located.placements[0], True)
        for index, one in enumerate(answers)
        if one.located is not None
    ]
    likely = judge(answers, assigned)["likely"]
    assert (likely.right, likely.of) == (1, 2)
    kept = Answered.from_dict(json.loads(json.dumps(answers[0].to_dict())))
    assert kept.located is not None
    assert kept.located.colour == (-1.0, -0.5, -0.25)


@pytest.mark.slow
def test_the_command_counts_pieces_in_the_light_that_they_share(
    plain_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["shape", "--pieces", "24", "--puzzles", "1", "--device", "cpu", "--one-light"]
    common += ["--weights", str(plain_weights), "--out", str(tmp_path), "--share", "50"]
    assert main(common) == 0
    table = capsys.readouterr().out
    assert "each alone, in the light" in table
    assert main([*common, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert row["pieces"] == row["together"]["all"][1] == row["lit"]["all"][1]
    assert 0 < row["pieces"] < 24
    lines = (tmp_path / "24-0-one-light.jsonl").read_text().splitlines()
    assert len(lines) == 1 + row["pieces"]
    assert main([*common, "--border"]) == 2
    assert "not allowed with argument" in capsys.readouterr().err
