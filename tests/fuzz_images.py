"""Mutated images against the application: every answer 200 or 4xx, and memory stays flat.

    python tests/fuzz_images.py --cases 500 --seed 0

The test suite runs a part of it.
"""

import argparse
import os
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

GROWTH = 1.1
"""What memory may be at the end, relative to after the first quarter."""

KINDS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM", "TGA")


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """The file with bits flipped, a part cut off, bytes moved about, or a header that lies."""
    out = bytearray(data)
    way = rng.integers(6)
    if way == 0:
        for at in rng.integers(0, len(out), rng.integers(1, 40)):
            out[at] ^= 1 << int(rng.integers(8))
    elif way == 1:
        del out[int(rng.integers(1, len(out))) :]
    elif way == 2:  # numbers of the header, where sizes and offsets are
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(4, min(len(out) - 4, 64)))
            value = int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 65_535, 100_000, 9_999]))
            out[at : at + 4] = struct.pack(">I" if rng.random() < 0.5 else "<I", value)
    elif way == 3:
        start, length = int(rng.integers(len(out))), int(rng.integers(1, 400))
        out[start : start + length] = rng.bytes(length)
    elif way == 4:
        start, length = int(rng.integers(len(out))), int(rng.integers(1, 400))
        del out[start : start + length]
    else:
        start, length = int(rng.integers(len(out))), int(rng.integers(1, 400))
        out[start:start] = out[start : start + length] * int(rng.integers(1, 5))
    return bytes(out)


def cases(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(kind, mutated file) of a seed: always the same."""
    from service_support import encoded, small_picture, small_piece

    rng = np.random.default_rng(seed)
    whole = {kind: encoded(small_picture(), kind) for kind in KINDS}
    whole["PNG with alpha"] = encoded(small_piece(1, 1, 20))
    kinds = list(whole)
    for _ in range(count):
        kind = kinds[int(rng.integers(len(kinds)))]
        yield kind, mutate(whole[kind], rng)


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(client: Any, count: int, seed: int) -> tuple[Counter[int], list[int], float]:
    """Sends the cases in turn as a piece and as a picture.

    Returns:
        How often each status came, the memory after each tenth of the cases, and the seconds that
        the slowest 4xx took.

    Raises:
        AssertionError: an answer was neither 2xx nor a problem document with 4xx.
    """
    from service_support import add_small

    puzzle = add_small(client)["id"]
    statuses, memory, slowest = Counter[int](), [], 0.0
    for number, (kind, data) in enumerate(cases(count, seed)):
        start = time.monotonic()
        if number % 3:
            files = [("photos", ("case", data))]
            answer = client.post(f"/v1/puzzles/{puzzle}/locate", files=files)
        else:
            answer = client.post(
                "/v1/puzzles", files={"picture": ("case", data)}, data={"grid": "3x4"}
            )
        where = f"case {number} of seed {seed} ({kind})"
        assert answer.status_code in (200, 201) or 400 <= answer.status_code < 500, where
        if answer.status_code >= 400:
            slowest = max(slowest, time.monotonic() - start)
            assert answer.headers["content-type"] == "application/problem+json", where
            assert answer.json()["detail"], where
        if answer.status_code == 201:
            client.delete(answer.headers["location"])
        statuses[answer.status_code] += 1
        if (number + 1) % max(count // 10, 1) == 0:
            memory.append(resident())
    assert client.get("/readyz").status_code == 200
    return statuses, memory, slowest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    from fastapi.testclient import TestClient

    from heatmap_locator import Locator
    from heatmap_locator.service.app import create_app
    from heatmap_locator.service.settings import Settings

    locator = Locator.from_pretrained(device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder) / "data")
        with TestClient(create_app(settings, locator)) as client:
            statuses, memory, slowest = run(client, args.cases, args.seed)
    print("statuses:", dict(sorted(statuses.items())))
    print(f"slowest 4xx: {slowest:.2f} s")
    print("memory (MB) by tenths:", [round(value / 1e6) for value in memory])
    if memory[-1] > GROWTH * memory[len(memory) // 4]:
        print("memory grows")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
