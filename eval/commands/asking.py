"""Methods made as the arguments ask for them, and asked."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..answers.records import Predictions
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
    from ..answers.runner import run
    from ..methods.registry import make_methods

    say("loading")
    # Methods first: weights that cannot be used are told before any work.
    methods, weights = make_methods(names, args.weights, args.loftr_weights, args.device)
    for _, predictions in asked:
        for name, digest in weights.items():
            predictions.check_weights(name, digest)
    for tasks, predictions in asked:
        run(tasks, methods, predictions, weights, say)
    return weights
