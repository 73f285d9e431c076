"""What is kept, for how long, and what is searched together."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import HANG
from fastapi.testclient import TestClient
from service_support import (
    add_small,
    assert_problem,
    encoded,
    small_picture,
)

from heatmap_locator.errors import InputError
from heatmap_locator.service.folder import LocalStorage
from heatmap_locator.service.metrics import Metrics
from heatmap_locator.service.problems import Problem
from heatmap_locator.service.records import new_id
from heatmap_locator.service.retention import Retention
from heatmap_locator.service.storage import GoneError, Record


def record(created: str = "2026-01-01", **files: str) -> Record:
    return {"id": new_id(), "created": created, "files": files}


def piece_of(puzzle: Record, **files: str) -> Record:
    return {**record(**files), "puzzle": puzzle["id"]}


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[LocalStorage]:
    made = LocalStorage(tmp_path / "data")
    yield made
    made.close()


def files_in(storage: LocalStorage) -> set[str]:
    return {p.name for p in (storage.folder / "puzzles").rglob("*") if p.is_file()}


def test_what_was_written_is_there_again(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    puzzle = record(original="a.png")
    storage.add_puzzle(puzzle, {"a.png": b"picture"})
    piece = piece_of(puzzle, image="b.png")
    storage.put_piece(piece, {"b.png": b"piece"})
    storage.close()
    again = LocalStorage(tmp_path)
    assert again.puzzles() == [puzzle]
    assert again.pieces(puzzle["id"]) == [piece]
    assert again.file(puzzle["id"], "a.png") == b"picture"
    assert again.file(puzzle["id"], "b.png") == b"piece"
    assert again.usage()[0].size == 12
    assert again.sweep() == 0
    again.close()


def test_only_one_server_uses_a_folder(storage: LocalStorage) -> None:
    with pytest.raises(InputError, match="another server uses it"):
        LocalStorage(storage.folder)


def test_a_damaged_database_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "heatmap.sqlite3").write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match="damaged"):
        LocalStorage(tmp_path)


def test_a_database_of_another_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "heatmap.sqlite3") as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(InputError, match="another version"):
        LocalStorage(tmp_path)


def test_replaced_files_go_and_shared_ones_stay(storage: LocalStorage) -> None:
    puzzle = record(original="a", picture="p0")
    storage.add_puzzle(puzzle, {"a": b"1", "p0": b"22"})
    changed = {"files": {"original": "a", "picture": "p1"}, "state": "ready"}
    after = storage.update_puzzle(puzzle["id"], changed, {"p1": b"333"})
    assert after["state"] == "ready"
    assert files_in(storage) == {"a", "p1"}
    first, second = piece_of(puzzle, photo="both", image="i1"), piece_of(puzzle, photo="both")
    storage.put_piece(first, {"both": b"4444", "i1": b"5"})
    storage.put_piece(second, {"both": b"4444"})
    assert storage.usage()[0].size == 9
    assert storage.delete_piece(puzzle["id"], first["id"])
    assert files_in(storage) == {"a", "p1", "both"}
    assert storage.delete_piece(puzzle["id"], second["id"])
    assert files_in(storage) == {"a", "p1"}
    assert storage.usage()[0].size == 4
    assert not storage.delete_piece(puzzle["id"], second["id"])


def test_nothing_comes_back_from_the_dead(storage: LocalStorage) -> None:
    puzzle = record(original="a")
    storage.add_puzzle(puzzle, {"a": b"1"})
    assert storage.delete_puzzle(puzzle["id"])
    assert not storage.delete_puzzle(puzzle["id"])
    with pytest.raises(GoneError):
        storage.update_puzzle(puzzle["id"], {"state": "ready"})
    with pytest.raises(GoneError):
        storage.put_piece(piece_of(puzzle, image="b"), {"b": b"2"})
    with pytest.raises(GoneError):
        storage.put_piece(piece_of(puzzle))
    assert files_in(storage) == set()
    assert storage.puzzles() == []


def test_a_failed_write_leaves_nothing(
    storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    puzzle = record(original="a")
    storage.add_puzzle(puzzle, {"a": b"1"})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            storage.put_piece(piece_of(puzzle, image="b"), {"b": b"2"})
        with pytest.raises(OSError, match="No space"):
            storage.add_puzzle(record(original="c"), {"c": b"3"})
    assert files_in(storage) == {"a"}
    assert storage.pieces(puzzle["id"]) == []
    assert [p["id"] for p in storage.puzzles()] == [puzzle["id"]]


def test_half_written_leftovers_are_swept(storage: LocalStorage) -> None:
    puzzle = record(original="a")
    storage.add_puzzle(puzzle, {"a": b"1"})
    folder = storage.folder / "puzzles"
    (folder / puzzle["id"] / ".image.png.x1").write_bytes(b"half")
    (folder / puzzle["id"] / "image.png").write_bytes(b"never named")
    (folder / new_id()).mkdir()
    (folder / new_id()).mkdir()
    orphan = folder / new_id()
    orphan.mkdir()
    (orphan / "original.png").write_bytes(b"never acknowledged")
    assert storage.sweep() == 3
    assert files_in(storage) == {"a"}
    assert [p.name for p in folder.iterdir()] == [puzzle["id"]]


def test_others_young_files_are_not_swept(tmp_path: Path) -> None:
    one, other = LocalStorage(tmp_path, shared=True), LocalStorage(tmp_path, shared=True)
    puzzle = record(original="a")
    one.add_puzzle(puzzle, {"a": b"1"})
    (tmp_path / "puzzles" / puzzle["id"] / "young").write_bytes(b"about to be named")
    assert other.puzzle(puzzle["id"]) == puzzle
    assert other.sweep() == 0
    one.close()
    other.close()


# --------------------------------------------------------------------- retention


def test_the_oldest_go_and_those_in_use_stay(storage: LocalStorage) -> None:
    puzzles = [record(f"2026-01-0{day}", original="a") for day in (1, 2, 3)]
    for puzzle in puzzles:
        storage.add_puzzle(puzzle, {"a": bytes(100)})
    metrics = Metrics()
    retention = Retention(storage, 350, keep=3600, metrics=metrics)

    def make_room(size: int, puzzle: str | None = None) -> list[str]:
        with retention.room(size, puzzle) as removed:
            return removed

    with pytest.raises(Problem, match="in use") as refused:
        make_room(100)
    assert refused.value.status_code == 507
    assert len(storage.puzzles()) == 3
    with storage._database.transaction() as database:
        database.execute("UPDATE puzzles SET used = used - 7200")
    retention.use(puzzles[0]["id"])
    assert make_room(40) == []
    assert make_room(100) == [puzzles[1]["id"]]
    assert make_room(150, puzzles[2]["id"]) == []
    with pytest.raises(Problem, match="in use"):
        make_room(300, puzzles[2]["id"])
    assert [p["id"] for p in storage.puzzles()] == [puzzles[2]["id"], puzzles[0]["id"]]
    assert metrics.registry.get_sample_value("heatmap_puzzles_removed_total") == 1


def test_room_is_held_until_it_is_written(storage: LocalStorage) -> None:
    retention = Retention(storage, 100, keep=3600, metrics=Metrics())
    with retention.room(60):
        with pytest.raises(Problem, match="in use"), retention.room(60):
            raise AssertionError("more than there is")
        with retention.room(40):
            pass
    with pytest.raises(OSError, match="full"), retention.room(100):
        raise OSError("full")
    with retention.room(100):  # what could not be written holds nothing
        puzzle = record(original="a")
        storage.add_puzzle(puzzle, {"a": bytes(100)})
    with pytest.raises(Problem, match="in use"), retention.room(1):
        raise AssertionError("more than there is")
    storage.delete_puzzle(puzzle["id"])
    with retention.room(100):
        pass


def test_uploads_at_once_do_not_overshoot_the_limit(
    make_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, both = make_client(), threading.Barrier(2)
    add_small(client, 1)
    service = client.app.state.service  # type: ignore[attr-defined]
    size = service.storage.usage()[0].size
    limit = service.retention._limit = int(2.5 * size)
    add = LocalStorage.add_puzzle

    def together(self: LocalStorage, *args: Any) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(5)
        add(self, *args)

    monkeypatch.setattr(LocalStorage, "add_puzzle", together)
    answers: list[httpx.Response] = []

    def upload(seed: int) -> None:
        files = {"picture": encoded(small_picture(seed))}
        answers.append(client.post("/v1/puzzles", files=files, data={"grid": "3x4"}))

    threads = [threading.Thread(target=upload, args=(seed,)) for seed in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG)
    assert sorted(answer.status_code for answer in answers) == [201, 507]
    assert sum(entry.size for entry in service.storage.usage()) <= limit


def test_a_full_storage_over_http(make_client: Callable[..., TestClient]) -> None:
    client = make_client()
    ids = [add_small(client, seed)["id"] for seed in (1, 2, 3)]
    service = client.app.state.service  # type: ignore[attr-defined]
    service.retention._limit = 1000 + sum(entry.size for entry in service.storage.usage())
    body = assert_problem(
        client.post("/v1/puzzles", files={"picture": encoded(small_picture(4))}), 507, "in use"
    )
    assert body["type"] == "urn:heatmap-locator:storage-full"
    assert {p["id"] for p in client.get("/v1/puzzles").json()["puzzles"]} == set(ids)
    client.delete(f"/v1/puzzles/{ids[0]}")
    assert add_small(client, 4)["state"] == "ready"
