"""The page for those who use keys, a screen reader or fingers, in light and dark."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_support import (
    DRAWN,
    FIXTURES,
    PHONE,
    Open,
    SmallPage,
    check_access,
    drawn,
    expect,
    give,
    home,
    row,
    shown_box,
    small_photo,
    small_puzzle,
    wait_ready,
)
from service_support import EXAMPLES, Server, encoded, small_picture

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES

FINGER = 44
"""Pixels that a target for a finger has at least, both ways (WCAG 2.5.5)."""


FRAME = "document.querySelector('.picture').getBoundingClientRect()"
"""The picture as it lies on the screen."""


def check_targets(page: Any) -> None:
    """Everything that can be pressed is large enough for a finger."""
    page.evaluate(DRAWN)
    small = page.evaluate(
        """(least) => [...document.querySelectorAll("button, a[href], input, [role=switch]")]
            .filter((element) => element.checkVisibility({visibilityProperty: true}))
            .map((element) => element.closest("label") || element)
            .map((element) => [element.id || element.className, element.getBoundingClientRect()])
            .filter(([, box]) => box.height < least - 0.5 || box.width < least - 0.5)
            .filter(([name]) => name !== "skip")
            .map(([name, box]) => [name, box.width, box.height])""",
        FINGER,
    )
    assert small == []


def test_keys_alone_reach_a_piece_and_its_places(puzzle: str, open_page: Open) -> None:
    page = open_page(puzzle)
    expect(page.locator("#pieces .piece")).to_have_count(3)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.locator("#pieces .piece").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#pieces .piece").nth(1)).to_have_attribute("aria-current", "true")
    expect(page.locator("#pieces .piece").nth(1)).to_be_focused()
    page.locator(".rank").nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".rank").nth(1)).to_be_focused()
    expect(page.locator("#status")).to_contain_text("Shown: Row")


def test_keys_alone_move_and_zoom_the_picture(puzzle: str, open_page: Open) -> None:
    page = open_page(puzzle)
    row(page, "piece1.jpg").click()
    box = shown_box(page)
    stage = page.locator("#stage")
    frame = f"() => {{ const r = {FRAME}; return [r.left, r.top, r.width]; }}"
    stage.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    expect(stage).to_be_focused()
    # Where the focus is can be seen.
    outline = drawn(page, "() => getComputedStyle(document.getElementById('board')).outlineStyle")
    assert outline == "solid"
    fitted = drawn(page, frame)
    page.keyboard.press("+")
    page.keyboard.press("+")
    expect(stage).to_have_attribute("data-zoomed", "true")
    zoomed = drawn(page, frame)
    assert zoomed[2] == pytest.approx(1.4**2 * fitted[2], rel=0.01)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    moved = drawn(page, frame)
    assert moved[:2] == pytest.approx([zoomed[0] - 60, zoomed[1] - 60], abs=1)
    assert shown_box(page) == pytest.approx(box, abs=1)
    page.keyboard.press("-")
    page.keyboard.press("-")
    expect(stage).to_have_attribute("data-zoomed", "false")
    page.locator(".heat canvas").wait_for()
    page.keyboard.press("h")
    expect(page.locator(".heat canvas")).to_have_count(0)


def test_quick_presses_add_up_while_the_picture_glides(puzzle: str, open_page: Open) -> None:
    page = open_page(puzzle, motion="no-preference")
    wait_ready(page)
    page.locator("#stage").focus()
    fitted = drawn(page, f"() => {FRAME}.width")
    # In one go, so that no glide ends before the next press.
    page.evaluate(
        """() => {
            for (const key of "+++")
                document.getElementById("stage").dispatchEvent(new KeyboardEvent("keydown", {key}));
        }"""
    )
    page.wait_for_function(
        f"(width) => Math.abs({FRAME}.width - width) < 0.01 * width", arg=1.4**3 * fitted
    )


def test_results_are_read_out(small_page: SmallPage, tmp_path: Path) -> None:
    page = small_page(41)
    # All that the live region ever said; it keeps only the last.
    page.evaluate(
        """() => {
            const region = document.getElementById("status");
            window.said = [];
            new MutationObserver(() => window.said.push(region.textContent))
                .observe(region, {childList: true});
        }"""
    )
    assert page.locator("#status").get_attribute("aria-live") == "polite"
    photos = [small_photo(tmp_path, f"{n}.png", n, 3 - n, 41) for n in range(3)]
    empty = tmp_path / "table.png"
    empty.write_bytes(encoded(np.full((200, 200, 3), 140, np.uint8)))
    give(page, *photos, empty)
    expect(page.locator("#pieces .piece")).to_have_count(4)
    expect(page.locator("#pieces .piece[data-level=quiet]")).to_have_count(0)
    for name in ("0", "1", "2", "table"):
        page.wait_for_function(f"() => /{name}.png: /.test(window.said.join())")
    said = " ".join(page.evaluate("() => window.said"))
    assert "4 photos added." in said
    for n in range(3):
        assert f"{n}.png: Row {n + 1}, column {4 - n}" in said
    assert "table.png: No piece found." in said


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_suits_fingers_and_readers(
    small_server: Server, open_page: Open, tmp_path: Path, scheme: str
) -> None:
    (tmp_path / "small.png").write_bytes(encoded(small_picture()))
    page = open_page(home(small_server), PHONE, scheme)
    page.locator("#view-home").wait_for()
    check_access(page)
    check_targets(page)
    page.locator("#picture-file").set_input_files(tmp_path / "small.png")
    page.locator("#view-setup").wait_for()
    for choice in ("Rows and columns", re.compile("know"), "Number"):
        page.get_by_role("radio", name=choice).check()
        check_access(page)
        check_targets(page)
    page.get_by_label("Number of pieces").fill("1.5")
    page.get_by_role("button", name="Use this picture").click()
    expect(page.locator("#setup-count-error")).not_to_be_empty()
    expect(page.get_by_label("Number of pieces")).to_be_focused()
    check_access(page)

    page.goto(small_puzzle(small_server, 42 if scheme == "light" else 43))
    wait_ready(page)
    check_access(page)
    check_targets(page)
    held: list[Any] = []
    page.route("**/locate", lambda route: held.append(route))
    give(page, *[EXAMPLES / "piece1.jpg"] * 4)
    expect(page.locator("#pieces .piece")).to_have_count(4)
    check_access(page)
    check_targets(page)
    for route in held:
        route.abort()
    page.get_by_role("button", name="Adjust corners").click()
    expect(page.locator("#view-corners")).to_have_attribute("data-loading", "false")
    check_access(page)
    check_targets(page)
