"""The ladder's rungs: which protocols, of how many pieces, and what is known of them."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from .real import real_tasks
from .synthesis import captured_tasks, exact_tasks, tiny_tasks
from .tasks import VERSION, PictureTask, limited


@dataclass(frozen=True)
class Size:
    """Pieces taken from each picture and, at most, in all."""

    per_picture: int
    limit: int | None = None


@dataclass(frozen=True)
class Plan:
    """How much of each rung is asked.

    Attributes:
        exact: pieces.
        tiny: cut pieces from each picture, each in four quarter turns; the limit counts those.
        captured: by number of pieces of the puzzle.
        real: pieces of each set; ``None`` is all.
    """

    exact: Size
    tiny: Size
    captured: dict[int, Size]
    real: int | None


FULL = Plan(
    exact=Size(5),
    tiny=Size(16),
    captured={24: Size(4), 150: Size(4), 500: Size(4), 1000: Size(2), 2000: Size(2)},
    real=None,
)
QUICK = Plan(
    exact=Size(2, 6),
    tiny=Size(4, 64),
    captured={24: Size(3, 9), 150: Size(3, 9), 500: Size(2, 4), 1000: Size(2, 4), 2000: Size(2, 4)},
    real=5,
)
"""A small sample of everything, in minutes on two cores."""


@dataclass(frozen=True, eq=False)
class Rung:
    """One protocol, ready to be asked.

    Attributes:
        name: of it and of its folder.
        title: one line of what it is.
        known: what others published or measured, to stand beside; may be empty.
        header: of its predictions file; a file with another is refused.
        tasks: its pictures, or those of the names given alone.
    """

    name: str
    title: str
    known: str
    header: dict[str, Any]
    tasks: Callable[[Container[str] | None], Iterator[PictureTask]] = field(repr=False)


def make_rungs(
    plan: Plan, seed: int, pictures: Path | None, datasets: Sequence[Path]
) -> list[Rung]:
    """All rungs that there is data for, in order.

    Args:
        plan: how much.
        seed: with it everything is decided.
        pictures: a folder of them; ``None`` draws some.
        datasets: folders with a ``manifest.csv``; none leaves out the rungs of real pieces.
    """
    rungs = [_exact(plan.exact, seed, pictures), _tiny(plan.tiny, seed, pictures)]
    rungs += [_captured(plan.captured, seed, pictures, photos) for photos in (False, True)]
    if datasets:
        rungs += [_real(plan.real, datasets, photos) for photos in (False, True)]
    return rungs


def _header(protocol: str, photos: bool = False, **rest: Any) -> dict[str, Any]:
    return {"version": VERSION, "protocol": protocol, "photos": photos, **rest}


def _exact(size: Size, seed: int, pictures: Path | None) -> Rung:
    def tasks(only: Container[str] | None) -> Iterator[PictureTask]:
        found = exact_tasks(pictures, seed, size.per_picture, only)
        return found if only is not None else limited(found, size.limit)

    return Rung(
        "exact",
        "A 3000 x 2000 picture, 38 x 25 rectangles cut from the same file, quarter turns.",
        "The setting in which heads that regress a box collapse to one constant box.",
        _header("exact", seed=seed, per_picture=size.per_picture),
        tasks,
    )


def _tiny(size: Size, seed: int, pictures: Path | None) -> Rung:
    def tasks(only: Container[str] | None) -> Iterator[PictureTask]:
        found = tiny_tasks(pictures, seed, size.per_picture, only)
        return found if only is not None else limited(found, size.limit)

    return Rung(
        "tiny",
        "256 x 256 pictures, 4 x 4 interlocking pieces of the same file on black, no alpha, "
        "each in four quarter turns.",
        "Published by claust/pussel on 76,800 pieces of other pictures: SIFT else NCC 82.2% "
        "both right, best network 78.5%, masked NCC 76.9%, SIFT 43.6%.",
        _header("tiny", seed=seed, per_picture=size.per_picture),
        tasks,
    )


def _captured(sizes: Mapping[int, Size], seed: int, pictures: Path | None, photos: bool) -> Rung:
    def tasks(only: Container[str] | None) -> Iterator[PictureTask]:
        for count, size in sizes.items():
            found = captured_tasks(pictures, "all", seed, count, size.per_picture, photos, only)
            yield from found if only is not None else limited(found, size.limit)

    cut_out = "Interlocking pieces at any angle, picture and piece captured independently, cut out."
    by_count = {str(count): size.per_picture for count, size in sizes.items()}
    return Rung(
        "captured-photos" if photos else "captured",
        "The same pieces on a background, without their outline." if photos else cut_out,
        "",
        _header("captured", photos, seed=seed, per_picture=by_count),
        tasks,
    )


def _real(limit: int | None, datasets: Sequence[Path], photos: bool) -> Rung:
    def tasks(only: Container[str] | None) -> Iterator[PictureTask]:
        groups = (limited(real_tasks(folder, photos), limit) for folder in datasets)
        return chain.from_iterable(groups)

    known = (
        "Masked NCC in another program (36 turns, 5 scales): 77% on scans_2944, 100% on "
        "phone_24, 90% on webcam_49; SIFT 1%, 89%, 43%."
    )
    return Rung(
        "real-photos" if photos else "real",
        "The same sets from the photos alone: the outline is found."
        if photos
        else "Photos and scans of real pieces, cut out.",
        "" if photos else known,
        _header("real", photos),
        tasks,
    )
