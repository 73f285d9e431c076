"""What the commands' options share; imports nothing heavy."""

import argparse
from collections.abc import Callable
from typing import NoReturn

from heatmap_locator.errors import InputError


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, an InputError, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Raises an InputError."""
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
