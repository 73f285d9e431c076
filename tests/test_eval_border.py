"""Pieces of the border, each alone: which are asked, what is counted, and the command."""

import json
from pathlib import Path

import numpy as np
import pytest

from heatmap_eval.answers.border import border_and_inside, border_shares, is_outermost
from heatmap_eval.answers.whole import Answered, Share
from heatmap_eval.cli import main
from heatmap_eval.methods.ablated import ablations
from heatmap_eval.protocols.whole import whole_puzzles
from heatmap_locator import Locator
from heatmap_locator.assign import Located
from heatmap_locator.grid import Grid
from heatmap_locator.placement import Placement

GRID = Grid(5, 6)


def answered(
    cell: tuple[int, int], found: tuple[int, int] | None, off: float = 0.0, rotation: float = 350.0
) -> Answered:
    """A piece whose first place is a cell, its angle off; ``None`` was not found at all."""
    located = None
    if found is not None:
        place = Placement((0, 0, 1, 1), (0.5, 0.5), (rotation + off) % 360, 0.5, found, (1.0,) * 6)
        located = Located([place], np.zeros((5, 6)))
    return Answered(cell, rotation, "low", located, 0.1)


def test_all_of_the_border_are_asked_and_as_many_of_the_inside() -> None:
    cells = border_and_inside(Grid(20, 30))
    border = [cell for cell in cells if is_outermost(cell, Grid(20, 30))]
    assert len(border) == 2 * (20 + 30) - 4
    assert len(cells) == len(set(cells)) == 2 * len(border)
    assert {row for row, _ in cells} == set(range(20))
    few = border_and_inside(Grid(4, 5))
    assert len(few) == 20


def test_of_border_pieces_the_angle_is_counted_alone_and_of_others_where_they_are_sent() -> None:
    answers = [
        answered((0, 3), (0, 3), 4.0),
        answered((0, 4), (0, 3), 12.0),
        answered((4, 0), (3, 0), 90.0),
        answered((2, 5), None),
        answered((2, 2), (2, 2)),
        answered((2, 3), (0, 3)),
        answered((3, 3), None),
    ]
    assert border_shares(answers, GRID) == {
        "border": Share(1, 4),
        "angle": Share(2, 4),
        "sent": Share(1, 3),
    }


def test_a_puzzle_that_looks_at_no_sides_names_none(plain_weights: Path) -> None:
    locator = Locator.from_pretrained(plain_weights, device="cpu")
    (puzzle,) = whole_puzzles(None, "validation", 3, 12, 1)
    photo = puzzle.photograph(0, 1).photo
    whole = locator.encode(puzzle.picture, grid=puzzle.grid).search(photo)
    without = ablations(locator)["sides"].encode(puzzle.picture, puzzle.grid).search(photo)
    assert whole.sides is not None
    assert without.sides is None
    assert all(place.why is not None and place.why.sides == 0 for place in without.placements)
    assert any(place.why is not None and place.why.sides != 0 for place in whole.placements)


@pytest.mark.slow
def test_the_command_asks_the_border_twice_and_goes_on(
    plain_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["shape", "--border", "--pieces", "12", "--puzzles", "1", "--device", "cpu"]
    common += ["--weights", str(plain_weights), "--out", str(tmp_path)]
    assert main(common) == 0
    table = capsys.readouterr().out
    assert table.split()[:4] == ["puzzle", "pieces", "border", "right"]
    assert main([*common, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["results"]
    assert json.loads((tmp_path / "results.json").read_text())["results"] == [row]
    border, inside = row["border"][1], row["sent"][1]
    assert row["sideless"]["border"][1] == row["angle"][1] == border
    lines = [
        len((tmp_path / f"12-0{end}.jsonl").read_text().splitlines()) - 1
        for end in ("", "-sideless")
    ]
    assert lines == [border + inside, border]
    assert main([*common, "--done"]) == 2
    assert "not allowed with argument" in capsys.readouterr().err
