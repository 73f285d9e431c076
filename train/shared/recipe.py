"""What every recipe of the loop says, whatever it trains."""

from dataclasses import asdict, field
from typing import Any

from pydantic.dataclasses import dataclass

from ..draw.scenes import SceneSettings
from ..settings import SETTINGS, Count, NotNegative, Positive, Whole


@dataclass(frozen=True, config=SETTINGS)
class OptimSettings:
    """AdamW with linear warm-up and cosine decay to zero at ``steps``."""

    steps: Count = 8000
    learning_rate: Positive = 2e-3
    weight_decay: NotNegative = 1e-2
    warmup: Whole = 300
    clip: Positive = 1.0


@dataclass(frozen=True, config=SETTINGS)
class LoopSettings:
    """One run of the loop.

    Attributes:
        seed: every scene, capture and sampled rotation follows from it and the step.
        batch: pictures a step.
        validate_every: steps between validations, which also save a checkpoint.
        validation_batches: batches of held-back pictures; always the same scenes.
    """

    seed: Whole = 0
    batch: Count = 4
    validate_every: Count = 500
    validation_batches: Count = 12


@dataclass(frozen=True, config=SETTINGS)
class LoopRecipe:
    """What decides a run of the loop, but for the pictures, whatever it trains."""

    optim: OptimSettings = field(default_factory=OptimSettings)
    run: LoopSettings = field(default_factory=LoopSettings)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def samples(self) -> int:
        """Samples of a step: pieces."""
        return self.run.batch


@dataclass(frozen=True, config=SETTINGS)
class SceneRecipe(LoopRecipe):
    """Trains on scenes: pictures and pieces of them."""

    scenes: SceneSettings = field(default_factory=SceneSettings)

    @property
    def samples(self) -> int:
        return self.run.batch * self.scenes.pieces
