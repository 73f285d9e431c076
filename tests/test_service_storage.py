"""What is kept, for how long, and what is searched together."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from service_support import (
    COLS,
    ROWS,
    add_small,
    assert_problem,
    encoded,
    send_photos,
    small_picture,
    small_piece,
)

from heatmap_locator import Locator
from heatmap_locator.errors import InputError
from heatmap_locator.service.engine import Engine
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
    with storage._transaction() as database:
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
        thread.join(60)
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


# ------------------------------------------------------------------------ engine


class Held:
    """A loader that waits until it is let go, so that jobs pile up."""

    def __init__(self) -> None:
        self.go, self.loads = threading.Event(), 0

    def __call__(self, puzzle: str, version: int) -> tuple[np.ndarray, tuple[int, int]]:
        self.go.wait(30)
        self.loads += 1
        if puzzle == "gone":
            raise GoneError(puzzle)
        return small_picture(int(puzzle)), (ROWS, COLS)


def run_jobs(locator: Locator, batch: int) -> tuple[list[Any], Metrics]:
    held, metrics = Held(), Metrics()
    engine = Engine(locator, held, batch=batch, cache=4, metrics=metrics)
    engine.encode("4", 0)  # holds the thread until all are in line
    photos = [small_piece(r, c, 30 * r) for r in range(ROWS) for c in range(COLS)]
    jobs = [engine.search("5", 0, photo, 3) for photo in photos]
    jobs.insert(5, engine.search("5", 0, np.full((50, 50, 3), 200, np.uint8), 3))
    held.go.set()
    found = []
    for job in jobs:
        error = job.exception(timeout=60)
        found.append(type(error).__name__ if error is not None else job.result())
    engine.stop()
    return found, metrics


def test_batching_changes_no_answer(plain_locator: Locator) -> None:
    alone, single = run_jobs(plain_locator, 1)
    together, many = run_jobs(plain_locator, 8)
    assert single.registry.get_sample_value("heatmap_batch_size_count") == 13
    assert many.registry.get_sample_value("heatmap_batch_size_count") == 2
    for one, other in zip(alone, together, strict=True):
        if isinstance(one, str):
            assert one == other == "NoPieceError"
            continue
        assert [p.to_dict() for p in one.placements] == [p.to_dict() for p in other.placements]
        np.testing.assert_allclose(one.heatmap, other.heatmap, atol=1e-5)


def test_a_crash_of_a_batch_is_laid_to_the_one_that_caused_it(
    plain_locator: Locator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from heatmap_locator.locator import Puzzle

    search_many = Puzzle.search_many
    wicked = small_piece(2, 2)

    def crash(self: Puzzle, pieces: list[np.ndarray], top: int = 1) -> list[Any]:
        if any(np.array_equal(piece, wicked) for piece in pieces):
            raise RuntimeError("out of memory")
        return search_many(self, pieces, top)

    monkeypatch.setattr(Puzzle, "search_many", crash)
    held = Held()
    engine = Engine(plain_locator, held, batch=8, cache=4, metrics=Metrics())
    engine.encode("4", 0)
    photos = [small_piece(0, 1), wicked, small_piece(1, 3)]
    jobs = [engine.search("5", 0, photo, 1) for photo in photos]
    held.go.set()
    assert isinstance(jobs[1].exception(60), RuntimeError)
    assert [jobs[n].result(60).placements[0].cell for n in (0, 2)] == [(0, 1), (1, 3)]
    assert engine.ready
    engine.stop()


def test_jobs_of_other_puzzles_are_not_mixed_in(plain_locator: Locator) -> None:
    held = Held()
    engine = Engine(plain_locator, held, batch=8, cache=1, metrics=Metrics())
    engine.encode("4", 0)
    order = ["5", "6", "5", "7", "5"]
    jobs = [engine.search(name, 0, small_piece(1, 1, seed=int(name)), 1) for name in order]
    gone = engine.search("gone", 0, small_piece(0, 0), 1)
    held.go.set()
    for job in jobs:
        assert job.result(60).placements[0].cell == (1, 1)
    assert isinstance(gone.exception(60), GoneError)
    assert held.loads == 5  # each once, though only one is kept at a time
    engine.encode("5", 0).result(60)
    assert held.loads == 6
    engine.encode("5", 0).result(60)
    assert held.loads == 6
    engine.forget("5")
    engine.encode("5", 0).result(60)
    assert held.loads == 7
    engine.stop()
    assert isinstance(engine.encode("5", 0).exception(1), RuntimeError)


def test_what_nobody_waits_for_is_not_searched(plain_locator: Locator) -> None:
    held, metrics = Held(), Metrics()
    engine = Engine(plain_locator, held, batch=1, cache=1, metrics=metrics)
    first = engine.encode("5", 0)
    dropped = [engine.search("5", 0, small_piece(0, 0), 1) for _ in range(3)]
    last = engine.search("5", 0, small_piece(0, 1), 1)
    assert all(job.cancel() for job in dropped)
    held.go.set()
    first.result(60)
    assert last.result(60).placements[0].cell == (0, 1)
    assert metrics.registry.get_sample_value("heatmap_batch_size_count") == 1
    engine.stop()


def test_a_crash_of_one_search_leaves_the_engine_alive(
    plain_locator: Locator, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    puzzle, photo = add_small(client)["id"], encoded(small_piece(0, 2))

    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: device-side assert")

    from heatmap_locator.locator import Puzzle

    with monkeypatch.context() as patch:
        patch.setattr(Puzzle, "search_many", crash)
        assert_problem(send_photos(client, puzzle, photo), 500)
    assert send_photos(client, puzzle, photo).status_code == 200
    assert client.get("/readyz").status_code == 200
