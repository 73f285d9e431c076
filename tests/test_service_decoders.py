"""The processes that decode uploads: what they take, how long, and what becomes of them."""

import io
import signal
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from service_support import (
    HANG,
    encoded,
    small_picture,
    small_piece,
    zip_file,
)

from heatmap_locator.errors import InputError
from heatmap_locator.service import decoder
from heatmap_locator.service.images import Decoders, DecodeTimeoutError, UnsupportedError


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    made = Decoders(count=1, seconds=120)
    yield made
    made.close()


def test_decoding_in_another_process_changes_nothing(decoders: Decoders) -> None:
    picture, piece = small_picture(), small_piece(0, 0)
    assert np.array_equal(decoders.decode(encoded(picture), "picture", "a"), picture)
    assert np.array_equal(decoders.decode(encoded(piece), "piece", "a"), piece)
    assert np.array_equal(decoders.decode(encoded(picture), "piece", "a"), picture)


def test_an_interrupt_is_the_servers() -> None:
    """Ctrl-C reaches the whole terminal: a decoder answers on, and ends without a word."""
    process = subprocess.Popen(
        [sys.executable, "-m", "heatmap_locator.service.decoder"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert decoder.receive(process.stdout) is not None
    process.send_signal(signal.SIGINT)
    decoder.send(process.stdin, {"kind": "piece", "name": "a"}, encoded(small_piece(0, 0)))
    answer = decoder.receive(process.stdout)
    assert answer is not None
    assert "shape" in answer[0]
    _, said = process.communicate(timeout=HANG)
    assert process.returncode == 0
    assert said == b""


def test_every_kind_that_is_taken(decoders: Decoders) -> None:
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM", "TGA"):
        decoded = decoders.decode(encoded(small_picture(), kind), "picture", kind)
        assert decoded.shape == (120, 160, 3), kind
        assert np.abs(decoded.astype(int) - small_picture()).mean() < 25, kind


def test_an_image_that_takes_too_long(decoders: Decoders) -> None:
    small = encoded(small_picture())
    decoders.decode(small, "picture", "a")  # the process is up
    slow = encoded(np.zeros((9000, 9000, 3), np.uint8), compress_level=1)
    decoders._seconds = 0.02
    with pytest.raises(DecodeTimeoutError, match="slow: took longer"):
        decoders.decode(slow, "picture", "slow")
    decoders._seconds = 120
    assert decoders.decode(small, "picture", "a").shape == (120, 160, 3)


def test_a_decoder_that_dies(decoders: Decoders) -> None:
    small = encoded(small_picture())
    decoders.decode(small, "picture", "a")
    (process,) = decoders._all
    assert process._popen is not None
    process._popen.kill()
    process._popen.wait()
    assert decoders.decode(small, "picture", "a").shape == (120, 160, 3)


@pytest.mark.slow
def test_a_bomb_within_the_pixel_limit(decoders: Decoders) -> None:
    """99 million pixels out of 100 kB are decoded; what is more is not."""
    image = Image.new("L", (9_950, 9_950))
    file = io.BytesIO()
    image.save(file, "PNG")
    assert len(file.getvalue()) < 200_000
    assert decoders.decode(file.getvalue(), "picture", "a").shape == (9_950, 9_950, 3)
    with pytest.raises(InputError, match="100 million pixels"):
        decoders.decode(encoded(np.zeros((10_010, 10_010), np.uint8)), "picture", "a")


def test_a_name_does_not_decide_the_kind(decoders: Decoders) -> None:
    with pytest.raises(UnsupportedError, match="ZIP"):
        decoders.decode(zip_file(), "picture", "picture.png")
