"""Methods made as the arguments ask for them, and asked."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..answers.records import Predictions
    from ..methods.protocol import Method
    from ..protocols.tasks import PictureTask


def ask_methods(
    names: Sequence[str],
    args: argparse.Namespace,
    asked: "Sequence[tuple[Iterable[PictureTask], Predictions]]",
    say: Callable[[str], None],
) -> dict[str, str]:
    """Ask methods what is missing.

    Args:
        names: of the methods.
        args: of ``options.add_method_arguments``.
        asked: pictures with their pieces, and where their answers are kept.
        say: told what begins.

    Returns:
        Digests of weights by name of method, for those that have any.

    Raises:
        InputError: answers kept are of other weights.
        WeightsError: weights that cannot be used.
    """
    from ..methods.registry import make_methods

    say("loading")
    # Methods first: weights that cannot be used are told before any work.
    methods, weights = make_methods(names, args.weights, args.loftr_weights, args.device)
    ask_made(methods, weights, asked, say)
    return weights


def ask_made(
    methods: "Mapping[str, Method]",
    weights: Mapping[str, str],
    asked: "Sequence[tuple[Iterable[PictureTask], Predictions]]",
    say: Callable[[str], None],
) -> None:
    """The same of methods that are made.

    Args:
        methods: by name.
        weights: digests of weights by name of method, for those that have any.
        asked, say: as of ``ask_methods``.

    Raises:
        InputError: answers kept are of other weights.
    """
    from ..answers.runner import run

    for _, predictions in asked:
        for name, digest in weights.items():
            predictions.check_weights(name, digest)
    for tasks, predictions in asked:
        run(tasks, methods, predictions, weights, say)
