"""What the page says beside a place: one of a few, why, of another puzzle, what is the matter."""

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
    give_cells,
    row,
)

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_one_of_a_few_places(
    small_page: SmallPage, tmp_path: Path, shots: Path, size: tuple[int, int]
) -> None:
    """A piece of sky: all the places that it may be one of are told, and marked on the picture."""
    seed = 121 if size == LAPTOP else 122
    page = small_page(seed, size)
    give_cells(page, tmp_path, seed, (1, 1), (0, 2))

    def unsure(piece: dict[str, Any]) -> None:
        if piece["number"] == 1:
            piece["one_of"] = 3
            for place, score in zip(piece["placements"], (0.4, 0.3, 0.25, 0.01), strict=False):
                place["score"] = score

    change_pieces(page, unsure)
    page.reload()
    row(page, "Piece 1").click()
    expect(page.locator("#answer")).to_contain_text("One of these 3 places, A, B or C")
    expect(row(page, "Piece 1")).to_contain_text("One of 3 places")
    expect(page.locator("#marks .tag.few")).to_have_text(["B", "C"])
    expect(page.locator("#marks .box.other:not(.few)")).not_to_have_count(0)
    check_access(page)
    page.screenshot(path=shots / f"one-of-{size[0]}.png")
    # Another of them is looked at: the first is marked in its place.
    page.locator(".rank").nth(1).click()
    expect(page.locator("#marks .tag.few")).to_have_text(["A", "C"])
    row(page, "Piece 2").click()
    expect(page.locator("#answer")).not_to_contain_text("One of these")
    expect(page.locator("#marks .few")).to_have_count(0)


def test_why_is_folded_out_and_stays_so(small_page: SmallPage, tmp_path: Path) -> None:
    page = small_page(123)
    give_cells(page, tmp_path, 123, (0, 0), (2, 3))

    def because(piece: dict[str, Any]) -> None:
        piece["placements"][0]["why"] = {"print": 3.178, "sides": -2.3}
        piece["placements"][1]["why"] = {"print": 20.0, "sides": 0.1}

    change_pieces(page, because)
    page.reload()
    row(page, "Piece 1").click()
    why = page.locator(".why")
    expect(why.locator("dl")).to_be_hidden()
    why.locator("summary").click()
    expect(why.locator("dl > div")).to_have_text(
        ["The print24 to 1 for it", "Straight sides10 to 1 against it"]
    )
    check_access(page)
    page.locator(".rank").nth(1).click()
    expect(why.locator("dl > div")).to_have_text(["The print> 1,000,000 to 1 for it"])
    row(page, "Piece 2").click()
    expect(why.locator("dl")).to_be_visible()
    why.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(why.locator("dl")).to_be_hidden()


def test_what_is_probably_of_another_puzzle(small_page: SmallPage, tmp_path: Path) -> None:
    page = small_page(124)
    give_cells(page, tmp_path, 124, (1, 2))
    said = ["probably not of this picture", "12% of it shows no print"]
    change_pieces(page, lambda piece: piece.update(foreign=0.874, doubts=said))
    page.reload()
    expect(page.locator("#answer .remark").first).to_have_text(
        "Probably not of this picture (87%): of another puzzle, or seen from behind."
    )
    expect(page.locator("#answer .remark").nth(1)).to_contain_text("12% of it shows no print")
    expect(row(page, "Piece 1")).to_contain_text("Probably of another puzzle")
    check_access(page)
    plain = "perhaps not of this picture: too plain a print to tell"
    change_pieces(page, lambda piece: piece.update(foreign=0.6, doubts=[plain]))
    page.reload()
    expect(page.locator("#answer .remark").first).to_have_text(
        "Perhaps not of this picture: there is too little on it to tell."
    )
    expect(row(page, "Piece 1")).not_to_contain_text("of another puzzle")


def test_neighbours_and_what_is_the_matter(small_page: SmallPage, tmp_path: Path) -> None:
    """As fitting tells it: what neighbours say for a piece, and that two photos show one."""
    page = small_page(125)
    give_cells(page, tmp_path, 125, (0, 0), (0, 1), (1, 1))

    def solved(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        first, second, third = body["assignments"]
        first |= {"why": {"print": 2.0, "straight": 1.1, "neighbours": 6.9, "met": 2}}
        first["sure"] = True
        second |= {"cell": None, "sure": False, "why": None}
        second["problem"] = {"kind": "twice", "text": "", "other": first["piece"], "cell": None}
        third |= {"cell": None, "sure": False, "why": None}
        third["problem"] = {"kind": "behind", "text": "", "other": None, "cell": [2, 3]}
        route.fulfill(response=answer, json=body)

    page.route("**/solve", solved)
    page.get_by_role("button", name="Fit all pieces together").click()
    row(page, "Piece 1").click()
    page.locator(".why summary").click()
    expect(page.locator(".why dl > div")).to_have_text(
        ["The print7 to 1 for it", "Straight sides3 to 1 for it", "2 neighbours990 to 1 for it"]
    )
    row(page, "Piece 2").click()
    expect(page.locator("#answer")).to_contain_text("The same piece as Piece 1.")
    row(page, "Piece 3").click()
    expect(page.locator("#answer")).to_contain_text(
        "Photographed from behind. Turned over it goes here: Row 3, column 4."
    )
    check_access(page)
