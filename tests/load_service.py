"""Load: many clients for a while, batched and unbatched one after the other in the same run.

    python tests/load_service.py --clients 32 --seconds 60
    python tests/load_service.py --requests 2000 --clients 4        # memory over many requests

Prints throughput, median and 99th percentile of the answered requests, what was refused, and the
server's memory by tenths of the run.  Any answer but 200 and 503 is an error, and so is a place
that differs between the two servers.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from service_support import EXAMPLES, Server, add_small, encoded, small_piece, wait_ready


def resident(process: int) -> float:
    """Megabytes of memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def photos_of(example: bool) -> list[bytes]:
    """Photos to send."""
    if example:
        return [path.read_bytes() for path in sorted(EXAMPLES.glob("piece*.jpg"))]
    return [encoded(small_piece(r, c, 40 * c)) for r in range(3) for c in range(4)]


def measure(server: Server, args: argparse.Namespace) -> tuple[dict[str, Any], dict[int, Any]]:
    """Figures of one server, and each photo's places."""
    if args.example:
        files = {"picture": (EXAMPLES / "puzzle.jpg").read_bytes()}
        made = server.client.post("/v1/puzzles", files=files, data={"pieces": "192"})
        puzzle = wait_ready(server.client, made.json()["id"])["id"]
    else:
        puzzle = add_small(server.client)["id"]
    photos = photos_of(args.example)
    seconds: list[float] = []
    statuses, memory = Counter[int](), [resident(server.process.pid)]
    places: dict[int, Any] = {}
    begun = time.monotonic()
    lock = threading.Lock()

    def over() -> bool:
        if args.requests:
            return statuses[200] >= args.requests
        return time.monotonic() - begun >= args.seconds

    def client(number: int) -> None:
        turn = number
        with httpx.Client(base_url=server.client.base_url, timeout=300) as own:
            while not over():
                turn += 1
                which = turn % len(photos)
                start = time.monotonic()
                answer = own.post(
                    f"/v1/puzzles/{puzzle}/locate", files={"photos": ("p", photos[which])}
                )
                took = time.monotonic() - start
                with lock:
                    statuses[answer.status_code] += 1
                    if answer.status_code == 200:
                        seconds.append(took)
                        found = answer.json()["pieces"][0]["placements"]
                        assert places.setdefault(which, found) == found, "answers differ"
                if answer.status_code == 503:
                    time.sleep(0.5)

    threads = [threading.Thread(target=client, args=(n,)) for n in range(args.clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(1)
        memory.append(resident(server.process.pid))
    wall = time.monotonic() - begun
    metrics = server.client.get("/metrics").text.splitlines()
    figures = {line.split()[0]: float(line.split()[1]) for line in metrics if line[0] != "#"}
    batches = figures["heatmap_batch_size_count"]
    tenths = [memory[int(at)] for at in np.linspace(0, len(memory) - 1, 11)]
    return {
        "answered": statuses[200],
        "refused (503)": statuses[503],
        "errors": sum(n for status, n in statuses.items() if status not in (200, 503)),
        "requests a second": round(statuses[200] / wall, 2),
        "p50 s": round(float(np.percentile(seconds, 50)), 3),
        "p99 s": round(float(np.percentile(seconds, 99)), 3),
        "mean batch": round(figures["heatmap_batch_size_sum"] / batches, 2),
        "memory MB": [round(value) for value in tenths],
    }, places


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--requests", type=int, help="end after so many answers instead")
    parser.add_argument("--queue", type=int, default=64)
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 1], help="sizes to compare")
    parser.add_argument("--example", action="store_true", help="the example puzzle, 192 pieces")
    args = parser.parse_args()
    from heatmap_locator.weights import shipped_weights

    errors, answers = 0, []
    for batch in args.batches:
        with (
            tempfile.TemporaryDirectory() as folder,
            Server(
                Path(folder) / "data", shipped_weights(), batch=batch, queue=args.queue
            ) as server,
        ):
            figures, places = measure(server, args)
        print(f"batch {batch}:", figures, flush=True)
        errors += figures["errors"]
        answers.append(places)
    same = all(
        places[which] == answers[0][which]
        for places in answers
        for which in places.keys() & answers[0].keys()
    )
    print("answers are the same with every batch size:", same)
    return 0 if same and not errors else 1


if __name__ == "__main__":
    sys.exit(main())
