"""Asks the library photos that go wrong."""

import time
from collections.abc import Iterable
from dataclasses import asdict, replace

from heatmap_locator.errors import InputError
from heatmap_locator.grid import Grid
from heatmap_locator.locator import Locator, Puzzle

from ..protocols.nuisances import NuisanceGroup, NuisanceTask
from .outcomes import Outcome

KEPT = 40
"""Logits kept of a photo: as many as are weighed against each other."""


def ask_group(
    locator: Locator, group: NuisanceGroup, done: Iterable[tuple[str, str]] = ()
) -> list[Outcome]:
    """Outcomes of a picture's photos.

    Args:
        locator: the library.
        group: the picture and its photos.
        done: keys of outcomes that are left out.
    """
    known, puzzles = set(done), dict[Grid, Puzzle]()
    outcomes = []
    for task in group.tasks:
        if (task.kind, task.piece) in known:
            continue
        if task.given not in puzzles:
            puzzles[task.given] = locator.encode(group.image, grid=task.given)
        outcomes.append(_ask(puzzles[task.given], group, task))
    return outcomes


def _ask(puzzle: Puzzle, group: NuisanceGroup, task: NuisanceTask) -> Outcome:
    start, found, refused = time.perf_counter(), None, None
    try:
        found = puzzle.search(task.image)
    except InputError as error:
        refused = error.reason
    best = found.placements[0] if found is not None and found.placements else None
    height, width = group.image.shape[:2]
    evidence = None
    if found is not None and found.evidence is not None:
        evidence = asdict(found.evidence)
        evidence["logits"] = [round(v, 4) for v in evidence["logits"][:KEPT]]
    outcome = Outcome(
        kind=task.kind,
        piece=task.piece,
        picture=group.picture,
        count=group.count,
        texture=task.texture,
        cell=group.grid.cell_size(width, height),
        truth=task.box,
        rotation=task.rotation,
        box=None if best is None else best.box,
        angle=None if best is None else best.rotation,
        score=0.0 if best is None else best.score,
        foreign=None if found is None else found.foreign,
        doubts=() if found is None else found.doubts,
        refused=refused,
        evidence=evidence,
        seconds=time.perf_counter() - start,
    )
    if task.beside is None or outcome.right:
        return outcome
    # Either of two pieces in one photo may be the one that is answered for.
    box, rotation = task.beside
    other = replace(outcome, truth=box, rotation=rotation)
    return other if other.right else outcome
