"""Two replicas on one machine: same answers, none lost with a replica; needs the cluster extra."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from service_support import (
    COLS,
    ROWS,
    add_small,
    encoded,
    free_port,
    send_photos,
    small_picture,
    small_piece,
    wait_until,
)

from heatmap_locator import Locator
from heatmap_locator.service.settings import Layout, Settings

# Processes take long to start on a busy machine.
os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "120")
os.environ.setdefault("RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S", "60")
NEEDS = "needs Ray: make test-all, or pip install --editable '.[cluster]'"
ray = pytest.importorskip("ray", reason=NEEDS)
serve = pytest.importorskip("ray.serve", reason=NEEDS)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, plain_weights: Path) -> Iterator[Any]:
    from heatmap_locator.service.cluster import build

    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, configure_logging=False)
    port = free_port()
    with contextlib.suppress(TimeoutError):  # it goes on starting; serve.run waits again
        serve.start(http_options={"host": "127.0.0.1", "port": port})
    settings = Settings(
        data=tmp_path_factory.mktemp("cluster") / "data", weights=plain_weights, device="cpu"
    )
    serve.run(build(settings, Layout(replicas=2, fronts=2, cpus=0.2)), name="test")
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
        end = time.monotonic() + 300
        while True:
            with contextlib.suppress(httpx.TransportError):
                if client.get("/readyz").status_code == 200:
                    break
            assert time.monotonic() < end
            time.sleep(0.5)
        yield client
    serve.shutdown()
    ray.shutdown()


def replicas() -> set[int]:
    """Process ids of the models' replicas."""
    searcher = serve.get_deployment_handle("searcher", "test")
    return {searcher.process.remote().result(timeout_s=60) for _ in range(20)}


def test_replicas_answer_as_one_process_does(cluster: Any, plain_locator: Locator) -> None:
    puzzle = add_small(cluster)["id"]
    # The second may be heard of a moment after the first.
    assert wait_until(lambda: len(replicas()) == 2)
    found = plain_locator.encode(small_picture(), grid=(ROWS, COLS))
    photos = [small_piece(r, c, 30 * c) for r, c in ((0, 0), (1, 3), (2, 1), (2, 2))]
    answer = send_photos(cluster, puzzle, *(encoded(photo) for photo in photos), top="3")
    assert answer.status_code == 200, answer.text
    for photo, piece in zip(photos, answer.json()["pieces"], strict=True):
        assert piece["placements"] == [p.to_dict() for p in found.locate(photo, top=3)]
    empty = encoded(small_picture()[:50, :50] * 0 + 128)
    assert send_photos(cluster, puzzle, empty).status_code == 422
    # Both fronts see what either was given.
    for _ in range(6):
        assert cluster.get(f"/v1/puzzles/{puzzle}").json()["piece_count"] == len(photos)
    assert cluster.post(f"/v1/puzzles/{puzzle}/solve").status_code == 200


def test_a_replica_killed_under_load_loses_nothing(cluster: Any) -> None:
    puzzle = add_small(cluster)["id"]
    acknowledged: dict[str, dict[str, Any]] = {}
    statuses: list[int] = []
    stop = threading.Event()

    def client(number: int) -> None:
        with httpx.Client(base_url=cluster.base_url, timeout=300) as own:
            while not stop.is_set():
                cell = number % ROWS, len(statuses) % COLS
                answer = send_photos(own, puzzle, encoded(small_piece(*cell)))
                statuses.append(answer.status_code)
                if answer.status_code == 200:
                    (piece,) = answer.json()["pieces"]
                    assert piece["placements"][0]["cell"] == list(cell)
                    acknowledged[piece["id"]] = piece

    threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    assert wait_until(lambda: len(replicas()) == 2)
    before = replicas()
    for thread in threads:
        thread.start()
    end = time.monotonic() + 240
    while len(acknowledged) < 3 and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(next(iter(before)), signal.SIGKILL)
    after = len(acknowledged)
    while len(acknowledged) < after + 6 and time.monotonic() < end + 240:
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join(300)
    assert len(acknowledged) >= after + 6
    assert set(statuses) <= {200, 503}
    kept = {p["id"]: p for p in cluster.get(f"/v1/puzzles/{puzzle}/pieces").json()["pieces"]}
    assert {name: kept.get(name) for name in acknowledged} == acknowledged
