"""Labels of captured pieces and of real ones, and what an oracle that knows them is given."""

import csv
import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from heatmap_eval.answers.metrics import Answer
from heatmap_eval.answers.records import Predictions
from heatmap_eval.answers.runner import run
from heatmap_eval.methods.places import outline_of
from heatmap_eval.protocols.real import real_tasks
from heatmap_eval.protocols.synthesis import (
    captured_tasks,
    exact_tasks,
    tiny_tasks,
)
from heatmap_eval.protocols.tasks import PictureTask, limited
from heatmap_eval.report.table import summaries
from heatmap_locator.errors import InputError
from heatmap_locator.geometry import bounds, clockwise, similarity, to_cv2
from heatmap_locator.grid import Grid
from heatmap_locator.placement import Placement
from heatmap_locator.search.template import match_template
from heatmap_train.draw.procedural import draw_picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for index, kind in enumerate((0, 4)):
        picture = draw_picture(480, 360, np.random.default_rng(kind))
        Image.fromarray(picture).save(root / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def captured(folder: Path) -> list[PictureTask]:
    return list(captured_tasks(folder, "all", seed=1, count=24, per_picture=24))


def test_captured_labels_agree_with_the_picture(captured: list[PictureTask]) -> None:
    scores, wrong = [], []
    for task in captured:
        assert task.grid == Grid.from_pieces(24, 480, 360)
        for piece in task.pieces[:12]:
            rgb, mask = outline_of(piece.image)
            x1, y1, x2, y2 = piece.box
            cell = task.grid.cell_size(480, 360)
            assert 0.6 < (x2 - x1) / cell[0] < 1.6
            # Turned back and to the box's size, the outline fills the box and the print agrees.
            for turn, out in ((-piece.rotation, scores), (piece.rotation, wrong)):
                ys, xs = np.nonzero(mask > 0.5)
                points = np.column_stack([xs, ys]) + 0.5
                upright = bounds(points @ clockwise(-piece.rotation).T)
                scale = (x2 - x1) / (upright[2] - upright[0])
                if out is scores:
                    assert scale * (upright[3] - upright[1]) == pytest.approx(y2 - y1, rel=0.08)
                middle = np.array([upright[0] + upright[2], upright[1] + upright[3]]) / 2
                center = clockwise(piece.rotation) @ middle
                target = ((x1 + x2) / 2, (y1 + y2) / 2)
                matrix = to_cv2(similarity(tuple(center), target, turn, scale))
                back = cv2.warpAffine(rgb, matrix, (480, 360), flags=cv2.INTER_AREA)
                inside = cv2.warpAffine(mask, matrix, (480, 360)) > 0.5
                inside = cv2.erode(inside.astype(np.uint8), np.ones((5, 5), np.uint8))
                out.append(
                    match_template(
                        task.image.astype(np.float32),
                        back.astype(np.float32),
                        inside.astype(np.float32),
                    )[0, 0]
                )
    assert np.median(scores) > 0.75
    assert np.median(scores) > np.median(wrong) + 0.3


def test_same_seed_same_pieces(folder: Path, captured: list[PictureTask]) -> None:
    again = next(captured_tasks(folder, "all", seed=1, count=24, per_picture=24))
    np.testing.assert_array_equal(again.image, captured[0].image)
    np.testing.assert_array_equal(again.pieces[3].image, captured[0].pieces[3].image)
    other = next(captured_tasks(folder, "all", seed=2, count=24, per_picture=24))
    assert not np.array_equal(other.image, captured[0].image)


def test_photos_are_the_same_pieces_on_a_background(
    folder: Path, captured: list[PictureTask]
) -> None:
    photos = next(captured_tasks(folder, "all", 1, 24, 4, photos=True))
    for photo, cut in zip(photos.pieces, captured[0].pieces, strict=False):
        assert photo.image.shape[2] == 3
        assert cut.image.shape[2] == 4
        assert min(photo.image.shape[:2]) > min(cut.image.shape[:2])
    assert photos.pieces[0].rotation == captured[0].pieces[0].rotation


class _Known:
    """A method that looks the answer up by the piece's pixels."""

    def __init__(self, answers: dict[bytes, Answer]) -> None:
        self.answers = answers

    def prepare(self, picture: np.ndarray, grid: Grid) -> "_Known":
        return self

    def locate(self, piece: np.ndarray, top: int) -> list[Placement]:
        answer = self.answers[piece.tobytes()]
        return [Placement(answer.box, (0, 0), answer.rotation, 1.0, None, (1, 0, 0, 0, 1, 0))]


def test_names_pick_pictures_and_change_nothing(captured: list[PictureTask], folder: Path) -> None:
    (again,) = captured_tasks(folder, "all", 1, 24, 24, only={"1.png"})
    np.testing.assert_array_equal(again.pieces[5].image, captured[1].pieces[5].image)
    (tiny,) = tiny_tasks(folder, 0, 1, only={"1.png"})
    assert tiny.name == "1.png"


@pytest.fixture(params=["exact", "tiny", "captured", "real"])
def rung(
    request: pytest.FixtureRequest, captured: list[PictureTask], folder: Path, tmp_path: Path
) -> list[PictureTask]:
    if request.param == "captured":
        return captured
    if request.param == "tiny":
        return list(tiny_tasks(folder, 0, 16))
    if request.param == "exact":
        return list(itertools.islice(exact_tasks(None, 0, 24), 2))
    for task in captured:
        Image.fromarray(task.image).save(tmp_path / task.name)
    rows = []
    for index, (task, piece) in enumerate((t, p) for t in captured for p in t.pieces):
        Image.fromarray(piece.image).save(tmp_path / f"{index}.webp", lossless=True)
        rows.append([f"{index}.webp", task.name, *piece.box, piece.rotation, 4, 6])
    columns = ["cutout", "puzzle", "x1", "y1", "x2", "y2", "rotation", "rows", "cols"]
    return list(real_tasks(_manifest(tmp_path, rows, columns)))


def test_oracle_is_perfect_and_shuffled_is_chance(rung: list[PictureTask]) -> None:
    captured = rung
    truth, shuffled = {}, {}
    rng = np.random.default_rng(0)
    for task in captured:
        order = rng.permutation(len(task.pieces))
        for piece, other in zip(task.pieces, order, strict=True):
            true = Answer(piece.box, piece.rotation, 1.0)
            truth[piece.image.tobytes()] = true
            shuffled[piece.image.tobytes()] = Answer(
                task.pieces[other].box, float(rng.uniform(0, 360)), 1.0
            )
    predictions = Predictions(None, {})
    run(captured, {"oracle": _Known(truth), "shuffled": _Known(shuffled)}, predictions)
    rows = {(r["method"], r["group"]): r for r in summaries(predictions.records)}
    oracle, chance = rows["oracle", "all"], rows["shuffled", "all"]
    for key in ("iou", "iou50", "top1", "top5", "rotation4", "rotation15", "both"):
        assert oracle[key] == 1.0
    assert oracle["center_error"] == oracle["angle_error"] == 0
    assert oracle["collapse"] == pytest.approx(1)
    assert oracle["n"] == sum(len(task.pieces) for task in rung) >= 48
    assert oracle["center_error_90"] == 0
    assert oracle["precision_at"]["0.9"] == oracle["coverage_at_99"] == 1
    assert oracle["calibration_error"] == 0
    assert chance["top1"] < 0.2  # one in as many as were taken
    assert 0.05 < chance["rotation4"] < 0.5  # one in 4
    assert chance["collapse"] == pytest.approx(1, abs=0.05)
    before = len(predictions.records)
    run(captured, {"oracle": _Known({})}, predictions)  # all answered: nothing is asked
    assert len(predictions.records) == before


def test_limit_draws_no_more_than_it_needs(captured: list[PictureTask]) -> None:
    def endless():  # type: ignore[no-untyped-def]
        yield from captured
        raise AssertionError("drew a picture too many")

    taken = list(limited(endless(), 30))
    assert [len(t.pieces) for t in taken] == [24, 6]
    assert len(list(itertools.islice(limited(captured, None), 5))) == 2


COLUMNS = [
    *("cutout", "photo", "puzzle", "x1", "y1", "x2", "y2", "rotation"),
    *("rows", "cols", "row", "col", "kind", "texture", "note"),
]


def _manifest(root: Path, rows: list[list[object]], columns: list[str] = COLUMNS) -> Path:
    root.mkdir(exist_ok=True)
    with (root / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return root


def test_real_set(
    tmp_path: Path, captured: list[PictureTask], capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "mine"
    box = [10, 20, 90, 110]
    rest = ["photo.png", "puzzle.png", *box, 30.5, 4, 6, 0, 0]
    rows = [["cut.png", *rest, "loose", "high", ""], ["", *rest, "cluster_cut", "", ""]]
    _manifest(root, rows)
    piece = captured[0].pieces[0].image
    Image.fromarray(piece).save(root / "cut.png")
    Image.fromarray(piece[..., :3]).save(root / "photo.png")
    Image.fromarray(captured[0].image).save(root / "puzzle.png")
    (task,) = real_tasks(root)
    assert (
        capsys.readouterr().err
        == "heatmap-eval: mine: 1 rows without a cut-out (--photos takes photos) skipped\n"
    )
    assert (task.dataset, task.name, task.grid) == ("mine", "puzzle.png", Grid(4, 6))
    assert [(p.box, p.rotation, p.texture) for p in task.pieces] == [(tuple(box), 30.5, "high")]
    np.testing.assert_array_equal(task.pieces[0].image, piece)
    (task,) = real_tasks(root, photos=True)
    np.testing.assert_array_equal(task.pieces[0].image, piece[..., :3])
    assert "1 rows without a photo of one loose piece skipped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([], COLUMNS, "no rows"),
        ([["a"]], COLUMNS[:3], "no column x1, y1"),
        ([["", "", "p", 1, 2, "x", 4, 0, 4, 6]], COLUMNS, "line 2"),
        ([["", "", "p", 5, 2, 3, 4, 0, 4, 6]], COLUMNS, "x1 < x2"),
        ([["", "", "", 1, 2, 3, 4, 0, 4, 6]], COLUMNS, "no puzzle"),
        ([["p", 1, 2, 3, 4, 0, 4, 6]], COLUMNS[2:10], "no column cutout or photo"),
        ([["", "", "p", 1, 2, 3, 4, 0, 0, 6]], COLUMNS, "line 2"),
    ],
)
def test_bad_manifest(tmp_path: Path, rows: list, columns: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(real_tasks(_manifest(tmp_path, rows, columns)))
