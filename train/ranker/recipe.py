"""What a recipe of the ranker says."""

from dataclasses import asdict, field
from typing import Any

from pydantic.dataclasses import dataclass

from ..draw.puzzles import PuzzleSettings
from ..settings import SETTINGS, Count, NotNegative, Whole


@dataclass(frozen=True, config=SETTINGS)
class RankerSettings:
    """One fit of the ranker.

    Attributes:
        seed: every puzzle follows from it and its number.
        puzzles: drawn to learn from.
        validation_puzzles: of held-back pictures, to report what is gained.
        penalty: of the squared weights, features at unit deviation.
    """

    seed: Whole = 0
    puzzles: Count = 160
    validation_puzzles: Count = 40
    penalty: NotNegative = 1e-3


@dataclass(frozen=True, config=SETTINGS)
class RankerRecipe:
    """Fits the ranker of a trained model; told from the others by its table ``[ranker]``."""

    ranker: RankerSettings = field(default_factory=RankerSettings)
    puzzles: PuzzleSettings = field(default_factory=PuzzleSettings)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
