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
        captures: photos of each piece.  The first is searched for as a user's is; the others are
            laid where the first one's places were, which costs a part of a search.
        places: kept of each piece: those that the ranker puts first, and the right one.
        earlier: ``--out`` folders of other runs, on other machines or of other puzzles, with the
            same first stage; their examples are taken as well.
    """

    seed: Whole = 0
    puzzles: Count = 400
    validation_puzzles: Count = 60
    captures: Count = 4
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
        filters: channels of the filters over maps; with 0 it goes by numbers alone.
    """

    epochs: Count = 20
    batch: Count = 16
    learning_rate: Positive = 2e-3
    weight_decay: NotNegative = 1e-2
    clip: Positive = 1.0
    members: Count = 4
    filters: Annotated[int, Field(ge=0, multiple_of=8)] = 0


@dataclass(frozen=True, config=SETTINGS)
class VerifierRecipe:
    """Trains the second stage of a trained model; told from others by its table ``[verifier]``."""

    verifier: VerifierSettings = field(default_factory=VerifierSettings)
    mining: MiningSettings = field(default_factory=MiningSettings)
    puzzles: PuzzleSettings = field(default_factory=PuzzleSettings)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
