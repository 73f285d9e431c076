"""Opening images: what a file or its bytes are, and how large, before anything is decoded."""

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from PIL import Image

from heatmap_locator.errors import InputError, display_name
from heatmap_locator.picture.deep import float_size
from heatmap_locator.picture.formats import HEAD, NAMES, RAW, Format, described, identify, is_raw
from heatmap_locator.picture.quiet import quiet

MAX_PIXELS = 100_000_000
"""Of an image; more is refused before it is decoded."""

MIN_SIDE = 8
"""Pixels on each side of an image at least."""

MAX_BYTES = 1 << 30
"""Of what comes through a pipe."""

# Tags of EXIF and TIFF 6.0.
_ORIENTATION_TAG = 0x0112
_TIFF_WIDTH, _TIFF_HEIGHT, _DNG_TAG = 256, 257, 50706
# Raw files begin with a preview; one whose longer side is less is only a thumbnail.
_THUMBNAIL = 512
# Two letters at least, so that C:\box.jpg is a path.
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://|data:", re.IGNORECASE)


@dataclass(frozen=True)
class Opened:
    """An image file whose header has been read; its pixels are not decoded yet.

    Attributes:
        image: as Pillow has it; None for floats in colour (TIFF, PFM), which Pillow does not read.
        size: (width, height) in pixels after its orientation.
        format: what it is.
        source: the file, or its bytes.
    """

    image: Image.Image | None
    size: tuple[int, int]
    format: Format
    source: Path | bytes

    def data(self) -> bytes:
        """The whole file."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    def close(self) -> None:
        """Let go of the file."""
        if self.image is not None:
            self.image.close()


def open_image(source: str | os.PathLike[str] | bytes, name: str) -> Opened:
    """Open an image by its content, whatever it is called.

    Args:
        source: a path, also of a pipe, or a file's bytes.
        name: what error messages call it.

    Raises:
        InputError: it is missing, empty, no image that can be read, too large or too small.
    """
    found = source if isinstance(source, bytes) else _regular(source, name)
    if isinstance(found, bytes):
        if not found:
            raise InputError("nothing came; send an image", name=name)
        head = found[:1024]
    else:
        head = _head(found, name)
    kind = identify(head[:HEAD])
    if kind is None:
        raise InputError(f"{described(head)}; use a {NAMES}", name=name)
    try:
        # Our own limit is enforced from the header, so Pillow's warning would only be noise.
        with quiet():
            image = _header(found, kind)
            size = float_size(_stream(found)) if image is None else oriented_size(image)
    except Image.DecompressionBombError:
        raise InputError(too_large("its size"), name=name) from None
    except ImportError:
        raise InputError(
            "HEIC photos need the package pillow-heif; install it, or convert it to JPEG", name=name
        ) from None
    except Exception:  # Pillow's readers raise almost anything on a damaged header
        if is_raw(head):
            raise InputError(f"{RAW}; use a {NAMES}", name=name) from None
        raise InputError(
            f"the header of this {kind.name} file is damaged or cut short; "
            "copy or download it again",
            name=name,
        ) from None
    if _DNG_TAG in getattr(image, "tag_v2", ()) and max(size) < _THUMBNAIL:
        raise InputError(f"{RAW}; use a {NAMES}", name=name)
    return Opened(image, check_size(size, name), kind, found)


def _regular(path: str | os.PathLike[str], name: str) -> Path | bytes:
    """The file of a path that can be read, or what comes through it."""
    if _ADDRESS.match(os.fspath(path)):
        raise InputError("is an address, not a file; download it first", name=name)
    if not os.fspath(path):
        raise InputError("no such file; check the path", name=name)
    file = Path(path)
    try:
        if file.is_dir():
            raise InputError("is a folder, not an image; name an image file", name=name)
        if not file.exists():
            raise InputError("no such file; check the path", name=name)
        if file.is_fifo():
            with file.open("rb") as stream:
                return read_stream(stream, name)
        if not file.is_file():
            raise InputError("is not a regular file; save the image to a file first", name=name)
        if file.stat().st_size == 0:
            raise InputError("the file is empty; copy or download it again", name=name)
    except (OSError, ValueError) as error:
        raise _unreadable(error, name) from None
    return file


def read_stream(stream: IO[bytes], name: str) -> bytes:
    """All that comes through a pipe.

    Raises:
        InputError: it is more than ``MAX_BYTES``.
    """
    data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError(f"more than {MAX_BYTES >> 20} MB; send an image", name=name)
    return data


def _head(file: Path, name: str) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(1024)
    except OSError as error:
        raise _unreadable(error, name) from None


def _unreadable(error: OSError | ValueError, name: str) -> InputError:
    if isinstance(error, InputError):
        return error
    reason = getattr(error, "strerror", None) or error
    fix = "its permissions" if isinstance(error, PermissionError) else "the path"
    return InputError(f"cannot be read ({reason}); check {fix}", name=name)


def _stream(source: Path | bytes) -> IO[bytes]:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _header(source: Path | bytes, kind: Format) -> Image.Image | None:
    """Pillow's image, its pixels not decoded; None for what may be floats in colour."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    if "HEIF" in kind.pillow:
        # The class itself: registering it would change Pillow for the whole process.
        from pillow_heif.as_plugin import HeifImageFile

        return HeifImageFile(file if isinstance(file, io.BytesIO) else str(file))
    Image.preinit()
    if not any(one in Image.OPEN for one in kind.pillow):
        Image.init()  # the rarer formats
    try:
        return Image.open(file, formats=[one for one in kind.pillow if one in Image.OPEN])
    except Image.UnidentifiedImageError:
        if kind.name not in ("TIFF", "PNM"):
            raise
        return None


def too_large(what: str) -> str:
    """What to say of an image of too many pixels."""
    return f"{what} is over the limit of {MAX_PIXELS // 1_000_000} million pixels; shrink the image"


def check_size(size: tuple[int, int], name: str) -> tuple[int, int]:
    """A size, (width, height) in pixels, that is within limits.

    Raises:
        InputError: it is not.
    """
    width, height = size
    if width * height > MAX_PIXELS:
        raise InputError(too_large(f"{width}x{height}"), name=name)
    if min(width, height) < MIN_SIDE:
        raise InputError(
            f"{width}x{height} pixels is too small; "
            f"at least {MIN_SIDE} on each side are needed, use a larger image",
            name=name,
        )
    return width, height


def orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8 that is left to apply; damaged EXIF counts as none.

    HEIC's reader turns images by itself, Pillow's of TIFF once the pixels are decoded; both then
    say 1.
    """
    try:
        # The base class's method: PNG's own would decode the whole file to look for EXIF.
        return int(Image.Image.getexif(image).get(_ORIENTATION_TAG, 1))
    except Exception:  # EXIF is written by cameras of all kinds; it is never worth failing for
        return 1


def oriented_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) in pixels once the image is turned upright; nothing is decoded."""
    width, height = image.size
    tags = getattr(image, "tag_v2", None)
    if tags is not None and _TIFF_WIDTH in tags and _TIFF_HEIGHT in tags:
        # As stored: some versions of Pillow swap the size on opening, some do not.
        width, height = int(tags[_TIFF_WIDTH]), int(tags[_TIFF_HEIGHT])
    return (height, width) if orientation(image) in (5, 6, 7, 8) else (width, height)


def label_of(source: object, name: str | None) -> str:
    """What error messages call an image."""
    if name is not None:
        return display_name(name)
    if isinstance(source, str | os.PathLike):
        return display_name(source)
    if isinstance(source, Image.Image):
        return display_name(getattr(source, "filename", "") or "image")
    return "array" if hasattr(source, "shape") else "image"
