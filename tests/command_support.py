"""What tests of the command line share: a picture, pieces, and a model that is a FAKE.

``fake_locator`` answers every piece alike, after reading it for real.  What the real model answers
is tested elsewhere.
"""

import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from heatmap_locator.command.cli import main
from heatmap_locator.errors import InputError, WeightsError
from heatmap_locator.found import Search
from heatmap_locator.grid import Grid
from heatmap_locator.picture.read import read_picture, read_piece
from heatmap_locator.placement import Placement

_PLACE = Placement(
    (10.0, 20.0, 60.0, 70.0), (35.0, 45.0), 123.456, 0.9, (1, 2), (0.5, 0.0, 10.0, 0.0, 0.5, 20.0)
)


class FakePuzzle:
    """FAKE: every piece goes to the same place."""

    size_estimate: int | None = None
    lanes = 1

    def __init__(self, picture: str, grid: Grid | None) -> None:
        self.picture = read_picture(picture)
        self.height, self.width = self.picture.shape[:2]
        self.grid = grid
        self.cut = grid
        self.outlines = None
        self.done = None

    def locate(self, piece: str, top: int = 1, cutout: bool = False) -> list[Placement]:
        return self.search(piece, top, cutout).placements

    def abreast(self, photos: int) -> int:
        return min(self.lanes, photos)

    def search_many(
        self, pieces: Sequence[str], top: int, cutout: bool = False
    ) -> list[Search | InputError]:
        found: list[Search | InputError] = []
        for piece in pieces:
            try:
                found.append(self.search(piece, top, cutout))
            except InputError as error:
                found.append(error)
        return found

    def search(self, piece: str, top: int, cutout: bool = False) -> Search:
        rgb, _ = read_piece(piece)
        return Search(
            placements=[_PLACE] * top,
            heatmap=np.ones((8, 8), np.float32),
            piece_rgb=rgb,
            piece_mask=np.ones(rgb.shape[:2], np.float32),
            size_estimate=self.size_estimate,
        )


class FakeLocator:
    """FAKE: takes the place of the model."""

    calls: list[Any] = []  # noqa: RUF012

    @classmethod
    def from_pretrained(
        cls,
        weights: str | None = None,
        device: str = "auto",
        outline_weights: str | None = None,
    ) -> "FakeLocator":
        cls.calls.append((weights, device))
        if weights is not None:
            raise WeightsError(f"{weights}: not a weights file of this program")
        if outline_weights is not None:
            raise WeightsError(f"{outline_weights}: not weights of an outline network")
        if device == "cuda":
            raise InputError("device cuda: no CUDA device was found; use --device cpu")
        return cls()

    def encode(self, picture: str, pieces: int | None = None, grid: Any = None) -> FakePuzzle:
        return FakePuzzle(picture, grid)


@pytest.fixture(autouse=True)
def fake_locator(monkeypatch: pytest.MonkeyPatch) -> type[FakeLocator]:
    """FAKE: puts ``FakeLocator`` where the command imports the model from."""
    module = types.ModuleType("heatmap_locator.locator")
    module.Locator = FakeLocator  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "heatmap_locator.locator", module)
    monkeypatch.setattr(FakeLocator, "calls", [])
    return FakeLocator


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a picture, two pieces and a file that is no image."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, size in [("puzzle.png", (200, 300)), ("a.png", (40, 50)), ("b.png", (50, 40))]:
        Image.fromarray(rng.integers(0, 256, (*size, 3)).astype(np.uint8)).save(name)
    Path("bad.png").write_text("no image")
    data = Path("a.png").read_bytes()
    Path("cut.png").write_bytes(data[: len(data) // 2])
    return tmp_path


def fails(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Runs the command, which must exit 2 with one line on stderr and nothing on stdout."""
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("heatmap-predict: ")
    return err


FIXTURES = fake_locator, files
"""For a test module to take by their names."""
