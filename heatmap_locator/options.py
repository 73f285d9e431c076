"""What the commands' parsers share; imports nothing heavy."""

import argparse
from collections.abc import Callable
from typing import NoReturn

from heatmap_locator.errors import InputError


class Parser(argparse.ArgumentParser):
    """Refuses with one line, without the usage; its subcommands' parsers do, too."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments.

        Raises:
            InputError: always; it names the help.
        """
        raise InputError(f"{message} (see {self.prog} --help)")


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
