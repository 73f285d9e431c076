"""heatmap-eval nuisances: outcomes, their shares, and what is fitted to them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heatmap_eval.answers.asking import ask_group
from heatmap_eval.answers.foreign import FOREIGN, FOREIGN_CELLS
from heatmap_eval.answers.named import NamedRow, named_rows
from heatmap_eval.answers.outcomes import Outcome, Outcomes, rows_of
from heatmap_eval.answers.trust import TRUST, fit, scored
from heatmap_eval.cli import main
from heatmap_eval.protocols.nuisances import NuisanceGroup, NuisanceTask
from heatmap_locator.errors import InputError
from heatmap_locator.found import Search
from heatmap_locator.grid import Grid
from heatmap_locator.model.calibration import Calibration, sigmoid
from heatmap_locator.placement import Placement
from heatmap_locator.search.remarks import CLOSE, NAMED, PERHAPS, PLAIN
from heatmap_train.draw.names import PLACED


def outcome(kind: str, number: int, right: bool, score: float, fits: float = 3.0) -> Outcome:
    own = kind in PLACED
    measures = dict.fromkeys((*TRUST, *FOREIGN), 0.0) | {"detail": fits, "mirror": -4 * fits}
    return Outcome(
        kind=kind,
        piece=f"24/{number}",
        picture=f"picture {number % 17}",
        count=24,
        texture="high",
        cell=(10.0, 10.0),
        truth=(0.0, 0.0, 10.0, 10.0) if own else None,
        rotation=90.0,
        box=(1.0, 1.0, 11.0, 11.0) if right else (50.0, 0.0, 60.0, 10.0),
        angle=92.0,
        score=score,
        foreign=None,
        doubts=(),
        refused=None,
        evidence={"logits": [9.0, 2.0], "places": 24.0, "measures": measures},
        seconds=0.1,
    )


def test_shares_of_kinds() -> None:
    found = [
        outcome("plain", 1, True, 0.99),
        outcome("plain", 2, False, 0.2),
        outcome("glare", 1, False, 0.95),
        outcome("glare", 2, False, 0.3),
        replace(outcome("foreign", 1, False, 0.1), foreign=NAMED - 0.01),
        replace(outcome("foreign", 2, False, 0.1), refused="no piece found"),
        replace(outcome("foreign", 3, False, 0.1), doubts=("looks mirrored: its",)),
        outcome("foreign", 4, False, 0.1),
    ]
    plain, glare, foreign = rows_of(found)
    assert (plain.n, plain.right, plain.sure, plain.wrong) == (2, 0.5, 0.5, 0)
    assert (glare.plain, glare.right, glare.wrong) == (0.5, 0, 0.5)
    assert foreign.named == 0.5


def test_what_is_said_of_groups() -> None:
    textured, bare = {"texture": PLAIN + 0.5}, {"texture": PLAIN - 0.5}

    def told(kind: str, foreign: float, measures: dict[str, float], right: bool = False) -> Outcome:
        own = outcome(kind, 1, right, 0.6 if right else 0.1)
        return replace(own, foreign=foreign, evidence={**own.evidence, "measures": measures})

    rows = {
        row.group: row
        for row in named_rows(
            [
                told("plain", NAMED, textured, True),
                told("glare", PERHAPS, bare, True),
                told("glare", 0.0, bare, True),
                told("foreign", NAMED, textured),
                told("foreign", PERHAPS, textured),
                told("back", PERHAPS, bare),
                told("none", PERHAPS - 0.01, bare),
                replace(told("none", 0.0, bare), refused="no piece found", evidence=None),
                replace(told("mirrored", 0.0, textured), doubts=("looks mirrored: its",)),
            ]
        )
    }
    assert rows["right"] == NamedRow("right", 3, 1 / 3, 2 / 3)
    assert rows["right, plain photo"] == NamedRow("right, plain photo", 1, 1.0, 1.0)
    assert rows["right, plain of print"].told == 0.5
    assert rows["none of it"] == NamedRow("none of it", 5, 2 / 5, 4 / 5)
    assert rows["none of it, plain of print"] == NamedRow("none of it, plain of print", 2, 0.0, 0.5)
    assert rows["none of it, not plain of print"].named == 2 / 3
    assert rows["mirrored"].named == 1.0
    assert "of it, placed wrong" not in rows


def test_of_two_pieces_in_one_photo_either_may_be_answered_for() -> None:
    shown, beside = (0.0, 0.0, 10.0, 10.0), (50.0, 0.0, 60.0, 10.0)
    task = NuisanceTask(
        kind="two",
        piece="24/one/0",
        image=np.zeros((8, 8, 3), np.uint8),
        box=shown,
        rotation=0.0,
        texture="high",
        given=Grid(3, 8),
        beside=(beside, 90.0),
    )
    group = NuisanceGroup("one", np.zeros((30, 80, 3), np.uint8), Grid(3, 8), 24, [task])

    class Answers:
        """Stands in for locator and puzzle."""

        def __init__(self, box: tuple[float, float, float, float], rotation: float) -> None:
            self.found = Placement(
                box, (0.0, 0.0), rotation, 0.9, None, (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
            )

        def encode(self, image: np.ndarray, grid: Grid) -> "Answers":
            return self

        def search(self, photo: np.ndarray) -> Search:
            return Search([self.found], np.zeros((1, 1)), photo, photo[..., 0])

    def truth(box: tuple[float, float, float, float], rotation: float) -> tuple[object, bool]:
        (found,) = ask_group(Answers(box, rotation), group)  # type: ignore[arg-type]
        return found.truth, found.right

    assert truth(shown, 3.0) == (shown, True)
    assert truth(beside, 88.0) == (beside, True)
    assert truth(beside, 3.0) == (shown, False)
    assert truth((20.0, 20.0, 30.0, 30.0), 0.0) == (shown, False)


def test_outcomes_are_kept_and_a_line_cut_short_is_forgotten(tmp_path: Path) -> None:
    kept = Outcomes(tmp_path, {"seed": 1})
    kept.add([outcome("plain", 1, True, 0.9), outcome("glare", 1, False, 0.4)])
    path = tmp_path / "outcomes.jsonl"
    path.write_text(path.read_text()[:-20])
    again = Outcomes(tmp_path, {"seed": 1})
    assert again.all == kept.all[:1]
    again.add(kept.all[1:])
    assert Outcomes(tmp_path, {"seed": 1}).all == kept.all
    with pytest.raises(InputError, match="of another run"):
        Outcomes(tmp_path, {"seed": 2})
    path.write_text(path.read_text() + '{"kind": 3}\n')
    with pytest.raises(InputError, match="line 4 is damaged"):
        Outcomes(tmp_path, {"seed": 1})


def test_a_fit_tells_photos_that_mislead_and_foreign_ones() -> None:
    rng = np.random.default_rng(0)
    photos = [outcome("plain", n, True, 0.99, rng.normal(3, 0.4)) for n in range(80)]
    photos += [outcome("glare", n, False, 0.99, rng.normal(0.4, 0.3)) for n in range(40)]
    photos += [outcome("foreign", n, False, 0.99, rng.normal(0.3, 0.3)) for n in range(60)]
    found = fit(photos, Calibration(scale=0.6, unseen=-0.8), 0.89)
    assert found.calibration.scale == 0.6
    sure = [o for o in found.held_out if o.score >= 0.9]
    assert len(sure) > 60
    assert np.mean([o.right for o in sure]) > 0.97
    rows = {row.group: row for row in named_rows(found.held_out)}
    assert rows["right"].told < 0.03
    assert rows["none of it"].told > 0.9
    one = found.calibration.probability_foreign(photos[0].evidence["measures"])
    assert one is not None
    assert one < 0.1
    assert set(found.calibration.trust) == {"bias", *TRUST}
    assert sigmoid(0.0) == 0.5


def test_where_cells_are_known_they_tell_as_well() -> None:
    rng = np.random.default_rng(1)

    def measured(kind: str, number: int, right: bool, more: dict[str, float]) -> Outcome:
        own = outcome(kind, number, right, 0.99, rng.normal(1.5, 0.4))
        return replace(own, evidence=own.evidence | {"measures": own.evidence["measures"] | more})

    photos = [measured("plain", n, True, {"cell": rng.normal(3, 0.3)}) for n in range(60)]
    photos += [measured("foreign", n, False, {"cell": rng.normal(0, 0.8)}) for n in range(60)]
    mirrored = [measured("mirrored", n, False, {"cell": 3.0}) for n in range(20)]
    found = fit([*photos, *mirrored], Calibration(scale=0.6, unseen=-0.8), 0.89, ["foreign"])
    assert found.calibration.foreign_cells["cell"] < 0
    assert found.calibration.foreign_cells.keys() == {"bias", *FOREIGN_CELLS}
    assert found.calibration.foreign.keys() == {"bias", *FOREIGN}
    assert found.calibration.trust == {}
    rows = {row.group: row for row in named_rows(found.held_out)}
    assert rows["right"].told < 0.05
    assert rows["none of it"].told > 0.95
    # Mirrored photos are told by their mirror image alone.
    without = fit(photos, Calibration(scale=0.6, unseen=-0.8), 0.89, ["foreign"])
    assert without.calibration == found.calibration
    # Of those without cells the print alone tells.
    bare = [replace(o, evidence=outcome("plain", 1, True, 0.9).evidence) for o in photos]
    assert fit(bare, Calibration(), 0.89, ["foreign"]).calibration.foreign_cells == {}


def test_an_answer_no_better_than_its_mirror_image_is_not_sure() -> None:
    photo = outcome("plain", 1, True, 0.99)
    for ahead, most in ((CLOSE - 0.1, 0.89), (CLOSE + 0.1, 1.0)):
        measures = photo.evidence["measures"] | {"rival": ahead}
        own = replace(photo, evidence=photo.evidence | {"measures": measures})
        assert scored(own, Calibration(), 0.89).score == pytest.approx(most, abs=0.01)


@pytest.mark.slow
def test_the_command_goes_on_where_it_was_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["nuisances", "--pieces", "24", "--per-count", "2", "--json"]
    command += ["--out", str(tmp_path / "run"), "--kinds"]
    assert main([*command, "plain"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert [row["kind"] for row in first["kinds"]] == ["plain"]
    lines = (tmp_path / "run" / "outcomes.jsonl").read_text().splitlines()
    assert main([*command, "plain,none"]) == 0
    both = json.loads(capsys.readouterr().out)
    assert [row["n"] for row in both["kinds"]] == [2, 2]
    assert both["kinds"][0] == first["kinds"][0]
    now = (tmp_path / "run" / "outcomes.jsonl").read_text().splitlines()
    assert now[: len(lines)] == lines
    assert main([*command, "plain", "--write", str(tmp_path / "w.safetensors")]) == 2
    assert "ask for more" in capsys.readouterr().err
    assert not (tmp_path / "w.safetensors").exists()
