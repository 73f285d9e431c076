"""``heatmap-serve --lan``: open to the phones of a home, by a code on the screen."""

import re
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp
from page_support import FIXTURES, PHONE, Open, expect
from service_support import Server

from heatmap_locator.service import lan

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES

BLOCKS = {" ": (0, 0), "\u2580": (1, 0), "\u2584": (0, 1), "\u2588": (1, 1)}
"""Half blocks of a terminal: (upper, lower) is lit."""


def read_code(text: str) -> str:
    """What a camera reads off a terminal, which is dark."""
    lines = [line for line in re.sub("\x1b\\[[0-9;]*m", "", text).splitlines() if line]
    width = max(map(len, lines))
    cells = [[BLOCKS[c] for c in line.ljust(width)] for line in lines]
    lit = np.array([[cell[half] for cell in row] for row in cells for half in (0, 1)], np.uint8)
    image = cv2.copyMakeBorder(
        np.kron(lit * 255, np.ones((8, 8), np.uint8)), *[40] * 4, 0, value=255
    )
    # Not OpenCV's reader: of 400 sound codes it read 391.
    return str(zxingcpp.read_barcodes(image)[0].text)


def test_the_code_says_the_address() -> None:
    where = lan.link("192.168.178.34", 8000, "aB3-_xyz0123456789")
    assert read_code(lan.qr_code(where)) == where


def test_the_token_is_kept_and_nobody_elses(tmp_path: Path) -> None:
    token = lan.kept_token(tmp_path)
    assert len(token) >= 16
    assert lan.kept_token(tmp_path) == token
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


@pytest.mark.slow
def test_a_phone_comes_in_by_the_printed_address(
    tmp_path: Path, plain_weights: Path, open_page: Open
) -> None:
    with Server(tmp_path / "data", plain_weights, lan=True) as server:
        printed = server.log.read_text()
        address = next(line for line in printed.splitlines() if line.startswith("http://"))
        assert f":{server.port}/#token=" in address
        code = printed[printed.index(address) + len(address) : printed.index("Point the phone")]
        assert read_code(code) == address
        assert "host = 0.0.0.0" in printed
        assert "not encrypted" in printed
        assert server.client.get("/v1/puzzles").status_code == 401

        page = open_page(re.sub("//[^:]+:", "//127.0.0.1:", address), PHONE)
        page.locator("#view-home").wait_for()
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert "token" not in page.url
        page.get_by_role("button", name="Take a photo").wait_for()
        # A tab opened anew has it still.
        page.goto("about:blank")
        page.goto(re.sub("//[^:]+:", "//127.0.0.1:", address).partition("#")[0])
        page.locator("#view-home").wait_for()
        expect(page.get_by_role("dialog")).to_have_count(0)
