"""Portable float maps (PFM), grey and in colour, of either order of bytes."""

from pathlib import Path

import numpy as np
import pytest
from conftest import draw_texture
from fastapi.testclient import TestClient
from reports_support import is_right, piece

from heatmap_locator.command.inputs import looks_like_image
from heatmap_locator.errors import InputError
from heatmap_locator.picture.read import check_image, read_picture
from heatmap_locator.puzzle import Puzzle
from heatmap_locator.service.images import Decoders


def float_map(values: np.ndarray, order: str = "<", scale: str = "1.0", line: str = "\n") -> bytes:
    """(H, W) or (H, W, 3) floats as such a file."""
    height, width = values.shape[:2]
    kind, sign = "PF" if values.ndim == 3 else "Pf", "-" if order == "<" else ""
    head = line.join([kind, f"{width} {height}", f"{sign}{scale}", ""])
    return head.encode() + values[::-1].astype(f"{order}f4").tobytes()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    drawn = draw_texture(90, 130, 4)
    drawn[:4, :4] = 255
    return drawn


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_they_are_read_as_other_floats_are(
    order: str, grey: bool, top: float, picture: np.ndarray
) -> None:
    wanted = picture[..., 0] if grey else picture
    data = float_map(wanted / 255.0 * top, order)
    assert check_image(data) == (130, 90)
    read = read_picture(data)
    assert np.abs((read[..., 0] if grey else read).astype(int) - wanted).max() <= 1


@pytest.mark.parametrize(("scale", "line"), [("1", "\n"), ("2.5e-3", "\n"), ("1.000", "\r\n")])
def test_headers_as_programs_write_them(scale: str, line: str, picture: np.ndarray) -> None:
    data = float_map(picture / 255.0, scale=scale, line=line)
    assert np.abs(read_picture(data).astype(int) - picture).max() <= 1


def test_files_and_the_service_too(picture: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "scan"
    path.write_bytes(float_map(picture / 255.0))
    assert looks_like_image(path)
    decoders = Decoders(count=1, seconds=120)
    try:
        read = decoders.decode(path.read_bytes(), "picture", "a.pfm")
    finally:
        decoders.close()
    np.testing.assert_array_equal(read, read_picture(path))


def test_a_picture_over_http(client: TestClient, picture: np.ndarray) -> None:
    files = {"picture": ("lid.pfm", float_map(picture / 255.0))}
    sent = client.post("/v1/puzzles", files=files)
    assert sent.status_code == 201, sent.text
    original = client.get(f"{sent.json()['links']['original']}?shown=true")
    assert original.headers["content-type"] == "image/jpeg"


def test_a_piece_is_found(example_puzzle: Puzzle) -> None:
    assert is_right(example_puzzle.locate(float_map(piece() / 255.0, ">"))[0])


def test_what_is_not_a_number_is_black(picture: np.ndarray) -> None:
    values = picture / np.float32(255)
    values[10:12] = np.nan
    values[20:22] = np.inf
    read = read_picture(float_map(values))
    assert read[10:12].max() == read[20:22].max() == 0


def test_damaged_ones_are_told(picture: np.ndarray) -> None:
    data = float_map(picture / 255.0)
    for short in (data[:-1], data[:200]):
        with pytest.raises(InputError, match=r"^a\.pfm: the image data is damaged or cut short"):
            read_picture(short, "a.pfm")
    for head in (b"PF\n130", b"PF\n130 90\nx\n", b"PF\n130 -90\n-1\n", b"PF\n# a\n130 90\n-1\n"):
        with pytest.raises(InputError, match=r"^a\.pfm: the header of this PNM file is damaged"):
            read_picture(head + bytes(100), "a.pfm")
    with pytest.raises(InputError, match=r"^a\.pfm: 900000x900000 is over the limit"):
        check_image(b"PF\n900000 900000\n-1.0\n" + bytes(100), "a.pfm")
