"""``heatmap-eval collapse``: direct box regressors trained beside the locator, as long as it.

Every member sees the same number of pieces, of the same pictures, in the same order.
"""

import argparse
import contextlib
import csv
import json
import logging
import math
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatmap_locator.errors import InputError
from heatmap_locator.options import pathname, whole

from ..options import (
    PROG,
    add_device_argument,
    add_json_argument,
    add_pictures_argument,
    add_seed_argument,
    check_folders,
    listed,
)

if TYPE_CHECKING:
    from heatmap_train.shared.recipe import SceneRecipe

VERSION = 1
"""Of the protocol: members scored under another are not shown beside these."""

OURS = "ours"
CURVE_POINTS = 6
"""Validations during training, evenly spread."""

DEFAULTS = {"steps": 120, "batch": 4, "held_back": 48}
QUICK = {"steps": 20, "batch": 2, "held_back": 8}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--out",
        metavar="DIR",
        type=pathname,
        required=True,
        help="results.json, collapse.md, gauge.png; members that are finished there are not "
        "trained again",
    )
    add_pictures_argument(parser)
    add(
        "--only",
        metavar="NAME,...",
        type=listed(str),
        help="of ours and the recipes in regression/ (default all)",
    )
    add(
        "--steps",
        metavar="N",
        type=whole(2, 10**7),
        help="steps of each member (default 120: 25 to 35 minutes for all on two cores)",
    )
    add(
        "--batch",
        metavar="N",
        type=whole(1, 1024),
        help="pictures a step, 8 pieces of each (default 4)",
    )
    add(
        "--held-back",
        metavar="N",
        type=whole(2, 10**6),
        help="pictures that the table is measured on (default 48)",
    )
    add("--quick", action="store_true", help="a look at it: 20 steps of 2 pictures, 8 held back")
    add_seed_argument(parser)
    add("--workers", metavar="N", type=whole(0, 256), default=1, help="loader processes")
    add_device_argument(parser)
    add_json_argument(parser, "the tables")


def check(args: argparse.Namespace) -> None:
    """Refuse what can be told from the arguments alone."""
    check_folders(args.pictures)
    for name, value in (QUICK if args.quick else DEFAULTS).items():
        if getattr(args, name) is None:
            setattr(args, name, value)


def budgeted(recipe: "SceneRecipe", args: argparse.Namespace) -> "SceneRecipe":
    """The recipe at the common budget; what it counts in steps shrinks in proportion."""
    from heatmap_train.regressor.recipe import RegressionRecipe

    share = args.steps / recipe.optim.steps
    batches = math.ceil(args.held_back / args.batch)
    # The locator is validated on one piece of a picture, so on more pictures.
    part = 1 / 3 if isinstance(recipe, RegressionRecipe) else 2 / 3
    if isinstance(recipe, RegressionRecipe):
        epoch = max(1, round(recipe.loss.epoch * share))
        recipe = replace(recipe, loss=replace(recipe.loss, epoch=epoch))
    return replace(
        recipe,
        optim=replace(
            recipe.optim, steps=args.steps, warmup=max(1, round(recipe.optim.warmup * share))
        ),
        run=replace(
            recipe.run,
            seed=args.seed,
            batch=args.batch,
            validate_every=max(1, args.steps // CURVE_POINTS),
            # Two at least: one piece has no spread.
            validation_batches=max(2, math.ceil(batches * part)),
        ),
    )


def members(args: argparse.Namespace) -> "dict[str, SceneRecipe]":
    """Recipes by name, ours first.

    Raises:
        InputError: ``--only`` names one that there is not.
    """
    from heatmap_train.recipes import load_recipe, recipe_names

    family = {name.split("/")[1]: name for name in recipe_names("regression")}
    known = {OURS: "collapse", **family}
    for name in args.only or []:
        if name not in known:
            raise InputError(f"--only: '{name}' is none of {', '.join(known)}")
    return {name: budgeted(load_recipe(recipe), args) for name, recipe in known.items()}


def curve(folder: Path) -> list[tuple[int, float]]:
    """(step, collapse gauge) of every validation of a run."""
    found: dict[int, float] = {}
    for path in sorted((folder / "csv").glob("*/metrics.csv")):
        with path.open() as file:
            for row in csv.DictReader(file):
                if value := row.get("val/collapse_gauge"):
                    found[int(row["step"]) + 1] = float(value)
    return [(step, gauge) for step, gauge in sorted(found.items()) if math.isfinite(gauge)]


def run(args: argparse.Namespace) -> int:
    recipes = members(args)
    from heatmap_train.draw.pictures import PictureSource

    from ..collapse.report import write

    split = [len(PictureSource(args.pictures, part)) for part in ("train", "validation")]
    header = {
        "version": VERSION,
        "pictures": args.pictures.resolve().name if args.pictures else None,
        "training_pictures": split[0],
        "held_back_pictures": split[1],
        "steps": args.steps,
        "batch": args.batch,
        "held_back": args.held_back,
        "seed": args.seed,
    }
    wanted = args.only or list(recipes)
    # Nothing is trained where a member of another run stands in the way of a later one.
    done = {name: _finished(args.out / name, header, recipe) for name, recipe in recipes.items()}
    for name in (n for n in recipes if n in wanted):
        if done[name] is None:
            print(f"{PROG}: training {name}", file=sys.stderr, flush=True)
            done[name] = _train(name, recipes[name], header, args)
    rows = [row for row in done.values() if row is not None]
    left_out = [name for name, row in done.items() if row is None]

    pieces = args.steps * args.batch * recipes[OURS].scenes.pieces
    write(args.out, {**header, "pieces": pieces, "members": rows, "left_out": left_out}, args.json)
    return 0


def _settings(header: dict[str, Any], recipe: "SceneRecipe") -> dict[str, Any]:
    # Through JSON, as it is read back: tuples become lists.
    settings: dict[str, Any] = json.loads(json.dumps({**header, "recipe": recipe.to_dict()}))
    return settings


def _finished(folder: Path, header: dict[str, Any], recipe: "SceneRecipe") -> dict[str, Any] | None:
    """The row of a member that is finished.

    Raises:
        InputError: it is of another run, or damaged.
    """
    path = folder / "member.json"
    if not path.is_file():
        return None
    try:
        saved = json.loads(path.read_text())
        settings, row = saved["settings"], saved["row"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("damaged; remove it, or name another --out", name=path) from error
    wanted = _settings(header, recipe)
    for key in wanted:
        if settings.get(key) != wanted[key]:
            what = "" if key == "recipe" else f" {settings.get(key)} not {wanted[key]}"
            raise InputError(f"of another run ({key}{what}); name another --out", name=path)
    found: dict[str, Any] = row
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What the loop prints goes to stderr, and Lightning's advice and warnings nowhere."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _train(
    name: str, recipe: "SceneRecipe", header: dict[str, Any], args: argparse.Namespace
) -> dict[str, Any]:
    """Train a member, or go on with it; score its last step and write its row."""
    import torch

    from heatmap_locator.files import write_atomically
    from heatmap_train.draw.pictures import PictureSource
    from heatmap_train.loop import make_module, train
    from heatmap_train.shared.batches import CapturedBatches

    from ..collapse.score import predict, spread

    folder, pictures = args.out / name, args.pictures and str(args.pictures)
    clock, last = time.monotonic(), folder / "last.ckpt"
    with _quiet():
        train(
            recipe,
            pictures=pictures,
            out=folder,
            resume=last.is_file(),
            workers=args.workers,
            device=args.device,
            progress=False,
        )
    minutes = (time.monotonic() - clock) / 60
    module = make_module(recipe)
    state = torch.load(last, map_location="cpu", weights_only=True)["state_dict"]
    module.load_state_dict(state)
    if args.device != "cpu" and torch.cuda.is_available():
        module.to("cuda")
    held_back = CapturedBatches(PictureSource(pictures, "validation"), recipe, "validation")
    found, truth = predict(module, held_back, math.ceil(args.held_back / args.batch))
    row = {
        "member": name,
        "picture": recipe.scenes.size,
        "parameters": sum(p.numel() for p in module.model.parameters()),
        **spread(found, truth, recipe.scenes.size),
        "loss": _own_loss(name, folder),
        "minutes": minutes,
        "curve": curve(folder),
    }
    saved = {"settings": _settings(header, recipe), "row": row}
    write_atomically(
        folder / "member.json", (json.dumps(saved, indent=2, allow_nan=False) + "\n").encode()
    )
    # A regressor with its optimizer is 140 MB, twice.
    for checkpoint in ("last.ckpt", "best.ckpt"):
        (folder / checkpoint).unlink(missing_ok=True)
    return row


def _own_loss(name: str, folder: Path) -> float | None:
    """The member's own loss at its last validation: of the heatmap for ours."""
    key = "val/heat" if name == OURS else "val/loss"
    values: list[float] = []
    for path in sorted((folder / "csv").glob("*/metrics.csv")):
        with path.open() as file:
            values += [float(row[key]) for row in csv.DictReader(file) if row.get(key)]
    return values[-1] if values and math.isfinite(values[-1]) else None
