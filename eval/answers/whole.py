"""What is found of whole puzzles, and how much of it is right."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heatmap_locator.assign import Assignment, Located
from heatmap_locator.assign.located import sides_from_dict, sides_to_dict
from heatmap_locator.geometry import RIGHT_ANGLE, angle_difference
from heatmap_locator.placement import Placement

LIKELY = 0.9
"""Score from which answers are counted on their own."""

SUREST = 0.9
"""Share of a puzzle's answers, the surest, that are counted on their own."""


@dataclass(frozen=True, eq=False)
class Answered:
    """A piece of a whole puzzle after its search.

    Attributes:
        cell: (row, col) where it belongs.
        rotation: degrees that its photo is turned clockwise.
        texture: ``low``, ``medium`` or ``high``.
        located: ``None`` where no piece was found in the photo.
        seconds: that finding its place took.
    """

    cell: tuple[int, int]
    rotation: float
    texture: str
    located: Located | None
    seconds: float

    def is_right(self, cell: tuple[int, int] | None, rotation: float) -> bool:
        """Whether an answer has its cell, and its angle to ``RIGHT_ANGLE``."""
        return cell == self.cell and abs(angle_difference(rotation, self.rotation)) <= RIGHT_ANGLE

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        found, located = self.located, None
        if found is not None:
            located = {
                "placements": [place.to_dict(exact=True) for place in found.placements],
                "heat": np.round(found.heatmap.astype(float), 4).tolist(),
                "sides": None if found.sides is None else sides_to_dict(found.sides),
                "colour": found.colour,
            }
        return {
            "cell": list(self.cell),
            "rotation": self.rotation,
            "texture": self.texture,
            "located": located,
            "seconds": round(self.seconds, 3),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Answered":
        """What ``to_dict`` was called on."""
        found, located = values["located"], None
        if found is not None:
            places = [Placement.from_dict(place) for place in found["placements"]]
            sides = None if found["sides"] is None else sides_from_dict(found["sides"])
            colour = None if found["colour"] is None else tuple(found["colour"])
            located = Located(places, np.array(found["heat"]), sides, colour)
        cell = int(values["cell"][0]), int(values["cell"][1])
        return cls(cell, values["rotation"], values["texture"], located, values["seconds"])


@dataclass(frozen=True)
class Share:
    """How many of some pieces are right."""

    right: int
    of: int

    @property
    def percent(self) -> float | None:
        """Of 100; ``None`` of none."""
        return 100 * self.right / self.of if self.of else None


def judge(answers: Sequence[Answered], assigned: Iterable[Assignment]) -> dict[str, Share]:
    """Shares of a puzzle's pieces whose cell and angle are right.

    Args:
        answers: all pieces, those without a place too, which are wrong.
        assigned: of those that have one, in the same order.

    Returns:
        ``all``; ``low``, of low texture; ``surest``, the SUREST of those with a cell by their
        score; ``likely``, those with a score of ``LIKELY`` or more; ``sure``, those said to be.
    """
    own = iter(assigned)
    right = np.zeros(len(answers), bool)
    sure = np.zeros(len(answers), bool)
    scores = np.full(len(answers), -1.0)
    for index, answer in enumerate(answers):
        if answer.located is None:
            continue
        found = next(own)
        if found.cell is None:
            continue
        right[index] = answer.is_right(found.cell, found.placement.rotation)
        sure[index], scores[index] = found.sure, found.placement.score
    low = np.array([answer.texture == "low" for answer in answers], bool)
    placed = int((scores >= 0).sum())
    first = np.argsort(-scores, kind="stable")[: round(SUREST * placed)]

    def share(of: np.ndarray) -> Share:
        return Share(int(right[of].sum()), int(right[of].size))

    return {
        "all": share(right | ~right),
        "low": share(low),
        "surest": share(first),
        "likely": share(scores >= LIKELY),
        "sure": share(sure),
    }


def alone(answers: Sequence[Answered]) -> dict[str, Share]:
    """The same of pieces' first places, each piece on its own: ``all``, ``low``, ``likely``."""

    def share(of: list[Answered]) -> Share:
        first = [(one, one.located.placements[0]) for one in of if one.located is not None]
        return Share(sum(one.is_right(own.cell, own.rotation) for one, own in first), len(of))

    likely = [
        one
        for one in answers
        if one.located is not None and one.located.placements[0].score >= LIKELY
    ]
    low = [one for one in answers if one.texture == "low"]
    return {"all": share(list(answers)), "low": share(low), "likely": share(likely)}
