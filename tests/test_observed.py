"""What the head observes, kept and laid eight ways: it is what it would observe there."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor
from training_support import assert_same, checkpoint, columns, complaint, run, tiny

from heatmap_locator.errors import InputError
from heatmap_locator.geometry import STRIDE
from heatmap_locator.model.head import CHANNELS, NEIGHBOURS, CenterHead
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.draw.puzzles import PuzzleSettings
from heatmap_train.locator.module import TrainingModule
from heatmap_train.locator.observed import (
    SYMMETRIES,
    Observed,
    ObservedPuzzles,
    keep,
    observe,
    puzzle_file,
    read,
    write,
)
from heatmap_train.locator.puzzles import PuzzleBatches
from heatmap_train.locator.recipe import Recipe
from heatmap_train.shared.arrays import MADE_BY

ROTATIONS = 16
DRAWN = PuzzleSettings(collage=1, picture_cell=(36.0, 40.0), pieces=2, mildest=0.0, most=24)


def kept_recipe(steps: int = 6, kept: int = 2) -> Recipe:
    small = tiny(steps, batch=1, head_pieces=1, head_every=1)
    run = dataclasses.replace(small.run, train_encoder=False, kept_puzzles=kept)
    return dataclasses.replace(small, puzzles=DRAWN, run=run)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("init") / "weights.safetensors"
    TrainingModule(tiny()).write_weights(path, {})
    return str(path)


def seen_by(head: CenterHead, feature: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        seen, _, _, index = head.observe(feature, pixel)
    return seen, index


@pytest.mark.parametrize("way", range(SYMMETRIES))
def test_laid_another_way_it_is_what_the_head_observes_there(way: int) -> None:
    head = CenterHead(ROTATIONS, "timm-mobilenetv3_small_minimal_100", (4, 4, 4)).eval()
    volumes = torch.rand(2, 3, ROTATIONS, 6, 9, generator=torch.Generator().manual_seed(way))
    centers = torch.tensor([[5.0, 7.0], [30.5, 1.0], [35.0, 23.0]])
    rotation = torch.tensor([0.0, 100.0, 350.0])
    found = Observed(*seen_by(head, *volumes), centers, rotation).laid(way, ROTATIONS)
    x, y = centers.unbind(1)
    if way >= 4:  # rotation r of a mirrored piece is -r of the piece
        volumes = volumes.flip(4).flip(2).roll(1, 2)
        x, rotation = 9 * STRIDE - x, -rotation % 360
    for turn in range(way % 4):  # where the picture is turned back, a piece is turned further
        volumes = volumes.rot90(1, (3, 4)).roll(ROTATIONS // 4, 2)
        x, y = y, (9, 6)[turn % 2] * STRIDE - x
        rotation = (rotation + 90) % 360
    seen, index = seen_by(head, *volumes)
    assert torch.equal(found.index, index)
    torch.testing.assert_close(found.seen, seen)
    torch.testing.assert_close(found.centers, torch.stack([x, y], 1))
    torch.testing.assert_close(found.rotation, rotation)


def test_neighbours_are_the_same_either_way_round() -> None:
    assert tuple(-step for step in reversed(NEIGHBOURS)) == NEIGHBOURS


def test_what_is_kept_is_read_as_the_volumes_are(tmp_path: Path) -> None:
    recipe = kept_recipe()
    module = TrainingModule(recipe).eval()
    torch.nn.init.normal_(module.model.head.fuse[-1].weight)
    scenes = PuzzleBatches(PictureSource(None), recipe, "train")[0]
    write(tmp_path / "one.npz", observe(module.model, scenes))
    kept = read(tmp_path / "one.npz")
    assert kept.seen.shape[:2] == (2, CHANNELS)
    with torch.no_grad():
        picture = module.model.encode_picture(scenes.pictures)
        wanted_terms, wanted = module._head_terms(picture, scenes)
        terms, found = module._observed_terms(kept)
    # Of a puzzle's pieces the first ``head_pieces`` are what the other way trains on.
    torch.testing.assert_close(found["heat"][:1], wanted["heat"], atol=0.05, rtol=0.01)
    assert torch.equal(found["best"][:1], wanted["best"])
    torch.testing.assert_close(found["offset"][:1], wanted["offset"], atol=2e-3, rtol=0)
    assert terms.keys() == wanted_terms.keys()


def test_every_puzzle_is_shown_once_a_time_and_every_way_in_eight(tmp_path: Path) -> None:
    recipe = kept_recipe(kept=3)
    height, width = 3, 5
    for number in range(3):
        seen = torch.full((1, CHANNELS, height, width), float(number))
        index = torch.arange(height * width).view(1, height, width) % recipe.model.rotations
        write(
            puzzle_file(tmp_path, number),
            Observed(seen, index, torch.tensor([[3.0, 5.0]]), torch.tensor([40.0])),
        )
    shown = ObservedPuzzles(tmp_path, recipe, vary=True)
    times = [[shown[3 * time + n] for n in range(3)] for time in range(SYMMETRIES)]
    for batches in times:
        assert sorted(int(b.seen[0, 0, 0, 0]) for b in batches) == [0, 1, 2]
    orders = {tuple(int(b.seen[0, 0, 0, 0]) for b in batches) for batches in times}
    assert len(orders) > 1
    for number in range(3):
        own = [b for batches in times for b in batches if int(b.seen[0, 0, 0, 0]) == number]
        assert len({tuple(b.centers[0].tolist()) for b in own}) == SYMMETRIES
    again = ObservedPuzzles(tmp_path, recipe, vary=True)[7]
    assert_same(vars(again), vars(shown[7]), "step 7")
    as_it_is = ObservedPuzzles(tmp_path, recipe, vary=False)[1]
    assert as_it_is.rotation.item() == 40.0


def test_puzzles_are_made_once_and_only_by_one_recipe(tmp_path: Path, weights: str) -> None:
    said: list[str] = []
    recipe = kept_recipe()
    given = weights, "cpu", None, recipe, "train", tmp_path

    def files() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}

    keep(*given, 1, said.append, 0)
    first = files()
    keep(*given, 2, said.append, 0)
    assert said == ["train: 1 of 1 puzzles observed", "train: 2 of 2 puzzles observed"]
    assert first.items() < files().items()
    assert (tmp_path / MADE_BY).is_file()
    other = dataclasses.replace(recipe, run=dataclasses.replace(recipe.run, seed=9))
    with pytest.raises(InputError, match="of another recipe or model; name another --out"):
        keep(weights, "cpu", None, other, "train", tmp_path, 2, said.append, 0)
    keep(None, *given[1:], 2, said.append, 0)  # nothing is missing
    with pytest.raises(InputError, match="--init: name the weights"):
        keep(None, *given[1:], 3, said.append, 0)
    puzzle_file(tmp_path, 0).write_bytes(b"short")
    with pytest.raises(InputError, match=r"00000\.npz: damaged; delete it"):
        read(puzzle_file(tmp_path, 0))


def test_the_head_trains_on_kept_puzzles_and_goes_on_as_if_never_stopped(
    tmp_path: Path, weights: str
) -> None:
    recipe = kept_recipe()
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(recipe, None, whole, init=weights)
    run(recipe, None, parts, init=weights, stop=4)
    run(recipe, None, parts, resume=True)
    one, other = checkpoint(whole / "last.ckpt"), checkpoint(parts / "last.ckpt")
    assert_same(one["state_dict"], other["state_dict"], "weights")
    before = checkpoint_of(weights)
    moved = [k for k, v in one["state_dict"].items() if not torch.equal(v, before[k])]
    assert moved
    assert all(key.startswith("model.head.") for key in moved)
    assert "model.head.log_weights" not in moved
    assert {"train/heat", "train/rank", "val/both", "val/place"} <= columns(whole).keys()


def checkpoint_of(weights: str) -> dict[str, Tensor]:
    module = TrainingModule(kept_recipe())
    module.start_from(weights)
    return dict(module.state_dict())


def test_a_head_of_another_width_starts_on_weights_of_any(weights: str) -> None:
    recipe = kept_recipe()
    model = dataclasses.replace(recipe.model, head_context=4, head_reader=6)
    module = TrainingModule(dataclasses.replace(recipe, model=model))
    module.start_from(weights)
    assert module.model.head.fuse[0].weight.shape == (6, 4 + CHANNELS, 3, 3)
    trained = dataclasses.replace(recipe, model=model, run=tiny().run, puzzles=None)
    with pytest.raises(InputError, match="not the recipe's"):
        TrainingModule(trained).start_from(weights)


def test_recipes_that_cannot_keep_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scenes.toml"
    path.write_text("[run]\nkept_puzzles = 3\ntrain_encoder = false\n")
    said = complaint(capsys, str(path), "--out", str(tmp_path / "out"))
    assert "run.kept_puzzles: for puzzles, the head alone and a batch of 1" in said
