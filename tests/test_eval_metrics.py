"""Metrics against values worked out by hand, and the predictions file they are scored from."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heatmap_eval.answers import metrics
from heatmap_eval.answers.metrics import Answer, Record, summarize
from heatmap_eval.answers.records import NAME, Predictions
from heatmap_eval.report.table import summaries, table
from heatmap_locator.errors import InputError


def _record(
    *answers: tuple[tuple[float, float, float, float], float],
    box: tuple[float, float, float, float] = (40.0, 20.0, 60.0, 40.0),
    rotation: float = 10.0,
    piece: str = "p",
    picture: str = "a.jpg",
    texture: str | None = None,
    seconds: float = 1.0,
) -> Record:
    """A piece in a 200 x 100 picture with cells of 20 x 10 pixels."""
    found = tuple(Answer(b, r, 0.5) for b, r in answers)
    return Record(
        "ours",
        piece,
        "set",
        picture,
        100,
        texture,
        box,
        rotation,
        (20.0, 10.0),
        (200.0, 100.0),
        found,
        seconds,
    )


def _moved(dx: float, dy: float, rotation: float = 10.0) -> Record:
    return _record(((40 + dx, 20 + dy, 60 + dx, 40 + dy), rotation))


def test_in_place_is_half_a_cell_each_way() -> None:
    assert metrics.placed(_moved(10, 5))
    assert metrics.placed(_moved(-10, -5))
    assert not metrics.placed(_moved(10.1, 0))
    assert not metrics.placed(_moved(0, 5.1))
    far, near = (100.0, 20.0, 120.0, 40.0), (40.0, 20.0, 60.0, 40.0)
    second = _record((far, 0.0), (near, 0.0))
    assert not metrics.placed(second)
    assert metrics.placed(second, 2)
    sixth = _record(*[(far, 0.0)] * 5, (near, 0.0))
    assert not metrics.placed(sixth, 5)


@pytest.mark.parametrize(
    ("rotation", "error", "both"),
    [(25.0, 15.0, True), (355.0, 15.0, True), (354.9, 15.1, False), (190.0, 180.0, False)],
)
def test_angle_goes_round(rotation: float, error: float, both: bool) -> None:
    record = _moved(0, 0, rotation)
    assert metrics.angle_error(record) == pytest.approx(error)
    assert metrics.both(record) is both


def test_summary_by_hand() -> None:
    records = [
        _moved(0, 0),  # IoU 1, right in all
        _moved(10, 0, 50.0),  # IoU 1/3, in place, 40 degrees off: the nearest quarter is right
        _moved(0, 10, 100.0),  # IoU 1/3, out of place, 90 degrees off
        replace(_record(), seconds=9.0),  # no answer
    ]
    found = summarize(records)
    assert found["n"] == 4
    assert found["answered"] == 0.75
    assert found["iou"] == pytest.approx((1 + 1 / 3 + 1 / 3) / 4)
    assert found["iou50"] == 0.25
    assert found["top1"] == found["top5"] == 0.5
    assert found["rotation4"] == 0.5
    assert found["rotation15"] == found["both"] == 0.25
    cell = math.sqrt(200)
    assert found["center_error"] == pytest.approx(10 / cell)  # of 0, 10, 10, infinite
    assert found["angle_error"] == pytest.approx(20)  # of 0 and 40, those placed right
    assert found["center_error_90"] is None  # of four the fourth, which was not answered
    assert summarize(records[:3])["center_error_90"] == pytest.approx(10 / cell)
    assert found["seconds"] == 1.0
    assert found["peak_memory"] is None
    told = summarize([replace(records[0], peak_memory=5.0), replace(records[1], peak_memory=7.0)])
    assert told["peak_memory"] == 7.0


def test_by_rotation() -> None:
    records = [
        replace(_moved(0, 0, 350.0), rotation=350.0),
        replace(_moved(0, 0, 90.0), rotation=14.0),
        replace(_moved(0, 0, 90.0), rotation=90.0),
    ]
    assert metrics.by_rotation(records) == [(0.0, 2, 0.5), (90.0, 1, 1.0)]


def test_medians_of_nothing_are_none() -> None:
    found = summarize([_record()])
    assert found["center_error"] is found["angle_error"] is found["collapse"] is None
    with pytest.raises(ValueError, match="no records"):
        summarize([])


def test_collapse_gauge() -> None:
    places = [(0.0, 0.0, 20.0, 10.0), (100.0, 0.0, 120.0, 10.0), (50.0, 50.0, 70.0, 60.0)]
    sound = [_record((box, 0.0), box=box) for box in places]
    assert metrics.collapse(sound) == pytest.approx(1)
    stuck = [_record((places[0], 0.0), box=box) for box in places]
    assert metrics.collapse(stuck) == pytest.approx(0, abs=1e-9)
    halved = [_record((tuple(v / 2 for v in box), 0.0), box=box) for box in places]
    assert metrics.collapse(halved) == pytest.approx(0.5)


def _many(hits: list[list[bool]]) -> list[Record]:
    return [
        replace(_moved(0, 0, 10.0 if hit else 190.0), picture=str(picture))
        for picture, row in enumerate(hits)
        for hit in row
    ]


def test_interval_in_closed_form() -> None:
    assert metrics.interval(_many([[True] * 3, [True] * 3])) == (1, 1)
    # Two pictures, one all right and one all wrong: 0, 1/2 or 1, at 1/4, 1/2 and 1/4.
    assert metrics.interval(_many([[True] * 3, [False] * 3])) == (0, 1)
    # Pieces of a picture alike: as wide as for one piece a picture, however many there are.
    rng = np.random.default_rng(0)
    right = rng.random(400) < 0.7
    low, high = metrics.interval(_many([[bool(r)] * 5 for r in right]))
    share = right.mean()
    half = 1.96 * math.sqrt(share * (1 - share) / 400)
    assert low == pytest.approx(share - half, abs=0.005)
    assert high == pytest.approx(share + half, abs=0.005)
    # One picture: its pieces are resampled.
    low, high = metrics.interval(_many([[bool(r) for r in right]]))
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_groups_and_table() -> None:
    records = [
        replace(_moved(0, 0), texture=texture, piece=str(index), pieces=pieces, dataset=dataset)
        for index, (texture, pieces, dataset) in enumerate(
            [("high", 9, "b"), ("low", 9, "b"), ("medium", 24, "a"), ("low", 24, "a")]
        )
    ]
    rows = summaries(records)
    named = {row["group"]: row["n"] for row in rows}
    assert named == {
        "all": 4,
        "dataset a": 2,
        "dataset b": 2,  # and by count the same pieces again
        "texture low": 2,
        "texture medium": 1,
        "texture high": 1,
        "textured": 2,
    }
    assert list(named)[3:6] == ["texture low", "texture medium", "texture high"]
    lines = table(rows).splitlines()
    assert len(lines) == 8
    assert lines[0].startswith("method")
    assert len({line.index(" 100.0") for line in lines[1:]}) == 1


HEADER = {"version": 1, "protocol": "exact", "seed": 0}


def test_predictions_come_back_and_others_are_refused(tmp_path: Path) -> None:
    record = replace(_moved(1, 2), texture="low", weights="abc")
    Predictions(tmp_path, HEADER).add([record, _record()])
    with (tmp_path / NAME).open("a") as file:
        file.write('{"method": "ours", "pie')  # a run that was cut off
    again = Predictions(tmp_path, HEADER)
    assert again.records == [record, _record()]
    assert again.done("ours") == {"p"}
    assert again.done("ncc") == set()
    again.add([record])
    assert len(Predictions(tmp_path, HEADER).records) == 3
    for other in ({"seed": 1}, {"version": 2}, {"protocol": "real"}):
        with pytest.raises(InputError, match="of another run"):
            Predictions(tmp_path, HEADER | other)
    again.check_weights("ncc", "def")
    with pytest.raises(InputError, match="weights"):
        again.check_weights("ours", "def")
    (tmp_path / NAME).write_text("what\n")
    with pytest.raises(InputError, match="not a predictions file"):
        Predictions(tmp_path, HEADER)
