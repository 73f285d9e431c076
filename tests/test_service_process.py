"""The command, and what only real sockets, signals and processes show."""

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from service_support import (
    COLS,
    ROWS,
    Server,
    add_small,
    assert_problem,
    encoded,
    send_photos,
    small_picture,
    small_piece,
)

from heatmap_locator.service.settings import Settings, settings_from_environment


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "heatmap_locator.service.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_help_is_quick_to_come() -> None:
    code = "import sys\nfrom heatmap_locator.service.cli import main\n"
    code += "try: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'torch', 'cv2', 'fastapi', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    for flag in ("--port", "--data", "--token", "--max-upload-mb", "--max-storage-gb"):
        assert flag in done.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--port", "70000"], {}, "'70000' is not a whole number from 0 to 65535"),
        (["--device", "tpu"], {}, "'tpu': use auto, cpu or cuda"),
        (["--max-upload-mb", "-1"], {}, "'-1' is not a number above 0"),
        (["--nonsense"], {}, "--nonsense"),
        (["--weights", "none.safetensors"], {}, "none.safetensors: no such weights file"),
        ([], {"HEATMAP_PORT": "http"}, "HEATMAP_PORT: 'http' is not a whole number"),
        (["--data", "/dev/null/x"], {}, "/dev/null/x: cannot be written"),
    ],
)
def test_the_command_refuses_in_one_line(
    arguments: list[str], environment: dict[str, str], said: str
) -> None:
    done = command(*arguments, **environment)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("heatmap-serve: ")
    assert said in done.stderr


def test_settings_come_from_the_environment() -> None:
    found = settings_from_environment(
        {"HEATMAP_PORT": "9001", "HEATMAP_CORS": "https://a.example, https://b.example/"}
    )
    assert found == Settings(port=9001, cors=("https://a.example", "https://b.example"))
    assert "token = ****" in Settings(token="s3cret").lines()
    assert not any("s3cret" in line for line in Settings(token="s3cret").lines())


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
    made = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    made.settimeout(60)
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


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


linux = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="looks at open files in /proc: on Linux"
)


def test_a_client_that_sends_no_head_is_hung_up_on(server: Server) -> None:
    for begun in (b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: "):
        with connect(server) as connection:
            start = time.monotonic()
            connection.sendall(begun)
            assert read_all(connection) == b""
            assert time.monotonic() - start < 8


def test_a_client_that_sends_a_head_bit_by_bit_is_hung_up_on(server: Server) -> None:
    with connect(server) as connection:
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
            while time.monotonic() - start < 12:
                connection.sendall(b"X-Slow: y\r\n")
                time.sleep(0.2)
        assert time.monotonic() - start < 8


def test_a_client_that_stops_in_the_middle_is_told(server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(head("/v1/puzzles", 100_000) + PART + bytes(500))
        start = time.monotonic()
        answer = read_all(connection)
        assert time.monotonic() - start < 8
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
    assert 2 / 3 < (time.monotonic() - start) / seconds < 4
    assert len(answers) == len(threads)
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer
    assert located > 1
    assert worst < seconds / 3
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
            assert wait_until(lambda: bool(spooled(server)), 5), "nothing was on the disk"
        assert wait_until(lambda: not spooled(server), 2), spooled(server)
    assert server.client.get("/readyz").status_code == 200
    found = send_photos(server.client, puzzle, encoded(small_piece(0, 1)))
    assert found.json()["pieces"][0]["placements"][0]["cell"] == [0, 1]


def test_clients_that_do_not_wait_for_their_answer(server: Server) -> None:
    """What they asked for is kept or not, but the places in the queue are free again."""
    puzzle = add_small(server.client)["id"]
    photo = encoded(small_piece(1, 2))
    body = PART.replace(b"picture", b"photos") + photo + b"\r\n--x--\r\n"
    for _ in range(20):
        with connect(server) as connection:
            connection.sendall(head(f"/v1/puzzles/{puzzle}/locate", len(body)) + body)

    def figure(name: str) -> float:
        lines = server.client.get("/metrics").text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

    assert wait_until(lambda: figure("heatmap_photos_in_work") == 0, 30)
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


def test_the_server_answers_while_it_works(server: Server) -> None:
    puzzle = add_small(server.client)["id"]
    photos = [encoded(small_piece(r, c)) for r in range(ROWS) for c in range(COLS)]
    worst = 0.0

    def work() -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=60) as client:
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


def test_a_second_server_on_the_same_folder_is_refused(server: Server) -> None:
    done = command("--data", str(server.data), "--port", "0")
    assert done.returncode == 2
    assert "another server uses it" in done.stderr


def test_it_prints_its_settings_and_stops_when_told(tmp_path: Path, plain_weights: Path) -> None:
    server = Server(tmp_path / "data", plain_weights, token="s3cret")
    assert server.client.get("/v1/puzzles").status_code == 401
    output = server.stop()
    assert server.process.returncode in (0, -15)
    assert f"port = {server.port}" in output
    assert "token = ****" in output
    assert "s3cret" not in output


@pytest.mark.slow
def test_a_killed_server_comes_back_with_all_it_acknowledged(
    tmp_path: Path, plain_weights: Path
) -> None:
    server = Server(tmp_path / "data", plain_weights)
    acknowledged: dict[str, dict[str, Any]] = {}
    puzzles: dict[str, dict[str, Any]] = {}
    stop = threading.Event()

    def client(number: int) -> None:
        cells = [(r, c) for r in range(ROWS) for c in range(COLS)]
        with (
            httpx.Client(base_url=server.client.base_url, timeout=30) as own,
            contextlib.suppress(httpx.TransportError, json.JSONDecodeError),
        ):
            while not stop.is_set():
                files = {"picture": ("small.png", encoded(small_picture(number)))}
                made = own.post("/v1/puzzles", files=files, data={"grid": "3x4"}).json()
                puzzles[made["id"]] = made
                for row, col in cells[:3]:
                    photo = encoded(small_piece(row, col, seed=number))
                    for piece in send_photos(own, made["id"], photo).json()["pieces"]:
                        acknowledged[piece["id"]] = piece

    threads = [threading.Thread(target=client, args=(n,)) for n in (5, 6, 7)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 120
    while len(acknowledged) < 5 and time.monotonic() < end:
        time.sleep(0.01)
    server.kill()
    stop.set()
    for thread in threads:
        thread.join(60)
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
            end = time.monotonic() + 60
            while server.client.get(f"/v1/puzzles/{identifier}").json()["state"] != "ready":
                assert time.monotonic() < end
                time.sleep(0.05)
        photo = encoded(small_piece(2, 2, seed=5))
        puzzle = next(p["puzzle"] if "puzzle" in p else p["id"] for p in puzzles.values())
        assert send_photos(server.client, puzzle, photo).status_code == 200
