"""The command line: arguments, exit statuses, what is printed.

The model is a FAKE here (``fake_locator``): it answers every piece alike, after reading it for
real.  What the real model answers is tested elsewhere.
"""

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from heatmap_locator import __version__
from heatmap_locator.command.cli import main
from heatmap_locator.errors import InputError, WeightsError
from heatmap_locator.grid import Grid
from heatmap_locator.picture.read import read_picture, read_piece
from heatmap_locator.placement import Placement

_PLACE = Placement(
    (10.0, 20.0, 60.0, 70.0), (35.0, 45.0), 123.456, 0.9, (1, 2), (0.5, 0.0, 10.0, 0.0, 0.5, 20.0)
)


class _FakePuzzle:
    """FAKE: every piece goes to the same place."""

    def __init__(self, picture: str, grid: Grid | None) -> None:
        self.picture = read_picture(picture)
        self.height, self.width = self.picture.shape[:2]
        self.grid = grid
        self.outlines = None

    def locate(self, piece: str, top: int = 1) -> list[Placement]:
        return self.search(piece, top).placements

    def search(self, piece: str, top: int) -> types.SimpleNamespace:
        rgb, _ = read_piece(piece)
        return types.SimpleNamespace(
            placements=[_PLACE] * top,
            heatmap=np.ones((8, 8), np.float32),
            piece_rgb=rgb,
            piece_mask=np.ones(rgb.shape[:2], np.float32),
        )


class _FakeLocator:
    """FAKE: takes the place of the model."""

    calls: list[Any] = []  # noqa: RUF012

    @classmethod
    def from_pretrained(
        cls,
        weights: str | None = None,
        device: str = "auto",
        outline_weights: str | None = None,
    ) -> "_FakeLocator":
        cls.calls.append((weights, device))
        if weights is not None:
            raise WeightsError(f"{weights}: not a weights file of this program")
        if outline_weights is not None:
            raise WeightsError(f"{outline_weights}: not weights of an outline network")
        if device == "cuda":
            raise InputError("device cuda: no CUDA device was found; use --device cpu")
        return cls()

    def encode(self, picture: str, pieces: int | None = None, grid: Any = None) -> _FakePuzzle:
        return _FakePuzzle(picture, grid)


@pytest.fixture(autouse=True)
def fake_locator(monkeypatch: pytest.MonkeyPatch) -> type[_FakeLocator]:
    """FAKE: puts ``_FakeLocator`` where the command imports the model from."""
    module = types.ModuleType("heatmap_locator.locator")
    module.Locator = _FakeLocator  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "heatmap_locator.locator", module)
    monkeypatch.setattr(_FakeLocator, "calls", [])
    return _FakeLocator


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


def _fails(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Runs the command, which must exit 2 with one line on stderr and nothing on stdout."""
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("heatmap-predict: ")
    return err


def test_table(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a.png", "b.png", "puzzle.png", "--pieces", "24", "--top", "2"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    head, *rows = out.splitlines()
    assert head.split() == ["piece", "rank", "box", "centre", "rotation", "cell", "score"]
    assert [row.split()[:2] for row in rows] == [
        ["a.png", "1"],
        ["a.png", "2"],
        ["b.png", "1"],
        ["b.png", "2"],
    ]
    assert rows[0].split()[2:] == [
        "10.0",
        "20.0",
        "60.0",
        "70.0",
        "35.0",
        "45.0",
        "123.5",
        "1,2",
        "0.900",
    ]


def test_json(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--pieces", "24", "a.png", "puzzle.png"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    answer = json.loads(out)
    assert answer["puzzle"] == {"path": "puzzle.png", "width": 300, "height": 200, "pieces": 24}
    (result,) = answer["results"]
    assert result.pop("seconds") >= 0.0
    assert result == {
        "piece": "a.png",
        "placements": [
            {
                "box": [10.0, 20.0, 60.0, 70.0],
                "center": [35.0, 45.0],
                "rotation": 123.46,
                "score": 0.9,
                "cell": [1, 2],
            }
        ],
    }


def test_json_without_a_grid_has_null_pieces(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--json", "a.png", "puzzle.png"]) == 0
    assert json.loads(capsys.readouterr().out)["puzzle"]["pieces"] is None


@pytest.mark.parametrize("bad", ["bad.png", "cut.png", "none.png"])
def test_one_bad_piece_among_many(
    bad: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["a.png", bad, "b.png", "puzzle.png", "--json"]) == 1
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert bad in err
    results = json.loads(out)["results"]
    assert [result["piece"] for result in results] == ["a.png", bad, "b.png"]
    assert sorted(results[1]) == ["error", "piece"]
    assert bad in results[1]["error"]
    assert all(results[n]["placements"] for n in (0, 2))

    assert main(["a.png", bad, "b.png", "puzzle.png"]) == 1
    out, err = capsys.readouterr()
    assert [row.split()[0] for row in out.splitlines()] == ["piece", "a.png", "b.png"]
    assert bad in err


@pytest.mark.parametrize("bad", ["bad.png", "cut.png", "none.png", "empty"])
def test_a_bad_piece_alone(bad: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert bad in _fails(capsys, bad, "puzzle.png")
    assert bad in _fails(capsys, bad, "puzzle.png", "--json")


@pytest.mark.parametrize("bad", ["bad.png", "none.png", ".", "cut.png"])
def test_a_bad_picture(bad: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bad in _fails(capsys, "a.png", bad)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "picture of the puzzle"),
        (["a.png"], "picture of the puzzle"),
        (["a.png", "puzzle.png", "--pieces", "0"], "from 1 to 50000"),
        (["a.png", "puzzle.png", "--pieces", "many"], "'many'"),
        (["a.png", "puzzle.png", "--pieces", "99999999"], "from 1 to 50000"),
        (["a.png", "puzzle.png", "--pieces", "20000"], "puzzle.png"),
        (["a.png", "puzzle.png", "--grid", "4by6"], "ROWSxCOLS"),
        (["a.png", "puzzle.png", "--grid", "0x6"], "ROWSxCOLS"),
        (["a.png", "puzzle.png", "--grid", "90x90"], "puzzle.png"),
        (["a.png", "puzzle.png", "--grid", "4x6", "--pieces", "24"], "not allowed with"),
        (["a.png", "puzzle.png", "--top", "0"], "from 1 to 100"),
        (["a.png", "puzzle.png", "--top", "101"], "from 1 to 100"),
        (["a.png", "puzzle.png", "--device", "tpu"], "tpu"),
        (["a.png", "puzzle.png", "--device", "cuda"], "--device cpu"),
        (["a.png", "puzzle.png", "--weights", "none.safetensors"], "none.safetensors"),
        (["a.png", "puzzle.png", "--weights", "bad.png"], "bad.png"),
        (["a.png", "puzzle.png", "--outline-weights", "none.safetensors"], "none.safetensors"),
        (["a.png", "puzzle.png", "--outline-weights", "bad.png"], "bad.png: not weights of an"),
        (["a.png", "puzzle.png", "--nonsense"], "--nonsense"),
        (["a.png", "puzzle.png", "--assign"], "--pieces or --grid"),
        (["a.png", "puzzle.png", "--corners", "1,2 3,4"], "corners"),
        (["a.png", "puzzle.png", "--corners", "0,0 90,0 0,90 90,90"], "convex"),
        (["a.png", "puzzle.png", "--corners", "0,0 900,0 900,90 0,90"], "outside"),
        (["a.png", "puzzle.png", "--corners", ""], "corners"),
        (["a.png", "puzzle.png", "--overlay", ""], "overlay"),
        (["a.png", "puzzle.png", "--overlay", "out.txt"], "out.txt"),
        (["a.png", "puzzle.png", "--overlay", "no/such/out.png"], "no/such/out.png"),
        (["a.png", "puzzle.png", "--overlay", "puzzle.png"], "overwrite"),
        (["a.png", "puzzle.png", "--overlay", "./a.png"], "overwrite"),
    ],
)
def test_bad_arguments(
    argv: list[str], says: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in _fails(capsys, *argv)


def test_overlay(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out.png").write_text("an older one")
    assert main(["a.png", "puzzle.png", "--overlay", "out.png"]) == 0
    assert read_picture("out.png").shape[1] > 1000
    expected = {"a.png", "b.png", "bad.png", "cut.png", "out.png", "puzzle.png"}
    assert {path.name for path in files.iterdir()} == expected  # nothing half written is left


def test_overlays_of_several_pieces(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("more").mkdir()
    Path("more/a.png").write_bytes(Path("a.png").read_bytes())
    argv = ["a.png", "more/a.png", "bad.png", "b.png", "puzzle.png", "--overlay", "more/out.jpg"]
    assert main(argv) == 1
    names = sorted(path.name for path in Path("more").iterdir())
    assert names == ["a.png", "out-a-2.jpg", "out-a.jpg", "out-b.jpg"]


def test_overlay_refuses_a_derived_name_that_is_an_input(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path("b.png").read_bytes()
    Path("o-a.png").write_bytes(before)
    assert "overwrite" in _fails(capsys, "a.png", "o-a.png", "puzzle.png", "--overlay", "o.png")
    Path("link.png").symlink_to("puzzle.png")
    assert "overwrite" in _fails(capsys, "a.png", "puzzle.png", "--overlay", "link.png")
    assert Path("o-a.png").read_bytes() == before


def test_overlay_that_cannot_be_written(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("heatmap_locator.command.report.os.replace", full)
    assert main(["a.png", "puzzle.png", "--overlay", "out.png"]) == 2
    err = capsys.readouterr().err
    assert "out.png" in err
    assert "No space left" in err
    assert not [path for path in files.iterdir() if "out" in path.name]


def test_bad_input_is_found_before_the_model_loads(
    files: Path, fake_locator: type[_FakeLocator], capsys: pytest.CaptureFixture[str]
) -> None:
    for argv in (
        ["bad.png", "puzzle.png"],
        ["a.png", "none.png"],
        ["a.png", "puzzle.png", "--top=0"],
    ):
        assert main(argv) == 2
    assert fake_locator.calls == []
    assert main(["a.png", "puzzle.png"]) == 0
    assert fake_locator.calls == [(None, "auto")]


def _composed(path: str, spots: list[tuple[int, int]]) -> None:
    """Writes a photo of plain interlocking shapes on a table."""
    photo = np.full((300, 400, 3), (150, 112, 74), np.uint8)
    for x, y in spots:
        photo[y - 30 : y + 30, x - 30 : x + 30] = (40, 80, 160)
        photo[y - 42 : y - 30, x - 8 : x + 8] = (40, 80, 160)
        photo[y - 8 : y + 8, x + 30 : x + 42] = (40, 80, 160)
    Image.fromarray(photo).save(path)


def test_many(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _composed("photo.png", [(90, 80), (290, 90), (200, 220)])
    assert main(["photo.png", "puzzle.png", "--many", "--pieces", "24"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == ["photo.png#1", "photo.png#2", "photo.png#3"]
    argv = ["photo.png", "puzzle.png", "--many", "--pieces", "24", "--json", "--overlay", "o.png"]
    assert main(argv) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [(r["piece"], r["number"]) for r in results] == [("photo.png", n) for n in (1, 2, 3)]
    np.testing.assert_allclose(results[0]["photo_box"], [60, 38, 132, 110], atol=2)
    assert all(len(r["outline"]) >= 8 and r["touching"] is False for r in results)
    assert read_picture("o.png").shape[1] == 1600


def test_many_with_a_photo_of_nothing(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (200, 150), (150, 112, 74)).save("empty.png")
    _composed("photo.png", [(90, 80)])
    assert "no piece found" in _fails(capsys, "empty.png", "puzzle.png", "--many")
    assert main(["empty.png", "photo.png", "puzzle.png", "--many", "--json"]) == 1
    out, err = capsys.readouterr()
    assert "empty.png" in err
    results = json.loads(out)["results"]
    assert sorted(results[0]) == ["error", "piece"]
    assert results[1]["number"] == 1


def test_assign(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Both fakes lie over cell 0,0: one has to give way.
    assert main(["a.png", "b.png", "puzzle.png", "--pieces", "24", "--assign"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[-1] == "sure"
    cells = [row.split()[-3] for row in rows]
    assert len(rows) == len(set(cells)) == 2
    assert "0,0" in cells
    argv = ["a.png", "b.png", "puzzle.png", "--grid", "4x6", "--assign", "--json"]
    assert main([*argv, "--overlay", "o.png"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [len(r["placements"]) for r in results] == [1, 1]
    found = {tuple(r["assignment"]["cell"]): r["assignment"]["sure"] for r in results}
    assert len(found) == 2
    assert set(results[0]["assignment"]) == {*results[0]["placements"][0], "sure"}
    assert Path("o.png").exists()


def test_more_pieces_than_cells(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a.png", "b.png", "puzzle.png", "--grid", "1x1", "--assign", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "no cell left" in err
    assigned = [r["assignment"] for r in json.loads(out)["results"]]
    assert sum(a is None for a in assigned) == 1


def test_a_folder_stands_for_its_images(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for bad in ("bad.png", "cut.png"):
        Path(bad).unlink()
    Path("notes.txt").write_text("not an image")
    assert main([".", "puzzle.png", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [r["piece"] for r in results] == ["a.png", "b.png"]


def test_corners(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["a.png", "puzzle.png", "--json", "--pieces", "24"]
    assert main([*argv, "--corners", "20,10 280,10 280,190 20,190"]) == 0
    puzzle = json.loads(capsys.readouterr().out)["puzzle"]
    assert (puzzle["width"], puzzle["height"]) == (260, 180)
    assert puzzle["squared_up"] is True
    assert puzzle["corners"] == [[20, 10], [280, 10], [280, 190], [20, 190]]
    assert main([*argv, "--corners", "auto"]) == 0
    out, err = capsys.readouterr()
    assert "no corners found" in err
    puzzle = json.loads(out)["puzzle"]
    assert (puzzle["width"], puzzle["squared_up"], puzzle["corners"]) == (300, False, None)


def test_interrupt(
    files: Path,
    fake_locator: type[_FakeLocator],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fake_locator, "encode", interrupted)
    assert main(["a.png", "puzzle.png"]) == 130
    assert capsys.readouterr() == ("", "")


def test_out_of_memory_is_one_line(
    files: Path,
    fake_locator: type[_FakeLocator],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 3 GiB")

    monkeypatch.setattr(fake_locator, "encode", exhausted)
    assert "--device cpu" in _fails(capsys, "a.png", "puzzle.png")


@pytest.mark.parametrize(
    ("argv", "status", "forbidden"),
    [
        (["--help"], 0, {"torch", "cv2", "numpy", "PIL"}),
        (["--version"], 0, {"torch", "cv2", "numpy", "PIL"}),
        ([], 2, {"torch", "cv2", "numpy", "PIL"}),
        (["none.png", "puzzle.png"], 2, {"torch", "cv2"}),
        (["a.png", "puzzle.png", "--overlay", "no/out.png"], 2, {"torch", "cv2"}),
        (["a.png", "puzzle.png", "--grid", "x"], 2, {"torch", "cv2"}),
    ],
)
def test_heavy_imports_wait(argv: list[str], status: int, forbidden: set[str], files: Path) -> None:
    script = (
        "import sys; from heatmap_locator.command.cli import main; status = main(sys.argv[1:]);"
        "heavy = ('torch', 'cv2', 'numpy', 'PIL');"
        "print('LOADED', status, *[m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *argv], capture_output=True, text=True, check=True
    )
    _, code, *loaded = done.stdout.splitlines()[-1].split()
    assert int(code) == status
    assert not forbidden & set(loaded)
    assert "Traceback" not in done.stderr


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    options = (
        "--pieces",
        "--grid",
        "--top",
        "--json",
        "--overlay",
        "--device",
        "--weights",
        "--outline-weights",
    )
    for option in (*options, "--many", "--assign", "--corners"):
        assert option in text
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.split() == ["heatmap-predict", __version__]


def test_reader_that_goes_away(files: Path) -> None:
    # FAKE model in a process of its own, because closing stdout cannot be undone.
    script = (
        "import sys, types, tests_fake as f; m = types.ModuleType('heatmap_locator.locator');"
        "m.Locator = f._FakeLocator; sys.modules['heatmap_locator.locator'] = m;"
        "from heatmap_locator.command.cli import main;"
        "sys.exit(main(['a.png'] * 40 + ['puzzle.png', '--top', '100']))"
    )
    Path("tests_fake.py").write_text(Path(__file__).read_text())
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(10)
        child.stdout.close()
        err = child.stderr.read()
        status = child.wait(60)
    assert (status, err) == (141, b"")
