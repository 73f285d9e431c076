"""Load: many clients for a while, batched and unbatched one after the other in the same run.

    python tests/load_service.py --clients 32 --seconds 60
    python tests/load_service.py --clients 32 --seconds 60 --kill   # kill -9 half way
    python tests/load_service.py --requests 2000 --clients 4        # memory over many requests

Prints a table at the end, and the errors above it.  An error is any answer but 200, 201 and 503;
whatever a client raises; places of one photo that differ by more than rounding makes, with
whichever batch size; with ``--kill`` an acknowledged puzzle or piece that is not there afterwards,
though not a connection that breaks while the server is down; with ``--requests`` memory that
grows.  Any error gives 1.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from load_tally import Tally
from service_support import (
    COLS,
    EXAMPLES,
    ROWS,
    Server,
    encoded,
    resident,
    small_picture,
    small_piece,
    wait_ready,
)

PUZZLE_EVERY = 8
"""With ``--kill``, a client gives a puzzle of its own at every so many requests."""

GROWTH = 1.1
"""What memory may be at the end of many requests, relative to after the first quarter."""


class Load:
    """One server under load; the arguments are those of ``main``."""

    def __init__(self, server: Server, args: argparse.Namespace, tally: Tally) -> None:
        self.server, self.args, self.tally = server, args, tally
        if args.example:
            self.picture, self.fields = (EXAMPLES / "puzzle.jpg").read_bytes(), {"pieces": "192"}
            self.photos = [path.read_bytes() for path in sorted(EXAMPLES.glob("piece*.jpg"))]
        else:
            self.picture, self.fields = encoded(small_picture()), {"grid": f"{ROWS}x{COLS}"}
            cells = [(r, c) for r in range(ROWS) for c in range(COLS)]
            self.photos = [encoded(small_piece(r, c, 40 * c)) for r, c in cells]
        self.memory: list[float] = []

    def over(self) -> bool:
        if self.args.requests:
            with self.tally.lock:  # errors count: a server that is gone must not be asked for ever
                taken = (n for status, n in self.tally.statuses.items() if status not in (201, 503))
                return sum(taken) + len(self.tally.errors) >= self.args.requests
        return time.monotonic() - self.begun >= self.args.seconds

    def add_puzzle(self, client: httpx.Client) -> str | None:
        """Gives the picture; the id, or ``None`` if it was refused."""
        answer = client.post("/v1/puzzles", files={"picture": self.picture}, data=self.fields)
        with self.tally.lock:
            self.tally.statuses[answer.status_code] += 1
            if answer.status_code == 201:
                self.tally.puzzles[answer.json()["id"]] = answer.json()
                return str(answer.json()["id"])
        return None

    def ask(self, client: httpx.Client, puzzle: str, which: int) -> bool:
        """Sends a photo; whether it was taken."""
        start = time.monotonic()
        files = {"photos": (f"photo {which}", self.photos[which])}
        answer = client.post(f"/v1/puzzles/{puzzle}/locate", files=files)
        took = time.monotonic() - start
        with self.tally.lock:
            self.tally.statuses[answer.status_code] += 1
            if answer.status_code == 200:
                self.tally.seconds.append(took)
                (piece,) = answer.json()["pieces"]
                self.tally.located(which, piece)
        return answer.status_code != 503

    def client(self, number: int, puzzle: str) -> None:
        """Asks until the time is over; what goes wrong is noted and the next asked."""
        turn = number
        with httpx.Client(base_url=self.server.client.base_url, timeout=300) as own:
            while not self.over():
                turn += 1
                down, kills = self.tally.down, self.tally.kills
                try:
                    if self.args.kill and turn % PUZZLE_EVERY == 0:
                        puzzle = self.add_puzzle(own) or puzzle
                    if not self.ask(own, puzzle, turn % len(self.photos)):
                        time.sleep(0.5)
                except Exception as error:
                    with self.tally.lock:
                        killed = down or self.tally.down or self.tally.kills != kills
                        if killed and isinstance(error, httpx.TransportError):
                            self.tally.broken += 1
                        else:
                            self.tally.errors.append(f"{type(error).__name__}: {error}")
                    time.sleep(0.2)

    def kill(self) -> None:
        with self.tally.lock:
            self.tally.down, self.tally.kills = True, self.tally.kills + 1
            before = len(self.tally.puzzles), len(self.tally.pieces)
        self.server.kill()
        self.server.start()
        self.tally.down = False
        if not all(before):
            self.tally.errors.append("killed before anything was acknowledged")
        print("killed with {} puzzles and {} pieces acknowledged".format(*before), flush=True)

    def check_kept(self) -> None:
        """Everything that was acknowledged, before the kill or after, is there as it was."""
        get = self.server.client.get
        for identifier, puzzle in self.tally.puzzles.items():
            answer = get(f"/v1/puzzles/{identifier}")
            lost = answer.status_code != 200
            lost = lost or any(answer.json()[key] != puzzle[key] for key in ("name", "grid"))
            if lost or get(f"/v1/puzzles/{identifier}/original").content != self.picture:
                self.tally.errors.append(f"puzzle {identifier} is lost or changed: {answer.text}")
        for piece in self.tally.pieces.values():
            answer = get(piece["links"]["self"])
            roles = [get(piece["links"][role]).status_code for role in ("image", "photo")]
            if answer.status_code != 200 or answer.json() != piece or set(roles) != {200}:
                self.tally.errors.append(f"piece {piece['id']} is lost or changed: {answer.text}")
        counts = len(self.tally.puzzles), len(self.tally.pieces)
        print("checked {} puzzles and {} pieces after the restart".format(*counts), flush=True)

    def run(self) -> dict[str, Any]:
        """The row of the table."""
        self.begun = time.monotonic()
        puzzle = self.add_puzzle(self.server.client)
        assert puzzle is not None
        wait_ready(self.server.client, puzzle)
        self.begun = time.monotonic()
        threads = [
            threading.Thread(target=self.client, args=(n, puzzle)) for n in range(self.args.clients)
        ]
        for thread in threads:
            thread.start()
        killed = not self.args.kill
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2 if self.args.requests is None else 1)
            self.memory.append(resident(self.server.process.pid))
            if not killed and time.monotonic() - self.begun >= self.args.seconds / 2:
                killed = True
                self.kill()
        wall = time.monotonic() - self.begun
        if self.args.kill:
            self.check_kept()
        return self.row(wall)

    def mean_batch(self) -> float:
        """Of the server since it was last started; an error if it is gone."""
        try:
            lines = self.server.client.get("/metrics").text.splitlines()
        except httpx.TransportError as error:
            self.tally.errors.append(f"the server is gone: {error}")
            return np.nan
        figures = {line.split()[0]: float(line.split()[1]) for line in lines if line[0] != "#"}
        return figures["heatmap_batch_size_sum"] / max(figures["heatmap_batch_size_count"], 1)

    def row(self, wall: float) -> dict[str, Any]:
        tally = self.tally
        tally.errors += [
            f"{count} answers with status {status}"
            for status, count in tally.statuses.items()
            if status not in (200, 201, 503)
        ]
        quarter = self.memory[len(self.memory) // 4]
        if self.args.requests and self.memory[-1] > GROWTH * quarter:
            tally.errors.append(f"memory grows: {quarter:.0f}, then {self.memory[-1]:.0f} MB")
        batch = self.mean_batch()
        tenths = [self.memory[int(at)] for at in np.linspace(0, len(self.memory) - 1, 11)]
        print("memory (MB) by tenths:", *(f"{value:.0f}" for value in tenths), flush=True)
        p50, p99 = np.percentile(tally.seconds or [np.nan], [50, 99])
        return {
            "answered": f"{tally.statuses[200]}",
            "refused": f"{tally.statuses[503]}",
            "errors": f"{len(tally.errors)}",
            "requests/s": f"{tally.statuses[200] / wall:.2f}",
            "p50 s": f"{p50:.3f}",
            "p99 s": f"{p99:.3f}",
            "mean batch": f"{batch:.2f}",
            "first MB": f"{self.memory[0]:.0f}",
            "1/4 MB": f"{quarter:.0f}",
            "last MB": f"{self.memory[-1]:.0f}",
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--requests", type=int, help="end after so many answers instead")
    parser.add_argument("--queue", type=int, default=64)
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 1], help="sizes to compare")
    parser.add_argument("--example", action="store_true", help="the example puzzle, 192 pieces")
    parser.add_argument("--kill", action="store_true", help="kill -9 half way, and start again")
    args = parser.parse_args()
    if args.kill and args.requests:
        parser.error("--kill goes by --seconds, not --requests")
    from heatmap_locator.model.files import shipped_weights

    rows: list[dict[str, Any]] = []
    errors: list[str] = []
    tally = Tally()
    for batch in args.batches:
        with (
            tempfile.TemporaryDirectory() as folder,
            Server(
                Path(folder) / "data", shipped_weights(), batch=batch, queue=args.queue
            ) as server,
        ):
            # Places are compared with those of the servers before it.
            tally = Tally(places=tally.places, apart=tally.apart)
            load = Load(server, args, tally)
            rows.append({"batch": f"{batch}", **load.run()})
        errors += [f"batch {batch}: {error}" for error in tally.errors]
        if args.kill:
            print(f"batch {batch}: {tally.broken} connections broke while it was down")
    for error, count in Counter(errors).most_common(20):
        print(f"error, {count} times: {error}")
    apart = (f"{member} {by:.2g}" for member, by in tally.apart.items())
    print("largest difference of one photo's places:", ", ".join(apart))
    for line in [list(rows[0]), *(list(row.values()) for row in rows)]:
        print("  ".join(f"{text:>10}" for text in line))
    print("no errors" if not errors else f"{len(errors)} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
