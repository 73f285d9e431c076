"""A photo of many pieces on the page: its outlines, and all of them on request."""

from pathlib import Path
from typing import Any

import pytest
from page_support import (
    FIXTURES,
    LAPTOP,
    PHONE,
    SmallPage,
    change_pieces,
    check_access,
    expect,
    give,
    row,
)
from service_support import small_table

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES

CELLS = [(0, 1), (1, 2), (2, 0), (2, 3)]


def table(folder: Path, seed: int) -> Path:
    """A photo of four pieces side by side."""
    path = folder / "table.png"
    path.write_bytes(small_table(*CELLS, seed=seed))
    return path


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_a_tap_on_an_outline_selects_its_piece(
    small_page: SmallPage, tmp_path: Path, size: tuple[int, int], shots: Path
) -> None:
    seed = 81 if size == LAPTOP else 82
    page = small_page(seed, size)
    page.locator("#many").check()
    give(page, table(tmp_path, seed))
    expect(page.locator(".piece-score")).to_have_count(4)
    outlines = page.locator(".table-piece")
    expect(outlines).to_have_count(4)
    expect(page.locator("#table-title")).to_have_text("4 pieces in table.png")
    # The surest first.
    scores = [text.strip("<>%") for text in page.locator(".piece-score").all_inner_texts()]
    assert scores == sorted(scores, key=int, reverse=True)
    for number, (r, c) in zip(outlines.locator("text").all_text_contents(), CELLS, strict=True):
        page.get_by_role("button", name=f"Piece {number}: ").click()
        expect(page.locator("#answer-title")).to_have_text(f"Row {r + 1}, column {c + 1}")
        expect(row(page, f"Piece {number}")).to_have_attribute("aria-current", "true")
    # And the other way round.
    row(page, "Piece 2").click()
    chosen = page.locator('.table-piece[aria-pressed="true"]')
    expect(chosen).to_have_count(1)
    assert chosen.get_attribute("aria-label").startswith("Piece 2: ")
    chosen.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator('.table-piece[aria-pressed="true"]')).to_be_focused()
    page.screenshot(path=shots / f"table-{size[0]}.png", full_page=True)
    check_access(page)


def test_all_pieces_of_a_photo_of_one_are_offered(small_page: SmallPage, tmp_path: Path) -> None:
    """What an answer says of other pieces in its photo; one button finds them all."""
    page = small_page(83)

    def with_others(piece: dict[str, Any]) -> None:
        if not piece["many"] and piece["state"] != "waiting":
            other = {"box": [0, 0, 9, 9], "where": "top left"}
            piece |= {"others": [other, other], "state": "located"}

    give(page, table(tmp_path, 83))
    expect(page.locator("#pieces .piece[data-level=quiet]")).to_have_count(0)
    change_pieces(page, with_others)
    page.reload()
    expect(page.locator("#answer")).to_contain_text("I see 3 pieces in this photo: find all?")
    check_access(page)
    page.get_by_role("button", name="Find all").click()
    expect(page.locator(".table-piece")).to_have_count(4)
    expect(page.locator(".piece-score")).to_have_count(4)
