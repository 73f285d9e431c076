"""Shell completion: ``--print-completion bash`` prints a script that a shell reads."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from heatmap_locator.errors import MissingPackageError
from heatmap_locator.outcome import say

SHELLS = ("bash", "zsh", "tcsh")

_FOLDERS = ("DIR", "FOLDER")
_FILES = ("PATH", "FILE", "OUT.png", "PIECE... PUZZLE")
"""Metavars of arguments that take files."""


def add_completion(parser: argparse.ArgumentParser) -> None:
    """Add ``--print-completion SHELL`` to a command."""
    parser.add_argument(
        "--print-completion",
        choices=SHELLS,
        metavar="SHELL",
        action=_PrintCompletion,
        help=f"print a script that completes this command in {', '.join(SHELLS)}",
    )


class _PrintCompletion(argparse.Action):
    """Prints the script and ends the command."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        try:
            import shtab
        except ModuleNotFoundError:
            reason = "--print-completion needs the package shtab; run: pip install shtab"
            raise MissingPackageError(reason) from None
        for action in _actions(parser):
            if action.metavar in _FOLDERS:
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
            elif action.metavar in _FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
        say(shtab.complete(parser, shell=str(values)))
        parser.exit()


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Those of a command and of its subcommands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for own in action.choices.values():
                yield from _actions(own)
