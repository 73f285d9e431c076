"""Uploads become pixels, in processes of their own, within limits of pixels, memory and time."""

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

from heatmap_locator.errors import InputError
from heatmap_locator.service import decoder

_KINDS = (
    # (offset, magic) pairs, Pillow's formats, media type, suffix
    (((0, b"\xff\xd8\xff"),), ["JPEG", "MPO"], "image/jpeg", "jpg"),
    (((0, b"\x89PNG\r\n\x1a\n"),), ["PNG"], "image/png", "png"),
    (((0, b"RIFF"), (8, b"WEBP")), ["WEBP"], "image/webp", "webp"),
    (((0, b"GIF8"),), ["GIF"], "image/gif", "gif"),
    (((0, b"BM"),), ["BMP"], "image/bmp", "bmp"),
    (((0, b"II*\0"),), ["TIFF"], "image/tiff", "tif"),
    (((0, b"MM\0*"),), ["TIFF"], "image/tiff", "tif"),
    (((4, b"ftypavif"),), ["AVIF"], "image/avif", "avif"),
    (((4, b"ftypavis"),), ["AVIF"], "image/avif", "avif"),
)
_OTHERS = (
    (b"PK\x03\x04", "an archive (ZIP)"),
    (b"PK\x05\x06", "an archive (ZIP)"),
    (b"\x1f\x8b", "an archive (gzip)"),
    (b"7z\xbc\xaf\x27\x1c", "an archive (7z)"),
    (b"Rar!", "an archive (RAR)"),
    (b"BZh", "an archive (bzip2)"),
    (b"\xfd7zXZ", "an archive (xz)"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "PostScript"),
)
_HEIF = (b"heic", b"heix", b"hevc", b"mif1", b"msf1")
START = 60.0
"""Seconds that a decoder process may take to come up."""

_ADVICE = "send a JPEG, PNG, WebP, GIF, TIFF, BMP or AVIF"


class UnsupportedError(InputError):
    """A file of a kind that is not taken."""


class DecodeTimeoutError(InputError):
    """An image that took too long to decode."""


class Kind:
    """What a file is, told by its first bytes."""

    def __init__(self, formats: list[str], media_type: str, suffix: str) -> None:
        self.formats, self.media_type, self.suffix = formats, media_type, suffix


def sniff(data: bytes, name: str) -> Kind:
    """The kind of an image file; neither its name nor its declared type is believed.

    Raises:
        InputError: it is empty.
        UnsupportedError: it is no image of a kind that is taken.
    """
    if not data:
        raise InputError("the file is empty; choose it again", name=name)
    for magics, formats, media_type, suffix in _KINDS:
        if all(data[at : at + len(magic)] == magic for at, magic in magics):
            return Kind(formats, media_type, suffix)
    what = next((what for magic, what in _OTHERS if data.startswith(magic)), None)
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF:
        what = "a HEIC photo"
    elif data[257:262] == b"ustar":
        what = "an archive (tar)"
    elif head.startswith((b"<svg", b"<?xml")) or b"<svg" in head:
        what = "SVG or XML"
    elif head.startswith((b"<!doctype", b"<html")):
        what = "a web page"
    raise UnsupportedError(f"{what or 'not an image'} is not supported; {_ADVICE}", name=name)


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

    def decode(self, data: bytes, kind: str, name: str) -> np.ndarray:
        """As ``decoder.decode``, for a file of any kind that is taken; blocks.

        Raises:
            InputError: it is damaged, of a kind that is not taken, too large, or takes too long.
        """
        formats = sniff(data, name).formats
        process = self._free.get()
        try:
            head, body = process.ask(
                {"kind": kind, "name": name, "formats": formats}, data, self._seconds
            )
        finally:
            self._free.put(process)
        if "error" in head:
            raise InputError(head["error"], name)
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
