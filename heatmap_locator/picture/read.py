"""Reading pictures and pieces: whatever Pillow opens becomes 8-bit RGB, or one clear line."""

import os
import warnings
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from heatmap_locator.errors import InputError, display_name

ImageSource: TypeAlias = str | os.PathLike[str] | Image.Image | np.ndarray

MAX_PIXELS = 100_000_000
MIN_SIDE = 8

# Formats that need no outside program: Pillow would hand EPS to Ghostscript.  HEIF is there only
# where the caller has registered a plugin for it.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "TGA",
            "HEIF")  # fmt: skip
_ORIENTATION_TAG = 0x0112
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


def read_picture(source: ImageSource, name: str | None = None) -> np.ndarray:
    """Reads the picture of a whole puzzle.

    Args:
        source: a path, a Pillow image, or a uint8 array (H, W), (H, W, 3) or (H, W, 4), RGB(A).
        name: what error messages call it; the path by default.

    Returns:
        (H, W, 3) uint8 RGB after EXIF orientation; transparent parts become white.

    Raises:
        InputError: the source is missing, damaged, no image, too large or too small.
    """
    rgb, alpha = _read(source, name)
    if alpha is None:
        return rgb
    weight = alpha[..., None].astype(np.uint16)
    return ((rgb * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


def read_piece(
    source: ImageSource, name: str | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Reads the photo of one piece.

    Args:
        source: as for :func:`read_picture`.
        name: what error messages call it; the path by default.

    Returns:
        (H, W, 3) uint8 RGB, and its (H, W) uint8 alpha, or None where the image has none.  An
        alpha that is opaque all over is kept: it says that all of the image is piece.  Cameras
        write no alpha; a screenshot or canvas export of a photo has to be saved without it.

    Raises:
        InputError: as for :func:`read_picture`, or the piece is fully transparent.
    """
    rgb, alpha = _read(source, name)
    if alpha is not None and alpha.max() < 128:
        raise InputError(
            f"{_label(source, name)}: the piece is fully transparent; "
            "save it with an opaque body, or without transparency"
        )
    return rgb, alpha


def check_image(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Checks an image file by its header, without decoding it.

    Returns:
        (width, height) in pixels after EXIF orientation.

    Raises:
        InputError: the file is missing, empty, no image, too large or too small.
    """
    name = display_name(path)
    with _open(path, name) as image:
        return _check_size(_oriented_size(image), name)


def _label(source: ImageSource, name: str | None) -> str:
    if name is not None:
        return display_name(name)
    if isinstance(source, np.ndarray):
        return "array"
    if isinstance(source, Image.Image):
        return display_name(getattr(source, "filename", "") or "image")
    return display_name(source)


def _read(source: ImageSource, name: str | None) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W, 3) uint8 RGB and (H, W) uint8 alpha or None."""
    if not isinstance(source, str | os.PathLike | Image.Image | np.ndarray):
        raise InputError(
            f"{name or 'image'}: expected a path, a Pillow image or a uint8 array, "
            f"got {type(source).__name__}"
        )
    label = _label(source, name)
    if isinstance(source, np.ndarray):
        return _from_array(source, label)
    if isinstance(source, Image.Image):
        _check_size(source.size, label)
        return _decode(source, label)
    with _open(source, label) as image:
        _check_size(_oriented_size(image), label)
        return _decode(image, label)


def _from_array(array: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    if array.dtype != np.uint8 or not (
        array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    ):
        raise InputError(
            f"{name}: expected uint8 of shape (H, W), (H, W, 3) or (H, W, 4), "
            f"got {array.dtype} of shape {array.shape}; convert it first"
        )
    _check_size((array.shape[1], array.shape[0]), name)
    if array.ndim == 2:
        return np.repeat(array[..., None], 3, axis=2), None
    alpha = np.ascontiguousarray(array[..., 3]) if array.shape[2] == 4 else None
    # A copy, so that what the caller does to the array later cannot reach an encoded puzzle.
    return array[..., :3].copy(), alpha


def _open(path: str | os.PathLike[str], name: str) -> Image.Image:
    """Opens the header of an image file; pixels are not decoded yet."""
    file = Path(path)
    try:
        if file.is_dir():
            raise InputError(f"{name}: is a folder, not an image; name an image file")
        if not file.exists():
            raise InputError(f"{name}: no such file; check the path")
        if not file.is_file():
            raise InputError(f"{name}: is not a regular file; save the image to a file first")
        if file.stat().st_size == 0:
            raise InputError(f"{name}: the file is empty; copy or download it again")
        with file.open("rb") as stream:
            head = stream.read(16)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name}: cannot be read ({reason}); check its permissions") from None
    try:
        # Our own limit is enforced from the header, so Pillow's warning would only be noise.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _identified(file)
    except Image.DecompressionBombError:
        raise InputError(f"{name}: {_too_large('its size')}") from None
    except Exception:  # Pillow's readers raise almost anything on a damaged header
        if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
            raise InputError(
                f"{name}: HEIC photos are not supported; convert it to JPEG or PNG"
            ) from None
        raise InputError(
            f"{name}: not an image that can be read, or its header is damaged; "
            "use a JPEG, PNG, WebP, TIFF, BMP or GIF"
        ) from None


def _identified(file: Path) -> Image.Image:
    """Opens by what the file's first bytes are; the rarer formats are loaded when they are met."""
    Image.preinit()
    try:
        return Image.open(file, formats=[f for f in _FORMATS if f in Image.OPEN])
    except UnidentifiedImageError:
        Image.init()
        return Image.open(file, formats=[f for f in _FORMATS if f in Image.OPEN])


def _too_large(what: str) -> str:
    return f"{what} is over the limit of {MAX_PIXELS // 1_000_000} million pixels; shrink the image"


def _check_size(size: tuple[int, int], name: str) -> tuple[int, int]:
    width, height = size
    if width * height > MAX_PIXELS:
        raise InputError(f"{name}: {_too_large(f'{width}x{height}')}")
    if min(width, height) < MIN_SIDE:
        raise InputError(
            f"{name}: {width}x{height} pixels is too small; "
            f"at least {MIN_SIDE} on each side are needed, use a larger image"
        )
    return width, height


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8; damaged EXIF counts as none."""
    try:
        # The base class's method: PNG's own would decode the whole file to look for EXIF.
        return int(Image.Image.getexif(image).get(_ORIENTATION_TAG, 1))
    except Exception:  # EXIF is written by cameras of all kinds; it is never worth failing for
        return 1


def _oriented_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    return (height, width) if _orientation(image) in (5, 6, 7, 8) else (width, height)


def _decode(image: Image.Image, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
    except MemoryError:
        raise InputError(f"{name}: not enough memory to decode it; shrink the image") from None
    except Exception:  # as in _open
        raise InputError(f"{name}: {_DAMAGED}") from None
    method = _TRANSPOSE.get(_orientation(image))
    png = image.format == "PNG"
    if method is not None:
        transparency = image.info.get("transparency")
        image = image.transpose(method)
        if transparency is not None:
            image.info["transparency"] = transparency
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        grey = _to_8_bit(np.asarray(image), sixteen=png or image.mode.startswith("I;16"))
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
            f"{name}: colour mode {image.mode} is not supported; save it as an RGB PNG or JPEG"
        ) from None


def _to_8_bit(values: np.ndarray, sixteen: bool) -> np.ndarray:
    """Greyscale of more than 8 bits, (H, W), as uint8; the range is the format's or guessed."""
    grey = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
    top = float(grey.max())
    if sixteen or 255 < top <= 65535:
        grey /= 257.0
    elif values.dtype.kind == "f" and 0 < top <= 1:
        grey *= 255.0
    elif top > 65535:
        grey *= 255.0 / top
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)
