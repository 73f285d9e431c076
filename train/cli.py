"""``heatmap-train``: train a model by a recipe, resume it, export its weights."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from heatmap_locator import __version__
from heatmap_locator.completion import add_completion
from heatmap_locator.device import DEVICES, check_device
from heatmap_locator.errors import InputError
from heatmap_locator.files import check_output_folder, check_weights_files
from heatmap_locator.options import Parser, pathname
from heatmap_locator.outcome import run_command

from .recipe_files import find_recipe


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="heatmap-train",
        description="Train a model by a recipe. Without --pictures it draws its own.",
    )
    parser.add_argument("recipe", help="a .toml file, or the name of a recipe of the package")
    parser.add_argument(
        "--pictures", metavar="DIR", type=pathname, help="folder of training images"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=pathname, required=True, help="logs, checkpoints, weights"
    )
    parser.add_argument("--init", metavar="PATH", help="start from these weights")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/last.ckpt")
    parser.add_argument("--steps", type=int, metavar="N", help="end after N steps")
    parser.add_argument(
        "--stop", type=int, metavar="N", help="stop at step N of the recipe's schedule"
    )
    parser.add_argument("--overfit", action="store_true", help="train on one batch for ever")
    parser.add_argument("--find-lr", action="store_true", help="try rates, print one, and stop")
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="loader processes; a ranker's searches"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument(
        "--devices", type=int, default=1, metavar="N", help="GPUs, or processes on a CPU, a node"
    )
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="machines")
    add_completion(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


_LEAST = {"steps": 1, "stop": 1, "workers": 0, "devices": 1, "nodes": 1}
"""Smallest value of a flag."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 2 for bad input, 130 interrupted."""
    work = partial(_from_arguments, argv)
    return run_command("heatmap-train", work, "stopped; --resume goes on")


def _from_arguments(argv: Sequence[str] | None) -> int:
    try:
        return _run(build_parser().parse_args(argv))
    except InputError as error:
        raise _as_raised(error) from error


def _as_raised(error: InputError) -> InputError:
    """An error without the traceback that a DataLoader puts before what its worker raised."""
    mark = f"{InputError.__module__}.{InputError.__qualname__}: "
    said = str(error).rpartition(mark)[2].strip()
    return error if said == str(error) else InputError(said)


def _run(args: argparse.Namespace) -> int:
    out: Path = args.out
    check_output_folder(out, "--out")
    check_device(args.device)
    check_weights_files(args.init)
    if args.pictures is not None and not args.pictures.is_dir():
        raise InputError("no such folder; check the path", name=args.pictures)
    for name, least in _LEAST.items():
        value = getattr(args, name)
        if value is not None and value < least:
            raise InputError(f"--{name} must be at least {least}")
    if args.nodes > 1 and "NODE_RANK" not in os.environ:
        raise InputError("--nodes: set NODE_RANK, MASTER_ADDR and MASTER_PORT on every machine")
    find_recipe(args.recipe)
    try:
        from .loop import train
        from .ranker.fit import train_ranker
        from .ranker.recipe import RankerRecipe
        from .recipes import load_recipe
        from .verifier.recipe import VerifierRecipe
        from .verifier.run import train_verifier
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is not installed; run: pip install 'heatmap-locator[train]'"
        ) from error
    recipe = load_recipe(args.recipe)
    if isinstance(recipe, RankerRecipe | VerifierRecipe):
        # These belong to the loop of steps; what searches whole puzzles has none.
        for flag in ("steps", "stop", "overfit", "find_lr"):
            if getattr(args, flag):
                flag, kind = flag.replace("_", "-"), _kind(recipe)
                raise InputError(f"--{flag}: a {kind} has no steps; leave it out")
        if args.devices > 1 or args.nodes > 1:
            raise InputError(f"--devices, --nodes: a {_kind(recipe)} is fitted by one process")
        given = dict(pictures=args.pictures, out=out, init=args.init, resume=args.resume)
        given |= dict(device=args.device, workers=args.workers)
        if isinstance(recipe, RankerRecipe):
            return train_ranker(recipe, **given)
        return train_verifier(recipe, **given)
    if args.resume and not (out / "last.ckpt").is_file():
        raise InputError("nothing to resume; leave out --resume", name=out / "last.ckpt")
    if not args.resume and (out / "last.ckpt").exists():
        raise InputError("holds a run already; add --resume or name another folder", name=out)
    if args.steps is not None:
        recipe = replace(recipe, optim=replace(recipe.optim, steps=args.steps))
    return train(
        recipe,
        pictures=args.pictures,
        out=out,
        resume=args.resume,
        init=args.init,
        stop=args.stop,
        overfit=args.overfit,
        find_rate=args.find_lr,
        workers=args.workers,
        device=args.device,
        devices=args.devices,
        nodes=args.nodes,
    )


def _kind(recipe: object) -> str:
    """What errors call a recipe's model: ``ranker``, ``verifier``."""
    return type(recipe).__name__.removesuffix("Recipe").lower()


if __name__ == "__main__":
    sys.exit(main())
