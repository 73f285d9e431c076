"""Storage on fsspec: the same promises as the folder's, on a memory and a file system."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fastapi.testclient import TestClient
from service_support import add_small, encoded, send_photos, small_piece

from heatmap_locator import Locator
from heatmap_locator.errors import InputError
from heatmap_locator.service.app import create_app
from heatmap_locator.service.blobs import BlobStorage
from heatmap_locator.service.folder import LocalStorage
from heatmap_locator.service.records import new_id
from heatmap_locator.service.settings import Settings
from heatmap_locator.service.storage import GoneError, Storage


@pytest.fixture(params=["memory", "file", "folder"])
def open_again(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Storage]]:
    """Opens one and the same storage, as each of several servers would."""
    if request.param == "folder":
        yield lambda: LocalStorage(tmp_path, shared=True)
        return
    url = f"memory://{new_id()}" if request.param == "memory" else f"file://{tmp_path}/store"
    yield lambda: BlobStorage(url)
    fsspec.filesystem("memory").store.clear()


def test_two_servers_see_the_same(open_again: Callable[[], Storage]) -> None:
    one, other = open_again(), open_again()
    older = {"id": new_id(), "created": "2026-01-01", "files": {"original": "a"}}
    newer = {"id": new_id(), "created": "2026-01-02", "files": {}}
    one.add_puzzle(older, {"a": b"picture"})
    other.add_puzzle(newer, {})
    assert one.puzzles() == other.puzzles() == [newer, older]
    assert other.file(older["id"], "a") == b"picture"
    pieces = [
        {"id": new_id(), "puzzle": older["id"], "created": f"2026-01-0{n}", "files": files}
        for n, files in ((1, {"photo": "p", "image": "i"}), (2, {"photo": "p"}))
    ]
    one.put_piece(pieces[0], {"p": b"photo", "i": b"image"})
    other.put_piece(pieces[1], {"p": b"photo"})
    assert other.pieces(older["id"]) == pieces
    assert one.count(older["id"]) == 2
    assert one.piece(older["id"], pieces[1]["id"]) == pieces[1]
    assert other.delete_piece(older["id"], pieces[0]["id"])
    assert one.piece(older["id"], pieces[0]["id"]) is None
    assert one.file(older["id"], "i") is None
    assert one.file(older["id"], "p") == b"photo"
    changed = other.update_puzzle(older["id"], {"files": {"original": "b"}}, {"b": b"new"})
    assert one.puzzle(older["id"]) == changed
    assert one.file(older["id"], "a") is None
    assert one.file(older["id"], "b") == b"new"
    assert [entry.id for entry in one.usage()] == [older["id"], newer["id"]]
    assert one.usage()[0].size >= 8
    before = one.usage()[0].used
    other.touch(older["id"])
    assert one.usage()[0].used >= before > 0
    assert one.delete_puzzle(older["id"])
    assert not other.delete_puzzle(older["id"])
    assert other.pieces(older["id"]) == []
    assert other.file(older["id"], "b") is None
    with pytest.raises(GoneError):
        other.update_puzzle(older["id"], {})
    with pytest.raises(GoneError):
        other.put_piece(pieces[0])
    assert one.sweep() == 0
    one.close()
    other.close()


def test_the_application_on_an_object_store(
    open_again: Callable[[], Storage], plain_locator: Locator
) -> None:
    """What one server was given, another serves."""
    first = create_app(Settings(), plain_locator, open_again())
    with TestClient(first) as client:
        puzzle = add_small(client)
        (piece,) = send_photos(client, puzzle["id"], encoded(small_piece(1, 3))).json()["pieces"]
    with TestClient(create_app(Settings(), plain_locator, open_again())) as client:
        assert client.get("/v1/puzzles").json()["puzzles"][0]["id"] == puzzle["id"]
        assert client.get(piece["links"]["self"]).json() == piece
        assert client.get(piece["links"]["overlay"]).status_code == 200
        (again,) = send_photos(client, puzzle["id"], encoded(small_piece(1, 3))).json()["pieces"]
        assert again["placements"] == piece["placements"]


class Counted:
    """A file system whose calls are counted."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.calls = inner, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not callable(found):
            return found

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return found(*args, **kwargs)

        return counted


@pytest.mark.parametrize("open_again", ["memory", "file"], indirect=True)
def test_a_piece_costs_the_same_beside_many_puzzles(
    open_again: Callable[[], Storage], plain_locator: Locator
) -> None:
    storage = open_again()
    assert isinstance(storage, BlobStorage)
    storage._fs = counted = Counted(storage._fs)
    costs = []
    with TestClient(create_app(Settings(), plain_locator, storage)) as client:
        puzzle = add_small(client)["id"]
        photo = encoded(small_piece(1, 3))
        assert send_photos(client, puzzle, photo).status_code == 200
        for _ in range(2):
            before = counted.calls
            assert send_photos(client, puzzle, photo).status_code == 200
            costs.append(counted.calls - before)
            for _ in range(20):
                other = {"id": new_id(), "created": "2026-01-01", "files": {}}
                storage.add_puzzle(other, {})
    assert costs[0] == costs[1]


def test_what_is_kept_is_counted_now_and_then(
    monkeypatch: pytest.MonkeyPatch, open_again: Callable[[], Storage]
) -> None:
    """What this process writes counts at once, what others write from the next count on."""
    one, other = open_again(), open_again()
    assert one.size() == other.size() == 0
    puzzle = {"id": new_id(), "created": "2026-01-01", "files": {"original": "a"}}
    one.add_puzzle(puzzle, {"a": bytes(1000)})
    assert 1000 <= one.size() < 1500
    monkeypatch.setattr("heatmap_locator.service.blobs.COUNT_AGE", 0.0)
    assert 1000 <= other.size() == other.usage()[0].size < 1500
    one.delete_puzzle(puzzle["id"])
    assert one.size() == other.size() == 0


def test_a_store_that_is_none() -> None:
    with pytest.raises(InputError, match="nowhere://x: cannot be used"):
        BlobStorage("nowhere://x")
