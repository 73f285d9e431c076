"""Recipes: TOML files whose unknown keys are errors."""

import tomllib
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from heatmap_locator.errors import InputError
from heatmap_locator.model import ModelConfig

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
class RunSettings:
    """One run of the loop.

    Attributes:
        seed: every scene, capture and sampled rotation follows from it and the step.
        batch: pictures a step.
        sampled_rotations: hypotheses a piece is trained against, at least 4.
        validate_every: steps between validations, which also save a checkpoint.
        validation_batches: batches of held-back pictures; always the same scenes.
        head_every: steps between steps that train the head, whose bank is dear; 0 for never.
        head_pieces: pieces of each picture that the head is trained and validated on.
        train_encoder: whether the encoder learns; if not, only the CenterNet terms are trained.
        head_weight: weight of the CenterNet terms beside the volume's cross-entropy.
    """

    seed: int = 0
    batch: int = 4
    sampled_rotations: int = 6
    validate_every: int = 500
    validation_batches: int = 12
    head_weight: float = 1.0
    head_every: int = 2
    head_pieces: int = 1
    train_encoder: bool = True


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run computes, but for the pictures."""

    model: ModelConfig = field(default_factory=ModelConfig)
    scenes: SceneSettings = field(default_factory=SceneSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    run: RunSettings = field(default_factory=RunSettings)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _build(cls: type, values: dict[str, Any], where: str, source: str) -> Any:
    known = {f.name: f for f in fields(cls)}
    for key in values:
        if key not in known:
            raise InputError(
                f"{source}: unknown key '{where}{key}'; known here: {', '.join(known)}"
            )
    built: dict[str, Any] = {}
    for key, value in values.items():
        default = getattr(cls(), key)
        if is_dataclass(default):
            if not isinstance(value, dict):
                raise InputError(f"{source}: '{where}{key}' must be a table")
            built[key] = _build(type(default), value, f"{where}{key}.", source)
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
    return cls(**built)


def recipe_from_dict(values: dict[str, Any], source: str = "recipe") -> Recipe:
    """Build a recipe; an unknown key or a wrong type is an InputError naming it."""
    recipe = _build(Recipe, values, "", source)
    if recipe.run.sampled_rotations < 4:
        raise InputError(f"{source}: run.sampled_rotations must be at least 4")
    if not 1 <= recipe.run.head_pieces <= recipe.scenes.pieces:
        raise InputError(f"{source}: run.head_pieces must be from 1 to scenes.pieces")
    if recipe.scenes.size % 8 or recipe.scenes.size < 96:
        raise InputError(f"{source}: scenes.size must be a multiple of 8, at least 96")
    return recipe


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    folder = resources.files("heatmap_train.recipes")
    return sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """Read a recipe by path, or by the name of one that comes with the package."""
    path = Path(name)
    if path.suffix != ".toml" and name in recipe_names():
        data = (resources.files("heatmap_train.recipes") / f"{name}.toml").read_bytes()
    elif path.is_file():
        data = path.read_bytes()
    else:
        raise InputError(f"{name}: no such recipe; give a .toml file or {recipe_names()}")
    try:
        return recipe_from_dict(tomllib.loads(data.decode()), name)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: not valid TOML: {error}") from error
