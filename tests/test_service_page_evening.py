"""A whole evening with a puzzle, on a phone and on a laptop, as one test.

With ``PAGE_SHOTS=docs/page`` its pictures are those of the documents.
"""

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from evening import COLS, ROWS, Evening
from page_support import (
    FIXTURES,
    LAPTOP,
    PHONE,
    WEIGHTS,
    Open,
    check_access,
    drawn,
    expect,
    row,
    wait_ready,
)
from service_support import Server

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES

ONE_BY_ONE = [(r, c) for r in (1, 3, 5) for c in (2, 4, 7, 9)]
TABLE = [(2, 1), (2, 4), (2, 7), (2, 10), (4, 8), (6, 4), (6, 7), (6, 10)]
SETTLED = "#pieces .piece[data-level=quiet]"
ON_BOTH = {"lid", "table", "placed"}
ON_LAPTOP = {"sheet"}
"""Steps that the documents show on both, and on the laptop alone; others on the phone."""


class Hand:
    """What a hand does on the page, each tap counted until the first answer."""

    def __init__(self, page: Any, shots: Path, size: tuple[int, int]) -> None:
        self.page, self._shots, self._width = page, shots, size[0]
        self.taps = 0

    def tap(self, name: str | re.Pattern[str]) -> None:
        self.taps += 1
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def choose(self, button: str, *files: Path) -> None:
        """A button, and the files in the window that it opens: two taps."""
        with self.page.expect_file_chooser() as chooser:
            self.tap(button)
        self.taps += 1
        chooser.value.set_files(files if len(files) > 1 else files[0])

    def type(self, label: str, text: str) -> None:
        """A tap on a field, and keys, of which the last ends it."""
        self.taps += 1
        field = self.page.get_by_label(label)
        field.click()
        field.press_sequentially(text)
        field.press("Enter")

    def shot(self, name: str) -> None:
        """A picture of the page as it is, small."""
        on_laptop = self._width != PHONE[0]
        if name not in ON_BOTH and on_laptop != (name in ON_LAPTOP):
            return
        drawn(self.page, "0")
        image = cv2.imdecode(np.frombuffer(self.page.screenshot(), np.uint8), 1)
        scale = min(1.0, 900 / image.shape[1])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        path = self._shots / f"{name}-{self._width}.jpg"
        cv2.imwrite(str(path), small, [cv2.IMWRITE_JPEG_QUALITY, 78])


def place(cell: tuple[int, int]) -> str:
    return f"Row {cell[0] + 1}, column {cell[1] + 1}"


def right(page: Any, cells: list[tuple[int, int]]) -> int:
    """How many of these places stand in the list."""
    text = " ".join(page.locator(".piece-state").all_inner_texts())
    return sum(bool(re.search(rf"\b{place(cell)}\b", text)) for cell in cells)


def give_the_lid(hand: Hand, evening: Evening) -> None:
    """The lid at an angle, with a wrong number of pieces; squared up by the corners found."""
    page = hand.page
    page.locator("#view-home").wait_for()
    hand.shot("start")
    hand.choose("Choose a picture", evening.lid())
    hand.type("Number of pieces", "500")
    page.wait_for_url(re.compile("corners"))
    expect(page.locator("#view-corners")).to_have_attribute("data-loading", "false")
    hand.shot("lid")
    hand.tap("Use these corners")
    wait_ready(page)


def correct_the_count(hand: Hand) -> None:
    page = hand.page
    page.get_by_role("button", name="Edit puzzle").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Village")
    dialog.get_by_role("radio", name="Rows and columns").check()
    dialog.get_by_label("Rows", exact=True).fill(str(ROWS))
    dialog.get_by_label("Columns", exact=True).fill(str(COLS))
    hand.shot("count")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#bar-size")).to_contain_text(f"{ROWS * COLS} pieces")
    wait_ready(page)


def place_and_take_back(hand: Hand) -> None:
    """Placed; wrong and taken back; removed and taken back."""
    page = hand.page
    for name in ("Piece 1", "Piece 2", "Piece 3"):
        row(page, name).click()
        page.get_by_role("button", name="It lies there").click()
        expect(row(page, name)).to_contain_text("placed")
    row(page, "Piece 4").click()
    title = page.locator("#answer-title").inner_text()
    page.get_by_role("button", name="Wrong place").click()
    expect(page.locator("#answer-title")).not_to_have_text(title)
    hand.shot("wrong")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#answer-title")).to_have_text(title)
    page.get_by_role("button", name="Remove this piece").click()
    expect(page.locator("#pieces .piece")).to_have_count(19)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#pieces .piece")).to_have_count(20)
    page.get_by_role("button", name="Progress", exact=True).click()
    expect(page.locator(".cutout:not(.main)")).to_have_count(3)
    hand.shot("placed")
    page.get_by_role("button", name="Progress", exact=True).click()


def fit_and_print(hand: Hand) -> None:
    page = hand.page
    page.get_by_role("button", name="Fit all pieces together").click()
    expect(page.locator("#solve-hint")).to_contain_text("of 20 fitted for sure")
    hand.shot("fitted")
    page.evaluate("() => { window.print = () => {}; }")
    page.get_by_role("button", name="Print").click()
    page.locator("#sheet").wait_for(state="attached")
    page.emulate_media(media="print")
    expect(page.locator("#sheet tbody tr")).to_have_count(20)
    hand.shot("sheet")


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_an_evening(open_page: Open, tmp_path: Path, shots: Path, size: tuple[int, int]) -> None:
    evening = Evening(tmp_path)
    with Server(tmp_path / "data", WEIGHTS, lan=True) as server:
        printed = next(s for s in server.log.read_text().split() if s.startswith("http://"))
        # The browser of this test is allowed to reach this machine alone.
        page = open_page(re.sub("//[^:]+:", "//127.0.0.1:", printed), size)
        hand = Hand(page, shots, size)
        give_the_lid(hand, evening)
        first = evening.piece("1.jpg", *ONE_BY_ONE[0])
        hand.choose("Choose photos", first)
        expect(page.locator(".piece-score")).to_have_count(1)
        expect(page.locator(".tile.place")).to_have_count(1)
        # Two to choose the lid, one for the field of its number, whose last key sends it, one for
        # its corners, two for the photo.
        assert hand.taps <= 6
        hand.shot("first")
        correct_the_count(hand)

        # Pieces one by one, and a file that is none; a reload and a dead server in between.
        rest = [evening.piece(f"{n}.jpg", *cell) for n, cell in enumerate(ONE_BY_ONE[1:], 2)]
        letter = tmp_path / "letter.jpg"
        letter.write_bytes(b"Dear all, " * 30)
        page.locator("#pieces-file").set_input_files([*rest[:5], letter])
        page.get_by_text("Piece 6", exact=True).wait_for()
        row(page, "letter.jpg").click()
        expect(page.locator("#answer-title")).to_have_text("This photo could not be used")
        hand.shot("wrong-file")
        page.reload()
        expect(page.locator("#pieces .piece")).not_to_have_count(0)
        page.locator("#pieces-file").set_input_files(rest[5:])
        page.get_by_text("Piece 12", exact=True).wait_for()
        server.kill()
        expect(page.locator("#stage-busy-text")).to_have_text("No connection, trying again…")
        hand.shot("away")
        server.start()
        expect(page.locator(SETTLED)).to_have_count(0)
        expect(page.locator(".piece-score")).to_have_count(12)
        assert right(page, ONE_BY_ONE) >= 11
        hand.shot("pieces")

        # A table with eight.
        page.locator("#many").check()
        page.locator("#pieces-file").set_input_files(evening.table("table.jpg", TABLE))
        expect(page.locator(".table-piece")).to_have_count(8)
        expect(page.locator(SETTLED)).to_have_count(0)
        assert right(page, TABLE) >= 7
        page.locator(".table-piece").nth(2).click()
        hand.shot("table")
        check_access(page)

        place_and_take_back(hand)
        fit_and_print(hand)
