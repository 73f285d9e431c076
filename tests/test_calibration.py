"""Scores as probabilities: the library's formula and its place in a weights file."""

import math
from dataclasses import replace

import numpy as np
import pytest

from heatmap_locator.model.calibration import (
    MEASURES,
    MOST_LEAD,
    WEIGHED,
    Calibration,
    Uncalibrated,
    logit_measures,
)


def test_scores_by_hand() -> None:
    calibration = Calibration(scale=2.0, unseen=0.5, places=-1.0)
    weights = [math.exp(2.0), math.exp(1.0), math.exp(-2.0)]
    whole = sum(weights) + math.exp(0.5 - 2)
    found = calibration.scores([1.0, 0.5, -1.0], places=math.e**2)
    np.testing.assert_allclose(found, [w / whole for w in weights])


def test_scores_sum_to_one_with_what_was_not_found() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        logits = np.sort(rng.normal(0, 5, 30))[::-1]
        scores = Calibration(0.7, 1.0, 0.3).scores(logits, 500)
        assert (np.diff(scores) <= 0).all()
        assert 0 < scores.sum() < 1
    assert Calibration(unseen=40.0).scores([3.0, 1.0], 10).sum() < 1e-15


def test_places_that_fit_alike_share_what_there_is() -> None:
    np.testing.assert_allclose(Calibration().scores([30.0, 30.0], 9), [0.5, 0.5])
    np.testing.assert_allclose(Calibration().scores([30.0] * 8, 9), [0.125] * 8)


def test_logits_of_any_size_are_taken() -> None:
    assert len(Calibration().scores([], 10)) == 0
    np.testing.assert_allclose(Calibration().scores([1e9, -1e9], 10), [1, 0])
    np.testing.assert_allclose(Calibration().scores([-1e9], 10), [0])
    np.testing.assert_allclose(Calibration().scores([0.7], 0.5), 1 / (1 + math.exp(-0.7)))


def test_how_many_are_asked_for_changes_nothing_for_the_first() -> None:
    logits = np.linspace(3, 2, 2 * WEIGHED)
    few, many = (Calibration().scores(logits[:n], 100) for n in (WEIGHED, 2 * WEIGHED))
    np.testing.assert_allclose(many[:WEIGHED], few)
    assert len(many) == 2 * WEIGHED


@pytest.mark.parametrize("logit", [-5.0, 0.0, 3.0, 40.0])
def test_places_beyond_those_weighed_share_what_these_leave(logit: float) -> None:
    own = Calibration(unseen=2.0)
    scores = own.scores([logit] * 3 * WEIGHED, 100)
    assert (np.diff(scores) <= 0).all()
    assert scores.sum() <= 1 + 1e-9
    each, others = math.exp(logit), math.exp(2.0)
    left = others / (WEIGHED * each + others)
    for score in scores[WEIGHED : WEIGHED + 3]:
        assert score == pytest.approx(left * each / (each + others), rel=1e-9)
        left -= score


def test_fitting_reads_the_logits() -> None:
    logits = [50.0, 3.0, -4.0]
    np.testing.assert_array_equal(Uncalibrated().scores(logits, 10), logits)


def test_what_weights_files_hold() -> None:
    assert Calibration.from_extra({}) == Calibration()
    one = Calibration(0.5, 0.25, -0.75)
    assert Calibration.from_extra(one.to_extra()) == one
    numbers = [1.0], [1.5, -0.5], {"scale": math.nan}
    for wrong in (*numbers, {"slope": 1.0}, {"scale": None}, "x", {"scale": "x"}):
        with pytest.raises(ValueError, match=r"no calibration|could not convert"):
            Calibration.from_extra(wrong)


MEASURED = {"logit": 9.0, "detail": 2.0, "mirror": -8.0}


def test_a_photo_that_misleads_lowers_all_scores_alike() -> None:
    plain = Calibration(scale=0.6, unseen=-0.8)
    own = replace(plain, trust={"bias": -1.0, "detail": 0.5, "mirror": -0.25})
    before = plain.scores([9.0, 4.0], 100)
    after = own.scores([9.0, 4.0], 100, MEASURED)
    assert after == pytest.approx(before / (1 + np.exp(-2.0)))
    # Where it cannot be told the photo is trusted.
    assert own.scores([9.0, 4.0], 100) == pytest.approx(before)
    assert own.scores([9.0, 4.0], 100, {"detail": 2.0}) == pytest.approx(before)
    assert plain.scores([9.0, 4.0], 100, MEASURED) == pytest.approx(before)


def test_foreign_photos_by_a_logistic() -> None:
    own = Calibration(foreign={"bias": 1.0, "mirror": 0.5})
    assert own.probability_foreign(MEASURED) == pytest.approx(1 / (1 + np.exp(3.0)))
    assert own.probability_foreign({"mirror": 2000.0}) == 1.0
    assert own.probability_foreign({"mirror": -2000.0}) == 0.0
    assert own.probability_foreign(None) is None
    assert Calibration().probability_foreign(MEASURED) is None


def test_older_files_have_neither_and_others_are_refused() -> None:
    old = {"scale": 0.6, "unseen": -0.7, "places": 0.0}
    assert Calibration.from_extra(old).to_extra() == old
    new = old | {"trust": {"bias": 1.0, "hidden": -2.0}, "foreign": {"bias": 0.5, "logit": -0.1}}
    assert Calibration.from_extra(new).to_extra() == new
    for wrong in ({"trust": 3.0}, {"trust": {"luck": 1.0}}, {"foreign": {"bias": float("nan")}}):
        with pytest.raises(ValueError, match="no calibration"):
            Calibration.from_extra(old | wrong)


def test_measures_of_logits() -> None:
    found = logit_measures([9.0, 6.5, 3.0, 3.0, 3.0, 1.0, 2.0])
    assert found == {"logit": 9.0, "chance": 1.5, "lead": 2.5}
    # Where there is no other place, none comes near; and more than so much tells no more.
    assert logit_measures([4.0]) == {"logit": 4.0, "chance": 4.0, "lead": MOST_LEAD}
    assert logit_measures([40.0, 1.0])["lead"] == MOST_LEAD
    assert found.keys() <= set(MEASURES)
