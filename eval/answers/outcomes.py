"""What became of photos that go wrong: one record a photo, kept as they come, and their shares."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heatmap_locator.geometry import RIGHT_ANGLE, angle_difference
from heatmap_locator.search.remarks import NAMED, PERHAPS, PLAIN

from ..protocols.tasks import Box
from .kept import KeptLines
from .metrics import center

NAME = "outcomes.jsonl"
_KIND = "heatmap-eval nuisances"

SURE = 0.9
"""Score from which an answer is sure."""


@dataclass(frozen=True)
class Outcome:
    """What was said of one photo, and the truth.

    Attributes:
        kind: of ``heatmap_train.draw.names.PHOTOS``.
        piece: all photos of a piece share it.
        picture: name of the picture.
        count: pieces of the puzzle.
        texture: ``low``, ``medium`` or ``high``.
        cell: (width, height) of a cell in picture pixels.
        truth: true box in picture pixels; ``None`` where the photo shows no piece of the picture.
        rotation: true rotation in degrees.
        box, angle: of the first answer; ``None`` where there is none.
        score: of the first answer, 0 where there is none.
        foreign: probability that it is not of the picture; ``None`` where the library gives none.
        doubts: what was said of the photo, in words.
        refused: the error, where there was one.
        evidence: what the score was made of: ``logits``, ``places``, ``measures``.
        seconds: that it took.
    """

    kind: str
    piece: str
    picture: str
    count: int
    texture: str
    cell: tuple[float, float]
    truth: Box | None
    rotation: float
    box: Box | None
    angle: float | None
    score: float
    foreign: float | None
    doubts: tuple[str, ...]
    refused: str | None
    evidence: Mapping[str, Any] | None
    seconds: float

    @property
    def key(self) -> tuple[str, str]:
        """What tells the photo from all others of a run."""
        return self.kind, self.piece

    @property
    def right(self) -> bool:
        """Whether place and angle are right."""
        if self.truth is None or self.box is None or self.angle is None:
            return False
        (x, y), (true_x, true_y) = center(self.box), center(self.truth)
        near = abs(x - true_x) <= self.cell[0] / 2 and abs(y - true_y) <= self.cell[1] / 2
        return near and abs(angle_difference(self.angle, self.rotation)) <= RIGHT_ANGLE

    @property
    def named(self) -> bool:
        """Whether it was refused, or said to be probably not of the picture, or mirrored."""
        said = any("mirror" in doubt for doubt in self.doubts)
        return self.refused is not None or said or (self.foreign or 0.0) >= NAMED

    @property
    def told(self) -> bool:
        """Whether it was ``named``, or said to be perhaps not of the picture."""
        return self.named or (self.foreign or 0.0) >= PERHAPS

    @property
    def plain_print(self) -> bool | None:
        """Whether what was taken for its print is plain; ``None`` where nothing was measured."""
        measures = {} if self.evidence is None else self.evidence["measures"]
        return bool(measures["texture"] < PLAIN) if "texture" in measures else None


@dataclass(frozen=True)
class KindRow:
    """Shares, 0..1, of one kind's photos.

    Attributes:
        kind: which.
        n: photos.
        plain: right among the plain photos of the same pieces.
        right: right.
        sure: scored ``SURE`` or more.
        wrong: wrong and scored ``SURE`` or more.
        named: refused or named.
    """

    kind: str
    n: int
    plain: float | None
    right: float
    sure: float
    wrong: float
    named: float


def rows_of(outcomes: Sequence[Outcome]) -> list[KindRow]:
    """One row a kind, in the order that they come in."""
    plain = {o.piece: o.right for o in outcomes if o.kind == "plain"}
    rows = []
    for kind in dict.fromkeys(o.kind for o in outcomes):
        own = [o for o in outcomes if o.kind == kind]
        beside = [plain[o.piece] for o in own if o.piece in plain]
        shares = np.array(
            [(o.right, o.score >= SURE, o.score >= SURE and not o.right, o.named) for o in own],
            float,
        ).mean(axis=0)
        rows.append(
            KindRow(kind, len(own), float(np.mean(beside)) if beside else None, *map(float, shares))
        )
    return rows


class Outcomes(KeptLines[Outcome]):
    """Outcomes of one run, kept in a folder if one is given; a run that was cut off goes on.

    Args:
        folder: holds or will hold ``outcomes.jsonl``; ``None`` keeps them in memory.
        header: what was asked; a file that was asked something else is refused.

    Raises:
        InputError: the file is of another run or damaged, or the folder cannot be written.
    """

    def __init__(self, folder: Path | None, header: Mapping[str, Any]) -> None:
        path = None if folder is None else folder / NAME
        super().__init__(path, {"kind": _KIND, **header}, _outcome, asdict)

    def done(self) -> set[tuple[str, str]]:
        """Keys of what has been answered."""
        return {outcome.key for outcome in self.all}


def _outcome(values: dict[str, Any]) -> Outcome:
    for name in ("cell", "truth", "box", "doubts"):
        if values[name] is not None:
            values[name] = tuple(values[name])
    return Outcome(**values)
