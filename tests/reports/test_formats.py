"""HEIC of phones, JPEG 2000, TGA and others: one list, everywhere the same."""

import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image, TiffImagePlugin
from reports_support import heic, is_right, piece, saved
from service_support import small_picture

from heatmap_locator.errors import InputError
from heatmap_locator.picture.formats import FORMATS, HEAD, NAMES, SUFFIXES, identify
from heatmap_locator.picture.read import check_image, read_picture
from heatmap_locator.puzzle import Puzzle
from heatmap_locator.service.images import Decoders

ROOT = Path(__file__).resolve().parents[2]


def files_of(rgb: np.ndarray) -> dict[str, bytes]:
    """A file of each format of the list, by its name."""
    made = {one.name: saved(rgb, one.pillow[0]) for one in FORMATS if one.name not in ("HEIC",)}
    return made | {"HEIC": heic(rgb)}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return files_of(small_picture())


@pytest.mark.parametrize("name", [one.name for one in FORMATS])
def test_each_is_known_by_its_content_and_read_whatever_it_is_called(
    name: str, files: dict[str, bytes], tmp_path: Path
) -> None:
    data = files[name]
    known = identify(data[:HEAD])
    assert known is not None
    assert known.name == name
    path = tmp_path / "picture.dat"
    path.write_bytes(data)
    for source in (path, data):
        assert check_image(source) == (160, 120)
        read = read_picture(source)
        assert np.abs(read.astype(int) - small_picture()).mean() < 25


def test_the_service_takes_each(files: dict[str, bytes]) -> None:
    decoders = Decoders(count=1, seconds=120)
    try:
        for name, data in files.items():
            decoded = decoders.decode(data, "picture", name)
            np.testing.assert_array_equal(decoded, read_picture(data), err_msg=name)
    finally:
        decoders.close()


def test_what_the_page_accepts_is_the_list() -> None:
    static = ROOT / "heatmap_locator" / "service" / "static"
    accepted = re.findall(r'accept="image/\*,([^"]*)"', (static / "index.html").read_text())
    assert len(accepted) == 3
    for one in accepted:
        assert set(one.split(",")) == SUFFIXES
    endings = re.search(r"ENDINGS = /\\\.\((.*)\)\$/i", (static / "js" / "drop.js").read_text())
    assert endings is not None
    assert {f".{ending}" for ending in endings[1].split("|")} == SUFFIXES


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_once(orientation: int, tmp_path: Path) -> None:
    from PIL import ImageOps

    upright = small_picture()
    back = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    tag = Image.Exif()
    tag[0x0112] = back
    stored = Image.open(io.BytesIO(saved(upright, "PNG", exif=tag)))
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(heic(np.asarray(ImageOps.exif_transpose(stored)), orientation))
    assert check_image(path) == (160, 120)
    assert np.abs(read_picture(path).astype(int) - upright).mean() < 12


def test_a_piece_in_heic_and_jpeg_2000_is_found(example_puzzle: Puzzle) -> None:
    for data in (heic(piece()), saved(piece(), "JPEG2000"), saved(piece(), "TGA")):
        assert is_right(example_puzzle.locate(data)[0])


@pytest.mark.slow
def test_heic_of_48_megapixels_is_within_the_limits_of_the_service() -> None:
    """As phones have it, within the decoders' time and memory."""
    grey = np.full((6048, 8064, 3), 90, np.uint8)
    grey[1000:5000, 2000:6000] = (200, 120, 40)
    data = heic(grey, quality=10)
    decoders = Decoders(count=1, seconds=60)
    try:
        assert decoders.decode(data, "picture", "a.heic").shape == (6048, 8064, 3)
    finally:
        decoders.close()


def test_without_its_package_heic_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)
    with pytest.raises(InputError, match=r"a\.heic: HEIC photos need the package pillow-heif"):
        check_image(heic_once(), "a.heic")


def heic_once() -> bytes:
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


def test_reading_leaves_pillow_as_it_was() -> None:
    code = (
        "import sys; from PIL import Image; from heatmap_locator.picture.read import read_picture;"
        "read_picture(sys.stdin.buffer.read()); assert 'HEIF' not in Image.OPEN"
    )
    subprocess.run([sys.executable, "-c", code], input=heic(small_picture()), check=True)


def test_browsers_are_sent_what_they_show(client: TestClient, files: dict[str, bytes]) -> None:
    for name, kind in (("HEIC", "image/heic"), ("TIFF", "image/tiff"), ("PNG", "image/png")):
        sent = client.post("/v1/puzzles", files={"picture": ("lid", files[name])})
        assert sent.status_code == 201, sent.text
        link = sent.json()["links"]["original"]
        whole, shown = client.get(link), client.get(f"{link}?shown=true")
        assert whole.content == files[name]
        assert whole.headers["content-type"] == kind
        assert shown.headers["content-type"] == ("image/png" if name == "PNG" else "image/jpeg")
        assert Image.open(io.BytesIO(shown.content)).size == (160, 120)


def dng(side: int) -> bytes:
    """The preview of a phone's raw file, as which Pillow reads it."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[50706] = bytes((1, 4, 0, 0))
    tags.tagtype[50706] = 1
    return saved(np.zeros((side, side, 3), np.uint8), "TIFF", tiffinfo=tags)


def test_a_raw_file_with_a_large_preview_is_read() -> None:
    assert check_image(dng(600)) == (600, 600)


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\x18ftypcrx " + bytes(60),
        b"II*\0\x10\0\0\0CR\2\0" + bytes(60),
        b"FUJIFILMCCD-RAW 0201" + bytes(60),
        dng(160),
    ],
    ids=["CR3", "CR2", "RAF", "DNG"],
)
def test_raw_files_are_named(
    data: bytes, tmp_path: Path, make_client: Callable[..., TestClient]
) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"{path}: a camera's raw file cannot be read .* use a J"):
        check_image(path)
    answer = make_client().post("/v1/puzzles", files={"picture": ("a.dng", data)})
    assert answer.status_code in (415, 422)
    assert answer.json()["detail"].startswith("a.dng: a camera's raw file cannot be read as an")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7\n", "a PDF cannot be read as an image; "),
        (b"just text", "not an image that can be read; "),
        (b"8BPS" + bytes(60), "a Photoshop file cannot be read as an image; "),
        (b"\0\0\0\x18ftypqt  " + bytes(60), "a film cannot be read as an image; "),
        (saved(piece(), "ICO"), "an icon (ICO) cannot be read as an image; "),
        (b"\xff\x0a" + bytes(60), "JPEG XL cannot be read as an image; "),
    ],
)
def test_sentences_read_well_everywhere(
    data: bytes, said: str, tmp_path: Path, make_client: Callable[..., TestClient]
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        check_image(path)
    assert str(caught.value) == f"{path}: {said}use a {NAMES}"
    answer = make_client().post("/v1/puzzles", files={"picture": ("a.png", data)})
    assert answer.status_code == 415
    assert answer.json()["detail"] == f"a.png: {said}send a {NAMES}"
