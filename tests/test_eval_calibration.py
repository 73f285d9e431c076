"""Reliability in closed form, and calibrations that are known beforehand."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heatmap_eval.answers.calibration import (
    Answers,
    answers,
    assess,
    choose,
    fit,
    log_probabilities,
    mean_loss,
)
from heatmap_eval.answers.metrics import Answer, Record
from heatmap_eval.answers.reliability import (
    calibration_error,
    coverage_at,
    precision_at,
    reliability,
)
from heatmap_eval.cli import main
from heatmap_locator.model.calibration import Calibration
from heatmap_locator.model.files import load_model, save_model
from heatmap_train.draw.pictures import in_validation
from heatmap_train.draw.procedural import draw_picture


def test_reliability_by_hand() -> None:
    scores, hits = [0.95, 0.85, 0.85, 0.2, 1.0], [True, True, False, False, True]
    bins = reliability(scores, hits)
    assert [(b.low, b.n, b.share) for b in bins] == [(0.2, 1, 0), (0.8, 2, 0.5), (0.9, 2, 1)]
    assert bins[2].confidence == pytest.approx(0.975)
    expected = (0.2 * 1 + 0.35 * 2 + 0.025 * 2) / 5
    assert calibration_error(scores, hits) == pytest.approx(expected)
    assert calibration_error([1.0, 1.0], [True, True]) == 0
    assert calibration_error([1.0, 0.0], [False, True]) == 1
    assert calibration_error([-math.inf], [False]) == 0  # no answer: no confidence


def test_a_calibrated_forecaster_has_little_error() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, 20_000)
    hits = rng.uniform(0, 1, 20_000) < scores
    assert calibration_error(list(scores), list(hits)) < 0.015
    # The square is always too low: by p - p * p, which is 1/6 on average.
    assert calibration_error(list(scores**2), list(hits)) == pytest.approx(1 / 6, abs=0.01)


def test_precision_and_coverage_by_hand() -> None:
    scores = [0.9, 0.8, 0.7, 0.6, -math.inf]
    hits = [True, True, False, True, False]
    assert precision_at(scores, hits, 0.4) == 1
    assert precision_at(scores, hits, 0.6) == pytest.approx(2 / 3)
    assert precision_at(scores, hits, 1.0) == pytest.approx(3 / 5)
    assert precision_at(scores, hits, 0.01) == 1  # one piece at least
    assert coverage_at(scores, hits, 0.99) == pytest.approx(0.4)
    assert coverage_at(scores, hits, 0.75) == pytest.approx(0.8)
    assert coverage_at([0.5], [False], 0.5) == 0
    # Of equal scores the wrong one counts first.
    assert precision_at([0.5, 0.5], [True, False], 0.5) == 0


def drawn(rule: Calibration, count: int, seed: int = 1) -> Answers:
    """Answers whose first is right as often as the rule says."""
    rng = np.random.default_rng(seed)
    logits = -np.sort(-rng.normal(0, 2, (count, 6)), axis=1)
    logits[: count // 3, 4:] = -np.inf  # fewer were found
    data = Answers(
        logits, np.exp(rng.uniform(3, 7, count)), np.zeros(count, bool), np.arange(count) // 6
    )
    return replace(data, hits=rng.uniform(0, 1, count) < np.exp(log_probabilities(rule, data)))


def test_fit_finds_the_rule_that_made_the_data() -> None:
    rule = Calibration(scale=0.8, unseen=-2.0, places=0.4)
    data = drawn(rule, 8000)
    found = fit(data)
    assert found.scale == pytest.approx(0.8, abs=0.06)
    scores = np.exp(log_probabilities(found, data))
    # The other two make up for each other over so few sizes; what they say together is the rule's.
    assert np.abs(scores - np.exp(log_probabilities(rule, data))).max() < 0.05
    worse = mean_loss(log_probabilities(rule, data), data.hits)
    assert mean_loss(np.log(scores), data.hits) <= worse + 1e-5
    assert calibration_error(list(scores), list(data.hits)) < 0.02
    assert fit(data, by_places=False).places == 0
    # The scores of the fit are those that the library gives.
    own = [float(x) for x in data.logits[0] if np.isfinite(x)]
    assert found.scores(own, float(data.places[0]))[0] == pytest.approx(scores[0])


def test_where_all_are_right_the_scale_stays_finite() -> None:
    data = drawn(Calibration(), 60)
    found = fit(replace(data, hits=np.ones(60, bool)))
    assert math.isfinite(found.scale)
    assert np.exp(log_probabilities(found, data)).min() > 0.5


def test_loss_by_hand() -> None:
    logs, hits = np.log([0.5, 0.25]), np.array([True, False])
    assert mean_loss(logs, hits) == pytest.approx((math.log(2) - math.log(0.75)) / 2)
    assert math.isfinite(mean_loss(np.array([0.0, -np.inf]), np.array([False, True])))


def _record(logits: list[float], right: bool, picture: str) -> Record:
    box = (0.0, 0.0, 10.0, 10.0) if right else (50.0, 50.0, 60.0, 60.0)
    found = tuple(Answer(box, 0.0, x) for x in logits)
    return Record(
        "ours",
        "p",
        "set",
        picture,
        100,
        None,
        (0.0, 0.0, 10.0, 10.0),
        0.0,
        (10.0, 10.0),
        (100.0, 100.0),
        found,
        1.0,
    )


def test_what_is_fitted_to_comes_from_the_records() -> None:
    records = [_record([2.0, 0.5, 0.1], True, "a"), _record([-1.0], False, "b")]
    data = answers([*records, replace(records[0], answers=())])
    np.testing.assert_array_equal(data.logits, [[2.0, 0.5, 0.1], [-1.0, -np.inf, -np.inf]])
    np.testing.assert_allclose(data.places, [100, 100])
    assert data.hits.tolist() == [True, False]
    assert data.pictures.tolist() == [0, 1]
    with pytest.raises(ValueError, match="no answers"):
        answers([replace(records[0], answers=())])


@pytest.mark.parametrize(("weight", "name"), [(1.5, "logits, places"), (0.0, "logits")])
def test_the_number_of_places_has_to_earn_its_weight(weight: float, name: str) -> None:
    data = drawn(Calibration(scale=1.0, unseen=0.5 - 5 * weight, places=weight), 1200)
    rows = assess(data, Calibration(scale=5.0))
    assert [row.name for row in rows] == ["before", "logits", "logits, places"]
    assert rows[1].loss < rows[0].loss
    assert all(row.scores.shape == (1200,) for row in rows)
    assert choose(rows).name == name


@pytest.mark.slow
def test_calibrate_writes_weights_that_hold_it(
    plain_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "pictures"
    root.mkdir()
    # Names whose hash holds them back.
    names = [f"{n}.png" for n in range(400) if in_validation(f"{n}.png")][:20]
    for index, name in enumerate(names):
        picture = draw_picture(120, 90, np.random.default_rng(index))
        Image.fromarray(picture).save(root / name)
    out, again = tmp_path / "new.safetensors", tmp_path / "again.safetensors"
    old, extra = load_model(plain_weights)
    _, shipped = load_model(None)
    weights = tmp_path / "weights.safetensors"  # which say of photos how far they are trusted
    save_model(old, weights, extra | {"calibration": shipped["calibration"]})
    common = ["calibrate", "--corpus-pictures", str(root), "--device", "cpu"]
    common += ["--weights", str(weights), "--pieces", "12", "--out", str(tmp_path / "run")]
    assert main([*common, "--per-count", "10", "--write", str(out)]) == 2
    assert "too little to calibrate on" in capsys.readouterr().err
    assert not out.exists()
    assert main([*common, "--per-count", "60", "--write", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pieces"] > 50  # a photo in which no piece is found has no answer
    model, extra = load_model(out)
    chosen = next(row for row in told["rows"] if row["name"] == told["chosen"])
    held = Calibration.from_extra(extra["calibration"])
    before = Calibration.from_extra(shipped["calibration"])
    assert (held.trust, held.foreign) == (before.trust, before.foreign)
    assert held.foreign_cells == before.foreign_cells != {}
    for name in ("scale", "unseen", "places"):
        assert getattr(held, name) == pytest.approx(chosen["calibration"][name], rel=1e-4)
    assert main([*common, "--per-count", "60", "--write", str(again)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"wrote {again}: scale ")
    assert load_model(again)[1] == load_model(out)[1]
    for key, value in old.state_dict().items():
        assert (model.state_dict()[key] == value).all()
