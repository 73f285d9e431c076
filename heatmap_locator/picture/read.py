"""Reading pictures and pieces: images of any format become 8-bit RGB, or one clear line."""

import os
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from PIL import Image

from heatmap_locator.errors import InputError
from heatmap_locator.picture.decode import Pixels, decode, decode_opened
from heatmap_locator.picture.opening import MAX_PIXELS as MAX_PIXELS
from heatmap_locator.picture.opening import MIN_SIDE as MIN_SIDE
from heatmap_locator.picture.opening import check_size, label_of, open_image

ImageSource: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | np.ndarray


def read_picture(source: ImageSource, name: str | None = None) -> np.ndarray:
    """Read the picture of a whole puzzle.

    Args:
        source: a path, also of a pipe, a file's bytes, a Pillow image, or a uint8 array (H, W),
            (H, W, 3) or (H, W, 4), RGB(A).
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
    """Read the photo of one piece.

    Args:
        source: as for :func:`read_picture`.
        name: what error messages call it; the path by default.

    Returns:
        (H, W, 3) uint8 RGB, and its (H, W) uint8 alpha, or None where the image has none.  An
        alpha that is opaque all over is kept; ``outline.given`` tells what it is worth.

    Raises:
        InputError: as for :func:`read_picture`, or the piece is fully transparent.
    """
    rgb, alpha = _read(source, name)
    if alpha is not None and alpha.max() < 128:
        raise InputError(
            "the piece is fully transparent; save it with an opaque body, or without transparency",
            name=label_of(source, name),
        )
    return rgb, alpha


def require_print(picture: np.ndarray, name: str) -> None:
    """Refuse a picture of one colour, in which no piece has a place.

    Args:
        picture: (H, W, 3) uint8.
        name: what the message calls it.

    Raises:
        InputError: it is.
    """
    # Of most pictures a few rows tell.
    if (picture[:: MIN_SIDE * 8] == picture[0, 0]).all() and (picture == picture[0, 0]).all():
        raise InputError(
            "is of one colour all over, or fully transparent; use the picture on the puzzle's box",
            name=name,
        )


def check_image(source: str | os.PathLike[str] | bytes, name: str | None = None) -> tuple[int, int]:
    """Check an image file, or its bytes, by its header, without decoding it.

    Returns:
        (width, height) in pixels after EXIF orientation.

    Raises:
        InputError: the file is missing, empty, no image, too large or too small.
    """
    opened = open_image(source, label_of(source, name))
    opened.close()
    return opened.size


def listed(sources: Iterable[ImageSource]) -> list[ImageSource]:
    """Several images as a list; an array (N, H, W, C) is N of them.

    Raises:
        InputError: it is one image, or a path, whose parts or rows would be taken for images.
    """
    one = isinstance(sources, str | os.PathLike | bytes | Image.Image)
    if one or (isinstance(sources, np.ndarray) and sources.ndim < 4):
        raise InputError("is one image; give a list of them", name=label_of(sources, None))
    return list(sources)


def _read(source: ImageSource, name: str | None) -> Pixels:
    label = label_of(source, name)
    if isinstance(source, np.ndarray):
        return _from_array(source, label)
    if isinstance(source, Image.Image):
        check_size(source.size, label)
        return decode(source, label)
    if not isinstance(source, str | os.PathLike | bytes):
        raise InputError(
            "expected a path, a file's bytes, a Pillow image or a uint8 array, "
            f"got {type(source).__name__}",
            name=label,
        )
    opened = open_image(source, label)
    try:
        return decode_opened(opened, label)
    finally:
        opened.close()


def _from_array(array: np.ndarray, name: str) -> Pixels:
    if array.dtype != np.uint8 or not (
        array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    ):
        raise InputError(
            "expected uint8 of shape (H, W), (H, W, 3) or (H, W, 4), "
            f"got {array.dtype} of shape {array.shape}; convert it first",
            name=name,
        )
    check_size((array.shape[1], array.shape[0]), name)
    array = np.asarray(array)  # a matrix or masked array computes otherwise
    if array.ndim == 2:
        return np.repeat(array[..., None], 3, axis=2), None
    alpha = np.ascontiguousarray(array[..., 3]) if array.shape[2] == 4 else None
    # A copy, so that what the caller does to the array later cannot reach an encoded puzzle.
    return array[..., :3].copy(), alpha
