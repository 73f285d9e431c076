"""Load in small; ``load_service.py`` has the whole of it."""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import HANG
from fastapi.testclient import TestClient
from service_support import add_small, encoded, send_photos, small_picture, small_piece, wait_until

from heatmap_locator.locator import Puzzle
from heatmap_locator.service.images import Decoders


@pytest.mark.slow
def test_a_whole_batch_is_decoded_while_another_is_searched(
    make_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a CPU they would be searched one by one, as many at a time as torch has threads.
    monkeypatch.setattr("heatmap_locator.service.service.together", lambda _, batch: batch)
    monkeypatch.setattr("heatmap_locator.service.service.abreast", lambda _: 1)
    client, sizes = make_client(batch=12), []
    puzzle = add_small(client)["id"]
    search_many, service = Puzzle.search_many, client.app.state.service  # type: ignore[attr-defined]

    def held(self: Puzzle, pieces: list[np.ndarray], *asked: Any) -> object:
        wait_until(lambda: bool(sizes) or service.metrics.queue._value.get() >= 12)
        sizes.append(len(pieces))
        return search_many(self, pieces, *asked)

    monkeypatch.setattr(Puzzle, "search_many", held)
    photos = [encoded(small_piece(n % 3, n % 4)) for n in range(25)]
    assert send_photos(client, puzzle, *photos).status_code == 200
    assert sizes[1] == 12
    assert sum(sizes) == len(photos)


def test_uploads_that_are_slow_to_decode_keep_only_uploads_waiting(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    puzzle, picture = add_small(client)["id"], encoded(small_picture())
    go, entered, decode = threading.Event(), threading.Semaphore(0), Decoders.decode

    def slow(self: Decoders, data: bytes, kind: str, name: str) -> np.ndarray:
        entered.release()
        go.wait(HANG)
        return decode(self, data, kind, name)

    monkeypatch.setattr(Decoders, "decode", slow)
    statuses: list[int] = []

    def upload() -> None:
        answer = client.post("/v1/puzzles", files={"picture": picture}, data={"grid": "3x4"})
        statuses.append(answer.status_code)

    threads = [threading.Thread(target=upload) for _ in range(40)]
    for thread in threads:
        thread.start()
    try:
        assert all(entered.acquire(timeout=HANG) for _ in range(4))
        time.sleep(0.5)  # the others are on their way, with whatever threads they can get
        start = time.monotonic()
        assert client.get(f"/v1/puzzles/{puzzle}").status_code == 200
        assert time.monotonic() - start < HANG / 2
    finally:
        go.set()
        for thread in threads:
            thread.join(HANG)
    assert statuses == [201] * len(threads)
