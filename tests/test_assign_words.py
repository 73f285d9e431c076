"""What cells tell their neighbours while only probabilities are known."""

import numpy as np
import pytest
from assign_support import drawn_puzzle

from heatmap_locator.assign import belief, words
from heatmap_locator.assign.belief import marginals, neighbours
from heatmap_locator.assign.fit import Fit, fit_sides, scale_of
from heatmap_locator.assign.shapes import shapes_of
from heatmap_locator.assign.words import Words


@pytest.fixture(scope="module")
def fit() -> Fit:
    drawn = drawn_puzzle(5, 6, seed=2)
    shapes = shapes_of([piece.sides for piece in drawn.pieces])
    shapes.trust[:] = np.linspace(0.3, 0.97, len(shapes))  # each its own
    return fit_sides(shapes, scale_of(shapes, np.zeros((0, 2), int)))


@pytest.mark.parametrize("share", [0.03, 1.0])
def test_words_are_the_mean_of_what_each_side_would_say(fit: Fit, share: float) -> None:
    rng = np.random.default_rng(0)
    shown = rng.random((7, 4, 30)) * (rng.random((7, 4, 30)) < share)
    shown *= rng.uniform(0.5, 1.0, (7, 1, 1)) / np.maximum(shown.sum(axis=(1, 2), keepdims=True), 1)
    said = Words(fit).said(shown.astype(np.float32))
    # Side i of piece p: by side here, by piece there.
    each = np.exp(fit.logs.astype(np.float64)).reshape(30, 4, 30, 4)
    expected = 1.0 + np.einsum("cip,piqk->ckq", shown, each - 1.0)
    np.testing.assert_allclose(said, np.log(expected), atol=2e-4)
    assert np.abs(said).max() > 0.3


def test_a_side_with_no_trust_says_and_hears_nothing(fit: Fit) -> None:
    trust = fit.trust.copy()
    trust[4 * 3 : 4 * 4] = 0.0
    silent = Words(Fit(fit.ratios, fit.kinds, trust, fit.clash, fit.unfit))
    shown = np.zeros((1, 4, 30), np.float32)
    shown[0, 2, 3] = 1.0
    assert not silent.said(shown).any()
    shown[0, 2] = np.roll(shown[0, 2], 5)
    said = silent.said(shown)
    assert not said[0, :, 3].any()
    assert said.any()


def test_how_many_cells_are_taken_at_once_changes_nothing(
    fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    unary = rng.normal(0, 1, (30, 30, 4)).astype(np.float32)
    given = unary, fit, neighbours((5, 6)), -4.0
    at_once = marginals(*given)
    monkeypatch.setattr(words, "_AT_ONCE", 4 * 30 * 7)
    np.testing.assert_allclose(marginals(*given), at_once, atol=1e-5)
    assert at_once.sum(axis=(1, 2)).max() < 1.0 + 1e-4


def test_what_was_heard_before_goes_on(fit: Fit) -> None:
    rng = np.random.default_rng(1)
    unary = rng.normal(0, 1, (30, 30, 4)).astype(np.float32)
    near = neighbours((5, 6))
    # One piece, turn 1 up, is spoken for in cell 0 from the right, where there is a cell.
    heard = np.zeros((4, 30, 30, 4), np.float32)
    heard[1, 0, 8, 1] = 9.0
    whole, half = (marginals(unary, fit, near, -4.0, (w,) * 1, heard)[0, 8, 1] for w in (1.0, 0.5))
    plain = marginals(unary, fit, near, -4.0, (1.0,))[0, 8, 1]
    assert whole > half > plain
    assert belief.ROUNDS[-1] == 1.0
