"""What methods share: fast correlation, work done once, matches, memory."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import HANG, draw_texture

from heatmap_eval.answers import memory as memory_module
from heatmap_eval.answers.memory import PeakMemory
from heatmap_eval.answers.records import Predictions
from heatmap_eval.answers.runner import run
from heatmap_eval.methods.matches import place_by_matches
from heatmap_eval.methods.ncc import FLAT, Correlator
from heatmap_eval.methods.protocol import borrowed
from heatmap_eval.methods.registry import make_methods
from heatmap_eval.methods.shared import Shared
from heatmap_eval.methods.sift import SiftThenNcc
from heatmap_eval.protocols.tasks import PictureTask, PieceTask
from heatmap_locator.errors import WeightsError
from heatmap_locator.geometry import angle_difference, box_iou, clockwise
from heatmap_locator.grid import Grid
from heatmap_locator.placement import Placement
from heatmap_locator.search.template import match_template


def test_correlation_by_fourier_transforms_is_opencvs() -> None:
    rng = np.random.default_rng(0)
    picture = draw_texture(150, 211, 3).astype(np.float32)
    picture[:, :60] = 200 + 2 * rng.standard_normal((150, 60, 3))  # nearly flat
    correlator = Correlator(picture)
    for size, spot in ((31, (40, 90)), (24, (100, 20))):
        y, x = spot
        template = picture[y : y + size, x : x + size] * 0.7 + [30, 0, -10]
        mask = (rng.random((size, size)) < 0.6).astype(np.float32)
        found = correlator.match(template, mask)
        reference = match_template(picture, template.astype(np.float32), mask)
        assert found.shape == reference.shape
        np.testing.assert_allclose(found, reference, atol=1e-3)
        assert np.unravel_index(found.argmax(), found.shape) == spot


def test_flat_windows_and_flat_templates_tell_nothing() -> None:
    picture = np.full((60, 70, 3), 120, np.float32)
    picture[30:40, 30:40] = np.random.default_rng(0).uniform(0, 255, (10, 10, 3))
    correlator, mask = Correlator(picture), np.ones((10, 10))
    found = correlator.match(picture[30:40, 30:40], mask)
    assert found[30, 30] == pytest.approx(1, abs=1e-6)
    assert found[0, 0] == -1
    flat = np.full((10, 10, 3), 7, np.float32)
    flat[0, 0] += FLAT
    assert (correlator.match(flat, mask) == -1).all()


class _Slow:
    """Answers after a tenth of a second, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def prepare(self, picture: np.ndarray, grid: Grid) -> "_Slow":
        time.sleep(0.1)
        return self

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        self.asked += 1
        time.sleep(0.1)
        return [Placement((0, 0, 1, 1), (0.5, 0.5), 0.0, 0.5, None, (1, 0, 0, 0, 1, 0))]


class _Silent:
    def prepare(self, picture: np.ndarray, grid: Grid) -> "_Silent":
        return self

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        return []


def _task(pieces: int = 2, side: int = 40) -> PictureTask:
    image = draw_texture(side, side)
    made = [
        PieceTask(str(n), image[n : n + 20, n : n + 20].copy(), (0, 0, 1, 1), 0.0, None)
        for n in range(pieces)
    ]
    return PictureTask("set", "p", image, Grid(2, 2), 4, made)


def test_shared_work_is_done_once_and_counted_twice() -> None:
    slow = _Slow()
    ncc = Shared(slow)
    methods = {"ncc": ncc, "sift-ncc": SiftThenNcc(_Silent(), ncc)}
    predictions = Predictions(None, {})
    run([_task(), _task()], methods, predictions)
    assert slow.asked == 4  # two pictures of two pieces
    assert len(predictions.records) == 8
    for record in predictions.records:
        assert 0.1 <= record.seconds < 0.19
        assert 0.1 <= record.prepare_seconds < 0.19
    assert borrowed(_Slow()) == 0


def test_another_grid_is_another_question() -> None:
    slow = _Slow()
    shared, task = Shared(slow), _task()
    first = shared.prepare(task.image, Grid(2, 2))
    assert shared.prepare(task.image, Grid(2, 2)) is first
    assert shared.prepare(task.image, Grid(2, 3)) is not first


def test_methods_of_one_run_share() -> None:
    methods, digests = make_methods(["ncc", "sift-ncc", "sift"], None, None, "cpu")
    assert list(methods) == ["ncc", "sift-ncc", "sift"]
    both = methods["sift-ncc"]
    assert isinstance(both, SiftThenNcc)
    assert both.ncc is methods["ncc"]
    assert both.sift is methods["sift"]
    assert digests == {}
    with pytest.raises(ValueError, match="magic"):
        make_methods(["magic"], None, None, "cpu")


def test_peak_memory_sees_what_is_freed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    if not memory_module._STATM.exists():
        pytest.skip("looks at memory in /proc: on Linux")
    looked, resident = threading.Semaphore(0), memory_module._resident

    def counted() -> int:
        pages = resident()
        looked.release()
        return pages

    monkeypatch.setattr(memory_module, "_resident", counted)
    with PeakMemory() as memory:
        block = np.ones(8_000_000)  # 64 MB
        while looked.acquire(blocking=False):
            pass
        for _ in range(2):  # the first may have begun before
            assert looked.acquire(timeout=HANG)
        del block
    assert memory.megabytes is not None
    assert 60 <= memory.megabytes < 200
    with PeakMemory() as nothing:
        pass
    assert nothing.megabytes is not None
    assert nothing.megabytes < 20


def _matched(rotation: float, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of a photo turned by ``rotation`` and of the picture, where 30, 30 is 100, 60."""
    rng = np.random.default_rng(0)
    picture = rng.uniform(-20, 20, (40, 2))
    photo = picture @ (scale * clockwise(rotation)).T
    return photo + np.array([30, 30]), picture + np.array([100, 60])


def test_place_by_matches() -> None:
    picture, mask = np.zeros((120, 200, 3), np.uint8), np.zeros((60, 60), np.float32)
    mask[10:50, 10:50] = 1
    photo, there = _matched(70.0, 1.0)
    there[:15] += np.random.default_rng(1).uniform(20, 60, (15, 2))  # wrong matches
    (place,) = place_by_matches(photo, there, mask, picture, Grid(3, 5))
    assert abs(angle_difference(place.rotation, 70)) < 1
    assert np.hypot(*np.subtract(place.center, (100, 60))) < 1
    assert place.score == pytest.approx(25 / 29, abs=0.02)
    assert place_by_matches(photo[:3], there[:3], mask, picture, Grid(3, 5)) == []
    # A cell four times as large as the piece says: not believed.
    assert place_by_matches(photo, there, mask, picture, Grid(1, 1)) == []


@pytest.fixture(scope="module")
def loftr_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from kornia.feature import LoFTR
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("loftr") / "loftr.safetensors"
    save_file({k: v.contiguous() for k, v in LoFTR(None).state_dict().items()}, path)
    return path


def test_loftr_runs_and_means_the_same_by_a_rotation(
    loftr_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods, digests = make_methods(["loftr"], None, loftr_weights, "cpu")
    assert len(digests["loftr"]) == 12
    picture = draw_texture(192, 256, 1)
    prepared = methods["loftr"].prepare(picture, Grid(3, 4))
    crop = np.dstack([picture[64:128, 128:192], np.full((64, 64), 255, np.uint8)])
    piece = np.ascontiguousarray(np.rot90(crop, -1))  # 90 degrees clockwise
    assert len(prepared.locate(piece, 5)) <= 1  # untrained: it need not answer
    # A perfect matcher in the network's stead, which knows upright pieces alone.
    grid = np.mgrid[4:64:8, 4:64:8].reshape(2, -1).T + 0.5
    upright = picture[64:128, 128:192].astype(float).mean(axis=2)

    def match(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        same = np.abs(grey.astype(float) - upright).mean() < 15
        return (grid, grid + np.array([128, 64])) if same else (grid[:0], grid[:0])

    monkeypatch.setattr(prepared, "_match", match)
    (place,) = prepared.locate(piece, 5)
    assert box_iou(place.box, (128, 64, 192, 128)) > 0.97
    assert abs(angle_difference(place.rotation, 90)) < 0.5


def test_loftr_refuses_what_is_no_checkpoint(tmp_path: Path) -> None:
    for name, data in (("a.safetensors", b"no"), ("b.pt", b"no"), ("c.ckpt", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(WeightsError, match=name):
            make_methods(["loftr"], None, tmp_path / name, "cpu")
    torch.save({"state_dict": {"x": torch.zeros(1)}}, tmp_path / "d.pt")
    with pytest.raises(WeightsError, match=r"d\.pt: no LoFTR weights"):
        make_methods(["loftr"], None, tmp_path / "d.pt", "cpu")


def test_ours_is_told_of_the_cut_what_its_name_says(plain_weights: Path) -> None:
    names = ["ours", "ours-pieces", "ours-unknown"]
    made, digests = make_methods(names, str(plain_weights), None, "cpu")
    assert set(digests) == set(names)
    picture, grid = draw_texture(120, 160, 0), Grid(3, 4)
    told = [made[name].prepare(picture, grid).puzzle.grid for name in names]  # type: ignore[attr-defined]
    assert told[0] == grid
    assert told[0].exact
    assert (told[1].rows, told[1].cols, told[1].exact) == (3, 4, False)
    assert told[2] is None
