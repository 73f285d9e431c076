"""Photos that are kept as soon as they have come: nothing that ends a search loses one."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HANG
from fastapi.testclient import TestClient
from service_support import (
    Server,
    add_small,
    assert_problem,
    encoded,
    keep_photos,
    pieces_of,
    send_photos,
    settled_pieces,
    small_piece,
    small_table,
    wait_until,
)

from heatmap_locator.locator import Puzzle
from heatmap_locator.service import photos

MakeClient = Callable[..., TestClient]


class Gate:
    """Stands for ``Puzzle.search_many``: searches wait until it is opened."""

    def __init__(self) -> None:
        self.open, self.begun, self._search = threading.Event(), 0, Puzzle.search_many

    def __call__(self, puzzle: Puzzle, *asked: Any) -> Any:
        self.begun += 1
        assert self.open.wait(HANG)
        return self._search(puzzle, *asked)

    def has_begun(self, times: int) -> bool:
        return self.begun == times


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate()
    monkeypatch.setattr(Puzzle, "search_many", lambda self, *asked: made(self, *asked))
    yield made
    made.open.set()


def test_the_answer_comes_before_the_search(client: TestClient, gate: Gate) -> None:
    puzzle = add_small(client)["id"]
    answer = keep_photos(client, puzzle, encoded(small_piece(0, 1)), encoded(small_piece(2, 3)))
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == "respond-async"
    sent = answer.json()["pieces"]
    assert [piece["state"] for piece in sent] == ["waiting", "waiting"]
    assert [piece["number"] for piece in sent] == [1, 2]
    assert client.get(answer.headers["Location"]).json() == sent[0]
    assert client.get(sent[1]["links"]["photo"]).content == encoded(small_piece(2, 3))
    gate.open.set()
    found = settled_pieces(client, puzzle)
    assert [piece["id"] for piece in found] == [piece["id"] for piece in sent]
    assert [piece["placements"][0]["cell"] for piece in found] == [[0, 1], [2, 3]]
    # What was sent in the other way goes on counting.
    (third,) = send_photos(client, puzzle, encoded(small_piece(1, 1))).json()["pieces"]
    assert third["number"] == 3
    assert client.delete(third["links"]["self"]).status_code == 204
    assert (
        keep_photos(client, puzzle, encoded(small_piece(1, 1))).json()["pieces"][0]["number"] == 4
    )


@pytest.mark.slow
def test_a_killed_server_takes_up_what_it_had_kept(tmp_path: Path, plain_weights: Path) -> None:
    with Server(tmp_path / "data", plain_weights) as server:
        puzzle = add_small(server.client)["id"]
        cells = [(row, col) for row in range(3) for col in range(4)]
        sent = [encoded(small_piece(*cell)) for cell in cells]
        answers = [
            keep_photos(server.client, puzzle, photo).json()["pieces"][0] for photo in sent[:8]
        ]
        many = keep_photos(server.client, puzzle, small_table(*cells[8:]), many="true").json()[
            "pieces"
        ][0]
        server.kill()
        server.start()
        known = {piece["id"] for piece in pieces_of(server.client, puzzle)}
        assert known >= {piece["id"] for piece in [*answers, many]}
        found = settled_pieces(server.client, puzzle)
        assert len(found) == 12
        assert sorted(p["placements"][0]["cell"] for p in found) == [list(c) for c in cells]
        assert sorted(piece["number"] for piece in found) == list(range(1, 13))


def test_a_server_stopped_in_the_middle_of_a_table_doubles_nothing(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_client(batch=1)
    puzzle = add_small(first)["id"]
    search, stop = Puzzle.search_many, threading.Event()

    def some(self: Puzzle, *asked: Any) -> Any:
        if some.left == 0:  # type: ignore[attr-defined]
            assert stop.wait(HANG)
        some.left -= 1  # type: ignore[attr-defined]
        return search(self, *asked)

    some.left = 2  # type: ignore[attr-defined]
    monkeypatch.setattr(Puzzle, "search_many", some)
    cells = [(0, 0), (1, 1), (2, 2), (0, 3)]
    (whole,) = keep_photos(first, puzzle, small_table(*cells), many="true").json()["pieces"]
    assert wait_until(lambda: len(pieces_of(first, puzzle)) == 3)
    at = first.get(whole["links"]["self"]).json()
    assert (at["state"], at["progress"]) == ("waiting", {"done": 2, "of": 4})
    # One that was removed stays removed.
    gone = next(p for p in pieces_of(first, puzzle) if p["id"] != whole["id"])
    assert first.delete(gone["links"]["self"]).status_code == 204
    threading.Timer(0.3, stop.set).start()
    first.__exit__(None, None, None)
    monkeypatch.setattr(Puzzle, "search_many", search)
    second = make_client(batch=1)
    found = settled_pieces(second, puzzle)
    assert sorted(p["placements"][0]["cell"] for p in found) == sorted(
        [list(cell) for cell in cells if list(cell) != gone["placements"][0]["cell"]]
    )
    assert whole["id"] in {piece["id"] for piece in found}
    assert len({piece["photo_id"] for piece in found}) == 1


def test_what_is_no_image_is_told_at_once(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    assert_problem(keep_photos(client, puzzle, b"a letter"), 415, "0.png")
    assert pieces_of(client, puzzle) == []
    answer = keep_photos(client, puzzle, b"a letter", encoded(small_piece(1, 2)))
    assert [piece["state"] for piece in answer.json()["pieces"]] == ["failed", "waiting"]
    # One that only looks like an image comes to its end as a piece that failed.
    cut_short = keep_photos(client, puzzle, encoded(small_piece(0, 0))[:60])
    assert cut_short.status_code == 202
    found = settled_pieces(client, puzzle)
    assert [piece["state"] for piece in found] == ["failed", "located", "failed"]
    assert found[2]["error"].startswith("0.png: ")
    table_top = keep_photos(
        client, puzzle, encoded(np.full((200, 200, 3), 140, np.uint8)), many="true"
    )
    assert table_top.status_code == 202
    assert "no piece found" in settled_pieces(client, puzzle)[3]["error"]


def test_what_is_deleted_while_it_waits_does_not_come_back(client: TestClient, gate: Gate) -> None:
    puzzle, other = add_small(client)["id"], add_small(client, 6)["id"]
    (piece,) = keep_photos(client, puzzle, encoded(small_piece(0, 1))).json()["pieces"]
    keep_photos(client, other, encoded(small_piece(0, 1, seed=6)))
    assert wait_until(lambda: gate.begun > 0)
    assert client.delete(piece["links"]["self"]).status_code == 204
    assert client.delete(f"/v1/puzzles/{other}").status_code == 204
    gate.open.set()
    keep_photos(client, puzzle, encoded(small_piece(1, 1)))
    assert [p["placements"][0]["cell"] for p in settled_pieces(client, puzzle)] == [[1, 1]]


def test_a_photo_is_searched_in_the_picture_of_its_time(client: TestClient, gate: Gate) -> None:
    puzzle = add_small(client)["id"]
    (piece,) = keep_photos(client, puzzle, encoded(small_piece(1, 2))).json()["pieces"]
    assert wait_until(lambda: gate.begun > 0)
    corners = [[0, 0], [160, 0], [160, 120], [0, 120]]
    changed = client.put(f"/v1/puzzles/{puzzle}/corners", json={"corners": corners})
    assert changed.status_code == 200
    gate.open.set()
    (found,) = settled_pieces(client, puzzle)
    assert found["id"] == piece["id"]
    assert found["placements"][0]["cell"] == [1, 2]


def test_a_photo_that_ends_every_server_is_given_up(
    make_client: MakeClient, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "TRIES", 2)
    client = make_client()
    puzzle = add_small(client)["id"]
    keep_photos(client, puzzle, encoded(small_piece(1, 2)))
    for begun in (1, 2):
        assert wait_until(partial(gate.has_begun, begun))
        client.__exit__(None, None, None)
        client = make_client()
    (found,) = settled_pieces(client, puzzle)
    assert found["state"] == "failed"
    assert "ended 2 times" in found["error"]


def test_too_many_that_wait_are_refused(
    client: TestClient, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "MAX_WAITING", 2)
    puzzle, photo = add_small(client)["id"], encoded(small_piece(0, 0))
    assert keep_photos(client, puzzle, photo, photo).status_code == 202
    refused = keep_photos(client, puzzle, photo)
    assert_problem(refused, 503, "2 photos are waiting")
    assert int(refused.headers["Retry-After"]) > 0
    assert len(pieces_of(client, puzzle)) == 2
