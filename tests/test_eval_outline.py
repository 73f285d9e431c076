"""``heatmap-eval outline``: cut-outs laid on their photos, and what is said of an outline."""

import csv
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import draw_texture
from PIL import Image

from heatmap_eval.cli import main
from heatmap_eval.protocols.outlines import judge, lay_on_photo, summary
from heatmap_locator.outline.shape import disc
from heatmap_train.draw.cutter import cut_grid, rasterize


def _piece(side: int) -> tuple[np.ndarray, np.ndarray]:
    """(photo, mask) of a piece on grey."""
    cut = cut_grid(3, 3, 3 * side, 3 * side, np.random.default_rng(4))
    mask = rasterize(cut.outline(1, 1) - side / 2, (2 * side, 2 * side))
    photo = mask[..., None] * draw_texture(2 * side, 2 * side, 1) + (1 - mask[..., None]) * 128.0
    return photo.astype(np.uint8), mask


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.5])
def test_a_cut_out_of_any_scale_is_laid_on_its_photo(scale: float) -> None:
    photo, mask = _piece(90)
    x, y, w, h = cv2.boundingRect((mask > 0.5).astype(np.uint8))
    size = round(w * scale), round(h * scale)
    cutout = cv2.resize(photo[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(mask[y : y + h, x : x + w], size, interpolation=cv2.INTER_AREA)
    laid = lay_on_photo(photo, cutout, (255 * alpha).astype(np.uint8))
    assert laid is not None
    a, b = laid > 0.5, mask > 0.5
    assert (a & b).sum() / (a | b).sum() > 0.96


def test_a_cut_out_of_another_photo_is_not() -> None:
    photo, _ = _piece(90)
    other = draw_texture(100, 100, 9)
    assert lay_on_photo(photo, other, np.full((100, 100), 255, np.uint8)) is None


def test_what_is_said_of_right_wide_and_missing_outlines() -> None:
    photo, mask = _piece(90)
    counts = np.ones(mask.shape, bool)
    wide = cv2.dilate(mask, disc(5))
    right, wider, none = (
        judge(lambda _, m=m: m, photo, mask, counts, 90.0) for m in (mask, wide, None)
    )
    assert right.iou == 1.0
    assert abs(right.size) < 0.04
    assert wider.iou < 0.9
    assert wider.size > 0.08
    assert not none.found
    assert math.isnan(none.size)
    alarm = judge(lambda _: mask, photo, np.zeros_like(mask), counts, 0.0)
    said = summary([right, wider, none, alarm])
    assert said["n"] == 3
    assert said["found"] == pytest.approx(66.7)
    assert said["within5"] == pytest.approx(33.3)
    assert said["alarms"] == 100.0


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, mask = _piece(90)
    x, y, w, h = cv2.boundingRect((mask > 0.5).astype(np.uint8))
    rgba = np.dstack([photo, (255 * mask).astype(np.uint8)])[y : y + h, x : x + w]
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(rgba).save(tmp_path / "cutout.png")
    Image.fromarray(photo).save(tmp_path / "puzzle.png")
    row = {
        "cutout": "cutout.png",
        "photo": "photo.png",
        "puzzle": "puzzle.png",
        "x1": 0,
        "y1": 0,
        "x2": 9,
        "y2": 9,
        "rotation": 0,
        "rows": 3,
        "cols": 3,
    }
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
    arguments = ["outline", "--count", "3", "--size", "192", "--dataset", str(tmp_path), "--json"]
    assert main(arguments) == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    assert [(r["set"], r["method"]) for r in rows[:6]] == [
        (name, method) for name in ("drawn", "crops") for method in ("shipped", "network", "colour")
    ]
    assert rows[3]["n"] == 0
    assert rows[3]["alarms"] is not None
    shipped = rows[6]
    assert shipped["n"] == 1
    assert shipped["iou"] > 90
    assert abs(shipped["size_bias"]) < 6


def test_bad_arguments_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["outline", "--count", "0"]) == 2
    assert "nothing to measure" in capsys.readouterr().err
    assert main(["outline", "--weights", str(tmp_path / "none.safetensors")]) == 2
    assert "no such weights file" in capsys.readouterr().err
