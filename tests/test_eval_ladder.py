"""The whole ladder on a few pieces, from arguments to page and pictures."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import heatmap_eval.protocols.rungs
from heatmap_eval.answers.metrics import Answer, Record
from heatmap_eval.cli import main
from heatmap_eval.protocols.rungs import FULL, QUICK, Plan, Size
from heatmap_eval.report.contact_sheet import upright, worst_misses
from heatmap_eval.report.page import command_line
from heatmap_train.draw.procedural import draw_picture


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """corpus/bench with a picture, real/mine with two pieces; and a quick plan quicker yet."""
    plan = Plan(Size(1, 1), Size(1, 2), {6: Size(1, 1), 12: Size(2, 2)}, 2)
    monkeypatch.setattr(heatmap_eval.protocols.rungs, "QUICK", plan)
    bench, mine = tmp_path / "corpus" / "bench", tmp_path / "real" / "mine"
    bench.mkdir(parents=True)
    mine.mkdir(parents=True)
    picture = draw_picture(180, 120, np.random.default_rng(0))
    Image.fromarray(picture).save(bench / "one.png")
    Image.fromarray(picture).save(mine / "box.png")
    rows: list[list[object]] = [
        ["cutout", "photo", "puzzle", "x1", "y1", "x2", "y2", "rotation", "rows", "cols"]
    ]
    for n in range(2):
        crop = picture[60:120, 60 * n : 60 * n + 60]
        cut = np.zeros((80, 80, 4), np.uint8)
        cut[10:70, 10:70] = np.dstack([crop, np.full((60, 60), 255, np.uint8)])
        Image.fromarray(cut).save(mine / f"{n}.png")
        rows.append([f"{n}.png", f"{n}.png", "box.png", 60 * n, 60, 60 * n + 60, 120, 0, 2, 3])
    with (mine / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path


RUNGS = "tiny,captured,captured-photos,real,real-photos"


@pytest.mark.slow
def test_ladder_end_to_end_and_on(
    data: Path, plain_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, page = data / "out", data / "RESULTS.md"
    (data / "notes.md").write_text("## Misses\n\nNone worth a word.\n")
    common = ["ladder", "--quick", "--out", str(out), "--corpus", str(data / "corpus")]
    common += ["--real", str(data / "real"), "--weights", str(plain_weights), "--device", "cpu"]
    common += ["--rungs", RUNGS, "--write-results", str(page), "--notes", str(data / "notes.md")]
    assert main([*common, "--methods", "ours,ncc,loftr"]) == 0
    told = capsys.readouterr()
    assert "loftr skipped" in told.err
    first = {p: p.read_text() for p in out.glob("*/predictions.jsonl")}
    assert {p.parent.name for p in first} == set(RUNGS.split(","))
    # A header, and for each of two methods: 2 tiny, 3 captured, 2 real.
    assert len(first[out / "tiny" / "predictions.jsonl"].splitlines()) == 1 + 2 * 2
    assert len(first[out / "captured" / "predictions.jsonl"].splitlines()) == 1 + 2 * 3

    results = json.loads((out / "results.json").read_text())
    assert list(results["rungs"]) == RUNGS.split(",")
    assert results["weights"].keys() == {"ours"}
    assert "torch" in results["machine"]
    rows = {r["method"]: r for r in results["rungs"]["real"]["results"] if r["group"] == "all"}
    assert rows["ours"]["n"] == rows["ncc"]["n"] == 2
    assert rows["ncc"]["both"] == 1.0  # exact crops
    text = page.read_text()
    assert text == (out / "results.md").read_text()
    assert "heatmap-eval ladder --quick --out out" in text  # and no path of this machine
    assert str(data) not in text
    assert text.endswith("None worth a word.\n")
    assert text.count("| masked NCC | all |") == 5
    for name in ("pieces.png", "angle.png", "coverage.png", "reliability.png"):
        with Image.open(out / "captured" / name) as image:
            assert min(image.size) > 200

    # Again, with a method more: only that is asked.
    assert main([*common, "--methods", "ours,ncc,sift-ncc"]) == 0
    for path, before in first.items():
        assert path.read_text().startswith(before)
        added = path.read_text()[len(before) :].splitlines()
        assert {json.loads(line)["method"] for line in added} == {"sift-ncc"}

    # Of another version of the protocol, or other weights: refused, and nothing is touched.
    capsys.readouterr()
    path = out / "tiny" / "predictions.jsonl"
    whole = path.read_text()
    path.write_text(whole.replace('"version": 2', '"version": 1', 1))
    assert main(common) == 2
    assert "of another run (version 1 not 2)" in capsys.readouterr().err
    path.write_text(whole.replace('"weights": "', '"weights": "0', 1))
    assert main([*common, "--methods", "ours"]) == 2
    assert "was run with weights" in capsys.readouterr().err


def test_without_data_it_draws_and_says_what_it_skips(
    data: Path, plain_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["ladder", "--quick", "--out", str(data / "drawn"), "--rungs", "tiny,real"]
    assert main([*arguments, "--methods", "sift", "--weights", str(plain_weights)]) == 0
    told = capsys.readouterr()
    assert "real skipped: give --real or --dataset" in told.err
    assert "tiny" in told.out
    assert main([*arguments[:-1], "real", "--methods", "sift"]) == 2
    own = ["--dataset", str(data / "real" / "mine"), "--methods", "sift"]
    assert main([*arguments[:-1], "real", *own]) == 0


def test_plans_hold_every_count_and_the_quick_one_less() -> None:
    assert list(FULL.captured) == list(QUICK.captured) == [24, 150, 500, 1000, 2000]
    for count, size in QUICK.captured.items():
        assert size.per_picture < FULL.captured[count].per_picture or size.limit is not None


def _record(score: float, right: bool, piece: str) -> Record:
    box = (0.0, 0.0, 10.0, 10.0)
    answer = Answer(box if right else (50.0, 50.0, 60.0, 60.0), 0.0, score)
    return Record(
        "ours", piece, "set", "p", 100, None, box, 0.0, (10.0, 10.0), (100.0, 100.0), (answer,), 1.0
    )


def test_worst_misses_are_the_surest_wrong_ones() -> None:
    records = [_record(0.2, False, "a"), _record(0.9, True, "b"), _record(0.7, False, "c")]
    assert [r.piece for r in worst_misses(records)] == ["c", "a"]
    assert [r.piece for r in worst_misses(records, 1)] == ["c"]


def test_upright_undoes_a_turn() -> None:
    image = np.zeros((40, 40, 4), np.uint8)
    image[..., 3] = 255
    image[:20, :20, 0] = 255  # red, top left
    turned = np.ascontiguousarray(np.rot90(image, -1))  # 90 degrees clockwise
    shown = upright(turned, 90.0)
    assert shown[20, 20, 0] > 200
    assert shown[20, -20, 0] < 50
    assert shown[-20, 20, 0] < 50


def test_the_command_on_the_page_names_no_folders_of_this_machine() -> None:
    shown = command_line("heatmap-eval", ["ladder", "--out", "/home/me/x", "--corpus", "../c"])
    assert shown == "heatmap-eval ladder --out x --corpus ../c"
