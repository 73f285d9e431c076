"""``heatmap-eval label``: places proposed, confirmed by keys, and the manifest that comes of it."""

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from service_support import CELL, COLS, ROWS, encoded, small_picture, small_piece

from heatmap_eval.cli import main
from heatmap_eval.label.manifest import COLUMNS, Labels
from heatmap_eval.label.session import Console, Session, Viewer
from heatmap_eval.protocols.real import read_manifest, real_tasks
from heatmap_locator import Grid, InputError, Locator, Placement
from heatmap_locator.geometry import angle_difference, box_iou

CELLS = {"1.png": (0, 1, 0.0), "2.png": (1, 2, 90.0), "3.png": (2, 3, 205.0)}

Ask = Callable[..., int]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pieces and the picture."""
    Image.fromarray(small_picture()).save(tmp_path / "box.png")
    for name, (row, col, degrees) in CELLS.items():
        (tmp_path / name).write_bytes(encoded(small_piece(row, col, degrees)))
    return tmp_path


@pytest.fixture
def ask(folder: Path, plain_locator: Locator) -> Ask:
    """Labels the folder with keys and typed lines; how many photos have a row then."""
    puzzle = plain_locator.encode(folder / "box.png", grid=(ROWS, COLS))

    def label(keys: str, *lines: str, photos: list[str] | None = None) -> int:
        pressed, typed, said = iter(keys), iter(lines), list[str]()
        console = Console(said.append, lambda: next(pressed, ""), lambda text: next(typed))
        viewer = Viewer(folder / "proposal")
        session = Session(puzzle, "box.png", Labels.of(folder), console, viewer)
        try:
            return session.run(list(CELLS) if photos is None else photos)
        finally:
            assert next(pressed, None) is None, said  # every key was asked for
            label.said = said  # type: ignore[attr-defined]

    return label


def rows(folder: Path) -> dict[str, dict[str, str]]:
    """Of the manifest, by photo."""
    return {row["photo"]: row for row in read_manifest(folder)}


def test_confirmed_places_are_a_manifest(folder: Path, ask: Ask) -> None:
    assert ask("yyy") == 3
    labelled = rows(folder)
    for name, (row, col, degrees) in CELLS.items():
        box = [float(labelled[name][c]) for c in ("x1", "y1", "x2", "y2")]
        truth = (col * CELL, row * CELL, (col + 1) * CELL, (row + 1) * CELL)
        assert box_iou(tuple(box), truth) > 0.8  # type: ignore[arg-type]
        assert abs(angle_difference(float(labelled[name]["rotation"]), degrees)) < 5
        assert labelled[name]["by"] == "proposed"
    (task,) = real_tasks(folder, photos=True)
    assert [piece.name for piece in task.pieces] == list(CELLS)


def test_it_goes_on_where_it_was_left(folder: Path, ask: Ask) -> None:
    assert ask("yq") == 1
    assert set(rows(folder)) == {"1.png"}
    before = (folder / "manifest.csv").read_text()
    assert ask("", photos=[]) == 0
    assert (folder / "manifest.csv").read_text() == before
    assert ask("y", photos=["2.png"]) == 1  # then its keys end: that is q
    assert set(rows(folder)) == {"1.png", "2.png"}


def test_next_proposals_come_round(folder: Path, ask: Ask) -> None:
    ask("nnnnny", photos=["1.png"])
    assert float(rows(folder)["1.png"]["x1"]) == pytest.approx(CELL, abs=3)
    ask("ny", photos=["2.png"])
    assert (
        abs(float(rows(folder)["2.png"]["x1"]) - 2 * CELL)
        + abs(float(rows(folder)["2.png"]["y1"]) - CELL)
        > CELL / 2
    )


def test_back_takes_the_last_one_back(folder: Path, ask: Ask) -> None:
    assert ask("bybsyy") == 2
    assert set(rows(folder)) == {"2.png", "3.png"}
    assert "this is the first one" in ask.said  # type: ignore[attr-defined]


def test_a_place_can_be_typed(folder: Path, ask: Ask) -> None:
    assert ask("ttttq", "3 5", "9 1 0", "0 1 0", "2,3 -90", photos=["1.png", "2.png"]) == 1
    row = rows(folder)["1.png"]
    assert [float(row[c]) for c in ("x1", "y1", "x2", "y2")] == [80, 40, 120, 80]
    assert (row["rotation"], row["by"]) == ("270.00", "typed")
    said = "\n".join(ask.said)  # type: ignore[attr-defined]
    assert "3 5: give three numbers" in said
    for wrong in ("9 1 0", "0 1 0"):
        assert f"{wrong}: no such cell; rows go from 1 to 3 and columns to 4" in said
    assert "proposal 1 of 5: row 1, column 2, turned" in said


def test_a_photo_that_cannot_be_read_is_passed_over(folder: Path, ask: Ask) -> None:
    (folder / "2.png").write_text("no image")
    assert ask("yy") == 2
    assert any("2.png" in line and "skipped" in line for line in ask.said)  # type: ignore[attr-defined]


def test_columns_of_ones_own_are_kept(folder: Path) -> None:
    values = ["9.png", "box.png", "0", "0", "40", "40", "0", "3", "4", "mine"]
    names = ["photo", "puzzle", "x1", "y1", "x2", "y2", "rotation", "rows", "cols", "note"]
    (folder / "manifest.csv").write_text(f"{','.join(names)}\n{','.join(values)}\n")
    labels = Labels.of(folder)
    place = Placement((0, 0, 1, 1), (0.5, 0.5), 0.0, 1.0, (0, 0), (1, 0, 0, 0, 1, 0))
    labels.add("box.png", "1.png", place, Grid(ROWS, COLS), "proposed")
    with (folder / "manifest.csv").open() as file:
        reader = csv.DictReader(file)
        assert [row["note"] for row in reader] == ["mine", ""]
        assert set(COLUMNS) < set(reader.fieldnames or ())


def test_the_proposal_is_shown_while_it_is_asked(folder: Path, plain_locator: Locator) -> None:
    puzzle = plain_locator.encode(folder / "box.png", grid=(ROWS, COLS))
    viewer = Viewer(folder / "proposal")
    shown = []

    def key() -> str:
        page = viewer.page.read_text()
        (image,) = (folder / "proposal").glob("*.jpg")
        assert f'src="{image.name}"' in page
        shown.append(Image.open(image).size)
        return "n" if len(shown) < 3 else "q"

    console = Console(lambda text: None, key, lambda text: "")
    Session(puzzle, "box.png", Labels(folder), console, viewer).run(["1.png"])
    assert len(shown) == 3
    viewer.close()
    assert not (folder / "proposal").exists()


@pytest.mark.slow
def test_the_command_from_photos_to_a_table(folder: Path, plain_weights: Path) -> None:
    command = [sys.executable, "-m", "heatmap_eval.cli"]
    done = subprocess.run(
        [
            *(*command, "label", folder, "--puzzle", folder / "box.png", "--grid", "3x4"),
            *("--weights", plain_weights, "--device", "cpu"),
        ],
        input="y\ns\n",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.splitlines()[-1] == f"1 of 3 photos have their place in {folder}/manifest.csv"
    )
    assert not (folder / "proposal").exists()
    assert main(["real", "--photos", "--dataset", str(folder), "--methods", "sift"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "none: no such folder"),
        (["{folder}", "--puzzle", "none.png"], "none.png: no such file"),
        (["{folder}", "--grid", "3by4"], "ROWSxCOLS"),
        (["{folder}/empty"], "no photos in it"),
    ],
)
def test_what_is_refused(
    arguments: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty").mkdir()
    given = ["label", "--puzzle", f"{folder}/box.png", "--grid", "3x4"]
    assert main([*given, *(a.format(folder=folder) for a in arguments)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert message in err


def test_a_damaged_manifest_is_not_overwritten(folder: Path) -> None:
    (folder / "manifest.csv").write_text("photo\n1.png\n")
    with pytest.raises(InputError, match="no column"):
        Labels.of(folder)


def test_help_shows_the_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["real", "--help"]) == 0
    text = capsys.readouterr().out
    lines = [line.strip() for line in text.splitlines()]
    at = lines.index("puzzle,photo,x1,y1,x2,y2,rotation,rows,cols")
    assert lines[at + 1].split(",")[0] == "box.jpg"
    assert main(["label", "--help"]) == 0
    assert "heatmap-eval real --photos" in capsys.readouterr().out


def test_the_manifest_that_help_shows_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["real", "--help"])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    at = lines.index("puzzle,photo,x1,y1,x2,y2,rotation,rows,cols")
    (tmp_path / "manifest.csv").write_text("\n".join(lines[at : at + 3]) + "\n")
    assert len(read_manifest(tmp_path)) == 2
