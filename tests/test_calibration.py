"""Scores as probabilities: the library's formula and its place in a weights file."""

import math

import numpy as np
import pytest

from heatmap_locator.model.calibration import (
    MOST_LOGIT,
    MOST_MARGIN,
    Calibration,
    Uncalibrated,
    margins,
    shares,
)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_scores_by_hand() -> None:
    calibration = Calibration(logit=2.0, margin=0.5, places=-1.0, intercept=3.0)
    first, second, third = calibration.scores([1.0, 0.5, -1.0], places=math.e**2)
    assert first == pytest.approx(_sigmoid(2 + 0.25 - 2 + 3))
    assert second == pytest.approx(_sigmoid(1 - 0.25 - 2 + 3))
    assert third == pytest.approx(_sigmoid(-2 - 1 - 2 + 3))
    assert first > second > third


def test_nothing_given_is_the_plain_sigmoid() -> None:
    assert Calibration().scores([0.7, 0.1], 1000) == pytest.approx([_sigmoid(0.7), _sigmoid(0.1)])
    assert Calibration().scores([], 10) == []
    # Beyond what it was fitted to, a logit says no more; a lead does.
    far = [_sigmoid(MOST_LOGIT), _sigmoid(-MOST_LOGIT)]
    assert Calibration().scores([1e9, -1e9], 10) == pytest.approx(far)
    assert Calibration(margin=5.0).scores([1e9, -1e9], 10) == pytest.approx([1, 0])


def test_places_that_fit_alike_share_what_there_is() -> None:
    np.testing.assert_allclose(shares(np.array([30.0, 30.0]), [0, 1]), [0.5, 0.5])
    # The second is the first once more, at another size: it takes nothing from it.
    np.testing.assert_allclose(shares(np.array([30.0, 30.0, 28.0]), [0, 2])[0], _sigmoid(2.0))
    np.testing.assert_allclose(shares(np.array([-900.0]), [0]), [1.0])
    far = shares(np.array([900.0, -900.0]), [0, 1])
    np.testing.assert_allclose(far, [1.0, 0.0], atol=1e-12)


def test_probabilities_are_scores_that_are_shared() -> None:
    one = Calibration(logit=1.0, intercept=2.0)
    alike, beside = [3.0, 3.0, -4.0], [0, 1, 2]
    capped = one.probabilities(alike, 10, beside)
    np.testing.assert_allclose(capped[:2], shares(np.array(alike), beside)[:2])
    alone = one.probabilities([3.0, -40.0], 10, [0, 1])
    np.testing.assert_allclose(alone[0], one.scores([3.0, -40.0], 10)[0])
    assert len(one.probabilities([], 10, [])) == 0
    # Fitting reads the ranker's logits back from these.
    plain = Uncalibrated().probabilities(alike, 10, beside)
    np.testing.assert_allclose(np.log(plain / (1 - plain)), alike)


def test_margins() -> None:
    np.testing.assert_allclose(margins(np.array([3.0, 1.0, 0.5])), [2, -2, -2.5])
    np.testing.assert_allclose(margins(np.array([3.0])), [MOST_MARGIN])
    np.testing.assert_allclose(margins(np.array([99.0, 0.0])), [MOST_MARGIN, -MOST_MARGIN])


def test_what_weights_files_hold() -> None:
    assert Calibration.from_extra({}) == Calibration()
    one = Calibration(0.5, 0.25, -0.75, 2.0)
    assert Calibration.from_extra(one.to_extra()) == one
    numbers = [1.0], [1.5, -0.5], {"logit": math.nan}
    for wrong in (*numbers, {"slope": 1.0}, {"logit": None}, "x", {"logit": "x"}):
        with pytest.raises(ValueError, match=r"no calibration|could not convert"):
            Calibration.from_extra(wrong)
