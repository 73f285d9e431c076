"""What tests look at on a page: rows, boxes, places, and faults in access."""

import json
import math
from typing import Any

import pytest
from conftest import HANG
from service_support import EXAMPLES

playwright = pytest.importorskip(
    "playwright.sync_api", reason="needs playwright: pip install --editable '.[dev]'"
)
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright",
    reason="needs axe-playwright-python: pip install --editable '.[dev]'",
)
expect = playwright.expect
LONG = 1000 * HANG
"""Milliseconds that anything may take where other work shares the cores."""
expect.set_options(timeout=LONG)

TRUTH = json.loads((EXAMPLES / "truth.json").read_text())
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Waits until what was asked of the page is drawn: it draws once a frame."""


def row(page: Any, name: str) -> Any:
    return page.locator("#pieces .piece", has=page.get_by_text(name, exact=True))


def drawn(page: Any, script: str) -> Any:
    """What a script returns once all that was asked of the page so far is drawn."""
    page.evaluate(DRAWN)
    return page.evaluate(script)


def shown_box(page: Any) -> list[float]:
    """The marked box as it stands on the screen, in pixels of the picture."""
    # A function, as the page's policy lets no text be evaluated again and again.
    page.wait_for_function(
        "() => +document.querySelector('rect.box.main')?.getAttribute('width') > 0"
        " && document.querySelector('.picture').naturalWidth > 0"
    )
    return drawn(
        page,
        """() => {
            const image = document.querySelector(".picture");
            const frame = image.getBoundingClientRect();
            const box = document.querySelector("rect.box.main");
            const k = image.naturalWidth / frame.width;
            const stage = document.getElementById("marks").getBoundingClientRect();
            const [x, y, w, h] = ["x", "y", "width", "height"].map((key) => +box.getAttribute(key));
            const [left, top] = [x + stage.left - frame.left, y + stage.top - frame.top];
            return [left, top, left + w, top + h].map((value) => value * k);
        }""",
    )


def centre(box: list[float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def check_places(page: Any) -> None:
    """Each example's box, and the piece set upright in it, against the truth."""
    # A piece of the 12 x 16 puzzle, without its knobs.
    half = 0.5 * min(1120 / 16, 840 / 12)
    for name, truth in TRUTH.items():
        row(page, name).click()
        expect(row(page, name)).to_have_attribute("aria-current", "true")
        expect(page.locator(".cutout.main")).to_have_count(1)
        found, true = centre(shown_box(page)), centre(truth["box"])
        assert math.dist(found, true) < half, name
        expect(page.locator("#answer-title")).to_have_text(
            f"Row {truth['cell'][0] + 1}, column {truth['cell'][1] + 1}"
        )
        frame, angle = drawn(
            page,
            """() => {
                const piece = document.querySelector(".cutout.main");
                const image = document.querySelector(".picture").getBoundingClientRect();
                const r = piece.getBoundingClientRect();
                const k = document.querySelector(".picture").naturalWidth / image.width;
                const [a, b] = piece.style.transform.match(/-?[\\d.e-]+/g).map(Number);
                return [[r.left - image.left, r.top - image.top, r.right - image.left,
                    r.bottom - image.top].map((v) => v * k), Math.atan2(b, a) * 180 / Math.PI];
            }""",
        )
        assert math.dist(centre(frame), true) < half, name
        turned = (angle + truth["rotation"] + 180) % 360 - 180
        assert abs(turned) < 15, name


def check_access(page: Any) -> None:
    """No serious fault by axe-core, nothing wider than the window."""
    found = axe.Axe().run(page).response["violations"]
    bad = [
        (v["id"], [n["target"] for n in v["nodes"]][:3])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert bad == []
    assert drawn(page, "document.documentElement.scrollWidth <= innerWidth")
