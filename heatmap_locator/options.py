"""What the commands' parsers and the library's options share; imports nothing heavy."""

import argparse
import operator
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from heatmap_locator.errors import InputError
from heatmap_locator.outcome import writing

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


class Help(argparse.HelpFormatter):
    """Leaves descriptions of several lines as they are, and names with hyphens on one line."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" not in text:
            return super()._fill_text(text, width, indent)
        return "".join(indent + line for line in text.splitlines(keepends=True))

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """Refuses with one line, without the usage; its subcommands' parsers do, too."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"formatter_class": Help, **kwargs})

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments.

        Raises:
            InputError: always; it names the help.
        """
        raise InputError(f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        """Print help or version; argparse's own keeps a full disk to itself."""
        if message and file is not None:
            with writing():
                file.write(message)


def pathname(text: str) -> Path:
    """An argparse type: a file or folder.  An empty one, as of a variable not set, is none."""
    if not text:
        raise argparse.ArgumentTypeError("is empty; name a file or folder")
    return Path(text)


def whole(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {low} to {high}")
        return value

    return parse


def as_whole(value: Any) -> int | None:
    """A whole number of any type that is one, NumPy's as well, as ``int``; None for others."""
    # NumPy 1 takes its own booleans for numbers; nothing heavy is imported to ask for the type.
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def in_range(value: Any, low: int, high: int, name: str) -> int:
    """A whole number of any type within a range, as ``int``.

    Raises:
        InputError: it is another; ``name`` leads its message.
    """
    found = as_whole(value)
    if found is None or not low <= found <= high:
        raise InputError(f"give a whole number from {low} to {high}", name=f"{name} {value}")
    return found
