"""What only real sockets and processes show: clients that are slow, vanish, or send too much."""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from conftest import HANG
from service_support import (
    COLS,
    ROWS,
    Server,
    add_small,
    assert_problem,
    encoded,
    send_photos,
    small_piece,
    wait_until,
)


@pytest.fixture(scope="module")
def limited(
    tmp_path_factory: pytest.TempPathFactory, plain_weights: Path
) -> Iterator[tuple[Server, float]]:
    """A server and the seconds that an upload may take: many answers, however busy the machine."""
    folder, seconds = tmp_path_factory.mktemp("server") / "data", 3.0
    while True:
        # Over a megabyte, from which on an upload is spooled to the disk.
        limits = {"max_upload_mb": 1.5, "idle_seconds": 1, "upload_seconds": seconds}
        with Server(folder, plain_weights, **limits) as made:
            puzzle, took = add_small(made.client)["id"], 0.0
            for _ in range(2):  # the first is slower
                start = time.monotonic()
                assert send_photos(made.client, puzzle, encoded(small_piece(0, 1))).is_success
                took = time.monotonic() - start
            if 10 * took <= seconds or seconds > 20:
                yield made, seconds
                return
        seconds = min(10 * took, 30)


@pytest.fixture(scope="module")
def server(limited: tuple[Server, float]) -> Server:
    return limited[0]


def head(path: str, length: int | None) -> bytes:
    size = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
    return (
        b"POST %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path.encode(), size)
        + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )


PART = b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'


def connect(server: Server) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", server.port), timeout=HANG)
    made.settimeout(HANG)
    return made


def read_all(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65536):
            got += data
    return got


def pour(connection: socket.socket, data: bytes, pause: float, seconds: float) -> bytes:
    """Sends the same again and again until there is an answer, or the other side closes."""
    end = time.monotonic() + seconds
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < end:
            if select.select([connection], [], [], pause)[0]:
                return read_all(connection)
            connection.sendall(data)
    return b""


def spooled(server: Server) -> list[str]:
    """Uploads on the server's disk: names, and open files, which may have none."""
    found = [path.name for path in (server.data / "tmp").iterdir()]
    for link in Path(f"/proc/{server.process.pid}/fd").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            target = os.readlink(link)
            if target.startswith(str(server.data / "tmp")):
                found.append(target)
    return found


linux = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="looks at open files in /proc: on Linux"
)


@pytest.mark.slow
def test_a_client_that_sends_no_head_is_hung_up_on(limited: tuple[Server, float]) -> None:
    server, seconds = limited
    for begun in (b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: "):
        with connect(server) as connection:
            start = time.monotonic()
            connection.sendall(begun)
            assert read_all(connection) == b""
            assert time.monotonic() - start < 3 * seconds


def test_a_client_that_sends_a_head_bit_by_bit_is_hung_up_on(
    limited: tuple[Server, float],
) -> None:
    server, seconds = limited
    with connect(server) as connection:
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
            while time.monotonic() - start < 4 * seconds:
                connection.sendall(b"X-Slow: y\r\n")
                time.sleep(0.2)
        assert time.monotonic() - start < 3 * seconds


def test_a_client_that_stops_in_the_middle_is_told(limited: tuple[Server, float]) -> None:
    server, seconds = limited
    with connect(server) as connection:
        connection.sendall(head("/v1/puzzles", 100_000) + PART + bytes(500))
        start = time.monotonic()
        answer = read_all(connection)
        assert time.monotonic() - start < 3 * seconds
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer
    assert spooled(server) == []


def test_a_client_that_trickles_is_told_and_others_are_answered(
    limited: tuple[Server, float],
) -> None:
    server, seconds = limited
    puzzle = add_small(server.client)["id"]
    answers: list[bytes] = []

    def trickle() -> None:
        with connect(server) as connection:
            connection.sendall(head("/v1/puzzles", 100_000) + PART)
            answers.append(pour(connection, b"x", 0.2, 5 * seconds))

    threads = [threading.Thread(target=trickle) for _ in range(20)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    located, worst = 0, 0.0
    while any(thread.is_alive() for thread in threads):
        begun = time.monotonic()
        assert server.client.get(f"/v1/puzzles/{puzzle}").status_code == 200
        worst = max(worst, time.monotonic() - begun)
        found = send_photos(server.client, puzzle, encoded(small_piece(0, 1)))
        assert found.json()["pieces"][0]["placements"][0]["cell"] == [0, 1]
        located += 1
    lasted = time.monotonic() - start
    assert 2 / 3 < lasted / seconds < 4
    assert len(answers) == len(threads)
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer
    assert located > 1
    assert worst < lasted / 2
    assert spooled(server) == []


@linux
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_hangs_up_leaves_nothing(server: Server, chunked: bool) -> None:
    puzzle = add_small(server.client)["id"]
    for path in ("/v1/puzzles", f"/v1/puzzles/{puzzle}/locate"):
        with connect(server) as connection:
            body = PART.replace(b"picture", b"photos" if "locate" in path else b"picture")
            body += bytes(1_300_000)
            if chunked:
                body = b"%x\r\n%s\r\n" % (len(body), body)
            connection.sendall(head(path, None if chunked else 1_400_000) + body)
            assert wait_until(lambda: bool(spooled(server))), "nothing was on the disk"
        assert wait_until(lambda: not spooled(server)), spooled(server)
    assert server.client.get("/readyz").status_code == 200
    found = send_photos(server.client, puzzle, encoded(small_piece(0, 1)))
    assert found.json()["pieces"][0]["placements"][0]["cell"] == [0, 1]


def test_clients_that_do_not_wait_for_their_answer(server: Server) -> None:
    """What they asked for is kept or not, but the places in the queue are free again."""
    puzzle = add_small(server.client)["id"]
    photo = encoded(small_piece(1, 2))
    body = PART.replace(b"picture", b"photos") + photo + b"\r\n--x--\r\n"

    def figure(start: str) -> float:
        lines = server.client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))

    asked = 'heatmap_requests_total{method="POST",route="/v1/puzzles/{puzzle}/locate"'
    before = figure(asked)
    for _ in range(20):
        with connect(server) as connection:
            connection.sendall(head(f"/v1/puzzles/{puzzle}/locate", len(body)) + body)

    assert wait_until(lambda: figure(asked) == before + 20)
    assert wait_until(lambda: figure("heatmap_photos_in_work ") == 0)
    assert spooled(server) == []
    found = send_photos(server.client, puzzle, photo)
    assert found.json()["pieces"][0]["placements"][0]["cell"] == [1, 2]


def test_an_endless_body_is_cut_off(limited: tuple[Server, float]) -> None:
    server, seconds = limited
    with connect(server) as connection:
        connection.sendall(head("/v1/puzzles", None) + b"%x\r\n%s\r\n" % (len(PART), PART))
        start = time.monotonic()
        pour(connection, b"10000\r\n%s\r\n" % bytes(65536), 0, 5 * seconds)
        assert time.monotonic() - start < 2.5 * seconds
    assert server.client.get("/readyz").status_code == 200
    assert spooled(server) == []


@pytest.mark.parametrize("size", [1_600_000, 5_000_000, 30_000_000])
def test_a_file_over_the_limit_gets_an_answer(server: Server, size: int) -> None:
    """A client that looks for an answer only when all is sent sees it as well."""
    answer = server.client.post("/v1/puzzles", files={"picture": ("a.jpg", bytes(size))})
    assert_problem(answer, 413, "1.5")
    assert spooled(server) == []


@pytest.mark.slow
def test_the_server_answers_while_it_works(server: Server) -> None:
    puzzle = add_small(server.client)["id"]
    photos = [encoded(small_piece(r, c)) for r in range(ROWS) for c in range(COLS)]
    worst = 0.0

    def work() -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=HANG) as client:
            assert send_photos(client, puzzle, *photos).status_code == 200

    thread = threading.Thread(target=work)
    begun = time.monotonic()
    thread.start()
    while thread.is_alive():
        start = time.monotonic()
        assert server.client.get("/healthz").status_code == 200
        worst = max(worst, time.monotonic() - start)
        time.sleep(0.02)
    assert worst < (time.monotonic() - begun) / 3
