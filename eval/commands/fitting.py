"""What ``calibrate`` and ``nuisances`` share: held-back pictures asked by processes, and weights
written with what was fitted to the answers."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from heatmap_locator.options import pathname, whole

from ..options import (
    add_device_argument,
    add_json_argument,
    add_kinds_argument,
    add_pieces_argument,
    add_seed_argument,
    add_weights_argument,
    add_workers_argument,
    check_folders,
    check_weights,
    check_written_weights,
)

if TYPE_CHECKING:
    from heatmap_locator.model.calibration import Calibration
    from heatmap_locator.model.network import HeatmapLocator

Job = TypeVar("Job")
Found = TypeVar("Found")


def add_asked_arguments(
    parser: argparse.ArgumentParser,
    pieces: list[int],
    per_count: tuple[int, int, str],
    kinds: tuple[Sequence[str], str, str],
    kept: str,
) -> None:
    """What is asked, with what and how.

    Args:
        parser: gets the arguments.
        pieces: counts without ``--pieces``.
        per_count: fewest and default of ``--per-count``, and what it counts.
        kinds: names of ``--kinds``, what they are kinds of, and more help.
        kept: what ``--out`` keeps.
    """
    add, (least, usual, counted) = parser.add_argument, per_count
    add_weights_argument(parser)
    add_pieces_argument(parser, pieces)
    text = f"{counted} (default {usual})"
    add("--per-count", metavar="N", type=whole(least, 10**6), default=usual, help=text)
    add_kinds_argument(parser, *kinds)
    add_seed_argument(parser)
    add_device_argument(parser)
    add_workers_argument(parser)
    text = f"keeps {kept}, which a later run goes on with"
    add("--out", metavar="DIR", type=pathname, help=text)
    add_json_argument(parser, "a table")


def check_asked(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone.

    Raises:
        InputError: there is no such folder, or the weights cannot be written.
        WeightsError: there are no such weights.
    """
    check_folders(args.corpus_pictures)
    check_weights(args)
    if args.write is not None:
        check_written_weights(args.write)


def in_steps(
    make: Callable[..., Callable[[Job], Found]],
    made_of: tuple[Any, ...],
    jobs: Sequence[Job],
    workers: int,
    what: str,
    counted: Callable[[], str],
) -> Iterator[Found]:
    """Results of jobs, in their order, with progress told.

    Args:
        make, made_of, jobs, workers: as of ``in_processes``.
        what: the jobs are.
        counted: told after each job, what there is by then.
    """
    from heatmap_locator.command.report import Progress
    from heatmap_train.shared.workers import in_processes

    progress = Progress()
    try:
        progress.say(f"{len(jobs)} {what}")
        for number, found in enumerate(in_processes(make, made_of, jobs, workers), 1):
            yield found
            progress.say(f"{number} of {len(jobs)} {what}, {counted()}")
    finally:
        progress.clear()


def source_of(args: argparse.Namespace) -> Path:
    """The weights file that is asked: that of ``--weights``, or the one that ships."""
    from heatmap_locator.model.files import shipped_weights

    return Path(args.weights or shipped_weights())


def loaded(args: argparse.Namespace) -> "tuple[HeatmapLocator, Calibration]":
    """The model that is asked, and its calibration; none where it is of another kind."""
    from heatmap_locator.model.calibration import Calibration
    from heatmap_locator.model.files import load_model

    model, extra = load_model(source_of(args))
    try:
        return model, Calibration.from_extra(extra.get("calibration", {}))
    except ValueError:
        return model, Calibration()


def write_calibrated(
    args: argparse.Namespace, model: "HeatmapLocator", calibration: "Calibration"
) -> None:
    """Write the weights to ``--write``, the same but for the calibration."""
    from heatmap_locator.model.files import save_model
    from heatmap_train.shared.weights import stored_beside

    stored = {**stored_beside(source_of(args)), "calibration": calibration.to_extra()}
    save_model(model, args.write, stored)


def percent(share: float | None) -> str:
    """A share, 0..1, in columns that say they are per cent."""
    return "-" if share is None else f"{100 * share:.1f}"


def shown_share(share: float | None) -> str:
    """The same with its sign."""
    return "-" if share is None else f"{percent(share)}%"
