"""What a recipe of the locator says."""

from dataclasses import field
from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from heatmap_locator.model.network import ModelConfig

from ..draw.puzzles import PuzzleSettings
from ..settings import SETTINGS, Count, NotNegative, Whole
from ..shared.recipe import LoopSettings, SceneRecipe


@dataclass(frozen=True, config=SETTINGS)
class RunSettings(LoopSettings):
    """One run of the loop, and what it asks of the locator.

    Attributes:
        sampled_rotations: hypotheses a piece is trained against.
        head_weight: weight of the CenterNet terms beside the volume's cross-entropy.
        head_every: steps between steps that train the head, whose bank is dear; 0 for never.
        head_pieces: pieces of each picture that the head is trained and validated on.
        train_encoder: whether the encoder learns; if not, only the CenterNet terms are trained.
        written_share: how far from the weights that it starts from to those that it ends with lie
            those that are written: further away it knows less of what it knew (Wortsman et al.,
            "Robust fine-tuning of zero-shot models", 2022).
        kept_puzzles: puzzles that are drawn and correlated once, kept in the run's folder, and
            shown to the head over and over (:mod:`.observed`); 0 draws a new one each step.
    """

    # Two around the truth and two of its quarter turns are always among them.
    sampled_rotations: Annotated[int, Field(ge=4)] = 6
    head_weight: NotNegative = 1.0
    head_every: Whole = 2
    head_pieces: Count = 1
    train_encoder: bool = True
    written_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    kept_puzzles: Whole = 0


@dataclass(frozen=True, config=SETTINGS)
class Recipe(SceneRecipe):
    """Trains the locator: on scenes, or on whole puzzles where ``puzzles`` says how they are
    drawn (:class:`.puzzles.PuzzleBatches`)."""

    run: RunSettings = field(default_factory=RunSettings)
    model: ModelConfig = field(default_factory=ModelConfig)
    puzzles: PuzzleSettings | None = None

    @model_validator(mode="after")
    def _pieces_suffice(self) -> "Recipe":
        drawn = "scenes" if self.puzzles is None else "puzzles"
        if self.run.head_pieces > self._pieces:
            raise ValueError(f"run.head_pieces must be from 1 to {drawn}.pieces")
        if self.puzzles is not None and self.run.batch > 2:
            raise ValueError("run.batch: a step sees one puzzle, and its mirror image with 2")
        if self.run.kept_puzzles and (
            self.puzzles is None or self.run.train_encoder or self.run.batch > 1
        ):
            raise ValueError("run.kept_puzzles: for puzzles, the head alone and a batch of 1")
        return self

    @property
    def _pieces(self) -> int:
        return (self.scenes if self.puzzles is None else self.puzzles).pieces

    @property
    def samples(self) -> int:
        return self.run.batch * self._pieces
