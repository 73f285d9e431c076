"""A slow line: photos are reduced, upright, and a bar shows how far they are."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import draw_texture
from page_support import (
    FIXTURES,
    PHONE,
    Open,
    expect,
    give,
    give_puzzle,
    home,
    small_photo,
    small_puzzle,
    wait_ready,
)
from PIL import Image
from service_support import COLS, ROWS, Server

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES

SLOW = {"offline": False, "latency": 20, "downloadThroughput": 1e7, "uploadThroughput": 60_000}
"""Bytes a second, as of the browser's own tools."""


def test_a_large_photo_is_reduced_and_stays_upright(
    open_page: Open, tmp_path: Path, plain_weights: Path
) -> None:
    """Of a phone that was held sideways: the file lies, its orientation says so."""
    size = 3000, 4000
    picture = cv2.resize(draw_texture(ROWS * 200, COLS * 200, 5), size[::-1])
    rows, cols = slice(1000, 2000), slice(2000, 3000)
    table = np.full((3000, 3000, 3), 128, np.uint8)
    table[1000:2000, 1000:2000] = picture[rows, cols]
    # What a camera adds, and a file's size with it.
    grain = np.random.default_rng(0).integers(-9, 10, table.shape)
    table = (table + grain).clip(0, 255).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    for name, pixels in (("box.jpg", picture), ("piece.jpg", table)):
        lying = Image.fromarray(np.rot90(pixels).copy())
        lying.save(tmp_path / name, quality=95, exif=exif)
    with Server(tmp_path / "data", plain_weights) as server:
        page = open_page(home(server), PHONE)
        page.locator("#view-home").wait_for()
        give_puzzle(page, tmp_path / "box.jpg", ROWS * COLS)
        wait_ready(page)
        give(page, tmp_path / "piece.jpg")
        expect(page.locator("#answer-title")).to_have_text("Row 2, column 3")
        expect(page.locator(".turn")).to_contain_text("already lies the right way up")
        (made,) = server.client.get("/v1/puzzles").json()["puzzles"]
        assert (made["width"], made["height"]) == (4000, 3000)
        (piece,) = server.client.get(f"{made['links']['self']}/pieces").json()["pieces"]
        kept = server.client.get(piece["links"]["photo"]).content
        assert len(kept) < 0.7 * (tmp_path / "piece.jpg").stat().st_size
        assert max(Image.open(io.BytesIO(kept)).size) == 2000


def test_a_bar_moves_and_a_slow_body_is_waited_for(
    open_page: Open, tmp_path: Path, plain_weights: Path
) -> None:
    """As long as something comes: silence is what has a limit."""
    with Server(tmp_path / "data", plain_weights, idle_seconds=2) as server:
        page = open_page(small_puzzle(server, 98), PHONE)
        wait_ready(page)
        noise = np.random.default_rng(0).integers(0, 256, (330, 330, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "noise.png")
        devices = page.context.new_cdp_session(page)
        devices.send("Network.enable")
        devices.send("Network.emulateNetworkConditions", SLOW)
        give(page, tmp_path / "noise.png")
        parts = set()
        while page.locator("#answer-sent").count():
            shown = page.evaluate("() => document.getElementById('answer-sent')?.value ?? 0")
            parts.add(round(shown, 2))
            page.wait_for_timeout(50)
        assert len(parts) > 3, parts
        expect(page.locator("#pieces .piece")).to_have_count(1)
        expect(page.locator(".piece-name")).to_have_text("Piece 1")
        devices.send("Network.emulateNetworkConditions", {**SLOW, "uploadThroughput": -1})
        give(page, small_photo(tmp_path, "one.png", 1, 1, 98))
        expect(page.locator(".piece-name")).to_have_text(["Piece 1", "Piece 2"])
