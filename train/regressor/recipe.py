"""What a recipe of a direct box regressor says."""

from dataclasses import field

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from ..draw.scenes import SceneSettings, SceneSize
from ..settings import SETTINGS, Count, Positive, Whole
from ..shared.recipe import OptimSettings, SceneRecipe
from .losses import TERMS, BoxLossSettings
from .network import RegressorConfig


@dataclass(frozen=True, config=SETTINGS)
class RegressionScenes(SceneSettings):
    """Scenes as the family has them."""

    size: SceneSize = 256


@dataclass(frozen=True, config=SETTINGS)
class RegressionOptim(OptimSettings):
    """The optimizer as the family has it."""

    steps: Count = 3000
    learning_rate: Positive = 3e-4
    warmup: Whole = 100


@dataclass(frozen=True, config=SETTINGS)
class RegressionRecipe(SceneRecipe):
    """Trains a direct box regressor; told from the others by its table ``[regressor]``."""

    scenes: RegressionScenes = field(default_factory=RegressionScenes)
    optim: RegressionOptim = field(default_factory=RegressionOptim)
    regressor: RegressorConfig = field(default_factory=RegressorConfig)
    loss: BoxLossSettings = field(default_factory=BoxLossSettings)

    @model_validator(mode="after")
    def _something_is_taught(self) -> "RegressionRecipe":
        if not self.loss.weights(0):
            raise ValueError(f"give at least one of {', '.join(TERMS)} in [loss] a weight above 0")
        return self
