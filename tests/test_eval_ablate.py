"""``heatmap-eval ablate``: what each row takes out, and that all rows are asked the same pieces."""

import copy
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from locator_support import COLS, ROWS, check, turned
from locator_support import locator as locator
from locator_support import picture as picture
from locator_support import puzzle as puzzle
from PIL import Image

from heatmap_eval.cli import main
from heatmap_eval.methods.ablated import Ablated, ablations
from heatmap_eval.options import ABLATIONS
from heatmap_locator import Locator, Puzzle
from heatmap_locator.geometry import STRIDE
from heatmap_locator.grid import Grid
from heatmap_locator.model.network import HeatmapLocator
from heatmap_locator.model.ranker import FEATURES
from heatmap_locator.search.piece import prepare_piece

GRID = Grid(ROWS, COLS)


def puzzle_of(made: Ablated, picture: np.ndarray) -> Puzzle:
    found = made.prepare(picture, GRID).puzzle  # type: ignore[attr-defined]
    assert isinstance(found, Puzzle)
    return found


def volumes(model: HeatmapLocator) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = 1, model.config.rotations, 20, 24
    return torch.rand(shape, generator=generator), torch.rand(shape, generator=generator)


def test_every_row_of_the_help_there_is(locator: Locator) -> None:
    assert list(ablations(locator)) == list(ABLATIONS)


@torch.no_grad()
def test_a_row_changes_what_it_says_and_the_locator_stays(
    locator: Locator, picture: np.ndarray
) -> None:
    torch.manual_seed(0)
    locator = Locator(copy.deepcopy(locator.model), locator.device, locator.calibration)
    torch.nn.init.normal_(locator.model.head.fuse[-1].weight, std=0.2)
    before = {k: v.clone() for k, v in locator.model.state_dict().items()}
    given = volumes(locator.model)
    whole = locator.model.head(*given)
    rows = ablations(locator)
    maps = puzzle_of(rows["maps"], picture).model.head(*given)
    assert torch.equal(maps.heat, whole.heat)
    assert (maps.offset == 0.5).all()
    assert torch.equal(maps.rotation[:, 1], torch.ones_like(maps.heat[:, 0]))
    assert not maps.rotation[:, 0].any()
    head = puzzle_of(rows["unet"], picture).model.head
    best = head.combine(*given).amax(1, keepdim=True)
    torch.testing.assert_close(head(*given).heat, head.readout[0] * best + head.readout[1])
    assert not torch.equal(head(*given).heat, whole.heat)
    ranker = puzzle_of(rows["head"], picture).model.ranker
    assert [n for n, w in zip(FEATURES, ranker.weights, strict=True) if w != 0] == ["pixel"]
    assert torch.equal(locator.model.head(*given).heat, whole.heat)
    assert all(torch.equal(v, before[k]) for k, v in locator.model.state_dict().items())


def test_only_places_of_the_pixels_are_left(locator: Locator, picture: np.ndarray) -> None:
    rows = ablations(locator)
    piece = turned(picture, 1, 2, 40, 2.0)
    kept, whole = (
        puzzle_of(rows[name], picture)._searcher.see(
            [prepare_piece(piece, locator.outlines, True)]
        )[0][0]
        for name in ("pixels", "shipped")
    )
    count = kept.named.real.shape[1]
    assert 0 < count < whole.named.real.shape[1]
    # Places of the pixels are the middles of cells.
    assert (kept.named.place.remainder(STRIDE) == STRIDE / 2).all()
    assert torch.equal(kept.named.place, whole.named.place[:, -count:])
    assert torch.equal(kept.feature, whole.feature[:, -count:])


def test_the_head_alone_answers_with_the_heatmap_s_peak(
    locator: Locator, picture: np.ndarray
) -> None:
    piece = turned(picture, 1, 2, 40, 2.0)
    alone = ablations(locator)["alone"].prepare(picture, GRID)
    (found,) = alone.locate(piece, 1)
    check(found, 1, 2, 40)
    heat = locator.encode(picture, grid=(ROWS, COLS)).search(piece, cutout=True).heatmap
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    cell = picture.shape[1] / heat.shape[1]
    assert np.hypot(*((np.array([column, row]) + 0.5) * cell - found.center)) < 2 * cell


def test_in_view_of_the_cut_it_answers_with_the_place_that_a_search_names_first(
    locator: Locator, picture: np.ndarray
) -> None:
    piece = turned(picture, 1, 2, 40, 2.0)
    row = ablations(locator)["cut"].prepare(picture, GRID)
    first, second = row.locate(piece, 2)
    check(first, 1, 2, 40)
    assert first.score > second.score
    prepared = prepare_piece(piece, locator.outlines, True)
    searcher = locator.encode(picture, grid=(ROWS, COLS))._searcher
    ((seen,),) = searcher.see([prepared])
    for number, place in enumerate((first, second)):
        assert place.rotation == pytest.approx(seen.named.rotation[0, number].item(), abs=1e-3)
    # What the cut says is part of the score.
    assert seen.named.logit[0, 0].sigmoid().item() != pytest.approx(first.score, abs=1e-6)


@pytest.mark.slow
def test_the_command_goes_on_and_asks_all_rows_the_same(
    plain_weights: Path, picture: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "out"
    folder.mkdir()
    Image.fromarray(picture).save(folder / "one.png")
    common = ["ablate", "--pictures", str(folder), "--pieces", "6,12", "--device", "cpu"]
    common += ["--weights", str(plain_weights), "--out", str(out), "--per-picture", "3"]
    assert main([*common, "--limit", "1", "--rows", "shipped,alone"]) == 0
    table = capsys.readouterr().out
    assert [line.split("  ")[0] for line in table.splitlines()[1:5]] == [
        ABLATIONS[name] for name in ("shipped", "alone") * 2
    ]
    first = (out / "predictions.jsonl").read_text()
    assert len(first.splitlines()) == 5

    assert main([*common, "--limit", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert json.loads((out / "results.json").read_text()) == result
    assert (out / "predictions.jsonl").read_text().startswith(first)
    rows = result["results"]
    assert Counter(row["row"] for row in rows) == dict.fromkeys(ABLATIONS, 2)
    assert [row["n"] for row in rows] == [2] * 2 * len(ABLATIONS)
    for row in rows:
        assert row["kept"] + row["gained"] == row["right"]
        assert row["kept"] + row["lost"] == rows[len(ABLATIONS) * (row["pieces"] == 12)]["right"]
    asked = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()[1:]]
    pieces = {name: {r["piece"] for r in asked if r["method"] == name} for name in ABLATIONS}
    assert all(own == pieces["shipped"] for own in pieces.values())
    assert main([*common, "--seed", "1"]) == 2
    assert "of another run (seed 0 not 1)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "shipped,magic"], "'magic'"),
        (["--pictures", "tests", "--dataset", "tests"], "give one of them"),
        (["--dataset", "missing"], "missing: no such folder"),
        (["--weights", "missing.safetensors"], "no such weights file"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ablate", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("heatmap-eval: ")
    assert err.count("\n") == 1
    assert message in err
