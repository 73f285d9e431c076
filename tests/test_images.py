"""Everything a picture can be, and everything that can be wrong with one."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heatmap_locator.errors import InputError
from heatmap_locator.picture import opening
from heatmap_locator.picture.read import check_image, read_picture, read_piece


@pytest.fixture
def ramp() -> np.ndarray:
    """(12, 16, 3) uint8, every pixel its own colour."""
    y, x = np.mgrid[0:12, 0:16]
    return np.stack([x * 15, y * 20, 255 - x * 10 - y * 5], axis=2).astype(np.uint8)


def _refused(call, *args) -> str:
    with pytest.raises(InputError) as caught:
        call(*args)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_path_pillow_and_array_agree(ramp: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(ramp).save(path)
    for source in (path, str(path), Image.open(path), ramp):
        np.testing.assert_array_equal(read_picture(source), ramp)
    assert check_image(path) == (16, 12)


def test_array_is_copied(ramp: np.ndarray) -> None:
    read = read_picture(ramp)
    ramp[:] = 0
    assert read.max() > 0


def test_grey_forms(tmp_path: Path) -> None:
    grey = np.linspace(0, 255, 160).reshape(10, 16).round().astype(np.uint8)
    sixteen = grey.astype(np.uint16) * 257
    sources = {
        "L": Image.fromarray(grey),
        "LA": Image.merge("LA", [Image.fromarray(grey), Image.new("L", (16, 10), 255)]),
        "I;16": Image.fromarray(sixteen),
        "I": Image.fromarray(sixteen.astype(np.int32)),
        "F": Image.fromarray(grey.astype(np.float32) / 255.0),
        "F255": Image.fromarray(grey.astype(np.float32)),
    }
    for name, image in sources.items():
        rgb = read_picture(image)
        assert rgb.shape == (10, 16, 3), name
        np.testing.assert_array_equal(rgb[..., 0], grey, err_msg=name)
        np.testing.assert_array_equal(rgb[..., 2], grey, err_msg=name)
    for suffix in ("png", "tif"):
        path = tmp_path / f"sixteen.{suffix}"
        Image.fromarray(sixteen).save(path)
        np.testing.assert_array_equal(read_picture(path)[..., 1], grey)
    np.testing.assert_array_equal(read_picture(grey)[..., 1], grey)


def test_dark_sixteen_bit_png_stays_dark(tmp_path: Path) -> None:
    path = tmp_path / "dark.png"
    Image.fromarray(np.full((9, 9), 200, np.uint16)).save(path)
    assert read_picture(path).max() == 1


def test_sixteen_bit_rgb_png(ramp: np.ndarray, tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "deep.png"
    assert cv2.imwrite(str(path), ramp[..., ::-1].astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_picture(path), ramp)


def test_one_bit_and_cmyk(ramp: np.ndarray, tmp_path: Path) -> None:
    bits = Image.fromarray(ramp).convert("1")
    np.testing.assert_array_equal(
        read_picture(bits)[..., 0], np.asarray(bits).astype(np.uint8) * 255
    )
    path = tmp_path / "cmyk.tif"
    Image.fromarray(ramp).convert("CMYK").save(path)
    assert np.abs(read_picture(path).astype(int) - ramp).max() <= 2


def test_palette_with_transparency(tmp_path: Path) -> None:
    index = np.zeros((10, 10), np.uint8)
    index[2:8, 2:8] = 1
    image = Image.fromarray(index).convert("P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    path = tmp_path / "p.png"
    image.save(path, transparency=0)
    rgb, alpha = read_piece(path)
    assert alpha is not None
    assert (alpha[4, 4], alpha[0, 0]) == (255, 0)
    assert rgb[4, 4].tolist() == [200, 100, 50]
    # The whole picture has no outline: what is transparent turns white.
    assert read_picture(path)[0, 0].tolist() == [255, 255, 255]


def test_alpha_is_kept_also_where_it_is_opaque_all_over(ramp: np.ndarray) -> None:
    opaque = np.dstack([ramp, np.full(ramp.shape[:2], 255, np.uint8)])
    np.testing.assert_array_equal(read_piece(opaque)[1], opaque[..., 3])
    assert read_piece(ramp)[1] is None
    cut = opaque.copy()
    cut[:3, :, 3] = 0
    rgb, alpha = read_piece(Image.fromarray(cut))
    np.testing.assert_array_equal(alpha, cut[..., 3])
    np.testing.assert_array_equal(rgb, ramp)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int, ramp: np.ndarray, tmp_path: Path) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in ("jpg", "png"):
        path = tmp_path / f"turned.{suffix}"
        Image.fromarray(ramp).save(path, exif=exif)
        expected = np.asarray(ImageOps.exif_transpose(Image.open(path)))
        np.testing.assert_array_equal(read_picture(path), expected)
        assert check_image(path) == expected.shape[1::-1]


def test_exif_keeps_palette_transparency(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    index = np.zeros((10, 20), np.uint8)
    index[:, :8] = 1
    image = Image.fromarray(index).convert("P")
    image.putpalette([0, 0, 0, 200, 100, 50])
    path = tmp_path / "p.png"
    image.save(path, transparency=0, exif=exif)
    _, alpha = read_piece(path)
    assert alpha is not None
    assert alpha.shape == (20, 10)
    assert (alpha[0, 0], alpha[-1, 0]) == (255, 0)


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "blue")]
    for suffix in ("gif", "webp"):
        path = tmp_path / f"a.{suffix}"
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
        assert read_picture(path)[5, 5].tolist()[0] > 240


def test_missing_folder_empty_and_text(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("this is no image, whatever it is called")
    for name, fix in [
        ("none.png", "check the path"),
        (".", "name an image file"),
        ("empty.png", "empty"),
        ("text.png", "use a JPEG"),
    ]:
        for call in (check_image, read_picture, read_piece):
            message = _refused(call, tmp_path / name)
            assert str(tmp_path / name) in message
            assert fix in message


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "gif", "bmp"])
def test_truncated(suffix: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    message = _refused(read_picture, path)
    assert str(path) in message
    assert "damaged" in message


def test_too_small(tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    Image.new("RGB", (1, 1)).save(path)
    for call in (check_image, read_picture, read_piece):
        assert "at least 8" in _refused(call, path)
    assert "at least 8" in _refused(read_picture, np.zeros((100, 7, 3), np.uint8))
    assert read_picture(np.zeros((8, 8, 3), np.uint8)).shape == (8, 8, 3)


def test_huge_is_refused_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(path)
    for call in (check_image, read_picture):
        message = _refused(call, path)
        assert "100 million" in message


def test_limit_is_ours_not_pillows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Pillow warns between its limit and twice that; such an image is within ours and must read.
    path = tmp_path / "fine.png"
    Image.new("RGB", (40, 30), "red").save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert check_image(path) == (40, 30)
        assert read_picture(path).shape == (30, 40, 3)
    monkeypatch.setattr(opening, "MAX_PIXELS", 1199)
    assert "40x30" in _refused(read_picture, path)
    assert "40x30" in _refused(read_picture, np.zeros((30, 40, 3), np.uint8))


def test_transparent_piece(tmp_path: Path) -> None:
    path = tmp_path / "ghost.png"
    Image.new("RGBA", (20, 20), (200, 0, 0, 100)).save(path)
    message = _refused(read_piece, path)
    assert "transparent" in message
    assert str(path) in message


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((20, 20, 3), np.float32),
        np.zeros((20, 20, 2), np.uint8),
        np.zeros((1, 20, 20, 3), np.uint8),
        np.zeros(20, np.uint8),
    ],
)
def test_arrays_of_other_kinds(array: np.ndarray) -> None:
    assert "array: expected uint8" in _refused(read_picture, array)
    assert "mine: expected uint8" in _refused(read_piece, array, "mine")


def test_arrays_of_numpys_other_classes(ramp: np.ndarray) -> None:
    grey = np.ascontiguousarray(ramp[..., 0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        arrays = np.ma.masked_less(grey, 9), np.asmatrix(grey)
    for array in arrays:
        read = read_picture(array)
        assert type(read) is np.ndarray
        assert np.array_equal(read, np.repeat(grey[..., None], 3, axis=2))


def test_other_types_and_odd_names(tmp_path: Path) -> None:
    assert "got list" in _refused(read_picture, [1, 2])
    message = _refused(read_picture, tmp_path / "two\nlines.png")
    assert "two?lines.png" in message
    assert "\0" not in _refused(read_picture, "nul\0name.png")


def test_damaged_heic_is_named(tmp_path: Path) -> None:
    path = tmp_path / "phone.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    assert "HEIC file is damaged" in _refused(check_image, path)
