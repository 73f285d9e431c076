"""What a recipe of the second stage says."""

from dataclasses import asdict, field
from typing import Annotated, Any

from pydantic import Field
from pydantic.dataclasses import dataclass

from ..draw.puzzles import PuzzleSettings
from ..settings import SETTINGS, Count, NotNegative, Positive, Whole


@dataclass(frozen=True, config=SETTINGS)
class MiningSettings:
    """What is searched for examples.

    Attributes:
        seed: every puzzle follows from it and its number.
        puzzles: drawn to learn from.
        validation_puzzles: of held-back pictures, to report what is gained.
        places: kept of each piece, those that the ranker puts first.
        earlier: ``--out`` folders of other runs, on other machines or of other puzzles, with the
            same first stage; their examples are taken as well.
    """

    seed: Whole = 0
    puzzles: Count = 400
    validation_puzzles: Count = 60
    places: Count = 24
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, config=SETTINGS)
class VerifierSettings:
    """How the network is trained on the examples.

    Attributes:
        epochs: times that every example is seen.
        batch: pieces a step.
        learning_rate: of AdamW, at its highest.
        weight_decay: of matrices and filters.
        clip: largest norm of the gradient.
        members: networks that are trained apart, whose mean counts.
        hidden: numbers that a member makes of a place's.
    """

    epochs: Count = 20
    batch: Count = 16
    learning_rate: Positive = 2e-3
    weight_decay: NotNegative = 1e-2
    clip: Positive = 1.0
    members: Count = 4
    hidden: Annotated[int, Field(gt=0, multiple_of=2)] = 64


@dataclass(frozen=True, config=SETTINGS)
class VerifierRecipe:
    """Trains the second stage of a trained model; told from others by its table ``[verifier]``."""

    verifier: VerifierSettings = field(default_factory=VerifierSettings)
    mining: MiningSettings = field(default_factory=MiningSettings)
    puzzles: PuzzleSettings = field(default_factory=PuzzleSettings)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
