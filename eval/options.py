"""Arguments that several commands share.  Imports nothing heavy: bad input is told at once."""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from heatmap_locator.errors import InputError, WeightsError
from heatmap_locator.options import whole

PROG = "heatmap-eval"

METHODS = ("ours", "ncc", "sift", "sift-ncc", "loftr")


class Parser(argparse.ArgumentParser):
    """Refuses with one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see {self.prog} --help)")


def listed(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """A type of argument: values of ``kind`` between commas, each once."""

    def parse(text: str) -> list[Any]:
        return list(dict.fromkeys(kind(part.strip()) for part in text.split(",")))

    return parse


def method_name(text: str) -> str:
    if text not in METHODS:
        raise argparse.ArgumentTypeError(f"'{text}' is none of {', '.join(METHODS)}")
    return text


def add_method_arguments(parser: argparse.ArgumentParser, default: list[str]) -> None:
    """Which methods, with which weights, where."""
    add = parser.add_argument
    add("--methods", metavar="NAME,...", type=listed(method_name), default=default,
        help=f"of {', '.join(METHODS)} (default {','.join(default)})")  # fmt: skip
    add_weights_argument(parser)
    add("--loftr-weights", metavar="PATH", type=Path, help="a LoFTR checkpoint in kornia's form, "
        ".safetensors, .ckpt or .pt; without it loftr is skipped")  # fmt: skip
    add_device_argument(parser)


def add_weights_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", metavar="PATH", help="weights other than the packaged ones")


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="default auto"
    )


def add_seed_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", metavar="N", type=whole(0, 2**32), default=0, help="default 0")


def check_weights(args: argparse.Namespace) -> None:
    """Refuses weights that are not there.

    Raises:
        WeightsError: naming the file.
    """
    for path in (args.weights, getattr(args, "loftr_weights", None)):
        if path is not None and not Path(path).is_file():
            raise WeightsError(f"{path}: no such weights file; check the path")


def check_folders(folders: Iterable[Path]) -> None:
    """Refuses folders that are not there.

    Raises:
        InputError: naming the folder.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; check the path")


def check_datasets(folders: Iterable[Path]) -> None:
    """Refuses sets that tables could not tell apart.

    Raises:
        InputError: two folders of the same name.
    """
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        raise InputError("--dataset: two folders of the same name; rename one")


def usable_methods(args: argparse.Namespace) -> list[str]:
    """The methods asked for, less LoFTR where its weights are not given, which is said.

    Raises:
        InputError: none is left.
    """
    names = list(args.methods)
    if "loftr" in names and args.loftr_weights is None:
        names.remove("loftr")
        print(f"{PROG}: loftr skipped: give its weights by --loftr-weights PATH", file=sys.stderr)
    if not names:
        raise InputError("--methods: none left to run; give --loftr-weights or name another")
    return names
