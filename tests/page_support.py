"""What tests of the page share: Debian's Chromium, a real server, and what a hand does.

Screenshots go to the folder that PAGE_SHOTS names, else to pytest's temporary one.
"""

import base64
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import HANG
from service_support import EXAMPLES, Server, add_small, encoded, small_piece

import heatmap_locator

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

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WEIGHTS = Path(heatmap_locator.__file__).parent / "weights" / "heatmap_locator.safetensors"
TRUTH = json.loads((EXAMPLES / "truth.json").read_text())
LAPTOP, PHONE = (1440, 900), (390, 844)
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
"""Waits until what was asked of the page is drawn: it draws once a frame."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs chromium: apt-get install chromium on Debian and its like")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("page") / "data", WEIGHTS) as server:
        yield server


@pytest.fixture(scope="module")
def small_server(tmp_path_factory: pytest.TempPathFactory, plain_weights: Path) -> Iterator[Server]:
    """One that is quick to answer, for small pictures and files up to 1 MB."""
    data = tmp_path_factory.mktemp("small") / "data"
    with Server(data, plain_weights, max_upload_mb=1) as server:
        yield server


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("PAGE_SHOTS") or tmp_path_factory.mktemp("shots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


Open = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens an address; at the end nothing may have left this machine or broken a script."""
    contexts, requests, faults = [], [], []

    def open_(
        address: str,
        size: tuple[int, int] = LAPTOP,
        scheme: str = "light",
        motion: str = "reduce",
        locale: str = "en",
        kept: bool = False,
    ) -> Any:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            has_touch=size == PHONE,
            is_mobile=size == PHONE,
            reduced_motion=motion,
            locale=locale,
            # Else requests would go past what a test puts in their way.
            service_workers="allow" if kept else "block",
        )
        context.set_default_timeout(LONG)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
    away = [url for url in requests if not re.match(r"(http://127\.0\.0\.1:|blob:|data:)", url)]
    assert away == []
    assert faults == []


def home(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}/"


def give_puzzle(page: Any, picture: Path, pieces: int, name: str | None = None) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a picture").click()
    chooser.value.set_files(picture)
    if name is not None:
        page.get_by_label("Name").fill(name)
    page.get_by_label("Number of pieces").fill(str(pieces))
    page.get_by_role("button", name="Use this picture").click()


def small_puzzle(server: Server, seed: int) -> str:
    """Address of a new puzzle of ``small_picture``."""
    return f"{home(server)}#/puzzle/{add_small(server.client, seed)['id']}"


def small_photo(folder: Path, name: str, row: int, col: int, seed: int) -> Path:
    """A cut-out cell of ``small_picture`` as a file."""
    path = folder / name
    path.write_bytes(encoded(small_piece(row, col, 40, seed)))
    return path


def wait_ready(page: Any) -> None:
    page.locator("#board[data-state=ready]").wait_for()


def drop(page: Any, *files: Path) -> None:
    """Drops files onto the page as a hand does."""
    data = page.evaluate_handle("new DataTransfer()")
    for file in files:
        page.evaluate(
            """([data, name, text]) => {
                const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
                data.items.add(new File([bytes], name, {type: "image/jpeg"}));
            }""",
            [data, file.name, base64.b64encode(file.read_bytes()).decode()],
        )
    page.dispatch_event("#stage", "drop", {"dataTransfer": data})


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


def shown_puzzle(page: Any) -> str:
    """The path, on the server, of the puzzle that the page shows."""
    return "/v1/puzzles/" + re.split("[/?]", page.url.partition("#/puzzle/")[2])[0]


def change_pieces(page: Any, change: Callable[[dict[str, Any]], Any]) -> None:
    """From then on the page is told of the pieces with a change to each."""

    def changed(route: Any) -> None:
        answer = route.fetch()
        body = answer.json()
        for piece in body["pieces"]:
            change(piece)
        route.fulfill(response=answer, json=body)

    page.route("**/pieces", changed)


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


@pytest.fixture(scope="module")
def puzzle(server: Server, browser: Any) -> str:
    """Address of the example puzzle with its three pieces, all given through the page."""
    page = browser.new_context(viewport={"width": LAPTOP[0], "height": LAPTOP[1]}).new_page()
    page.set_default_timeout(LONG)
    page.goto(home(server))
    expect(page.get_by_role("heading", level=1)).to_have_text("Where does this piece go?")
    give_puzzle(page, EXAMPLES / "puzzle.jpg", 192, "Village under the hills")
    page.wait_for_url(re.compile("#/puzzle/"))
    # Dropped while the picture is still being encoded: they wait for it.
    drop(page, *(EXAMPLES / name for name in TRUTH))
    expect(page.locator("#pieces .piece")).to_have_count(3)
    expect(page.locator("#pieces .piece .piece-score")).to_have_count(3)
    expect(page.locator("#pieces-count")).to_have_text("3 of 192 found")
    check_places(page)
    address = str(page.url)
    page.context.close()
    return address


FIXTURES = browser, server, small_server, shots, open_page, puzzle
"""For a test module to take by their names."""
