"""Pieces a second that the service answers, by how many clients ask at once.

    python benchmarks/service.py [--clients 1,8] [--pieces 1000] [--seconds 30]

``heatmap-serve`` is started in a process of its own with a folder that is thrown away.  The picture
is ``examples/puzzle.jpg``, enlarged to 60 pixels a cell; pieces are cut from it with a knob and a
blank, turned and dimmed, sent as PNG with their outline.  Each client sends a photo, waits for the
answer and sends the next.  The first row is ``Puzzle.locate`` of the same photos, one after the
other in this process, without a service.  ``s`` is a piece's median time as its client sees it;
``cpu`` the processor time of the service a piece, decoding and storing included; ``busy`` how many
processors it kept busy.

OMP_NUM_THREADS is the number of threads; ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 hold a
newer processor to the instructions that most have.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import httpx
import numpy as np
from correlation import machine
from search import enlarged, numbers
from throughput import CELL, PICTURE, cut_pieces

from heatmap_locator import Locator
from heatmap_locator.picture.read import read_picture

PHOTOS, START = 16, 300
"""Photos sent in turn; seconds that the service may take to start."""


def encoded(image: np.ndarray) -> bytes:
    """PNG of (H, W, 3 or 4) uint8."""
    way = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return cv2.imencode(".png", cv2.cvtColor(image, way))[1].tobytes()


def free_port() -> int:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return int(own.getsockname()[1])


def processor_seconds(process: int) -> float:
    """Of a process and those that it started; not a number where the system has no /proc."""
    own = Path(f"/proc/{process}")
    if not own.exists():
        return float("nan")
    # After the name, which may hold anything: man 5 proc_pid_stat.
    user, system = (own / "stat").read_text().rpartition(")")[2].split()[11:13]
    children = [(task / "children").read_text().split() for task in (own / "task").iterdir()]
    ticks = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return ticks + sum(processor_seconds(int(child)) for some in children for child in some)


def until(ready: str, client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    """Wait until an address answers 200."""
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        try:
            if client.get(ready).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit("the service did not start")


def ask(
    address: str, puzzle: str, photos: list[bytes], clients: int, seconds: float
) -> tuple[list[float], float]:
    """Each answer's time, and that of all together, in seconds."""
    taken: list[float] = []
    end = time.monotonic() + seconds

    def client(number: int) -> None:
        with httpx.Client(base_url=address, timeout=START) as own:
            while time.monotonic() < end:
                number += clients
                start = time.monotonic()
                photo = {"photos": ("photo.png", photos[number % len(photos)])}
                own.post(f"/v1/puzzles/{puzzle}/locate", files=photo).raise_for_status()
                taken.append(time.monotonic() - start)

    start = time.monotonic()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken, time.monotonic() - start


def direct(whole: np.ndarray, pieces: list[np.ndarray], count: int) -> None:
    """The row without a service."""
    puzzle = Locator.from_pretrained(device="cpu").encode(whole, pieces=count)
    puzzle.locate(pieces[0])
    taken, processor, start = [], time.process_time(), time.monotonic()
    for piece in pieces:
        begun = time.monotonic()
        puzzle.locate(piece)
        taken.append(time.monotonic() - begun)
    row("none", taken, time.monotonic() - start, time.process_time() - processor)


def row(name: str, taken: list[float], seconds: float, processor: float) -> None:
    print(
        f"{name:>7} {len(taken):7} {len(taken) / seconds:9.2f} {statistics.median(taken):7.2f}"
        f" {processor / len(taken):7.2f} {processor / seconds:6.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=numbers, default=[1, 8], help="default 1,8")
    parser.add_argument("--pieces", type=int, default=1000, help="of the puzzle (default 1000)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each row (default 30)")
    args = parser.parse_args()
    print(machine("cpu"))
    print(
        f"{'clients':>7} {'answers':>7} {'a second':>9} {'s':>7} {'cpu':>7} {'busy':>6}",
        flush=True,
    )
    whole = enlarged(read_picture(Path(PICTURE)), CELL**2 * args.pieces)
    pieces = cut_pieces(whole, PHOTOS, np.random.default_rng(0))
    direct(whole, pieces, args.pieces)
    photos, port = [encoded(piece) for piece in pieces], free_port()
    command = [sys.executable, "-m", "heatmap_locator.service.cli", "--port", str(port)]
    with tempfile.TemporaryDirectory() as data:
        options = ["--data", data, "--device", "cpu"]
        server = subprocess.Popen(
            command + options, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            address, process = f"http://127.0.0.1:{port}", server.pid
            with httpx.Client(base_url=address, timeout=START) as client:
                until("/readyz", client, server)
                picture = {"picture": ("picture.png", encoded(whole))}
                given = {"pieces": str(args.pieces)}
                puzzle = client.post("/v1/puzzles", files=picture, data=given).json()["id"]
            ask(address, puzzle, photos, 1, 0.1)
            for clients in args.clients:
                before = processor_seconds(process)
                taken, seconds = ask(address, puzzle, photos, clients, args.seconds)
                row(str(clients), taken, seconds, processor_seconds(process) - before)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
