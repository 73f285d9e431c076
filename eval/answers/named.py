"""How many photos are said to be of another picture, of those that are and of the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heatmap_train.draw.names import FOREIGN, MIRRORED

from .outcomes import Outcome


@dataclass(frozen=True)
class NamedRow:
    """How many photos of a group are said to be of another picture.

    Attributes:
        group: which photos.
        n: how many.
        named: share, 0..1, refused, or said to be mirrored or probably not of the picture.
        told: share of which at least that is said, or that they are perhaps not of it.
    """

    group: str
    n: int
    named: float
    told: float


def named_rows(outcomes: Sequence[Outcome]) -> list[NamedRow]:
    """What is said of photos of the picture that are placed right, and of others; those of none
    of it by how much print they seem to show."""
    right = np.array([o.right for o in outcomes], bool)
    own = np.array([o.truth is not None for o in outcomes], bool)
    none = np.array([o.kind in FOREIGN for o in outcomes], bool)
    plain = np.array([o.plain_print is True for o in outcomes], bool)
    groups = {
        "right": right,
        "right, plain photo": right & np.array([o.kind == "plain" for o in outcomes], bool),
        "right, scored over 0.5": right & np.array([o.score > 0.5 for o in outcomes], bool),
        "right, not plain of print": right & ~plain,
        "right, plain of print": right & plain,
        "of it, placed wrong": own & ~right,
        "mirrored": np.array([o.kind == MIRRORED for o in outcomes], bool),
        "none of it": none,
        "none of it, not plain of print": none & ~plain,
        "none of it, plain of print": none & plain,
    }
    named = np.array([o.named for o in outcomes], float)
    told = np.array([o.told for o in outcomes], float)
    return [
        NamedRow(group, int(among.sum()), float(named[among].mean()), float(told[among].mean()))
        for group, among in groups.items()
        if among.any()
    ]
