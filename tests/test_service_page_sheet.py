"""A sheet for the table: printed, as a picture and as a list."""

import csv
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from page_support import FIXTURES, LAPTOP, SmallPage, expect, give_cells, row, shown_puzzle
from service_support import Server

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES


def test_the_sheet_is_printed_and_saved(
    small_page: SmallPage, small_server: Server, tmp_path: Path, shots: Path
) -> None:
    page = small_page(101, LAPTOP)
    cells = [(0, 0), (2, 3), (1, 1)]
    give_cells(page, tmp_path, 101, *cells)
    row(page, "Piece 2").click()
    page.get_by_role("button", name="It lies there").click()

    with page.expect_download() as download:
        page.get_by_role("button", name="Save list").click()
    text = download.value.path().read_text(encoding="utf-8-sig")
    head, *rows = list(csv.reader(io.StringIO(text)))
    assert head[:4] == ["Piece", "Photo", "Row", "Column"]
    assert [line[:4] for line in rows] == [
        ["1", "0.png", "1", "1"],
        ["2", "1.png", "3", "4"],
        ["3", "2.png", "2", "2"],
    ]
    assert [line[6] for line in rows] == ["", "yes", ""]

    with page.expect_download() as download:
        page.get_by_role("button", name="Save picture").click()
    assert download.value.suggested_filename.endswith(".png")
    image = cv2.imread(str(download.value.path()))
    assert image.shape == (1200, 1600, 3)
    plain = cv2.imdecode(
        np.frombuffer(small_server.client.get(f"{shown_puzzle(page)}/picture").content, np.uint8), 1
    )
    off = np.abs(image.astype(int) - cv2.resize(plain, (1600, 1200)).astype(int)).max(axis=2)
    drawn = [(r, c) for r in range(3) for c in range(4) if cell_of(off, r, c).mean() > 20]
    assert drawn == sorted(cells)  # numbers stand in those cells alone

    page.evaluate("() => { window.print = () => {}; }")
    page.get_by_role("button", name="Print").click()
    page.locator("#sheet").wait_for(state="attached")
    page.emulate_media(media="print")
    expect(page.locator("#sheet tbody tr")).to_have_count(3)
    expect(page.locator("#sheet img")).to_be_visible()
    for bar in (".bar", "#stage", ".panel", "#answer"):
        expect(page.locator(bar)).to_be_hidden()
    page.screenshot(path=shots / "sheet-1440.png")
    assert page.pdf(format="A4", prefer_css_page_size=True).startswith(b"%PDF")


def cell_of(pixels: np.ndarray, row: int, col: int) -> np.ndarray:
    """The inner part of one of 3 x 4 cells of 400 pixels."""
    return pixels[row * 400 + 100 : row * 400 + 300, col * 400 + 100 : col * 400 + 300]
