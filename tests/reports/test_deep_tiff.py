"""TIFF of scanners and photo editors: floats, 10 to 16 bits, and turned by a tag."""

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import draw_texture
from PIL import Image
from reports_support import PICTURE, is_right, with_tag

from heatmap_locator.command.cli import main
from heatmap_locator.errors import InputError
from heatmap_locator.locator import Locator
from heatmap_locator.picture.read import check_image, read_picture
from heatmap_locator.service.images import Decoders

SHAPE = (90, 130)


def tiff(values: np.ndarray) -> bytes:
    """(H, W) or (H, W, 3) RGB of any type, uncompressed."""
    bgr = values if values.ndim == 2 else np.ascontiguousarray(values[..., ::-1])
    written, data = cv2.imencode(".tif", bgr, [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    assert written
    return data.tobytes()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    drawn = draw_texture(*SHAPE, 4)
    drawn[:4, :4] = 255
    return drawn


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0, 4.0])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats_in_colour(top: float, kind: type, picture: np.ndarray) -> None:
    scale = 1.0 if top == 4.0 else top
    values = (picture / 255.0 * scale).astype(kind)
    if top == 4.0:  # a lamp in the photo
        values[:4, :4] = top
    data = tiff(values)
    assert check_image(data) == (130, 90)
    assert np.abs(read_picture(data).astype(int) - picture).max() <= 1


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("grey", [False, True])
def test_bits_in_a_16_bit_file_by_their_real_range(
    bits: int, grey: bool, picture: np.ndarray
) -> None:
    wanted = picture[..., 0] if grey else picture
    deep = np.rint(wanted / 255.0 * (2**bits - 1)).astype(np.uint16)
    read = read_picture(tiff(deep))
    if grey:
        read = read[..., 0]
    assert np.abs(read.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("grey", [False, True])
def test_and_in_a_png(bits: int, grey: bool, picture: np.ndarray) -> None:
    wanted = picture[..., 0] if grey else picture
    deep = np.rint(wanted / 255.0 * (2**bits - 1)).astype(np.uint16)
    written, data = cv2.imencode(".png", deep if grey else deep[..., ::-1].copy())
    assert written
    read = read_picture(data.tobytes())
    assert np.abs(read.astype(int) - picture[..., :1] if grey else read - wanted).max() <= 1


@pytest.mark.parametrize("case", ["around 0", "all dark", "a few lamps", "10 bits"])
def test_floats_by_their_real_range(case: str, picture: np.ndarray) -> None:
    values = picture / np.float32(255)
    if case == "around 0":
        values = 2 * values - 1
    elif case == "all dark":
        values = values / 100
    elif case == "10 bits":
        values = values * 1023
    else:
        values = values.copy()
        values[:3, :3] = 300.0
    read = read_picture(tiff(values.astype(np.float32)))
    assert np.abs(read.astype(int) - picture).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_a_tag_turns_it_once(orientation: int, kind: type, picture: np.ndarray) -> None:
    from PIL import ImageOps

    tag = Image.Exif()
    tag[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", exif=tag)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    scale = {np.uint8: 1, np.uint16: 16, np.float32: 1 / 255}[kind]
    data = with_tag(tiff((picture.astype(np.float64) * scale).astype(kind)), 274, orientation)
    assert check_image(data) == upright.shape[1::-1]
    read = read_picture(data)
    assert read.shape == upright.shape
    assert np.abs(read.astype(int) - upright).max() <= 1


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("opened", [False, True])
def test_a_file_is_turned_as_its_bytes_are(
    mode: str, opened: bool, picture: np.ndarray, tmp_path: Path
) -> None:
    if mode == "I;16":
        image = Image.fromarray(picture[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(picture).convert(mode)
    path = tmp_path / "a.tif"
    image.save(path, tiffinfo={274: 6})
    turned = np.rot90(read_picture(image), -1)
    assert np.array_equal(read_picture(path.read_bytes()), turned)
    assert np.array_equal(read_picture(Image.open(path) if opened else path), turned)


def test_the_grid_of_a_turned_picture_is_that_of_the_upright_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Image.open(PICTURE).resize((560, 420), Image.Resampling.LANCZOS)
    lying = np.ascontiguousarray(np.rot90(np.asarray(small)))  # by tag 6 upright again
    path = tmp_path / "picture.tif"
    path.write_bytes(with_tag(tiff(lying), 274, 6))
    piece = PICTURE.with_name("piece1.jpg")
    (place,) = Locator.from_pretrained(device="cpu").encode(path, pieces=192).locate(piece)
    assert place.cell == (3, 5)
    assert main([str(piece), str(path), "--pieces", "192", "--json"]) == 0
    import json

    answer = json.loads(capsys.readouterr().out)
    assert (answer["puzzle"]["width"], answer["puzzle"]["height"]) == (560, 420)
    place = answer["results"][0]["placements"][0]
    assert is_right({**place, "center": np.multiply(place["center"], 2)})


def test_what_is_not_read_is_named(picture: np.ndarray) -> None:
    floats = tiff((picture / 255).astype(np.float32))
    plain, other = (struct.pack("<HHIHH", 259, 3, 1, way, 0) for way in (1, 34_712))
    assert plain in floats  # how it is compressed
    with pytest.raises(InputError, match=r"a\.tif: .*floating-point"):
        read_picture(floats.replace(plain, other), "a.tif")


def test_the_service_reads_floats_too(picture: np.ndarray) -> None:
    decoders = Decoders(count=1, seconds=120)
    try:
        read = decoders.decode(tiff((picture / 255).astype(np.float32)), "picture", "a.tif")
    finally:
        decoders.close()
    assert np.abs(read.astype(int) - picture).max() <= 1
