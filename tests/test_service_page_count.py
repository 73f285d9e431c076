"""The number of pieces on the page: asked for, found, and changed afterwards."""

import re
from pathlib import Path

import pytest
from page_support import (
    FIXTURES,
    PHONE,
    Open,
    SmallPage,
    change_pieces,
    check_access,
    expect,
    give,
    home,
    row,
    small_photo,
    wait_ready,
)
from service_support import EXAMPLES, Server, encoded, small_picture

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES


def test_the_number_is_asked_for_or_said_not_to_be_known(
    small_server: Server, open_page: Open, tmp_path: Path
) -> None:
    (tmp_path / "small.png").write_bytes(encoded(small_picture(71)))
    page = open_page(home(small_server), PHONE)
    page.locator("#view-home").wait_for()
    page.locator("#picture-file").set_input_files(tmp_path / "small.png")
    page.get_by_role("button", name="Use this picture").click()
    expect(page.locator("#setup-count-error")).to_contain_text(re.compile("choose .I don.t know"))
    page.get_by_role("radio", name=re.compile("I don.t know")).check()
    expect(page.locator("#setup-count")).to_contain_text("several times as long")
    check_access(page)
    page.get_by_role("button", name="Use this picture").click()
    wait_ready(page)
    assert small_server.client.get("/v1/puzzles").json()["puzzles"][0]["pieces"] is None


def test_name_and_number_are_edited_and_pieces_looked_up_again(
    small_page: SmallPage, tmp_path: Path
) -> None:
    page = small_page(72)
    give(page, small_photo(tmp_path, "one.png", 1, 2, 72))
    expect(page.locator("#answer-title")).to_have_text("Row 2, column 3")
    page.get_by_role("button", name="It lies there").click()
    page.get_by_role("button", name="Edit puzzle").click()
    dialog = page.get_by_role("dialog")
    check_access(page)
    dialog.get_by_label("Name").fill("Blobs")
    dialog.get_by_role("radio", name="Rows and columns").check()
    dialog.get_by_label("Rows", exact=True).fill("0")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_have_text("Give the number of rows, a whole number.")
    dialog.get_by_label("Rows", exact=True).fill("6")
    dialog.get_by_label("Columns", exact=True).fill("8")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#bar-name")).to_have_text("Blobs")
    expect(page.locator("#bar-size")).to_have_text(re.compile("^48 pieces, 6 . 8$"))
    wait_ready(page)
    expect(page.locator("#pieces-count")).to_contain_text("of 48 found, 1 placed")


def test_a_size_that_was_found_is_shown_and_taken(server: Server, open_page: Open) -> None:
    made = server.client.post(
        "/v1/puzzles", files={"picture": (EXAMPLES / "puzzle.jpg").read_bytes()}
    ).json()
    page = open_page(f"{home(server)}#/puzzle/{made['id']}")
    wait_ready(page)
    give(page, EXAMPLES / "piece1.jpg")
    expect(page.locator("#size-note")).to_contain_text("It looks like about")
    check_access(page)
    page.locator("#size-note").get_by_role("button", name="Use").click()
    expect(page.locator("#size-note")).to_be_hidden()
    wait_ready(page)
    expect(row(page, "Piece 1")).to_contain_text("Row 4, column 6")
    assert 150 < server.client.get(made["links"]["self"]).json()["pieces"] < 250


def test_rows_and_columns_that_pieces_show_are_taken(
    small_server: Server, open_page: Open, tmp_path: Path
) -> None:
    """The page shows those of the last piece that tells them."""
    picture = encoded(small_picture(74))
    made = small_server.client.post("/v1/puzzles", files={"picture": picture}).json()
    page = open_page(f"{home(small_server)}#/puzzle/{made['id']}")
    wait_ready(page)
    for number, (row_, col) in enumerate([(0, 1), (2, 2)]):
        give(page, small_photo(tmp_path, f"{number}.png", row_, col, 74))
    expect(page.locator(".piece-score")).to_have_count(2)
    shown = {1: [4, 5], 2: [3, 4]}
    change_pieces(page, lambda piece: piece.update(grid_estimate=shown[piece["number"]]))
    page.reload()
    expect(page.locator("#size-note")).to_contain_text("The pieces show 3 rows of 4.")
    check_access(page)
    page.locator("#size-note").get_by_role("button", name=re.compile("^Use 3 . 4$")).click()
    expect(page.locator("#bar-size")).to_have_text(re.compile("^12 pieces, 3 . 4$"))
    assert small_server.client.get(made["links"]["self"]).json()["grid"] == {"rows": 3, "cols": 4}


def test_a_number_that_does_not_fit_is_said(small_page: SmallPage, tmp_path: Path) -> None:
    """The page shows what an answer tells of the size, whatever the number given."""
    page = small_page(73)
    give(page, small_photo(tmp_path, "one.png", 0, 0, 73))
    expect(page.locator(".piece-score")).to_have_count(1)
    change_pieces(page, lambda piece: piece.update(size_estimate=200))
    page.reload()
    expect(page.locator("#size-note")).to_contain_text(
        "You gave 12 pieces, but they look like about 200."
    )
