"""What tests of the service share: small images, waiting, and a server in a process of its own."""

import contextlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
from conftest import HANG, draw_texture
from PIL import Image

from heatmap_locator.geometry import clockwise

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
ROWS, COLS, CELL = 3, 4, 40


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    """An image file in memory."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def small_picture(seed: int = 5) -> np.ndarray:
    """(120, 160, 3) uint8, a puzzle of 3 x 4 square cells."""
    return draw_texture(ROWS * CELL, COLS * CELL, seed)


def small_piece(row: int, col: int, degrees: float = 0.0, seed: int = 5) -> np.ndarray:
    """(90, 90, 4) uint8, a square cell of ``small_picture``, turned, with alpha."""
    picture, side = small_picture(seed), 90
    centre = np.array([(col + 0.5) * CELL, (row + 0.5) * CELL])
    linear = 1.5 * clockwise(degrees)
    matrix = np.column_stack([linear, side / 2 - linear @ centre])
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5  # OpenCV counts from pixel centres
    alpha = np.zeros(picture.shape[:2], np.uint8)
    alpha[row * CELL : (row + 1) * CELL, col * CELL : (col + 1) * CELL] = 255
    return np.dstack(
        [
            cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_CUBIC),
            cv2.warpAffine(alpha, matrix, (side, side)),
        ]
    )


def small_table(*cells: tuple[int, int], degrees: float = 20.0, seed: int = 5) -> bytes:
    """A photo of several of those cells side by side, as a file."""
    return encoded(np.hstack([small_piece(*cell, degrees, seed) for cell in cells]))


def zip_file() -> bytes:
    """A picture in an archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        # With a fixed date: what a test is called by is the same in each of its processes.
        archive.writestr(zipfile.ZipInfo("picture.png"), encoded(small_picture()))
    return file.getvalue()


def wait_until(true: Callable[[], bool]) -> bool:
    """Waits until it is so; whether it ever was."""
    end = time.monotonic() + HANG
    while not (so := true()) and time.monotonic() < end:
        time.sleep(0.02)
    return so


def wait_ready(client: Any, puzzle: str) -> dict[str, Any]:
    """The puzzle once it is encoded."""
    end = time.monotonic() + HANG
    while time.monotonic() < end:
        found: dict[str, Any] = client.get(f"/v1/puzzles/{puzzle}").json()
        if found["state"] != "encoding":
            assert found["state"] == "ready", found
            return found
        time.sleep(0.02)
    raise AssertionError("the puzzle was not encoded in time")


def add_small(client: Any, seed: int = 5, **fields: str) -> dict[str, Any]:
    """Gives ``small_picture`` and waits until it is encoded."""
    files = {"picture": ("small.png", encoded(small_picture(seed)))}
    answer = client.post("/v1/puzzles", files=files, data={"grid": f"{ROWS}x{COLS}", **fields})
    assert answer.status_code == 201, answer.text
    return wait_ready(client, answer.json()["id"])


def send_photos(client: Any, puzzle: str, *photos: bytes, prefer: str = "", **fields: str) -> Any:
    """Posts photos to be located; the response."""
    files = [("photos", (f"{n}.png", photo)) for n, photo in enumerate(photos)]
    headers = {"Prefer": prefer} if prefer else {}
    return client.post(f"/v1/puzzles/{puzzle}/locate", files=files, data=fields, headers=headers)


def keep_photos(client: Any, puzzle: str, *photos: bytes, **fields: str) -> Any:
    """The same, answered before they are searched."""
    return send_photos(client, puzzle, *photos, prefer="respond-async", **fields)


def pieces_of(client: Any, puzzle: str) -> list[dict[str, Any]]:
    """A puzzle's pieces as they are."""
    found: list[dict[str, Any]] = client.get(f"/v1/puzzles/{puzzle}/pieces").json()["pieces"]
    return found


def settled_pieces(client: Any, puzzle: str) -> list[dict[str, Any]]:
    """A puzzle's pieces once none waits."""
    assert wait_until(lambda: all(p["state"] != "waiting" for p in pieces_of(client, puzzle)))
    return pieces_of(client, puzzle)


def assert_problem(answer: Any, status: int, said: str = "") -> dict[str, Any]:
    """Checks that a response is a problem document; the document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["type"]
    assert body["instance"] == answer.request.url.path
    assert said in body["detail"]
    assert "\n" not in body["detail"]
    return body


def family(process: int) -> list[int]:
    """A process and the children that it has now, where there is /proc."""
    try:
        lists = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError):
        return []
    children = [family(int(child)) for text in lists for child in text.split()]
    return [process, *(each for members in children for each in members)]


def resident(process: int) -> float:
    """Megabytes of memory of a process and its children."""
    pages = 0
    for member in family(process):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pages += int(Path(f"/proc/{member}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def worked() -> float:
    """Seconds that the processors have worked for this process and its children.

    For what must not take long on any machine, however busy it is with other things.
    """
    ticks = 0
    for child in family(os.getpid())[1:]:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            after_name = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            ticks += int(after_name[11]) + int(after_name[12])
    ended = os.times()
    own = time.process_time() + ended.children_user + ended.children_system
    return own + ticks / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """``heatmap-serve`` in a process of its own, for what needs real sockets and signals."""

    def __init__(self, data: Path, weights: Path, **settings: Any) -> None:
        self.port = free_port()
        self.data, self.log = data, data.parent / f"{data.name}.log"
        self.command = [sys.executable, "-m", "heatmap_locator.service.cli"]
        options = {"port": self.port, "data": data, "weights": weights, "device": "cpu", **settings}
        for name, value in options.items():
            self.command += [
                f"--{name.replace('_', '-')}",
                *([] if value is True else [str(value)]),
            ]
        self.start()

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        # A file: a pipe that nobody reads would stop a server that logs much.
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.data.parent,
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=HANG)
        end = time.monotonic() + HANG
        while time.monotonic() < end:
            try:
                if self.client.get("/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                if self.process.poll() is not None:
                    break
            time.sleep(0.1)
        self.process.kill()
        self.process.wait()
        raise AssertionError(self.log.read_text())

    def kill(self) -> None:
        """kill -9."""
        self.client.close()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> str:
        """Ends it as an operator does; what it printed."""
        self.client.close()
        self.process.terminate()
        self.process.wait(timeout=HANG)
        return self.log.read_text()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
