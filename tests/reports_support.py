"""What tests of reported inputs share: the example as a phone, an editor or a scanner has it."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from heatmap_locator.geometry import angle_difference
from heatmap_locator.placement import Placement

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
PIECE, PICTURE = EXAMPLES / "piece1.jpg", EXAMPLES / "puzzle.jpg"
CENTRE, ROTATION, CELL = (385.0, 255.0), 218.0, (3, 5)


def piece() -> np.ndarray:
    """(360, 360, 3) uint8, the example's first piece."""
    return np.array(Image.open(PIECE))


def is_right(place: Placement | dict[str, Any]) -> bool:
    """Whether the first piece has been found, by an answer or its JSON."""
    values = place.to_dict() if isinstance(place, Placement) else place
    return (
        values["cell"] in (None, list(CELL))
        and float(np.hypot(*np.subtract(values["center"], CENTRE))) < 12
        and abs(angle_difference(values["rotation"], ROTATION)) < 5
    )


def saved(image: Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    """An image file in memory."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        file, kind, **options
    )
    return file.getvalue()


def heic(rgb: np.ndarray, orientation: int = 1, quality: int = 90) -> bytes:
    """An image as an iPhone saves it, its orientation in EXIF and in the file's own box."""
    import pillow_heif

    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(rgb)).save(file, quality=quality, exif=exif.tobytes())
    return file.getvalue()


def with_tag(tiff: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with a tag of one short number set, in place of PlanarConfiguration."""
    data = bytearray(tiff)
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    entries = [bytes(data[start + 2 + 12 * n : start + 14 + 12 * n]) for n in range(count)]
    kept = [entry for entry in entries if struct.unpack_from("<H", entry)[0] != 284]
    assert len(kept) == count - 1
    kept.append(struct.pack("<HHIHH", tag, 3, 1, value, 0))
    data[start + 2 : start + 2 + 12 * count] = b"".join(
        sorted(kept, key=lambda entry: struct.unpack_from("<H", entry)[0])
    )
    return bytes(data)
