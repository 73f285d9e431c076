"""The process that decodes uploads: ``python -m heatmap_locator.service.decoder``.

A damaged or hostile image can make a decoder loop, crash or eat memory.  Here that costs a process
of its own, which its parent kills at a deadline and starts anew.  Requests come on stdin, answers
go to stdout, each a JSON line followed by as many bytes as it says.
"""

import json
import os
import signal
import sys
import warnings
from typing import IO, Any

import numpy as np
from PIL import Image

from heatmap_locator.errors import DamagedImageWarning, InputError
from heatmap_locator.picture.read import read_picture, read_piece

MEMORY = 4 << 30
"""Bytes of address space a decoder may take: 100 million pixels with copies, and no more."""


def decode(data: bytes, kind: str, name: str) -> np.ndarray:
    """The first frame of an image file in memory.

    Args:
        data: the file.
        kind: ``"picture"`` for (H, W, 3), ``"piece"`` for (H, W, 4) where its alpha says something.
        name: what messages call it.

    Returns:
        uint8 RGB or RGBA after EXIF orientation.

    Raises:
        InputError: it is damaged, or its size is out of range.
    """
    if kind == "picture":
        return read_picture(data, name)
    rgb, alpha = read_piece(data, name)
    return rgb if alpha is None else np.dstack([rgb, alpha])


def send(stream: IO[bytes], head: dict[str, Any], body: bytes | memoryview = b"") -> None:
    """Write one message."""
    stream.write(json.dumps({**head, "bytes": len(body)}).encode() + b"\n")
    stream.write(body)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytearray] | None:
    """Read one message; ``None`` where the other side has gone."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    head: dict[str, Any] = json.loads(line)
    body = bytearray(head["bytes"])
    rest = memoryview(body)
    while rest:
        count = stream.readinto(rest)  # type: ignore[attr-defined]
        if not count:
            return None
        rest = rest[count:]
    return head, body


def main() -> None:
    """Answers requests until stdin ends."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Ctrl-C reaches all processes of a terminal; it is the server that stops this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Image.init()
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not speak into the answers
    send(answers, {"ready": True})
    while (message := receive(requests)) is not None:
        head, data = message
        try:
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("ignore")  # of damaged metadata, which is no news here
                warnings.simplefilter("always", DamagedImageWarning)
                pixels = decode(bytes(data), head["kind"], head["name"])
        except InputError as error:
            send(answers, {"error": error.reason})
        except MemoryError:
            send(answers, {"error": "too large to decode; shrink the image"})
        else:
            flat = memoryview(np.ascontiguousarray(pixels)).cast("B")
            news = {"warning": str(said[0].message)} if said else {}
            send(answers, {"shape": pixels.shape, **news}, flat)
        message = data = pixels = None  # type: ignore[assignment]


if __name__ == "__main__":
    main()
