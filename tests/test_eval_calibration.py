"""Reliability in closed form, and calibrations that are known beforehand."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heatmap_eval.answers.calibration import answers, assess, choose, fit, probabilities
from heatmap_eval.answers.metrics import Answer, Record
from heatmap_eval.answers.reliability import (
    calibration_error,
    coverage_at,
    precision_at,
    reliability,
)
from heatmap_eval.cli import main
from heatmap_locator.model.calibration import MOST_MARGIN, Calibration
from heatmap_locator.model.files import load_model
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


def test_fit_finds_the_rule_that_made_the_data() -> None:
    rng = np.random.default_rng(1)
    features = np.column_stack(
        [rng.normal(0, 2, 8000), rng.uniform(0, 4, 8000), rng.uniform(3, 7, 8000)]
    )
    rule = Calibration(logit=0.8, margin=0.5, places=-0.4, intercept=1.0)
    hits = rng.uniform(0, 1, 8000) < probabilities(rule, features)
    found = fit(features, hits)
    assert found.logit == pytest.approx(0.8, abs=0.06)
    assert found.margin == pytest.approx(0.5, abs=0.06)
    assert found.places == pytest.approx(-0.4, abs=0.06)
    assert calibration_error(list(probabilities(found, features)), list(hits)) < 0.02
    alone = fit(features, hits, (0,))
    assert alone.margin == alone.places == 0
    # The scores of the fit are those that the library gives.
    logits = [features[0, 0], features[0, 0] - features[0, 1]]
    library = found.scores(logits, float(np.exp(features[0, 2])))[0]
    assert library == pytest.approx(probabilities(found, features)[0])


def test_a_feature_that_speaks_against_sense_gets_no_weight() -> None:
    features = np.column_stack([np.linspace(-2, 2, 100), np.ones(100), np.full(100, 5.0)])
    found = fit(features, features[:, 0] < 0)
    assert found.logit == 0
    assert found.margin == found.places == 0  # never varied
    assert probabilities(found, features)[0] == pytest.approx(0.5, abs=1e-3)


def _record(logits: list[float], right: bool, picture: str) -> Record:
    box = (0.0, 0.0, 10.0, 10.0) if right else (50.0, 50.0, 60.0, 60.0)
    found = tuple(Answer(box, 0.0, 1 / (1 + math.exp(-x))) for x in logits)
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


def test_features_come_from_the_scores() -> None:
    records = [_record([2.0, 0.5, 0.1], True, "a"), _record([-1.0], False, "b")]
    data = answers([*records, replace(records[0], answers=())])
    np.testing.assert_allclose(
        data.features, [[2.0, 1.5, math.log(100)], [-1.0, MOST_MARGIN, math.log(100)]], rtol=1e-6
    )
    assert data.hits.tolist() == [True, False]
    with pytest.raises(ValueError, match="no answers"):
        answers([replace(records[0], answers=())])


@pytest.mark.parametrize(("by_margin", "name"), [(True, "logit, margin, places"), (False, "logit")])
def test_the_larger_model_has_to_earn_it(by_margin: bool, name: str) -> None:
    rng = np.random.default_rng(2)
    records = []
    for index in range(600):
        logit, lead = rng.normal(), rng.uniform(0, 4)
        chance = 1 / (1 + math.exp(-(3 * (lead - 2) if by_margin else 2 * logit)))
        records.append(_record([logit, logit - lead], rng.random() < chance, str(index // 6)))
    data = answers(records)
    rows = assess(data, Calibration(logit=5.0))
    assert [row.name for row in rows] == ["before", "logit", "logit, margin, places"]
    assert rows[1].loss < rows[0].loss
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
    out = tmp_path / "new.safetensors"
    common = ["calibrate", "--corpus-pictures", str(root), "--device", "cpu"]
    common += ["--weights", str(plain_weights), "--pieces", "12", "--out", str(tmp_path / "run")]
    assert main([*common, "--per-count", "10", "--write", str(out)]) == 2
    assert "too little to calibrate on" in capsys.readouterr().err
    assert not out.exists()
    assert main([*common, "--per-count", "60", "--write", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pieces"] > 50  # a photo in which no piece is found has no answer
    model, extra = load_model(out)
    chosen = next(row for row in told["rows"] if row["name"] == told["chosen"])
    held = Calibration.from_extra(extra["calibration"])
    assert held.to_extra() == pytest.approx(chosen["calibration"], rel=1e-4)
    old, _ = load_model(plain_weights)
    for key, value in old.state_dict().items():
        assert (model.state_dict()[key] == value).all()
