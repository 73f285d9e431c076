"""From an opened image to 8-bit pixels, upright; JPEG short of its last rows is read as well."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from heatmap_locator.errors import InputError
from heatmap_locator.picture.deep import deep_values, to_8_bit
from heatmap_locator.picture.opening import Opened, orientation
from heatmap_locator.picture.quiet import quiet, warn_of_damage

Pixels: TypeAlias = tuple[np.ndarray, np.ndarray | None]
"""(H, W, 3) uint8 RGB and (H, W) uint8 alpha, or None where the image has none."""

MOST_MISSING = 0.1
"""Part of a JPEG's rows that may be missing at its end."""

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DAMAGED = "the image data is damaged or cut short; copy or download the file again"
_END_OF_JPEG = b"\xff\xd9"
# What libjpeg leaves where nothing came.
_NOTHING = 128
# Of the 8 bits that Pillow keeps of 16: what is so dark may be of 10 to 14 bits as they are.
_DARK = 63


def decode_opened(opened: Opened, name: str) -> Pixels:
    """The first frame of an opened image.

    Raises:
        InputError: it is damaged, or its colours are of a kind that is not read.
    """
    image = opened.image
    if image is None:
        return _of_floats(opened, name)
    if opened.format.name == "JPEG" and not _loads(image):
        image = _short_jpeg(opened, name)
    rgb, alpha = decode(image, name)
    if rgb.max() <= _DARK and _deep_colour(opened) and orientation(image) == 1:
        values = deep_values(opened.data())
        if values is not None and values.shape == rgb.shape:
            rgb = to_8_bit(values, full=opened.format.name == "PNG")
    return rgb, alpha


def _deep_colour(opened: Opened) -> bool:
    """Whether its colours have 16 bits each, of which Pillow keeps 8."""
    if opened.format.name == "PNG":
        # The header's bits a sample, and its colour type.
        return opened.data()[24:26] in (b"\x10\x02", b"\x10\x06")
    bits = getattr(opened.image, "tag_v2", {}).get(258, ())
    return isinstance(bits, tuple) and len(bits) >= 3 and min(bits) == 16


def _loads(image: Image.Image) -> bool:
    try:
        with quiet(), _read_not_mapped(image):
            image.load()
    except MemoryError:
        raise
    except Exception:  # Pillow's readers raise almost anything on damaged data
        return False
    return True


@contextmanager
def _read_not_mapped(image: Image.Image) -> Iterator[None]:
    """Keep Pillow from mapping a TIFF file into memory.

    It maps one that is not compressed by the size that it has upright, not by that of its rows, so
    that one that its tag turns by 90 degrees comes out scrambled.
    """
    if not isinstance(image, TiffImageFile):
        yield
        return
    name, image.filename = image.filename, ""
    try:
        yield
    finally:
        image.filename = name


def _of_floats(opened: Opened, name: str) -> Pixels:
    values = deep_values(opened.data())
    if values is None:
        if opened.format.name == "PNM":
            raise InputError(_DAMAGED, name=name)
        raise InputError(
            "its colours are floating-point numbers of a kind that is not read; "
            "save it with 8 or 16 bits a channel",
            name=name,
        )
    levels = to_8_bit(values)
    return np.repeat(levels[..., None], 3, axis=2) if levels.ndim == 2 else levels, None


def _short_jpeg(opened: Opened, name: str) -> Image.Image:
    """A JPEG whose end is missing, grey where nothing came.

    Raises:
        InputError: more than ``MOST_MISSING`` of its rows are, or it is damaged otherwise.
    """
    data = opened.data()
    image = Image.open(io.BytesIO(data + _END_OF_JPEG), formats=opened.format.pillow)
    if data.rstrip(b"\0").endswith(_END_OF_JPEG) or not _loads(image):
        raise InputError(_DAMAGED, name=name)
    pixels = np.asarray(image).reshape(image.height, -1)
    empty = (pixels == _NOTHING).all(axis=1)[::-1]
    missing = len(empty) if empty.all() else int(np.argmin(empty))
    if missing > MOST_MISSING * image.height:
        raise InputError(
            f"the image data is damaged or cut short: {missing} of its {image.height} rows are "
            "missing; copy or download the file again",
            name=name,
        )
    what = f"its last {missing} rows are missing" if missing else "its last bytes are missing"
    warn_of_damage(f"{name}: cut short, {what}; read without them")
    return image


def decode(image: Image.Image, name: str) -> Pixels:
    """A Pillow image, upright.

    Raises:
        InputError: it is damaged, or of a colour mode that is not read.
    """
    try:
        loaded = _loads(image)
    except MemoryError:
        raise InputError("not enough memory to decode it; shrink the image", name=name) from None
    if not loaded:
        raise InputError(_DAMAGED, name=name)
    method = _TRANSPOSE.get(orientation(image))
    png = image.format == "PNG"
    if method is not None:
        transparency = image.info.get("transparency")
        image = image.transpose(method)
        if transparency is not None:
            image.info["transparency"] = transparency
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        grey = to_8_bit(np.asarray(image), full=png)
        return np.repeat(grey[..., None], 3, axis=2), None
    try:
        if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
            if image.mode == "La":
                image = image.convert("LA")
            rgba = np.array(image.convert("RGBA"))
            return np.ascontiguousarray(rgba[..., :3]), np.ascontiguousarray(rgba[..., 3])
        return np.array(image.convert("RGB")), None
    except ValueError:
        raise InputError(
            f"colour mode {image.mode} is not supported; save it as an RGB PNG or JPEG", name=name
        ) from None
