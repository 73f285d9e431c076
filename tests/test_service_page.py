"""The page in Debian's Chromium, against a real server.

Screenshots go to the folder that HEATMAP_PAGE_SHOTS names, else to pytest's temporary one.
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

import cv2
import numpy as np
import pytest
from service_support import EXAMPLES, Server, small_picture

import heatmap_locator

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
)
expect = playwright.expect

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

LONG = 120_000
"""Milliseconds that a search may take where other work shares the cores."""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium here (Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("page") / "data", WEIGHTS) as server:
        yield server


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("HEATMAP_PAGE_SHOTS") or tmp_path_factory.mktemp("shots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


Open = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens an address; at the end nothing may have left this machine or broken a script."""
    contexts, requests, faults = [], [], []

    def open_(address: str, size: tuple[int, int] = LAPTOP, scheme: str = "light") -> Any:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            has_touch=size == PHONE,
            reduced_motion="reduce",
        )
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


def wait_ready(page: Any) -> None:
    page.locator("#board[data-state=ready]").wait_for(timeout=LONG)


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


def shown_box(page: Any) -> list[float]:
    """The marked box as it stands on the screen, in pixels of the picture."""
    # It is drawn a frame after the click, later on a busy machine.
    page.wait_for_function("+document.querySelector('rect.box.main')?.getAttribute('width') > 0")
    return page.evaluate(
        """() => {
            const image = document.querySelector(".picture");
            const frame = image.getBoundingClientRect();
            const box = document.querySelector("rect.box.main");
            const k = image.naturalWidth / frame.width;
            const stage = document.getElementById("marks").getBoundingClientRect();
            const [x, y, w, h] = ["x", "y", "width", "height"].map((key) => +box.getAttribute(key));
            const [left, top] = [x + stage.left - frame.left, y + stage.top - frame.top];
            return [left, top, left + w, top + h].map((value) => value * k);
        }"""
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
        frame, angle = page.evaluate(
            """() => {
                const piece = document.querySelector(".cutout.main");
                const image = document.querySelector(".picture").getBoundingClientRect();
                const r = piece.getBoundingClientRect();
                const k = document.querySelector(".picture").naturalWidth / image.width;
                const [a, b] = piece.style.transform.match(/-?[\\d.e-]+/g).map(Number);
                return [[r.left - image.left, r.top - image.top, r.right - image.left,
                    r.bottom - image.top].map((v) => v * k), Math.atan2(b, a) * 180 / Math.PI];
            }"""
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
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture(scope="module")
def puzzle(server: Server, browser: Any) -> str:
    """Address of the example puzzle with its three pieces, all given through the page."""
    page = browser.new_context(viewport={"width": LAPTOP[0], "height": LAPTOP[1]}).new_page()
    page.goto(home(server))
    expect(page.get_by_role("heading", level=1)).to_have_text("Where does this piece go?")
    give_puzzle(page, EXAMPLES / "puzzle.jpg", 192, "Village under the hills")
    page.wait_for_url(re.compile("#/puzzle/"))
    # Dropped while the picture is still being encoded: they wait for it.
    drop(page, *(EXAMPLES / name for name in TRUTH))
    expect(page.locator("#pieces .piece")).to_have_count(3)
    expect(page.locator("#pieces .piece .piece-score")).to_have_count(3, timeout=LONG)
    expect(page.locator("#pieces-count")).to_have_text("3 of 192 found")
    check_places(page)
    address = str(page.url)
    page.context.close()
    return address


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_three_pieces_are_still_in_their_places_when_one_comes_back(
    puzzle: str, open_page: Open, shots: Path, size: tuple[int, int], scheme: str
) -> None:
    page = open_page(puzzle, size, scheme)
    expect(page.locator("#pieces .piece")).to_have_count(3)
    page.locator(".tile").first.wait_for()
    assert page.evaluate("scrollY") == 0
    check_places(page)
    page.locator(".heat canvas").wait_for()
    page.screenshot(path=shots / f"result-{size[0]}-{scheme}.png", full_page=size == PHONE)
    check_access(page)
    page.get_by_role("link", name="All puzzles").click()
    expect(page.locator(".card-name")).to_contain_text(["Village under the hills"])
    page.screenshot(path=shots / f"puzzles-{size[0]}-{scheme}.png", full_page=True)
    check_access(page)
    page.get_by_role("link", name="Village under the hills").click()
    expect(page.locator("#pieces .piece")).to_have_count(3)


def test_runners_up_layers_and_zoom(puzzle: str, open_page: Open) -> None:
    page = open_page(puzzle)
    row(page, "piece1.jpg").click()
    first = shown_box(page)
    page.locator(".rank").nth(1).click()
    expect(page.locator(".rank").nth(1)).to_have_attribute("aria-pressed", "true")
    assert shown_box(page) != pytest.approx(first, abs=1)
    page.locator(".rank").nth(0).click()

    for button, layer in (("Heatmap", ".heat canvas"), ("Piece", ".cutout.main")):
        page.locator(layer).wait_for()
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.locator(layer)).to_have_count(0)
    expect(page.locator(".cutout")).to_have_count(2)
    page.get_by_role("button", name="All pieces", exact=True).click()
    expect(page.locator(".cutout")).to_have_count(0)

    width = "document.querySelector('.picture').getBoundingClientRect().width"
    fitted = page.evaluate(width)
    page.locator("#stage").focus()
    page.keyboard.press("z")
    expect(page.locator("#stage")).to_have_attribute("data-zoomed", "true")
    assert page.evaluate(width) > 2 * fitted
    # The box stays on its place whatever the zoom.
    assert shown_box(page) == pytest.approx(first, abs=1)
    page.keyboard.press("0")
    expect(page.locator("#stage")).to_have_attribute("data-zoomed", "false")
    page.mouse.move(600, 300)
    page.mouse.wheel(0, -400)
    expect(page.locator("#stage")).to_have_attribute("data-zoomed", "true")


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


def test_all_pieces_are_fitted_together(puzzle: str, open_page: Open) -> None:
    page = open_page(puzzle)
    page.get_by_role("button", name="Fit all pieces together").click()
    expect(page.locator("#solve-hint")).to_contain_text("of 3 fitted for sure")
    cells = page.locator(".piece-state").all_inner_texts()
    assert len({re.search(r"Row \d+, column \d+", text).group() for text in cells}) == 3  # type: ignore[union-attr]
    page.reload()
    expect(page.locator("#solve-hint")).to_contain_text("of 3 fitted for sure")


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_a_lid_at_an_angle_is_squared_up_by_hand(
    server: Server, open_page: Open, shots: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    corners = np.float32([[90, 60], [560, 100], [590, 420], [60, 380]])
    plan = np.float32([[0, 0], [160, 0], [160, 120], [0, 120]])
    matrix = cv2.getPerspectiveTransform(plan, corners)
    photo = cv2.warpPerspective(small_picture(), matrix, (640, 480), borderValue=(60, 62, 58))
    cv2.imwrite(str(tmp_path / "lid.png"), photo)

    page = open_page(home(server), size, "dark")
    page.locator("#view-home").wait_for()
    check_access(page)
    give_puzzle(page, tmp_path / "lid.png", 12)
    page.wait_for_url(re.compile("#/puzzle/"))
    if "corners" not in page.url:
        page.get_by_role("button", name="Adjust corners").click()
    handles = page.locator(".handle")
    expect(page.locator("#view-corners")).to_have_attribute("data-loading", "false")
    scale = page.evaluate("document.getElementById('corners-image').clientWidth") / 640
    frame = page.locator("#corners-image").bounding_box()
    for index, (x, y) in enumerate(corners.tolist()):
        at = handles.nth(index).bounding_box()
        page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
        page.mouse.down()
        page.mouse.move(frame["x"] + x * scale, frame["y"] + y * scale, steps=4)
        page.mouse.up()
    page.evaluate(DRAWN)
    before = handles.nth(0).bounding_box()
    handles.nth(0).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    page.evaluate(DRAWN)
    assert handles.nth(0).bounding_box() == pytest.approx(before, abs=1)
    page.screenshot(path=shots / f"corners-{size[0]}.png", full_page=True)
    check_access(page)
    with page.expect_request(lambda request: request.method == "PUT") as asked:
        page.get_by_role("button", name="Use these corners").click()
    assert np.abs(np.array(asked.value.post_data_json["corners"]) - corners).max() < 3
    wait_ready(page)
    expect(page.locator(".picture")).to_have_attribute("src", re.compile(r"\?of="))
    ratio = page.evaluate(
        """async () => {
            const image = document.querySelector(".picture");
            await image.decode();
            return image.naturalWidth / image.naturalHeight;
        }"""
    )
    assert ratio == pytest.approx(160 / 120, rel=0.2)

    page.get_by_role("button", name="Delete puzzle").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.locator("#view-home")).to_be_visible()
    expect(page.locator(".card-name", has_text="lid")).to_have_count(0)


def test_names_are_text_and_faults_are_plain_words(
    server: Server, open_page: Open, shots: Path, tmp_path: Path
) -> None:
    hostile = '<img src=x onerror="document.title=1">'
    # Browsers send quotation marks in a file's name as %22.
    table, broken = tmp_path / "<img src=x onerror=alert(1)>.png", tmp_path / "cut short.jpg"
    cv2.imwrite(str(table), np.full((300, 300, 3), 140, np.uint8))
    cv2.imwrite(str(tmp_path / "small.png"), small_picture())
    broken.write_bytes((EXAMPLES / "piece1.jpg").read_bytes()[:900])

    page = open_page(home(server))
    give_puzzle(page, tmp_path / "small.png", 12, hostile)
    page.wait_for_url(re.compile("#/puzzle/"))
    expect(page.locator("#bar-name")).to_have_text(hostile)
    wait_ready(page)
    page.locator("#pieces-file").set_input_files([table, broken])
    expect(page.locator("#pieces .piece[data-level=none]")).to_have_count(1, timeout=LONG)
    expect(page.locator("#pieces .piece[data-level=failed]")).to_have_count(1, timeout=LONG)
    row(page, table.name).click()
    expect(page.locator("#answer-title")).to_have_text("No piece found in this photo")
    page.screenshot(path=shots / "faults-1440-light.png")
    check_access(page)
    row(page, broken.name).click()
    expect(page.locator("#answer-title")).to_have_text("This photo could not be used")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("#pieces .piece")).to_have_count(1)
    expect(page.locator(".bar img, #pieces .piece-name img")).to_have_count(0)
    assert page.title() == hostile
    page.reload()
    expect(page.locator("#pieces .piece")).to_have_count(1)

    page.route("**/v1/**", lambda route: route.abort())
    page.get_by_role("link", name="All puzzles").click()
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    check_access(page)


def test_a_token_is_asked_for_once(
    tmp_path: Path, plain_weights: Path, open_page: Open, shots: Path
) -> None:
    with Server(tmp_path / "data", plain_weights, token="open sesame") as server:
        page = open_page(home(server), PHONE)
        dialog = page.get_by_role("dialog")
        for word, said in (("wrong", "The person who runs it"), ("open sesame", "not accepted")):
            expect(dialog).to_contain_text(said)
            check_access(page)
            dialog.get_by_label("Token").fill(word)
            dialog.get_by_role("button", name="Continue").click()
        expect(dialog).to_be_hidden()
        cv2.imwrite(str(tmp_path / "small.png"), small_picture())
        give_puzzle(page, tmp_path / "small.png", 12, "Guarded")
        wait_ready(page)
        # An <img> cannot send a token, so the picture has come another way.
        expect(page.locator(".picture")).to_have_attribute("src", re.compile("^blob:"))
        page.screenshot(path=shots / "guarded-390-light.png")
        page.reload()
        expect(page.locator("#bar-name")).to_have_text("Guarded")
        expect(dialog).to_be_hidden()
