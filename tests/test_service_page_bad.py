"""Files that are no pictures, on the page: told at once, and never in an answer's place."""

from pathlib import Path

import pytest
from page_support import (
    FIXTURES,
    LAPTOP,
    Open,
    SmallPage,
    check_access,
    expect,
    give,
    home,
    row,
    small_photo,
)
from service_support import EXAMPLES, Server, encoded, small_picture

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES


def test_a_picture_that_cannot_be_read_is_told_in_the_form(
    small_server: Server, open_page: Open, tmp_path: Path
) -> None:
    page = open_page(home(small_server), LAPTOP)
    page.locator("#view-home").wait_for()
    files = {
        "letter.jpg": (b"Dear all, " * 20, "is not a picture"),
        "short.jpg": ((EXAMPLES / "puzzle.jpg").read_bytes()[:400], "damaged or not complete"),
        "empty.png": (b"", "is empty"),
    }
    for name, (data, said) in files.items():
        (tmp_path / name).write_bytes(data)
        page.locator("#picture-file").set_input_files(tmp_path / name)
        expect(page.locator("#setup-error")).to_contain_text(f"{name} ")
        expect(page.locator("#setup-error")).to_contain_text(said)
        expect(page.get_by_role("button", name="Use this picture")).to_be_disabled()
        check_access(page)
    (tmp_path / "good.png").write_bytes(encoded(small_picture(95)))
    page.locator("#picture-file").set_input_files(tmp_path / "good.png")
    expect(page.locator("#setup-error")).to_be_empty()
    expect(page.get_by_role("button", name="Use this picture")).to_be_enabled()


def test_a_bad_file_in_a_batch_takes_no_answers_place(
    small_page: SmallPage, tmp_path: Path
) -> None:
    page = small_page(96)
    letter, whole = tmp_path / "letter.jpg", tmp_path / "whole.png"
    letter.write_bytes(b"Dear all, " * 20)
    whole.write_bytes(encoded(small_picture(96)))
    good = small_photo(tmp_path, "good.png", 1, 2, 96)
    give(page, letter, whole, good)
    expect(page.locator("#answer-title")).to_have_text("Row 2, column 3")
    expect(page.locator("#pieces .piece")).to_have_count(3)
    expect(page.locator("#pieces .piece[data-level=failed]")).to_have_count(1)
    expect(page.locator("#answer-title")).to_have_text("Row 2, column 3")
    row(page, "whole.png").click()
    expect(page.locator("#answer")).to_contain_text("This is the whole picture.")
    row(page, "letter.jpg").click()
    expect(page.locator("#answer-title")).to_have_text("This photo could not be used")
