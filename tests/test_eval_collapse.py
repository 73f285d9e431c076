"""``heatmap-eval collapse``: its figures by hand, and the command end to end."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from heatmap_eval.cli import main
from heatmap_eval.collapse import score as collapse_score
from heatmap_eval.collapse.gradients import gradient_norms
from heatmap_eval.collapse.score import located_boxes, spread
from heatmap_eval.commands import collapse
from heatmap_locator.model.files import load_model
from heatmap_locator.model.network import HeatmapLocator
from heatmap_train.draw.pictures import PictureSource
from heatmap_train.recipes import load_recipe, recipe_names
from heatmap_train.regressor.module import paired_iou, true_boxes
from heatmap_train.shared.batches import SceneBatches

PNG = b"\x89PNG\r\n\x1a\n"


def boxes(n: int = 40) -> torch.Tensor:
    centers = torch.rand(n, 2, generator=torch.Generator().manual_seed(0))
    return torch.cat([0.1 + 0.8 * centers, torch.full((n, 2), 0.15)], 1)


def test_an_oracle_is_not_collapsed() -> None:
    row = spread(boxes(), boxes(), 256)
    for key in ("gauge", "correlation", "iou", "placed"):
        assert row[key] == pytest.approx(1), key
    assert row["std"] == row["truth_std"]


def test_a_constant_is_collapsed() -> None:
    constant = torch.tensor([[0.5, 0.5, 0.15, 0.15]]).expand(40, 4)
    row = spread(constant, boxes(), 256)
    assert row["gauge"] == 0
    assert row["std"] == [0, 0]
    assert row["correlation"] is None
    assert row["mean"] == [0.5, 0.5]


def test_spread_without_skill_is_told_from_skill() -> None:
    truth = boxes()
    row = spread(truth[torch.randperm(40, generator=torch.Generator().manual_seed(1))], truth, 256)
    assert row["gauge"] == pytest.approx(1)
    assert abs(row["correlation"]) < 0.4
    mirrored = torch.cat([1 - truth[:, :2], truth[:, 2:]], 1)
    assert spread(mirrored, truth, 256)["correlation"] == pytest.approx(-1)


def test_figures_by_hand() -> None:
    truth = torch.tensor([[0.25, 0.5, 0.2, 0.2], [0.75, 0.5, 0.2, 0.2], [0.5, 0.25, 0.2, 0.2]])
    found = truth.clone()
    found[0, 0] += 0.1  # half a box aside: a third of the union, and 0.8 of a cell of 32 in 256
    row = spread(found, truth, 256)
    assert row["iou"] == pytest.approx((1 / 3 + 1 + 1) / 3)
    assert row["placed"] == pytest.approx(2 / 3)
    assert row["n"] == 3
    assert row["truth_std"][0] == pytest.approx(0.25)


def test_predictions_that_are_not_finite() -> None:
    found = boxes()
    found[3, 0] = float("nan")
    row = spread(found, boxes(), 256)
    assert row["gauge"] is None
    assert row["iou"] is None
    assert row["truth_std"] is not None
    json.dumps(row, allow_nan=False)


def test_gradient_norms_by_hand() -> None:
    side, distance = 0.03, 0.2
    rows = gradient_norms(side, (distance,), pairs=64)
    assert [row["pairs"] for row in rows] == ["0.2 apart", "random"]
    # GIoU's loss is 2 - 2 s^2 / e^2 with enclosing square of side e = a + s, a the offset along
    # each axis; moving the box changes each side of it one to one.
    a = distance / 2**0.5
    e = a + side
    per_axis = 2 * side**2 / e**3
    assert rows[0]["giou_center"] == pytest.approx(per_axis * 2**0.5, rel=1e-4)
    # DIoU's is 1 + a^2 / e^2 (both axes alike): d/da (1 axis) of (a^2 + b^2) / (e^2 + f^2)
    per_axis = (2 * a) / (2 * e**2) - (2 * a**2) * 2 * e / (2 * e**2) ** 2
    assert rows[0]["diou_center"] == pytest.approx(per_axis * 2**0.5, rel=1e-4)
    # of two squares the aspect is the same, so CIoU is DIoU
    assert rows[0]["ciou"] == pytest.approx(rows[0]["diou"], rel=1e-6)


def test_giou_pulls_least_from_far() -> None:
    near, far, _ = gradient_norms(0.03, (0.1, 0.8), pairs=64)
    assert far["giou"] < 0.15 < 1 < far["diou"]
    assert far["giou_center"] < near["giou_center"] / 100


def test_boxes_of_the_locator_are_where_it_puts_the_piece() -> None:
    """The shipped model on exact scenes: what is decoded lies on the truth."""
    model, _ = load_model()
    assert isinstance(model, HeatmapLocator)
    recipe = load_recipe("collapse")
    recipe = replace(
        recipe,
        scenes=replace(recipe.scenes, size=160, pieces=3, exact_share=1.0),
        run=replace(recipe.run, batch=2),
    )
    batch = SceneBatches(PictureSource(None, "validation"), recipe, "validation")[0]
    with torch.no_grad():
        found = located_boxes(model, batch)
    overlap = paired_iou(found, true_boxes(batch))
    assert float(overlap.median()) > 0.8


def arguments(out: Path, *more: str) -> list[str]:
    common = ["collapse", "--out", str(out), "--steps", "3", "--batch", "1", "--held-back", "2"]
    return [*common, "--workers", "0", "--device", "cpu", *more]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("collapse") / "run"
    assert main(arguments(out, "--only", "ours,l1_no_sigmoid")) == 0
    return out


@pytest.mark.slow
def test_the_command_writes_its_files(done: Path) -> None:
    result = json.loads((done / "results.json").read_text())
    assert [row["member"] for row in result["members"]] == ["ours", "l1_no_sigmoid"]
    assert (result["steps"], result["batch"], result["pieces"]) == (3, 1, 24)
    for row in result["members"]:
        assert row["n"] == 16
        assert row["gauge"] >= 0
        assert [step for step, _ in row["curve"]] == [1, 2, 3]
    # the same held-back pieces for both
    assert result["members"][0]["truth_std"] == result["members"][1]["truth_std"]
    assert len(result["left_out"]) == len(recipe_names("regression")) - 1
    assert (done / "gauge.png").read_bytes().startswith(PNG)
    page = (done / "collapse.md").read_text()
    assert "| l1_no_sigmoid |" in page
    assert "Not trained here (--only): bias_mean" in page
    assert not list(done.glob("*/*.ckpt"))


@pytest.mark.slow
def test_what_is_finished_is_not_trained_again(
    done: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(collapse, "_train", refuse)
    before = (done / "results.json").read_text()
    assert main(arguments(done, "--only", "ours,l1_no_sigmoid")) == 0
    assert capsys.readouterr().out.startswith("member ")
    # a member that is there is shown though it was not asked for again
    assert main(arguments(done, "--only", "ours", "--json")) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(before)
    assert (done / "results.json").read_text() == before


@pytest.mark.slow
def test_a_member_cut_short_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: Path
) -> None:
    """Killed after training and before scoring: nothing is trained twice, the figures agree."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(collapse_score, "predict", die)
        assert main(arguments(out, "--only", "l1_no_sigmoid")) == 130
    assert not (out / "l1_no_sigmoid" / "member.json").exists()
    assert (out / "l1_no_sigmoid" / "last.ckpt").exists()
    assert main(arguments(out, "--only", "l1_no_sigmoid")) == 0
    (again,) = json.loads((out / "results.json").read_text())["members"]
    wanted = json.loads((done / "results.json").read_text())["members"][1]
    for key in ("mean", "std", "gauge", "iou", "loss", "curve"):
        assert again[key] == wanted[key], key


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--only", "ours,nonsense"], "'nonsense' is none of ours, bias_mean"),
        (["--steps", "1"], "'1' is not a whole number"),
        (["--pictures", "missing"], "missing: no such folder"),
    ],
)
def test_bad_input_is_one_line(
    more: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collapse", "--out", str(tmp_path / "run"), *more]) == 2
    err = capsys.readouterr().err
    assert err.startswith("heatmap-eval: ")
    assert err.count("\n") == 1
    assert message in err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_folder_of_another_run_is_refused(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (done / "results.json").read_text()
    assert main([*arguments(done), "--seed", "1"]) == 2
    assert "of another run (seed 0 not 1)" in capsys.readouterr().err
    (done / "results.json").write_text(before)


def test_a_damaged_member_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "giou").mkdir()
    (tmp_path / "giou" / "member.json").write_text("{half")
    assert main(arguments(tmp_path)) == 2
    assert "member.json: damaged" in capsys.readouterr().err


def test_quick_is_a_smaller_budget_and_what_is_given_counts() -> None:
    from heatmap_eval.cli import build_parser

    args = build_parser().parse_args(["collapse", "--out", "x", "--quick", "--batch", "3"])
    collapse.check(args)
    assert (args.steps, args.batch, args.held_back) == (20, 3, 8)


def test_the_budget_is_the_same_for_all_and_the_ramp_shrinks() -> None:
    from heatmap_eval.cli import build_parser

    args = build_parser().parse_args(["collapse", "--out", "x", "--steps", "300", "--seed", "7"])
    collapse.check(args)
    recipes = collapse.members(args)
    assert next(iter(recipes)) == "ours"
    pieces = {r.optim.steps * r.run.batch * r.scenes.pieces for r in recipes.values()}
    assert pieces == {300 * 4 * 8}
    assert {r.run.seed for r in recipes.values()} == {7}
    sizes = {name: r.scenes.size for name, r in recipes.items()}
    assert {name for name, size in sizes.items() if size != 256} == {"fpn_correlation"}
    # a tenth of the recipe's 3000 steps: an epoch of 20 instead of 200
    assert recipes["ciou_ramped"].loss.epoch == 20  # type: ignore[attr-defined]
