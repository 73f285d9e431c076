"""Uploads become pixels, in processes of their own, within limits of pixels, memory and time."""

import contextlib
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.picture.formats import HEAD, NAMES, Format, described, identify
from heatmap_locator.service import decoder

_log = logging.getLogger("heatmap_locator.service")

START = 60.0
"""Seconds that a decoder process may take to come up."""

_ADVICE = f"send a {NAMES}"


class UnsupportedError(InputError):
    """A file of a kind that is not taken."""


class DecodeTimeoutError(InputError):
    """An image that took too long to decode."""


def sniff(data: bytes, name: str) -> Format:
    """The kind of an image file; neither its name nor its declared type is believed.

    Raises:
        InputError: it is empty.
        UnsupportedError: it is no image of a kind that is taken.
    """
    if not data:
        raise InputError("the file is empty; choose it again", name=name)
    found = identify(data[:HEAD])
    if found is None:
        raise UnsupportedError(f"{described(data)}; {_ADVICE}", name=name)
    return found


class _Process:
    """One decoder process, restarted after a kill."""

    def __init__(self) -> None:
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """The process, up and listening: what an image may take does not count its start."""
        if self._popen is None or self._popen.poll() is not None:
            self.stop()
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "heatmap_locator.service.decoder"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
            if self._exchange(self._popen, None, START) is None:
                self.stop()
                raise RuntimeError("the decoder process does not start")
        return self._popen

    def ask(
        self, head: dict[str, Any], data: bytes, seconds: float
    ) -> tuple[dict[str, Any], bytearray]:
        popen = self.start()
        started = time.monotonic()
        answer = self._exchange(popen, (head, data), seconds)
        if answer is not None:
            return answer
        self.stop()
        if time.monotonic() - started >= seconds:
            raise DecodeTimeoutError(
                f"took longer than {seconds:g} s to decode; shrink the image", name=head["name"]
            )
        raise InputError("the image data is damaged; copy the file again", name=head["name"])

    @staticmethod
    def _exchange(
        popen: subprocess.Popen[bytes], message: tuple[dict[str, Any], bytes] | None, seconds: float
    ) -> tuple[dict[str, Any], bytearray] | None:
        """The next answer; ``None`` where the process ended, or was killed for being late."""
        assert popen.stdin is not None
        assert popen.stdout is not None
        timer = threading.Timer(seconds, popen.kill)
        timer.daemon = True
        timer.start()
        try:
            if message is not None:
                decoder.send(popen.stdin, *message)
            return decoder.receive(popen.stdout)
        except (BrokenPipeError, ValueError):
            return None
        finally:
            timer.cancel()

    def stop(self) -> None:
        popen, self._popen = self._popen, None
        if popen is not None:
            popen.kill()
            popen.wait()
            for pipe in (popen.stdin, popen.stdout):
                with contextlib.suppress(OSError):  # it may hold what was never read
                    if pipe is not None:
                        pipe.close()


class Decoders:
    """A few decoder processes shared by all threads.

    Args:
        count: processes; each starts at its first use.
        seconds: the longest that one image may take.
    """

    def __init__(self, count: int = 2, seconds: float = 10.0) -> None:
        self._seconds = seconds
        self._all = [_Process() for _ in range(count)]
        self._free: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        for process in self._all:
            self._free.put(process)

    def decode(
        self, data: bytes, kind: str, name: str, told: list[str] | None = None
    ) -> np.ndarray:
        """As ``decoder.decode``, for a file of any kind that is taken; blocks.

        Args:
            told: gets what there is to say of a file that is read though a little of it is
                missing; without, the log does.

        Raises:
            InputError: it is damaged, of a kind that is not taken, too large, or takes too long.
        """
        sniff(data, name)
        process = self._free.get()
        try:
            head, body = process.ask({"kind": kind, "name": name}, data, self._seconds)
        finally:
            self._free.put(process)
        if "error" in head:
            raise InputError(head["error"], name)
        if "warning" in head:
            said = str(head["warning"])
            if told is None:
                _log.warning("%s", said)
            else:
                told.append(said.removeprefix(f"{name}: "))
        return np.frombuffer(body, np.uint8).reshape(head["shape"])

    def start(self) -> None:
        """Starts one process ahead of its first use."""
        process = self._free.get()
        try:
            process.start()
        finally:
            self._free.put(process)

    def close(self) -> None:
        """Ends the processes."""
        for process in self._all:
            process.stop()
