"""What has the focus can be seen: no bar lies over it, whatever the window."""

from pathlib import Path
from typing import Any

import pytest
from page_support import (
    FIXTURES,
    Open,
    drawn,
    expect,
    give,
    home,
    small_photo,
    small_puzzle,
    wait_ready,
)
from service_support import Server, encoded, small_picture

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES

SIZES = [(390, 844), (820, 1180), (1440, 900)]
COVERED = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const target = element.closest("label") || element;
    const box = target.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    const top = document.elementFromPoint(x, y);
    const seen = top && (target.contains(top) || top.contains(target));
    const name = element.id || element.className.baseVal || element.className || element.tagName;
    return [name, Boolean(seen), Math.round(x), Math.round(y)];
}"""
"""The name of what has the focus, and whether its middle is what one sees there."""


def tab_through(page: Any, key: str = "Tab", start: str = ".skip", most: int = 80) -> list[str]:
    """Presses a key until the focus leaves the page; what was reached, each of it in sight."""
    page.locator(start).focus()
    reached: list[str] = []
    for _ in range(most):
        page.keyboard.press(key)
        found = drawn(page, COVERED)
        if found is None:
            break
        name, seen, x, y = found
        assert seen, f"{name} at {x}, {y} lies under something"
        reached.append(name)
    return reached


@pytest.mark.parametrize("size", SIZES, ids="{0[0]}".format)
def test_nothing_lies_over_what_has_the_focus(
    small_server: Server, open_page: Open, tmp_path: Path, size: tuple[int, int]
) -> None:
    (tmp_path / "small.png").write_bytes(encoded(small_picture(91)))
    page = open_page(home(small_server), size)
    page.locator("#view-home").wait_for()
    tab_through(page)
    page.locator("#picture-file").set_input_files(tmp_path / "small.png")
    page.locator("#view-setup").wait_for()
    assert "setup-go" in " ".join(tab_through(page))

    page.goto(small_puzzle(small_server, 90 + SIZES.index(size)))
    wait_ready(page)
    photos = [
        small_photo(tmp_path, f"{n}.png", n // 4, n % 4, 90 + SIZES.index(size)) for n in range(10)
    ]
    give(page, *photos)
    expect(page.locator(".piece-score")).to_have_count(10)
    for key, start in (("Tab", ".skip"), ("Shift+Tab", "#solve")):
        reached = tab_through(page, key, start)
        assert sum(name == "piece" for name in reached) == 10
        assert {"choose-pieces", "pieces-sort", "layer-placed"} <= set(reached)
