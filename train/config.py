"""Recipes: TOML files whose unknown keys are errors."""

import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from heatmap_locator.errors import InputError
from heatmap_locator.model.network import ModelConfig
from heatmap_locator.outline.network import OutlineConfig

from .box_losses import TERMS, BoxLossSettings
from .photos import PhotoSettings
from .puzzles import PuzzleSettings
from .regressor import ARCHITECTURES, RegressorConfig
from .scenes import SceneSettings


@dataclass(frozen=True)
class OptimSettings:
    """AdamW with linear warm-up and cosine decay to zero at ``steps``."""

    steps: int = 8000
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: int = 300
    clip: float = 1.0


@dataclass(frozen=True)
class LoopSettings:
    """One run of the loop.

    Attributes:
        seed: every scene, capture and sampled rotation follows from it and the step.
        batch: pictures a step.
        validate_every: steps between validations, which also save a checkpoint.
        validation_batches: batches of held-back pictures; always the same scenes.
    """

    seed: int = 0
    batch: int = 4
    validate_every: int = 500
    validation_batches: int = 12


@dataclass(frozen=True)
class RunSettings(LoopSettings):
    """One run of the loop, and what it asks of the locator.

    Attributes:
        sampled_rotations: hypotheses a piece is trained against, at least 4.
        head_every: steps between steps that train the head, whose bank is dear; 0 for never.
        head_pieces: pieces of each picture that the head is trained and validated on.
        train_encoder: whether the encoder learns; if not, only the CenterNet terms are trained.
        head_weight: weight of the CenterNet terms beside the volume's cross-entropy.
    """

    sampled_rotations: int = 6
    head_weight: float = 1.0
    head_every: int = 2
    head_pieces: int = 1
    train_encoder: bool = True


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class BaseRecipe(LoopRecipe):
    """Trains on scenes: pictures and pieces of them."""

    scenes: SceneSettings = field(default_factory=SceneSettings)

    @property
    def samples(self) -> int:
        return self.run.batch * self.scenes.pieces


@dataclass(frozen=True)
class Recipe(BaseRecipe):
    """Trains the locator."""

    run: RunSettings = field(default_factory=RunSettings)
    model: ModelConfig = field(default_factory=ModelConfig)


@dataclass(frozen=True)
class RegressionRecipe(BaseRecipe):
    """Trains a direct box regressor; told from the others by its table ``[regressor]``."""

    scenes: SceneSettings = field(default_factory=lambda: SceneSettings(size=256))
    optim: OptimSettings = field(
        default_factory=lambda: OptimSettings(steps=3000, learning_rate=3e-4, warmup=100)
    )
    regressor: RegressorConfig = field(default_factory=RegressorConfig)
    loss: BoxLossSettings = field(default_factory=BoxLossSettings)


@dataclass(frozen=True)
class OutlineRecipe(LoopRecipe):
    """Trains the outline network; told from the others by its table ``[outline]``.

    Attributes:
        pool: photos that are drawn to train on.
    """

    pool: int = 10000
    photos: PhotoSettings = field(default_factory=PhotoSettings)
    outline: OutlineConfig = field(default_factory=OutlineConfig)


@dataclass(frozen=True)
class RankerSettings:
    """One fit of the ranker.

    Attributes:
        seed: every puzzle follows from it and its number.
        puzzles: drawn to learn from.
        validation_puzzles: of held-back pictures, to report what is gained.
        penalty: of the squared weights, features at unit deviation.
    """

    seed: int = 0
    puzzles: int = 160
    validation_puzzles: int = 40
    penalty: float = 1e-3


@dataclass(frozen=True)
class RankerRecipe:
    """Fits the ranker of a trained model; told from the others by its table ``[ranker]``."""

    ranker: RankerSettings = field(default_factory=RankerSettings)
    puzzles: PuzzleSettings = field(default_factory=PuzzleSettings)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _build(base: Any, values: dict[str, Any], where: str, source: str) -> Any:
    """The dataclass ``base`` with ``values`` in place of its own."""
    known = [f.name for f in fields(base)]
    for key in values:
        if key not in known:
            raise InputError(
                f"{source}: unknown key '{where}{key}'; known here: {', '.join(known)}"
            )
    built: dict[str, Any] = {}
    for key, value in values.items():
        default = getattr(base, key)
        if is_dataclass(default):
            if not isinstance(value, dict):
                raise InputError(f"{source}: '{where}{key}' must be a table")
            built[key] = _build(default, value, f"{where}{key}.", source)
        elif isinstance(default, tuple):
            kinds = {type(entry) for entry in default}
            if not isinstance(value, (list, tuple)) or not {type(v) for v in value} <= kinds:
                kind = "/".join(t.__name__ for t in kinds)
                raise InputError(
                    f"{source}: '{where}{key}' must be a list of {kind}, not {value!r}"
                )
            built[key] = tuple(value)
        elif isinstance(default, float) and type(value) is int:
            built[key] = float(value)
        elif type(value) is not type(default):
            kind = type(default).__name__
            raise InputError(f"{source}: '{where}{key}' must be of type {kind}, not {value!r}")
        else:
            built[key] = value
    return replace(base, **built)


def ranker_from_dict(values: dict[str, Any], source: str = "recipe") -> RankerRecipe:
    """Build a ``RankerRecipe``.

    Raises:
        InputError: an unknown key, a wrong type or a value out of range, by name.
    """
    recipe: RankerRecipe = _build(RankerRecipe(), values, "", source)
    puzzles = recipe.puzzles
    for name in ("picture_cell", "photo_cell"):
        limits = getattr(puzzles, name)
        if len(limits) != 2 or not 8 <= limits[0] <= limits[1]:
            raise InputError(f"{source}: puzzles.{name} must be two numbers from 8 on, rising")
    if puzzles.collage < 1 or puzzles.pieces < 1:
        raise InputError(f"{source}: puzzles.collage and puzzles.pieces must be at least 1")
    for name in ("mildest", "harsh_share"):
        if not 0 <= getattr(puzzles, name) <= 1:
            raise InputError(f"{source}: puzzles.{name} must be from 0 to 1")
    if not 0 <= puzzles.outline_error <= 0.1:
        raise InputError(f"{source}: puzzles.outline_error must be from 0 to 0.1")
    if not 0 <= puzzles.crop_error <= 0.05:
        raise InputError(f"{source}: puzzles.crop_error must be from 0 to 0.05")
    if recipe.ranker.puzzles < 1 or recipe.ranker.validation_puzzles < 1:
        raise InputError(f"{source}: ranker.puzzles and validation_puzzles must be at least 1")
    if recipe.ranker.penalty < 0:
        raise InputError(f"{source}: ranker.penalty must be at least 0")
    return recipe


def recipe_from_dict(values: dict[str, Any], source: str = "recipe") -> LoopRecipe:
    """Build a ``Recipe``, or an ``OutlineRecipe`` or ``RegressionRecipe`` by its own table.

    Raises:
        InputError: an unknown key, a wrong type or a value out of range, by name.
    """
    recipe: BaseRecipe
    if "outline" in values:
        outline: OutlineRecipe = _build(OutlineRecipe(), values, "", source)
        _check_outline(outline, source)
        return outline
    if "regressor" in values:
        recipe = regression = _build(RegressionRecipe(), values, "", source)
        _check_regression(regression, source)
    else:
        recipe = locator = _build(Recipe(), values, "", source)
        if locator.run.sampled_rotations < 4:
            raise InputError(f"{source}: run.sampled_rotations must be at least 4")
        if not 1 <= locator.run.head_pieces <= locator.scenes.pieces:
            raise InputError(f"{source}: run.head_pieces must be from 1 to scenes.pieces")
    if recipe.scenes.size % 8 or recipe.scenes.size < 96:
        raise InputError(f"{source}: scenes.size must be a multiple of 8, at least 96")
    if not 0 <= recipe.scenes.mildest <= 1:
        raise InputError(f"{source}: scenes.mildest must be from 0 to 1")
    return recipe


def _check_outline(recipe: OutlineRecipe, source: str) -> None:
    photos, net = recipe.photos, recipe.outline
    if photos.size % 64 or photos.size < 64 or net.size != photos.size:
        raise InputError(f"{source}: photos.size and outline.size must be the same multiple of 64")
    if len(photos.piece) != 2 or not 0 < photos.piece[0] <= photos.piece[1] <= 1:
        raise InputError(f"{source}: photos.piece must be two numbers from 0 to 1, rising")
    for name in ("close_share", "empty_share", "crop_share", "neighbour_share", "hand_share"):
        if not 0 <= getattr(photos, name) <= 1:
            raise InputError(f"{source}: photos.{name} must be from 0 to 1")
    if photos.empty_share + photos.crop_share > 1:
        raise InputError(f"{source}: photos.empty_share and photos.crop_share exceed 1 together")
    if len(net.channels) != 4 or len(net.decoder) != 5:
        raise InputError(f"{source}: outline.channels must be four numbers, outline.decoder five")
    if min(*net.channels, *net.decoder, net.fused, recipe.pool, recipe.run.batch) < 1:
        raise InputError(f"{source}: pool, run.batch and all channels must be at least 1")


def _check_regression(recipe: RegressionRecipe, source: str) -> None:
    weights = [getattr(recipe.loss, term) for term in TERMS]
    if min(weights) < 0 or not any(weights):
        raise InputError(
            f"{source}: give at least one of {', '.join(TERMS)} in [loss] a weight above 0, "
            "and none below"
        )
    if recipe.loss.epoch < 1 or recipe.loss.ciou_ramp_epochs < 0:
        raise InputError(f"{source}: loss.epoch must be at least 1, loss.ciou_ramp_epochs 0")
    if recipe.regressor.architecture not in ARCHITECTURES:
        raise InputError(
            f"{source}: regressor.architecture must be one of {', '.join(ARCHITECTURES)}"
        )
    if recipe.regressor.piece_size % 32 or recipe.regressor.piece_size < 32:
        raise InputError(f"{source}: regressor.piece_size must be a multiple of 32")


def recipe_names(family: str = "") -> list[str]:
    """The recipes that come with the package: the locator's, or those of a family."""
    folder = resources.files("heatmap_train.recipes").joinpath(family)
    prefix = f"{family}/" if family else ""
    return sorted(prefix + p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml"))


def load_recipe(name: str) -> LoopRecipe | RankerRecipe:
    """Read a recipe by path, or by the name of one that comes with the package."""
    path = Path(name)
    shipped = recipe_names() + recipe_names("regression")
    if path.suffix != ".toml" and name in shipped:
        data = (resources.files("heatmap_train.recipes") / f"{name}.toml").read_bytes()
    elif path.is_file():
        data = path.read_bytes()
    else:
        raise InputError(f"{name}: no such recipe; give a .toml file or {shipped}")
    try:
        values = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: not valid TOML: {error}") from error
    make = ranker_from_dict if "ranker" in values else recipe_from_dict
    return make(values, name)
