"""Servers that are stopped or killed in the middle of their work, and start again."""

import contextlib
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import HANG, draw_texture
from service_support import (
    COLS,
    ROWS,
    Server,
    encoded,
    send_photos,
    small_picture,
    small_piece,
    wait_ready,
    wait_until,
)

from heatmap_locator.model.files import shipped_weights


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Servers see Ctrl-C as in a terminal: a shell's background ignores it and hands that down."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
def test_a_server_told_to_stop_does_not_finish_what_takes_long(tmp_path: Path) -> None:
    """A picture of very many pieces encodes for long; it is taken up at the next start."""
    begun = time.monotonic()
    server = Server(tmp_path / "data", shipped_weights(), max_pieces=20_000)
    started = time.monotonic() - begun
    with server:
        large = encoded(draw_texture(2400, 3200, 5), "JPEG")
        made = server.client.post("/v1/puzzles", files={"picture": large}, data={"pieces": 20_000})
        puzzle = made.json()
        time.sleep(0.2)
        assert server.client.get(puzzle["links"]["self"]).json()["state"] == "encoding"
        begun = time.monotonic()
        server.process.send_signal(signal.SIGINT)
        server.process.wait(timeout=HANG)
        # Two seconds, and four to start, on a machine of its own.
        assert time.monotonic() - begun < 3 * started
        assert server.process.returncode == 130
        server.start()
        assert server.client.get(puzzle["links"]["self"]).json()["state"] == "encoding"


@pytest.mark.slow
def test_a_killed_server_comes_back_with_all_it_acknowledged(
    tmp_path: Path, plain_weights: Path
) -> None:
    server = Server(tmp_path / "data", plain_weights)
    acknowledged: dict[str, dict[str, Any]] = {}
    puzzles: dict[str, int] = {}  # by id: which picture
    stop = threading.Event()

    def client(number: int) -> None:
        cells = [(r, c) for r in range(ROWS) for c in range(COLS)]
        with (
            httpx.Client(base_url=server.client.base_url, timeout=HANG) as own,
            contextlib.suppress(httpx.TransportError, json.JSONDecodeError),
        ):
            while not stop.is_set():
                files = {"picture": ("small.png", encoded(small_picture(number)))}
                made = own.post("/v1/puzzles", files=files, data={"grid": "3x4"}).json()
                puzzles[made["id"]] = number
                for row, col in cells[:3]:
                    photo = encoded(small_piece(row, col, seed=number))
                    for piece in send_photos(own, made["id"], photo).json()["pieces"]:
                        acknowledged[piece["id"]] = piece

    threads = [threading.Thread(target=client, args=(n,)) for n in (5, 6, 7)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) >= 5)
    server.kill()
    stop.set()
    for thread in threads:
        thread.join(HANG)
    assert len(acknowledged) >= 5
    # What a kill in the middle of a write leaves.
    some = server.data / "puzzles" / next(iter(puzzles))
    (some / ".photo-x.png.k3j2").write_bytes(b"half")
    (some / "photo-x.png").write_bytes(b"whole, but its record was not written")
    server.start()
    with server:
        listed = {p["id"] for p in server.client.get("/v1/puzzles").json()["puzzles"]}
        assert listed >= puzzles.keys()
        for piece in acknowledged.values():
            assert server.client.get(piece["links"]["self"]).json() == piece
            for role in ("image", "photo", "overlay", "heatmap"):
                assert server.client.get(piece["links"][role]).status_code == 200
        names = {path.name for path in some.iterdir()}
        assert not names & {".photo-x.png.k3j2", "photo-x.png"}
        # Those that were being encoded are taken up, and all go on being served.
        for identifier in listed:
            wait_ready(server.client, identifier)
        puzzle, number = next(iter(puzzles.items()))
        photo = encoded(small_piece(2, 2, seed=number))
        assert send_photos(server.client, puzzle, photo).status_code == 200
