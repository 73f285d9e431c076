"""Errors a caller can act on.  Every message is one line that names the file and the fix."""

import os
from typing import Self


class HeatmapLocatorError(Exception):
    """Base of every error this package raises on purpose."""


class InputError(HeatmapLocatorError, ValueError):
    """A picture, piece, grid or option that cannot be used; the message says what to do.

    Args:
        reason: what is wrong and what to do, one line.
        name: what it is about: a file, or an option with its value.  It leads the message.

    Attributes:
        reason: as given.
        name: as given; ``None`` where the reason names it.
    """

    def __init__(self, reason: str, name: object = None) -> None:
        self.reason, self.name = reason, None if name is None else str(name)
        super().__init__(self.reason, self.name)

    def __str__(self) -> str:
        return self.reason if self.name is None else f"{self.name}: {self.reason}"

    def renamed(self, name: str) -> Self:
        """The same error about a file that its owner knows by another name."""
        return type(self)(self.reason, name)


class NoPieceError(InputError):
    """A photo that was read well and shows no puzzle piece: a face, a cup, an empty table."""


class DamagedImageWarning(UserWarning):
    """An image that was read though a little of it is missing; the message says how much."""


class WeightsError(HeatmapLocatorError, ValueError):
    """A weights file that is missing, damaged or of another version."""


class MissingPackageError(HeatmapLocatorError, ImportError):
    """An optional package that this use needs is not installed; the message says how."""


def display_name(path: str | os.PathLike[str]) -> str:
    """The path as messages print it: one printable line whatever the file is called."""
    return one_line(os.fspath(path)) or "''"


def one_line(text: str) -> str:
    """Text of somebody else's as messages repeat it: on one line, and all of it printable."""
    return "".join(c if c.isprintable() else "?" for c in text)
