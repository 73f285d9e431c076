"""What tests of the page share: Debian's Chromium, a real server, and what a hand does.

Screenshots go to the folder that PAGE_SHOTS names, else to pytest's temporary one.
"""

import base64
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from page_checks import DRAWN as DRAWN
from page_checks import LONG, TRUTH, check_places, expect, playwright
from page_checks import centre as centre
from page_checks import check_access as check_access
from page_checks import drawn as drawn
from page_checks import row as row
from page_checks import shown_box as shown_box
from service_support import EXAMPLES, Server, add_small, encoded, small_piece

import heatmap_locator

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
LAPTOP, PHONE = (1440, 900), (390, 844)


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


SmallPage = Callable[..., Any]


@pytest.fixture
def small_page(small_server: Server, open_page: Open) -> SmallPage:
    """Opens a new puzzle of ``small_picture``, by its seed, once pieces can be looked for."""

    def open_small(seed: int, size: tuple[int, int] = LAPTOP, **options: Any) -> Any:
        page = open_page(small_puzzle(small_server, seed), size, **options)
        wait_ready(page)
        return page

    return open_small


def give(page: Any, *photos: Path) -> None:
    """Photos of pieces, as chosen in the window that a button opens."""
    page.locator("#pieces-file").set_input_files(photos)


def give_cells(page: Any, folder: Path, seed: int, *cells: tuple[int, int]) -> None:
    """Photos ``0.png``, ``1.png`` and so on of cells of ``small_picture``; waits for answers."""
    photos = [small_photo(folder, f"{n}.png", *cell, seed) for n, cell in enumerate(cells)]
    give(page, *photos)
    expect(page.locator(".piece-score")).to_have_count(len(cells))


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


FIXTURES = browser, server, small_server, shots, open_page, small_page, puzzle
"""For a test module to take by their names."""
