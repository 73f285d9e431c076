"""More than 8 bits a channel: which range the values have, and what Pillow does not read of them:
TIFF and portable float maps of floats in colour."""

import re
from typing import IO

import numpy as np

# Tags of TIFF 6.0, and the sample format that stands for floats.
_WIDTH, _HEIGHT, _BITS, _ORIENTATION, _SAMPLE_FORMAT = 256, 257, 258, 274, 339
_FLOAT = 3

# Floats are 0..1, or of the range of 8 or 16 bits; highlights of what was lit for 1 go beyond.
_HIGHLIGHTS = 16.0
# What is darker than this part of 1 all over would be black.
_BLACK = 1 / 64
# Cameras and scanners of 10, 12 or 14 bits store them in 16 as they are.
_DEPTHS = (8, 10, 12, 14)
# Where the format says that 16 bits are full, what would be all but black in them is of these all
# the same; what is darker still is a dark picture.
_DARK_DEPTHS = (10, 12)
# Of floats, the quantile whose range is theirs: lamps go beyond.
_TOP = 0.995

# A portable float map in colour: width, height, and a scale whose sign is the order of bytes.
_PFM = re.compile(rb"PF\s+(\d{1,9})\s+(\d{1,9})\s+([+-]?[0-9.]+(?:[eE][+-]?\d+)?)(?:\r\n|\s)")
_PFM_HEAD = 100


def float_size(stream: IO[bytes]) -> tuple[int, int]:
    """(width, height) after orientation of an image whose samples are floats in colour.

    Args:
        stream: of a TIFF or a portable float map; its header is read, and it is closed.

    Raises:
        ValueError: it is another, or damaged.
    """
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    with stream:
        head = stream.read(8)
        if head.startswith(b"PF"):
            found = _PFM.match(head + stream.read(_PFM_HEAD))
            if found is None:
                raise ValueError("no such float map")
            return int(found[1]), int(found[2])
        if head[2:4] not in (b"*\0", b"\0*"):
            raise ValueError("no such TIFF")
        tags = ImageFileDirectory_v2(head)
        stream.seek(tags.next)
        tags.load(stream)
        if _FLOAT not in np.atleast_1d(tags.get(_SAMPLE_FORMAT, 1)):
            raise ValueError("no such TIFF")
        width, height = int(tags[_WIDTH]), int(tags[_HEIGHT])
        turned = int(tags.get(_ORIENTATION, 1)) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def deep_values(data: bytes) -> np.ndarray | None:
    """(H, W) or (H, W, 3) RGB of a TIFF, upright, a PNG or a float map in colour, as stored.

    None where it cannot be read.
    """
    if data.startswith(b"PF"):
        return _float_map(data)
    import cv2  # here: what only looks at headers does without

    try:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if values is None or values.ndim not in (2, 3):
        return None
    if values.ndim == 2:
        return values
    return np.ascontiguousarray(values[..., 2::-1]) if values.shape[2] >= 3 else values[..., 0]


def _float_map(data: bytes) -> np.ndarray | None:
    # Not by OpenCV, which prints about files cut short and knows one way to end lines.
    found = _PFM.match(data[: 8 + _PFM_HEAD])
    if found is None:
        return None
    shape = int(found[2]), int(found[1]), 3
    kind = "<f4" if found[3].startswith(b"-") else ">f4"
    try:
        values = np.frombuffer(data, kind, int(np.prod(shape)), found.end())
    except ValueError:  # cut short
        return None
    return np.ascontiguousarray(values.reshape(shape)[::-1], np.float32)  # rows from the bottom


def to_8_bit(values: np.ndarray, full: bool = False) -> np.ndarray:
    """Values of more than 8 bits, of any shape, as uint8.

    Args:
        values: integers or floats.
        full: they are of 16 bits by the format's word.
    """
    levels = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    top = float(levels.max(initial=0.0))
    if values.dtype.kind == "f":
        levels *= 255.0 / _range_of_floats(levels, top)
    else:
        # The smallest range that holds them, in which what is stored is not all black.
        depths = _DEPTHS if not full else _DARK_DEPTHS if top >= 256 else ()
        bits = next((b for b in depths if top < 1 << b), 16)
        levels *= 255.0 / ((1 << bits) - 1) if top <= 65535 else 255.0 / top
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def _range_of_floats(levels: np.ndarray, top: float) -> float:
    """Which value is white; what lies around 0, from -1 to 1, is brought to 0..1 in place."""
    if -1.01 <= float(levels.min(initial=0.0)) < -0.5 and top <= 1.01:
        levels += 1.0
        levels /= 2.0
        return 1.0
    if top > _HIGHLIGHTS:
        top = max(float(np.quantile(levels, _TOP)), _BLACK)
    if top <= _HIGHLIGHTS:
        return 1.0 if top >= _BLACK else top or 1.0
    whites = ((1 << bits) - 1.0 for bits in (*_DEPTHS, 16))
    return next((white for white in whites if top <= white), top)
