"""The page loses no photo, and no removal is for good at once."""

from pathlib import Path

import pytest
from page_support import (
    FIXTURES,
    LAPTOP,
    PHONE,
    Open,
    SmallPage,
    check_access,
    expect,
    give,
    give_cells,
    row,
    shown_puzzle,
    small_photo,
    small_puzzle,
    wait_ready,
)
from service_support import Server, wait_until

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES


def test_a_reload_a_closed_tab_and_a_killed_server_lose_nothing(
    open_page: Open, tmp_path: Path, plain_weights: Path
) -> None:
    cells = [(row, col) for row in range(3) for col in range(4)]
    photos = [small_photo(tmp_path, f"{n}.png", *cell, seed=61) for n, cell in enumerate(cells, 1)]
    with Server(tmp_path / "data", plain_weights) as server:
        page = open_page(small_puzzle(server, 61), PHONE)
        address = page.url
        wait_ready(page)
        give(page, *photos[:5])
        page.get_by_text("Piece 5", exact=True).wait_for()  # it has come
        page.reload()
        expect(page.locator("#pieces .piece")).to_have_count(5)
        give(page, *photos[5:9])
        page.get_by_text("Piece 9", exact=True).wait_for()
        page.close()
        page = open_page(address, PHONE)
        expect(page.locator("#pieces .piece")).to_have_count(9)
        give(page, *photos[9:])
        page.get_by_text("Piece 12", exact=True).wait_for()
        server.kill()
        expect(page.locator("#stage-busy-text")).to_have_text("No connection, trying again…")
        server.start()
        expect(page.locator(".piece-score")).to_have_count(12)
        for n, (r, c) in enumerate(cells, 1):
            expect(row(page, f"Piece {n}")).to_contain_text(f"Row {r + 1}, column {c + 1}")
            expect(row(page, f"Piece {n}")).to_contain_text(f"{n}.png")
        check_access(page)


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_placed_wrong_removed_and_back(
    small_page: SmallPage, small_server: Server, tmp_path: Path, shots: Path, size: tuple[int, int]
) -> None:
    seed = 62 if size == LAPTOP else 63
    page = small_page(seed, size)
    cells = [(0, 0), (2, 3), (1, 1), (2, 3)]
    give_cells(page, tmp_path, seed, *cells)
    row(page, "Piece 4").click()
    expect(page.locator("#answer")).to_contain_text("The same as Piece 2")

    # Placed: on the list, on the picture, and after a reload.
    row(page, "Piece 1").click()
    expect(page.locator("#answer-title")).to_have_text("Row 1, column 1")
    page.get_by_role("button", name="It lies there").click()
    expect(page.locator("#pieces-count")).to_have_text("4 of 12 found, 1 placed")
    page.reload()
    expect(row(page, "Piece 1")).to_contain_text("Row 1, column 1, placed")
    row(page, "Piece 3").click()
    page.get_by_role("button", name="Progress", exact=True).click()
    expect(page.locator(".cutout:not(.main)")).to_have_count(1)
    page.screenshot(path=shots / f"progress-{size[0]}.png")
    check_access(page)
    page.get_by_role("button", name="Progress", exact=True).click()
    expect(page.locator(".cutout:not(.main)")).to_have_count(3)
    expect(page.locator("#marks .tag.laid")).to_have_text(["1", "2", "4"])

    # Wrong: the next place moves up, for good, unless that is taken back.
    second = page.locator(".rank-place").nth(1).inner_text()
    page.get_by_role("button", name="Wrong place").click()
    expect(page.locator("#answer-title")).to_have_text(second)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#answer-title")).to_have_text("Row 2, column 2")
    page.get_by_role("button", name="Wrong place").click()
    expect(page.locator("#answer-title")).to_have_text(second)
    page.reload()
    expect(page.locator("#answer-title")).to_have_text(second)
    expect(page.locator(".rank-place", has_text="Row 2, column 2")).to_have_count(0)

    # Removed: gone from the list, back by a button, else gone for good.
    row(page, "Piece 4").click()
    page.get_by_role("button", name="Remove this piece").click()
    expect(page.locator("#pieces .piece")).to_have_count(3)
    check_access(page)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#pieces .piece")).to_have_count(4)
    page.get_by_role("button", name="Remove this piece").click()
    expect(page.locator("#pieces .piece")).to_have_count(3)
    page.reload()
    expect(page.locator("#pieces .piece")).to_have_count(3)
    listed = f"{shown_puzzle(page)}/pieces"
    assert wait_until(lambda: len(small_server.client.get(listed).json()["pieces"]) == 3)


def test_the_list_is_sorted_and_filtered(small_page: SmallPage, tmp_path: Path) -> None:
    page = small_page(64)
    cells = [(2, 3), (1, 1), (0, 0)]
    give_cells(page, tmp_path, 64, *cells)
    names = page.locator(".piece-name")
    page.get_by_label("Order").select_option("By place")
    expect(names).to_have_text(["Piece 3", "Piece 2", "Piece 1"])
    page.get_by_label("Where in the picture").select_option("On the border")
    expect(names).to_have_text(["Piece 3", "Piece 1"])
    page.get_by_label("Where in the picture").select_option("Bottom right")
    expect(names).to_have_text(["Piece 1"])
    page.get_by_label("Where in the picture").select_option("Anywhere")
    page.get_by_label("Order").select_option("By number")
    row(page, "Piece 2").click()
    page.get_by_role("button", name="It lies there").click()
    page.get_by_label("Show", exact=True).select_option("Not placed yet")
    expect(names).to_have_text(["Piece 1", "Piece 3"])
    page.get_by_label("Show", exact=True).select_option("Placed")
    expect(names).to_have_text(["Piece 2"])
