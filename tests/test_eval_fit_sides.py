"""What is fitted to sides found in photos is what they are off by, and a file that is read back."""

from pathlib import Path

import numpy as np
import pytest

from heatmap_eval.answers.side_model import SidesSeen, fit_side_model, sides_seen
from heatmap_eval.cli import main
from heatmap_eval.protocols.whole import whole_puzzles
from heatmap_locator.assign.ratio import SHIPPED, load_side_model, shipped_model
from heatmap_locator.assign.shapes import SIZE
from heatmap_locator.errors import WeightsError
from heatmap_locator.model.files import shipped_weights
from heatmap_locator.outline.sides import Sides, find_sides


def drawn_mask(outline: np.ndarray) -> np.ndarray:
    import cv2

    mask = np.zeros((420, 420), np.uint8)
    points = np.round(outline * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, 4)
    return mask / np.float32(255)


def test_errors_and_variety_are_those_of_the_sides() -> None:
    rng = np.random.default_rng(0)
    spread, mean = rng.uniform(0.02, 0.2, SIZE), rng.normal(0, 0.3, SIZE)
    off = rng.uniform(0.001, 0.01, SIZE)
    puzzles = []
    for _ in range(20):
        true = mean + rng.normal(0, spread, (200, SIZE))
        tails = np.sqrt(4.0 / rng.chisquare(4.0, (200, 1)))
        puzzles.append([SidesSeen(true + rng.normal(0, off, (200, SIZE)) * tails, true)])
    model = fit_side_model(puzzles)
    np.testing.assert_allclose(np.sqrt(np.diag(model.error)), off, rtol=0.1)
    # As they are found; errors with 4 degrees of freedom have twice their scale's variance.
    as_found = np.sqrt(spread**2 + 2 * off**2)
    np.testing.assert_allclose(np.sqrt(np.diag(model.variety)), as_found, rtol=0.1)
    np.testing.assert_allclose(model.mean, mean, atol=0.02)


def test_too_few_sides_are_told() -> None:
    with pytest.raises(ValueError, match="no puzzle with 30"):
        fit_side_model([[SidesSeen(np.zeros((3, SIZE)), np.zeros((3, SIZE)))]])


def test_sides_lie_beside_those_of_the_cut_whatever_the_turn() -> None:
    (puzzle,) = whole_puzzles(None, "train", 5, 24, 1)
    edges = [edge.astype(np.float64) for edge in puzzle.cut.sides(1, 1)]
    corners = np.stack([edge[0] for edge in edges])
    middle, scale = corners.mean(axis=0), 200.0 / puzzle.side
    outline = np.concatenate([edge[:-1] for edge in edges])
    for degrees in (0.0, 100.0, 200.0):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = scale * np.array([[c, s], [-s, c]])

        def laid(points: np.ndarray, turn: np.ndarray = turn) -> np.ndarray:
            return (points - middle) @ turn + 210.0

        found = find_sides(drawn_mask(laid(outline) - 0.5))
        assert isinstance(found, Sides)
        seen = sides_seen(found, laid(corners), [laid(edge) for edge in edges])
        assert seen is not None
        assert len(seen.found) == 4
        assert np.abs(seen.found - seen.true).max() < 0.02
        assert np.abs(seen.true[:, 12]).min() > 0.05  # of knobs as of blanks


@pytest.mark.slow
def test_the_command_writes_what_is_read_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sides.safetensors"
    args = ["--puzzles", "1", "--per-puzzle", "14", "--seed", "3", "--write", str(out)]
    assert main(["fit-sides", *args]) == 0
    assert "14 photos" in capsys.readouterr().out
    model, shipped = load_side_model(out), shipped_model()
    assert model.error.shape == shipped.error.shape == (SIZE, SIZE)
    assert (np.linalg.eigvalsh(model.error) > 0).all()
    assert np.linalg.norm(model.mean - shipped.mean) < 0.5 * np.linalg.norm(shipped.mean)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not a model of sides"):
        load_side_model(shipped_weights())
    short = tmp_path / "short.safetensors"
    short.write_bytes(shipped_weights(SHIPPED).read_bytes()[:100])
    with pytest.raises(WeightsError, match="not a readable"):
        load_side_model(short)
