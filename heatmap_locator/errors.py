"""Errors a caller can act on.  Every message is one line that names the file and the fix."""

import os


class HeatmapLocatorError(Exception):
    """Base of every error this package raises on purpose."""


class InputError(HeatmapLocatorError, ValueError):
    """A picture, piece, grid or option that cannot be used; the message says what to do."""


class NoPieceError(InputError):
    """A photo that was read well and shows no puzzle piece: a face, a cup, an empty table."""


class WeightsError(HeatmapLocatorError, ValueError):
    """A weights file that is missing, damaged or of another version."""


class MissingPackageError(HeatmapLocatorError, ImportError):
    """An optional package that this use needs is not installed; the message says how."""


def display_name(path: str | os.PathLike[str]) -> str:
    """The path as messages print it: one printable line whatever the file is called."""
    return "".join(c if c.isprintable() else "?" for c in os.fspath(path))
