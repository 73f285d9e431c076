"""Fitting the ranker: puzzles as users have them, a closed-form check, and the whole command."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from heatmap_locator.errors import InputError
from heatmap_locator.geometry import clockwise
from heatmap_locator.model.files import load_model, save_model
from heatmap_locator.model.network import HeatmapLocator, ModelConfig
from heatmap_locator.model.ranker import FEATURES
from heatmap_locator.search.template import match_template
from heatmap_train.cli import main
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.puzzles import PuzzleSettings, make_puzzle, paste, widened
from heatmap_train.ranker.examples import Example
from heatmap_train.ranker.fit import first_right, fit
from heatmap_train.ranker.recipe import RankerRecipe
from heatmap_train.recipes import load_recipe, recipe_names
from heatmap_train.settings import build

SMALL = """
[ranker]
puzzles = 9
validation_puzzles = 2
[puzzles]
collage = 1
picture_cell = [60.0, 80.0]
pieces = 8
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("ranker") / "plain.safetensors"
    config = ModelConfig(features=4, rotations=16, head_decoder=(4, 4, 4))
    save_model(HeatmapLocator(config), path, {"step": 3})
    return path


def command(out: Path, weights: Path, recipe: str = SMALL, *more: str) -> list[str]:
    file = out.parent / "mine.toml"
    file.write_text(recipe)
    return [str(file), "--out", str(out), "--init", str(weights), "--device", "cpu", *more]


def test_a_collage_holds_every_picture_at_the_first_ones_size() -> None:
    tiles = [np.full((30, 40, 3), 10, np.uint8), np.full((60, 90, 3), 20, np.uint8)]
    tiles += [np.full((10, 10, 3), 30, np.uint8), np.full((35, 20, 3), 40, np.uint8)]
    joined = paste(tiles, 2)
    assert joined.shape == (60, 80, 3)
    assert [int(joined[r, c, 0]) for r in (5, 45) for c in (5, 60)] == [10, 20, 30, 40]


def test_a_puzzle_s_pieces_lie_where_they_say() -> None:
    source = PictureSource(None, "train")
    settings = PuzzleSettings(collage=1, picture_cell=(60, 70), pieces=6, harsh_share=0.0)
    puzzle = make_puzzle(source, settings, np.random.default_rng(4))
    height, width = puzzle.picture.shape[:2]
    cell = np.sqrt(height * width / puzzle.grid.pieces)
    assert 55 < cell < 76
    scores = []
    for piece in puzzle.pieces:
        x1, y1, x2, y2 = piece.box
        mask = piece.image[..., 3] > 127
        ys, xs = np.nonzero(mask)
        upright = np.column_stack([xs, ys]) @ clockwise(-piece.rotation).T
        span = upright.max(0) - upright.min(0)
        scale = (x2 - x1) / span[0]
        middle = (upright.max(0) + upright.min(0)) / 2 * scale
        matrix = np.column_stack(
            [scale * clockwise(-piece.rotation), [(x1 + x2) / 2, (y1 + y2) / 2] - middle]
        )
        there = cv2.warpAffine(piece.image, matrix, (width, height), flags=cv2.INTER_AREA)
        box = slice(max(int(y1), 0), int(y2)), slice(max(int(x1), 0), int(x2))
        inside = cv2.erode((there[..., 3][box] > 200).astype(np.float32), np.ones((5, 5)))
        found = match_template(
            puzzle.picture[box].astype(np.float32), there[..., :3][box].astype(np.float32), inside
        )
        scores.append(float(found.max()))
    assert np.median(scores) > 0.6


def test_outlines_are_found_too_wide_or_too_narrow() -> None:
    alpha = np.zeros((60, 60), np.uint8)
    alpha[20:40, 20:40] = 255
    assert [int((widened(alpha, r)[30] > 0).sum()) for r in (-3.0, 0.2, 3.0)] == [14, 20, 26]
    source = PictureSource(None, "train")
    areas = []
    for error in (0.0, 0.08):
        settings = PuzzleSettings(collage=1, picture_cell=(60, 70), pieces=1, outline_error=error)
        (piece,) = make_puzzle(source, settings, np.random.default_rng(2)).pieces
        areas.append(int((piece.image[..., 3] > 127).sum()))
    assert abs(areas[1] / areas[0] - 1) > 0.01


def test_the_same_puzzle_from_the_same_seed() -> None:
    source, settings = PictureSource(None, "train"), PuzzleSettings(collage=1, pieces=2)
    one, two = (make_puzzle(source, settings, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(one.picture, two.picture)
    np.testing.assert_array_equal(one.pieces[1].image, two.pieces[1].image)


def test_the_fit_finds_what_tells_places_apart() -> None:
    rng = np.random.default_rng(0)
    examples = []
    for _ in range(400):
        features = rng.normal(size=(10, 3)).astype(np.float32) * [1, 5, 1]
        # Drawn by the model itself: the second says nothing, the third counts against.
        p = np.exp(features @ [1.5, 0.0, -3.0])
        right = np.zeros(10, bool)
        right[rng.choice(10, p=p / p.sum())] = True
        examples.append(Example(features.astype(np.float32), right))
    weights = fit(examples, 0.0)
    np.testing.assert_allclose(weights.numpy(), [1.5, 0.0, -3.0], atol=0.35)
    assert first_right(examples, weights) > first_right(examples, torch.tensor([1.0, 0, 0])) + 0.2
    assert float(fit(examples, 1.0).norm()) < 0.5 * float(weights.norm())


def test_too_few_examples_are_refused() -> None:
    one = Example(np.eye(3, dtype=np.float32), np.array([True, False, False]))
    alike = Example(np.eye(3, dtype=np.float32), np.array([False] * 3))
    with pytest.raises(InputError, match="49 pieces"):
        fit([one] * 49 + [alike] * 60, 0.0)


@pytest.mark.slow
def test_the_command_fits_keeps_its_examples_and_goes_on(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(command(out, weights)) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in FEATURES)
    assert "among the places compared" in shown
    before, after = load_model(weights), load_model(out / "weights.safetensors")
    for key, value in before[0].state_dict().items():
        same = torch.equal(value, after[0].state_dict()[key])
        assert same == (key != "ranker.weights")
    assert after[1]["step"] == 3
    assert after[1]["ranker"]["ranker"]["puzzles"] == 9

    # As many searches side by side find the same.
    assert main(command(tmp_path / "other", weights, SMALL, "--workers", "2")) == 0
    assert "among the places compared" in capsys.readouterr().out
    one, other = (np.load(tmp_path / f / "train_examples.npz") for f in ("out", "other"))
    np.testing.assert_array_equal(one["counts"], other["counts"])
    # Threads, of which each process has its own number, add up in another order, which may swap
    # places that fit alike.
    assert np.isclose(one["features"], other["features"], atol=0.01).mean() > 0.95

    assert main(command(out, weights)) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert main(command(out, weights, SMALL, "--resume")) == 0
    assert capsys.readouterr().out == shown
    changed = SMALL.replace("pieces = 8", "pieces = 7")
    assert main(command(out, weights, changed, "--resume")) == 2
    assert "of another recipe" in capsys.readouterr().err
    (out / "train_examples.npz").write_bytes(b"half")
    assert main(command(out, weights, SMALL, "--resume")) == 2
    assert "damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--steps", "5"], "--steps"),
        (["--find-lr"], "--find-lr"),
        (["--devices", "2"], "--devices"),
    ],
)
def test_flags_of_the_loop_are_refused(
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    assert main(command(tmp_path / "out", weights, SMALL, *more)) == 2
    assert message in capsys.readouterr().err


def test_weights_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ranker", "--out", str(tmp_path / "out")]) == 2
    assert "--init" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"ranker": {"puzzle": 3}}, "ranker.puzzle"),
        ({"ranker": {"puzzles": 0}}, "at least 1"),
        ({"ranker": {"penalty": -1.0}}, "penalty"),
        ({"ranker": {}, "puzzles": {"picture_cell": [40.0, 20.0]}}, "picture_cell"),
        ({"ranker": {}, "puzzles": {"photo_cell": [40.0]}}, "photo_cell"),
        ({"ranker": {}, "puzzles": {"mildest": 2.0}}, "mildest"),
        ({"ranker": {}, "puzzles": {"pieces": 0}}, "pieces"),
        ({"ranker": {}, "puzzles": {"outline_error": 0.5}}, "outline_error"),
    ],
)
def test_recipes_that_make_no_sense(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(RankerRecipe, values, "mine.toml")


def test_the_shipped_recipe() -> None:
    assert "ranker" in recipe_names()
    recipe = load_recipe("ranker")
    assert isinstance(recipe, RankerRecipe)
    assert build(RankerRecipe, recipe.to_dict(), "recipe") == recipe
