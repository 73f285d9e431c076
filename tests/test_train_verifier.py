"""Training the second stage: examples as searches find them, kept in bytes, and the command."""

from pathlib import Path

import numpy as np
import pytest
import torch

from heatmap_locator.errors import InputError
from heatmap_locator.locator import Locator
from heatmap_locator.model.comparison import CAST, SCALARS
from heatmap_locator.model.files import load_model, save_model
from heatmap_locator.model.network import HeatmapLocator, ModelConfig
from heatmap_locator.model.ranker import PRINT
from heatmap_locator.model.verifier import Verifier
from heatmap_locator.search.levels import encode_levels
from heatmap_train.cli import main
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.puzzles import CutPuzzle, PuzzleSettings, cut_puzzle
from heatmap_train.recipes import load_recipe
from heatmap_train.settings import build
from heatmap_train.verifier.batches import shown, varied
from heatmap_train.verifier.fit import gains, recall
from heatmap_train.verifier.kept import Example, Packed, pack, read, write
from heatmap_train.verifier.mining import Miner
from heatmap_train.verifier.recipe import VerifierRecipe

SMALL = """
[verifier]
epochs = 1
[mining]
puzzles = 8
validation_puzzles = 2
places = 6
[puzzles]
collage = 1
picture_cell = [60.0, 80.0]
pieces = 7
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("verifier") / "plain.safetensors"
    config = ModelConfig(features=4, rotations=16, head_decoder=(4, 4, 4))
    save_model(HeatmapLocator(config), path, {"step": 3})
    return path


CUT = PuzzleSettings(collage=1, picture_cell=(60, 70), pieces=2, harsh_share=0.0)


def cut() -> CutPuzzle:
    return cut_puzzle(PictureSource(None, "train"), CUT, np.random.default_rng(4))


@pytest.fixture(scope="module")
def mined() -> list[Example]:
    """Of two pieces, by the weights that ship."""
    miner = Miner(Locator.from_pretrained(None, "cpu"), places=6)
    return miner.examples(cut(), np.random.default_rng(5))


def example(first: int, kind: str = "plain", places: int = 3) -> Example:
    rng = np.random.default_rng(first + 1)
    right = np.zeros(places, bool)
    if 0 <= first < places:
        right[first] = True
    scalars = rng.random((places, SCALARS), np.float32)
    logits = np.arange(places, 0, -1).astype(np.float32)
    return Example(scalars, logits, right, first, 5.0, 300, kind)


def test_searches_find_places_as_the_ranker_orders_them(mined: list[Example]) -> None:
    assert len(mined) == 2
    for one in mined:
        assert one.scalars.shape == (len(one.logits), SCALARS)
        assert np.isfinite(one.scalars).all()
        assert (np.diff(one.logits) <= 0).all()
        assert one.right.any() == (0 <= one.first < 6)
        # By how much its logit is below the highest, as the network is shown it.
        gap = one.scalars[:, 2 * len(PRINT)]
        np.testing.assert_allclose(gap, one.logits - one.logits[0], atol=1e-3)
    assert any(one.right.any() for one in mined)


def test_pieces_searched_for_together_are_found_as_alone(mined: list[Example]) -> None:
    """As on a GPU, which this machine need not have."""
    locator = Locator.from_pretrained(None, "cpu")
    puzzle, rng = cut(), np.random.default_rng(5)
    photos = [puzzle.photograph(number, rng) for number in puzzle.chosen(rng)]
    (level,) = encode_levels(puzzle.picture, puzzle.grid, locator.model, locator.device)
    with torch.inference_mode():
        together = Miner(locator, places=6)._search(photos, level, puzzle)
    for one, alone in zip(together, mined, strict=True):
        assert one.first == alone.first
        np.testing.assert_allclose(one.logits, alone.logits, atol=1e-3)
        np.testing.assert_allclose(one.scalars, alone.scalars, atol=1e-3)


def test_examples_come_back_as_they_were(tmp_path: Path) -> None:
    examples = [example(0), example(1, "smooth", 2)]
    write(tmp_path / "one.npz", pack(examples, 3))
    packed = read(tmp_path / "one.npz")
    assert np.array_equal(packed.scalars[0], examples[0].scalars)
    assert packed.real.tolist() == [[True] * 3, [True, True, False]]
    assert packed.ranked[1].tolist() == [2.0, 1.0, -np.inf]
    assert packed.kind.tolist() == ["plain", "smooth"]
    (tmp_path / "two.npz").write_bytes(b"half")
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path / "two.npz")


def test_a_right_place_that_came_too_late_is_none_of_these() -> None:
    late = shown(pack([example(17)], 3))
    assert not late.right.any()


def test_another_tint_changes_nothing_else() -> None:
    batch = shown(pack([example(0), example(1)], 3))
    other = varied(batch, torch.Generator().manual_seed(0))
    changed = (other.scalars != batch.scalars).any(0).any(0).nonzero()[:, 0].tolist()
    assert changed == list(range(SCALARS))[CAST]


def test_gains_and_recall_are_counted() -> None:
    data: Packed = pack([example(0), example(1), example(-1, "smooth")], 3)
    before = np.array([[2.0, 1.0, 0.0]] * 3)
    now = np.array([[1.0, 2.0, 0.0]] * 3)
    rows = {row.name: row for row in gains(data, before, now)}
    every = rows["all"]
    assert (every.pieces, every.before, every.now, every.reached) == (3, 1, 1, 2)
    assert (every.gained, every.lost) == (1, 1)
    assert rows["smooth"].now == 0
    assert recall(data, (1, 2)) == {1: pytest.approx(1 / 3), 2: pytest.approx(2 / 3)}


def test_a_recipe_survives_its_dictionary() -> None:
    recipe = load_recipe("verifier")
    assert isinstance(recipe, VerifierRecipe)
    assert build(VerifierRecipe, recipe.to_dict(), "recipe") == recipe


def test_kinds_are_drawn_by_their_shares() -> None:
    with pytest.raises(ValueError, match="exceed 1 together"):
        PuzzleSettings(repeating_share=0.6, smooth_share=0.6)
    source = PictureSource(None, "train")
    kinds = {
        cut_puzzle(
            source,
            PuzzleSettings(collage=1, repeating_share=0.5, smooth_share=0.5, most=20),
            np.random.default_rng(seed),
        ).kind
        for seed in range(6)
    }
    assert kinds == {"repeating", "smooth"}


@pytest.mark.parametrize("flag", [["--steps", "5"], ["--find-lr"], ["--devices", "2"]])
def test_flags_of_the_loop_are_refused(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: list[str]
) -> None:
    asked = ["verifier", "--out", str(tmp_path / "out"), "--init", str(weights), *flag]
    assert main(asked) == 2
    assert flag[0] in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_mines_trains_and_goes_on(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = tmp_path / "mine.toml", tmp_path / "out"
    recipe.write_text(SMALL)
    asked = [str(recipe), "--out", str(out), "--init", str(weights), "--device", "cpu"]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "right place among the first" in said
    model, extra = load_model(out / "weights.safetensors")
    assert isinstance(model.ranker.verifier, Verifier)
    before, _ = load_model(weights)
    after = model.state_dict()
    for key, value in before.state_dict().items():
        assert torch.equal(value, after[key]), key
    assert extra["verifier"]["mining"]["puzzles"] == 8
    assert main(asked) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert main([*asked, "--resume"]) == 0
    assert capsys.readouterr().out == said
    recipe.write_text(SMALL.replace("places = 6", "places = 5"))
    assert main([*asked, "--resume"]) == 2
    assert "of another recipe" in capsys.readouterr().err
    photos = int(said.split(" photos to learn from")[0].split()[-1])
    few = SMALL.replace("puzzles = 8", "puzzles = 1").replace("[puzzles]", "seed = 1\n[puzzles]")
    recipe.write_text(few.replace("places = 6", f'places = 6\nearlier = ["{out}"]'))
    asked[2] = str(tmp_path / "more")
    assert main(asked) == 0
    assert int(capsys.readouterr().out.split(" photos to learn from")[0].split()[-1]) > photos
    recipe.write_text(few.replace("places = 6", f'places = 6\nearlier = ["{tmp_path}"]'))
    assert main([*asked, "--resume"]) == 2
    assert "holds no made_by.json" in capsys.readouterr().err
    recipe.write_text(few.replace("places = 6", f'places = 7\nearlier = ["{out}"]'))
    asked[2] = str(tmp_path / "other")
    assert main(asked) == 2
    assert "number of places" in capsys.readouterr().err
