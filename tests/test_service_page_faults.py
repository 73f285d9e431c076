"""The page when something is wrong: with a file, a name, the token, the line or the server."""

import re
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import HANG
from page_support import (
    FIXTURES,
    PHONE,
    Open,
    SmallPage,
    check_access,
    expect,
    give,
    give_puzzle,
    home,
    row,
    small_photo,
    small_puzzle,
    wait_ready,
)
from service_support import EXAMPLES, Server, encoded, small_picture

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES


class Full:
    """Answers 503 some times before it lets requests through; when each came."""

    def __init__(self, times: int, wait: int) -> None:
        self.times, self.wait = times, wait
        self.asked: list[float] = []

    def __call__(self, route: Any) -> None:
        self.asked.append(time.monotonic())
        if len(self.asked) > self.times:
            route.continue_()
            return
        problem = {"title": "Service Unavailable", "status": 503, "detail": "64 photos are waiting"}
        route.fulfill(status=503, json=problem, headers={"Retry-After": str(self.wait)})


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
    give(page, table, broken)
    expect(page.locator("#pieces .piece[data-level=none]")).to_have_count(1)
    expect(page.locator("#pieces .piece[data-level=failed]")).to_have_count(1)
    row(page, table.name).click()
    expect(page.locator("#answer-title")).to_have_text("No piece found in this photo")
    page.screenshot(path=shots / "faults-1440-light.png")
    check_access(page)
    row(page, broken.name).click()
    expect(page.locator("#answer-title")).to_have_text("This photo could not be used")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator("#pieces .piece")).to_have_count(1)
    expect(page.locator(".bar img, #pieces .piece-text img")).to_have_count(0)
    assert page.title() == hostile
    page.reload()
    expect(page.locator("#pieces .piece")).to_have_count(1)

    page.route("**/v1/**", lambda route: route.abort())
    page.get_by_role("link", name="All puzzles").click()
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    check_access(page)


def test_a_full_server_is_asked_again_when_it_says(
    small_server: Server, open_page: Open, shots: Path, tmp_path: Path
) -> None:
    (tmp_path / "small.png").write_bytes(encoded(small_picture(51)))
    page = open_page(home(small_server), PHONE)
    page.locator("#view-home").wait_for()
    full = Full(1, 10)
    page.route("**/v1/puzzles", full)
    give_puzzle(page, tmp_path / "small.png", 12, "Patience")
    expect(page.get_by_text("The server is full")).to_be_visible()
    expect(page.locator(".countdown")).to_have_text(re.compile(r"Next try in \d+ s\."))
    wait_ready(page)
    expect(page.get_by_text("The server is full")).to_have_count(0)
    assert full.asked[1] - full.asked[0] >= 10

    full = Full(2, 6)
    page.route("**/locate", full)
    give(page, small_photo(tmp_path, "one.png", 2, 0, 51))
    expect(page.locator(".piece-state")).to_have_text(re.compile(r"Server full, again in \d+ s"))
    expect(page.locator("#answer-title")).to_have_text("The server is full")
    page.screenshot(path=shots / "full-390-light.png")
    check_access(page)
    expect(page.locator("#answer-title")).to_have_text("Row 3, column 1")
    assert len(full.asked) == 3
    assert min(np.diff(full.asked)) >= 6
    expect(page.locator("#pieces .piece")).to_have_count(1)

    # One that waits can be taken back, and is not sent when its time comes.
    full = Full(2, 10)
    page.route("**/locate", full)
    give(page, small_photo(tmp_path, "two.png", 0, 0, 51))
    expect(page.locator("#answer-title")).to_have_text("The server is full")
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.locator(".piece-file")).to_have_text(["one.png"])
    full.wait = 12
    give(page, small_photo(tmp_path, "three.png", 1, 3, 51))
    expect(page.locator("#answer-title")).to_have_text("Row 2, column 4")
    expect(page.locator(".piece-file")).to_have_text(["one.png", "three.png"])
    assert len(full.asked) == 3


def test_photos_given_offline_are_sent_once_there_is_a_connection(
    small_page: SmallPage, shots: Path, tmp_path: Path
) -> None:
    page = small_page(52)
    page.context.set_offline(True)
    expect(page.locator("#stage-busy-text")).to_have_text("No connection, trying again…")
    give(page, small_photo(tmp_path, "one.png", 1, 1, 52))
    expect(page.locator("#answer-title")).to_have_text("Not sent yet")
    page.screenshot(path=shots / "offline-1440-light.png")
    check_access(page)
    page.context.set_offline(False)
    expect(page.locator("#answer-title")).to_have_text("Row 2, column 2")
    expect(page.locator("#stage-busy")).to_be_hidden()
    expect(page.locator(".piece-file")).to_have_text(["one.png"])


def test_a_server_that_comes_back_goes_on(
    open_page: Open, tmp_path: Path, plain_weights: Path
) -> None:
    with Server(tmp_path / "data", plain_weights) as server:
        page = open_page(small_puzzle(server, 53))
        wait_ready(page)
        held: list[Any] = []
        page.route("**/locate", lambda route: held.append(route))
        give(page, small_photo(tmp_path, "one.png", 2, 2, 53))
        expect(page.locator(".piece-state")).to_have_text("Sending")
        end = time.monotonic() + HANG
        while not held and time.monotonic() < end:  # it says so a moment before it asks
            page.wait_for_timeout(20)
        server.kill()
        # It breaks off in the middle of the photo.
        held[0].abort()
        page.unroute("**/locate")
        expect(page.locator("#stage-busy-text")).to_have_text("No connection, trying again…")
        page.get_by_role("link", name="All puzzles").click()
        expect(page.get_by_text("The server does not answer")).to_be_visible()
        server.start()
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(".card")).to_have_count(1)
        page.locator(".card").click()
        expect(page.locator("#answer-title")).to_have_text("Row 3, column 3")
        expect(page.locator(".piece-file")).to_have_text(["one.png"])

        # One who stays has nothing to press.
        server.kill()
        expect(page.locator("#stage-busy-text")).to_have_text("No connection, trying again…")
        give(page, small_photo(tmp_path, "two.png", 0, 3, 53))
        expect(page.locator("#answer-title")).to_have_text("Not sent yet")
        server.start()
        expect(page.locator("#answer-title")).to_have_text("Row 1, column 4")
        expect(page.locator(".piece-file")).to_have_text(["one.png", "two.png"])


def test_too_large_a_file_is_told_with_the_limit(
    small_server: Server, open_page: Open, tmp_path: Path
) -> None:
    large = tmp_path / "large.jpg"
    large.write_bytes((EXAMPLES / "piece1.jpg").read_bytes() + bytes(3_000_000))
    page = open_page(home(small_server), PHONE)
    page.locator("#view-home").wait_for()
    give_puzzle(page, large, 12)
    expect(page.locator(".notice")).to_contain_text("That file is too large")
    expect(page.locator(".notice")).to_contain_text("the limit of 1 MB. Make it smaller.")
    page.goto(small_puzzle(small_server, 54))
    wait_ready(page)
    give(page, large)
    expect(page.locator(".piece-state")).to_have_text("Too large")
    expect(page.locator("#answer")).to_contain_text("1 MB")
    # Sending it once more would not help.
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
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
