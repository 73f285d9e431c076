"""Arguments that several commands share.  Imports nothing heavy: bad input is told at once."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from heatmap_locator.device import DEVICES, check_device
from heatmap_locator.errors import InputError
from heatmap_locator.files import check_output_folder, check_weights_files
from heatmap_locator.options import pathname, whole

PROG = "heatmap-eval"

OURS = {"ours": "grid", "ours-pieces": "pieces", "ours-unknown": "nothing"}
"""What the library is told of the cut, by name: rows and columns, the number of pieces, nothing."""

METHODS = (*OURS, "ncc", "sift", "sift-ncc", "loftr")


ABLATIONS = {
    "shipped": "as shipped",
    "maps": "offset and rotation maps neutralised",
    "unet": "U-Net off, plain readout of the correlations",
    "alone": "U-Net alone: heat, peaks, decode",
    "cut": "the same, decoded in view of the cut",
    "readout": "the same of the plain readout",
    "pixels": "only places that the pixels name",
    "head": "weight of the head in the ranker 0",
    "second": "second stage off",
    "sides": "corners and sides not looked at",
}
"""What is taken out, in words, by name."""


def listed(kind: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """A type of argument: values of ``kind`` between commas, each once."""

    def parse(text: str) -> list[Any]:
        return list(dict.fromkeys(kind(part.strip()) for part in text.split(",")))

    return parse


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """A type of argument: one of some names."""

    def parse(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"'{text}' is none of {', '.join(names)}")
        return text

    return parse


def check_folder_of(file: Path) -> None:
    """Refuse a file to be written whose folder is not there.

    Raises:
        InputError: there is none.
    """
    if not file.resolve().parent.is_dir():
        raise InputError("its folder does not exist; create it", name=file)


def check_written_weights(file: Path) -> None:
    """Refuse a weights file to be written that cannot be one.

    Raises:
        InputError: its folder is not there, or it has another ending.
    """
    check_folder_of(file)
    if file.suffix != ".safetensors":
        raise InputError("name a .safetensors file", name=file)


def add_method_arguments(parser: argparse.ArgumentParser, default: list[str]) -> None:
    """Which methods, with which weights, where."""
    add, names = parser.add_argument, listed(one_of(METHODS))
    text = f"of {', '.join(METHODS)} (default {','.join(default)})"
    add("--methods", metavar="NAME,...", type=names, default=default, help=text)
    add_weights_argument(parser)
    text = "a LoFTR checkpoint in kornia's form, .safetensors, .ckpt or .pt; without it loftr is "
    add("--loftr-weights", metavar="PATH", type=pathname, help=f"{text}skipped")
    add_device_argument(parser)


def add_weights_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", metavar="PATH", help="weights other than the packaged ones")


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", choices=DEVICES, default="auto", help="default auto")


def add_seed_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", metavar="N", type=whole(0, 2**32), default=0, help="default 0")


def add_pictures_argument(
    parser: argparse.ArgumentParser,
    text: str = "folder of pictures; drawn without it",
    name: str = "--pictures",
) -> None:
    parser.add_argument(name, metavar="DIR", type=pathname, help=text)


def add_pieces_argument(
    parser: argparse.ArgumentParser,
    default: list[int],
    what: str = "pieces of the puzzles",
    least: int = 2,
    most: int = 50_000,
) -> None:
    """Numbers of pieces.

    Args:
        parser: gets the argument.
        default: without it.
        what: they are, for the help.
        least, most: of a number.
    """
    counts, text = listed(whole(least, most)), f"{what} (default {','.join(map(str, default))})"
    parser.add_argument("--pieces", metavar="N,...", type=counts, default=default, help=text)


def add_workers_argument(parser: argparse.ArgumentParser) -> None:
    text = "processes that search side by side (default 1)"
    parser.add_argument("--workers", metavar="N", type=whole(1, 256), default=1, help=text)


def add_dataset_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Sets of real pieces.

    Args:
        parser: gets the argument.
        what: the set is, for the help.
    """
    text = f"{what}; may be repeated"
    parser.add_argument(
        "--dataset", metavar="DIR", type=pathname, action="append", default=[], help=text
    )


def add_kinds_argument(
    parser: argparse.ArgumentParser, kinds: Sequence[str], what: str, after: str = ""
) -> None:
    """Kinds of what is drawn, all of them without it.

    Args:
        parser: gets the argument.
        kinds: their names.
        what: they are kinds of, for the help.
        after: more help.
    """
    add, names = parser.add_argument, listed(one_of(kinds))
    text = f"kinds of {what}, of {', '.join(kinds)} (default all){after}"
    add("--kinds", metavar="KIND,...", type=names, default=list(kinds), help=text)


def add_json_argument(parser: argparse.ArgumentParser, instead_of: str) -> None:
    text = f"one JSON object instead of {instead_of}"
    parser.add_argument("--json", action="store_true", help=text)


def check_common(args: argparse.Namespace) -> None:
    """Refuse what commands share and can be told before anything is loaded.

    Raises:
        InputError: --out cannot be written, or there is no such device.
    """
    if getattr(args, "out", None) is not None:
        check_output_folder(args.out, "--out")
    check_device(getattr(args, "device", "auto"))


def check_weights(args: argparse.Namespace) -> None:
    """Refuse weights that are not there.

    Raises:
        WeightsError: naming the file.
    """
    check_weights_files(args.weights, getattr(args, "loftr_weights", None))


def check_folders(*folders: Path | None) -> None:
    """Refuse folders that are not there.

    Args:
        folders: ``None`` for those that are not given.

    Raises:
        InputError: naming the folder.
    """
    for folder in folders:
        if folder is not None and not folder.is_dir():
            raise InputError("no such folder; check the path", name=folder)


def check_datasets(folders: Iterable[Path]) -> None:
    """Refuse sets that tables could not tell apart.

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
