"""``heatmap-eval exact|tiny|captured|validation|real``: one protocol, any methods."""

import argparse
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from heatmap_locator.errors import InputError
from heatmap_locator.options import pathname, whole

from ..options import (
    add_dataset_argument,
    add_json_argument,
    add_method_arguments,
    add_pictures_argument,
    add_pieces_argument,
    add_seed_argument,
    check_datasets,
    check_folders,
    check_weights,
    usable_methods,
)
from .asking import ask_methods

if TYPE_CHECKING:
    from ..protocols.tasks import PictureTask


class Measure(ABC):
    """A protocol as a command.

    Args:
        name: of the command, and of the protocol in the files that are written.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def add_own_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what only this protocol is asked."""

    @abstractmethod
    def check_own(self, args: argparse.Namespace) -> None:
        """Refuse what can be told from those arguments alone."""

    @abstractmethod
    def groups(self, args: argparse.Namespace) -> "list[Iterator[PictureTask]]":
        """Name the sets that are asked, each of them limited by --limit on its own."""

    def asked(self, args: argparse.Namespace) -> dict[str, Any]:
        """Say what else than the protocol makes answers comparable."""
        return {"photos": getattr(args, "photos", False)}

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add all arguments of the command."""
        self.add_own_arguments(parser)
        add = parser.add_argument
        add("--limit", metavar="N", type=whole(1, 10**9), help="pieces of each set and count")
        add_method_arguments(parser, ["ours"])
        out = "keeps predictions.jsonl, which a later run goes on with, and results.json"
        add("--out", metavar="DIR", type=pathname, help=out)
        add_json_argument(parser, "a table")

    def check(self, args: argparse.Namespace) -> None:
        """Refuse what can be told from the arguments alone."""
        self.check_own(args)
        check_weights(args)

    def run(self, args: argparse.Namespace) -> int:
        """Ask what is missing, and print and write the table."""
        from heatmap_locator.command.report import Progress

        from ..answers.records import Predictions
        from ..protocols.tasks import VERSION, limited
        from ..report.results import write_results
        from ..report.table import LEGEND, summaries, table

        groups, names = self.groups(args), usable_methods(args)
        tasks = chain.from_iterable(limited(group, args.limit) for group in groups)
        header = {"version": VERSION, "protocol": self.name, **self.asked(args)}
        predictions = Predictions(args.out, header)
        progress = Progress()
        try:
            ask_methods(names, args, [(tasks, predictions)], progress.say)
        finally:
            progress.clear()
        if not predictions.records:
            raise InputError("no piece to ask; see the rows skipped, or use another folder")
        rows = summaries(predictions.records)
        result = write_results({**header, "results": rows}, args.out)
        print(result if args.json else f"{table(rows)}\n\n{LEGEND}")
        return 0


class Drawn(Measure):
    """Pieces taken from pictures, of a folder or drawn."""

    def add_own_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_pictures_argument(parser)
        each = "pieces taken from each picture (default 8)"
        parser.add_argument("--per-picture", metavar="N", type=whole(1, 1000), default=8, help=each)
        add_seed_argument(parser)

    def check_own(self, args: argparse.Namespace) -> None:
        check_folders(args.pictures)

    def asked(self, args: argparse.Namespace) -> dict[str, Any]:
        return {**super().asked(args), "seed": args.seed, "per_picture": args.per_picture}


class Exact(Drawn):
    """Rectangles of the picture itself."""

    def groups(self, args: argparse.Namespace) -> "list[Iterator[PictureTask]]":
        from ..protocols.synthesis import exact_tasks

        return [exact_tasks(args.pictures, args.seed, args.per_picture)]


class Tiny(Drawn):
    """Interlocking pieces of small pictures."""

    def groups(self, args: argparse.Namespace) -> "list[Iterator[PictureTask]]":
        from ..protocols.synthesis import tiny_tasks

        return [tiny_tasks(args.pictures, args.seed, args.per_picture)]


class Captured(Drawn):
    """Picture and pieces photographed apart.

    Args:
        name: as for ``Measure``.
        split: of the folder's pictures.
    """

    def __init__(self, name: str, split: str) -> None:
        super().__init__(name)
        self.split = split

    def add_own_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_own_arguments(parser)
        add_pieces_argument(parser, [150], "pieces of the puzzle")
        _add_photos_argument(parser)

    def groups(self, args: argparse.Namespace) -> "list[Iterator[PictureTask]]":
        from ..protocols.synthesis import captured_tasks

        return [
            captured_tasks(
                args.pictures, self.split, args.seed, count, args.per_picture, args.photos
            )
            for count in args.pieces
        ]


MANIFEST = """\
DIR/manifest.csv is UTF-8 with a row for each piece and a first row of these names, in any order:

  puzzle             file of the whole picture, from DIR
  photo, cutout      file of the piece as photographed, as cut out (alpha); one of them at least
  x1, y1, x2, y2     box of its outline, knobs included, in pixels of the picture
  rotation           degrees clockwise that the piece is turned from its place
  rows, cols         of the puzzle
  texture, kind      not needed: a group in the tables; "cluster..." for several joined pieces

  puzzle,photo,x1,y1,x2,y2,rotation,rows,cols
  box.jpg,pieces/01.jpg,349.8,210.0,420.5,299.7,218,12,16
  box.jpg,pieces/02.jpg,681.7,559.5,770.0,630.6,41,12,16

heatmap-eval label FOLDER makes one of photos of your own.
"""


class Real(Measure):
    """Labelled real pieces."""

    def add_own_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.epilog = MANIFEST
        add_dataset_argument(parser, "a set with its manifest.csv")
        _add_photos_argument(parser)

    def check_own(self, args: argparse.Namespace) -> None:
        if not args.dataset:
            raise InputError("real: give --dataset, a folder with a manifest.csv")
        check_folders(*args.dataset)
        check_datasets(args.dataset)

    def groups(self, args: argparse.Namespace) -> "list[Iterator[PictureTask]]":
        from ..protocols.real import real_tasks

        return [real_tasks(folder, args.photos) for folder in args.dataset]


def _add_photos_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--photos", action="store_true", help="pieces on their background, not cut out"
    )
