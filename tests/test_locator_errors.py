"""What ``Locator`` and ``Puzzle`` refuse: grids, pieces, weights and devices."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from locator_support import FIXTURES, cell, opaque

from heatmap_locator import InputError, Locator, Puzzle
from heatmap_locator.errors import WeightsError

picture, locator, puzzle = FIXTURES


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pieces": 12, "grid": "3x4"}, "not both"),
        ({"pieces": 0}, "pieces 0"),
        ({"grid": "3by4"}, "ROWSxCOLS"),
        ({"grid": (0, 4)}, "whole numbers from 1"),
        ({"grid": (3, 4, 5)}, "rows, cols"),
        ({"grid": 12}, "rows, cols"),
        ({"pieces": 5000}, "use a larger picture or fewer pieces"),
    ],
)
def test_a_grid_that_makes_no_sense(
    locator: Locator, picture: np.ndarray, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        locator.encode(picture, **settings)


def test_a_picture_of_one_colour(locator: Locator, picture: np.ndarray) -> None:
    clear = np.dstack([picture, np.zeros(picture.shape[:2], np.uint8)])
    for plain in (np.zeros_like(picture), np.full_like(picture, 255), clear):
        with pytest.raises(
            InputError, match=r"^picture: is of one colour all over, or fully trans"
        ):
            locator.encode(plain)
    dot = np.zeros_like(picture)
    dot[-1, -1] = 1
    assert locator.encode(dot).size_estimate is None


@pytest.mark.parametrize("top", [0, -1, 101, 1.5, "3", True])
def test_a_bad_top(puzzle: Puzzle, picture: np.ndarray, top: Any) -> None:
    with pytest.raises(InputError, match="whole number from 1 to 100"):
        puzzle.locate(cell(picture, 0, 0).copy(), top=top)


def test_picture_and_piece_the_wrong_way_round(locator: Locator, picture: np.ndarray) -> None:
    puzzle = locator.encode(cell(picture, 0, 0).copy(), grid="1x1")
    with pytest.raises(InputError, match="larger than the picture"):
        puzzle.locate(picture)


def test_a_crop_that_fits_neither_way_is_refused_and_one_on_its_side_is_not(
    locator: Locator, picture: np.ndarray
) -> None:
    strip = picture[:40].copy()
    puzzle = locator.encode(strip, grid=(1, 4))
    with pytest.raises(InputError, match="larger than the picture"):
        puzzle.locate(opaque(picture[:50, :50]), cutout=True)
    with pytest.raises(InputError, match="larger than the picture"):
        puzzle.locate(opaque(np.tile(strip, (1, 2, 1))), cutout=True)
    upright = opaque(np.rot90(strip[:, :60]))
    assert upright.shape[0] > puzzle.height
    assert puzzle.locate(upright, cutout=True)


def test_weights_that_answer_with_no_number_are_named_as_the_cause(
    plain_weights: Path, picture: np.ndarray
) -> None:
    broken = Locator.from_pretrained(plain_weights, device="cpu")
    with torch.no_grad():
        broken.model.head.fuse[-1].bias.fill_(torch.nan)
    with pytest.raises(WeightsError, match=r"piece: .*no number.* weights are damaged"):
        broken.encode(picture, grid=(3, 4)).locate(cell(picture, 0, 0).copy())


def test_a_missing_piece_is_named(puzzle: Puzzle, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.png: no such file"):
        puzzle.locate(tmp_path / "none.png")


@pytest.mark.parametrize("device", ["tpu", "cuda:1", ""])
def test_an_unknown_device(plain_weights: Path, device: str) -> None:
    with pytest.raises(InputError, match="use auto, cpu or cuda"):
        Locator.from_pretrained(plain_weights, device=device)


def test_a_missing_device(plain_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no CUDA device"):
        Locator.from_pretrained(plain_weights, device="cuda")
    assert Locator.from_pretrained(plain_weights).device.type == "cpu"
