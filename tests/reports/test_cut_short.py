"""JPEG short of its last bytes or rows, as an interrupted copy leaves it."""

import logging
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reports_support import PICTURE, PIECE, is_right, piece, saved

from heatmap_locator.command.cli import main
from heatmap_locator.errors import DamagedImageWarning, InputError
from heatmap_locator.picture.read import read_picture, read_piece
from heatmap_locator.puzzle import Puzzle
from heatmap_locator.service.images import Decoders


def noise() -> np.ndarray:
    """(480, 320, 3) uint8 whose rows take as many bytes each."""
    return np.random.default_rng(1).integers(0, 256, (480, 320, 3)).astype(np.uint8)


@pytest.mark.parametrize("missing", [1, 2, 3, 20])
def test_short_of_its_last_bytes(missing: int, tmp_path: Path, example_puzzle: Puzzle) -> None:
    path = tmp_path / "piece.jpg"
    path.write_bytes(PIECE.read_bytes()[:-missing])
    with pytest.warns(DamagedImageWarning, match=r"piece\.jpg: cut short, its last .* missing"):
        rgb, _ = read_piece(path)
    assert rgb.shape == (360, 360, 3)
    assert np.abs(rgb[:340].astype(int) - piece()[:340]).max() <= 1
    with pytest.warns(DamagedImageWarning):
        assert is_right(example_puzzle.locate(path)[0])


@pytest.mark.parametrize("progressive", [False, True])
def test_the_end_mark_alone(progressive: bool) -> None:
    whole = saved(noise(), "JPEG", progressive=progressive)
    assert whole.endswith(b"\xff\xd9")
    with pytest.warns(DamagedImageWarning, match="last bytes"):
        short = read_picture(whole[:-2])
    np.testing.assert_array_equal(short, read_picture(whole))


@pytest.mark.parametrize(
    ("kept", "read"), [(0.94, True), (0.92, True), (0.85, False), (0.5, False)]
)
def test_rows_missing_at_the_end(kept: float, read: bool) -> None:
    whole = saved(noise(), "JPEG", quality=95)
    data = whole[: int(kept * len(whole))]
    if not read:
        with pytest.raises(InputError, match=r"damaged or cut short: \d+ of its 480 rows are miss"):
            read_picture(data, "a.jpg")
        return
    with pytest.warns(DamagedImageWarning, match=r"its last \d+ rows are missing"):
        short = read_picture(data, "a.jpg")
    rows = int(0.9 * 480)
    np.testing.assert_array_equal(short[: rows - 16], read_picture(whole)[: rows - 16])


def test_the_orientation_of_a_short_one_is_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(noise(), "JPEG", exif=exif)
    with pytest.warns(DamagedImageWarning):
        assert read_picture(data[:-2]).shape == (320, 480, 3)


@pytest.mark.parametrize("strict", [False, True])
def test_the_command_says_so_on_one_line(
    strict: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "piece.jpg"
    path.write_bytes(PIECE.read_bytes()[:-2])
    with warnings.catch_warnings():
        if strict:
            warnings.simplefilter("error")
        assert main([str(path), str(PICTURE), "--pieces", "192"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[-3:-1] == ["4", "6"]
    assert err.strip() == (
        f"heatmap-predict: {path}: cut short, its last bytes are missing; read without them"
    )


def test_the_service_reads_it_and_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    decoders = Decoders(count=1, seconds=120)
    try:
        with caplog.at_level(logging.WARNING, "heatmap_locator.service"):
            short = decoders.decode(PIECE.read_bytes()[:-2], "piece", "a.jpg")
    finally:
        decoders.close()
    np.testing.assert_array_equal(short, piece())
    assert "a.jpg: cut short" in caplog.text


def test_threads_that_read_at_the_same_time_lose_no_warning() -> None:
    short = saved(noise(), "JPEG")[:-2]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        before, said = list(warnings.filters), list[str]()
        warnings.showwarning = lambda message, *_: said.append(str(message))  # type: ignore[assignment]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(read_picture, [short] * 60, [f"{n}.jpg" for n in range(60)]))
        assert list(warnings.filters) == before
    assert sorted(line.partition(".")[0] for line in said) == sorted(map(str, range(60)))
