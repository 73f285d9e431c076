"""The command line: bad files and arguments, each with an exit status and one line."""

import json
from pathlib import Path

import pytest
from command_support import FIXTURES, FakeLocator, fails

from heatmap_locator.command.cli import main

fake_locator, files = FIXTURES


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
    assert bad in fails(capsys, bad, "puzzle.png")
    assert bad in fails(capsys, bad, "puzzle.png", "--json")


@pytest.mark.parametrize("bad", ["bad.png", "none.png", ".", "cut.png"])
def test_a_bad_picture(bad: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bad in fails(capsys, "a.png", bad)


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
        (["a.png", "puzzle.png", "--overlay", ""], "'': cannot tell the overlay's format"),
        (["a.png", "puzzle.png", "--overlay", "out.txt"], "out.txt"),
        (["a.png", "puzzle.png", "--overlay", "no/such/out.png"], "no/such/out.png"),
        (["a.png", "puzzle.png", "--overlay", "puzzle.png"], "overwrite"),
        (["a.png", "puzzle.png", "--overlay", "./a.png"], "overwrite"),
    ],
)
def test_bad_arguments(
    argv: list[str], says: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert says in fails(capsys, *argv)


def test_a_name_that_looks_like_an_option(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("-a.png").write_bytes(Path("a.png").read_bytes())
    said = fails(capsys, "b.png", "-a.png", "puzzle.png")
    assert "unrecognized arguments: -a.png; name files that begin with - last, after --" in said
    assert main(["b.png", "--pieces", "24", "--json", "--", "-a.png", "puzzle.png"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [result["piece"] for result in results] == ["b.png", "-a.png"]
    assert "give one or more pieces" in fails(capsys, "--", "-a.png")


def test_bad_input_is_found_before_the_model_loads(
    files: Path, fake_locator: type[FakeLocator], capsys: pytest.CaptureFixture[str]
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


def test_interrupt(
    files: Path,
    fake_locator: type[FakeLocator],
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
    fake_locator: type[FakeLocator],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 3 GiB")

    monkeypatch.setattr(fake_locator, "encode", exhausted)
    assert "--device cpu" in fails(capsys, "a.png", "puzzle.png")
